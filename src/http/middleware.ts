import type { Context, Middleware, Next } from 'koa';
import { SessionError } from '../errors.js';
import type { Emit } from '../observe/events.js';
import type { Manager } from '../session/manager.js';
import { replaceData, Session, type SessionSource } from '../session/session.js';
import type { Clock } from '../clock.js';
import { type CookieAttributes, hasCookie, readCookie, writeCookie } from './cookie.js';

export interface MiddlewareOptions {
  readonly as: string;
  readonly cookieName: string;
  readonly lazy: boolean;
  readonly warningHeader: boolean;
  readonly attributes: (ctx: Context) => CookieAttributes;
}

export interface MiddlewareParts {
  readonly manager: Manager;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Called for each request: what close() waits for. */
  readonly track: (request: Promise<void>) => void;
  readonly warnInsecure: () => void;
}

/** What is known of a session outside its data. */
export interface SessionInfo {
  readonly id: string | undefined;
  readonly createdAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  readonly source: SessionSource;
}

/** One request's session: loaded, perhaps ended, perhaps replaced by another. */
interface Slot {
  session: Session | undefined;
  /** Set to null by the app: reads as null from then on. */
  ended: boolean;
  touched: boolean;
  /** Destroyed in this request; the store hears of it at the commit. */
  readonly leaving: Session[];
}

const slots = new WeakMap<Context, Map<string, Slot>>();
const installed = new WeakMap<object, Map<string, object>>();

/** load → next → commit. Commits before the response leaves; a handler's own error is never hidden. */
export function createMiddleware(options: MiddlewareOptions, parts: MiddlewareParts): Middleware {
  const identity = {};
  const serve = async (ctx: Context, next: Next): Promise<void> => {
    claimNames(ctx, options, identity);
    const slot = attach(ctx, options, parts);
    if (!options.lazy) await load(ctx, slot, options, parts);
    try {
      await next();
    } catch (error) {
      await commit(ctx, slot, options, parts, true).catch(() => undefined);
      throw error;
    }
    await commit(ctx, slot, options, parts, false);
  };
  return (ctx, next) => {
    const request = serve(ctx, next);
    parts.track(request);
    return request;
  };
}

/** What this request knows of its session; `undefined` before it was loaded. */
export function infoOf(ctx: Context, as: string): SessionInfo | undefined {
  const session = slots.get(ctx)?.get(as)?.session;
  if (!session) return undefined;
  // Read from the prototype: data keys of the same names must not answer.
  const read = (name: keyof SessionInfo): unknown => Reflect.get(Session.prototype, name, session);
  return {
    id: read('id') as SessionInfo['id'],
    createdAt: read('createdAt') as SessionInfo['createdAt'],
    expiresAt: read('expiresAt') as SessionInfo['expiresAt'],
    source: read('source') as SessionSource,
  };
}

/** Two middlewares with one cookie, or one property, would overwrite each other's sessions in silence. */
function claimNames(ctx: Context, { as, cookieName }: MiddlewareOptions, identity: object): void {
  const names = installed.get(ctx.app) ?? new Map<string, object>();
  installed.set(ctx.app, names);
  for (const name of [`property ${as}`, `cookie ${cookieName}`]) {
    const owner = names.get(name) ?? identity;
    if (owner !== identity) throw duplicate(name);
    names.set(name, owner);
  }
  if (slots.get(ctx)?.has(as)) throw duplicate(`property ${as}`);
}

function duplicate(name: string): SessionError {
  return new SessionError('DUPLICATE_MIDDLEWARE', `another session() on this app already has the ${name}`);
}

function attach(ctx: Context, options: MiddlewareOptions, parts: MiddlewareParts): Slot {
  const { as, lazy } = options;
  const slot: Slot = { session: undefined, ended: false, touched: false, leaving: [] };
  const mine = slots.get(ctx) ?? new Map<string, Slot>();
  slots.set(ctx, mine.set(as, slot));
  Object.defineProperty(ctx, as, {
    configurable: true,
    get: () => read(slot, as),
    set: (value: unknown) => assign(slot, as, value, parts),
  });
  if (lazy) {
    const name = `load${as.charAt(0).toUpperCase()}${as.slice(1)}`;
    Object.defineProperty(ctx, name, { configurable: true, value: () => load(ctx, slot, options, parts) });
  }
  return slot;
}

async function load(
  ctx: Context,
  slot: Slot,
  options: MiddlewareOptions,
  parts: MiddlewareParts,
): Promise<Session> {
  if (slot.session) return slot.session;
  const token = readCookie(ctx.req.headers.cookie, options.cookieName);
  const session = await parts.manager.open(token);
  // A second load may have been quicker.
  if (slot.session) return slot.session;
  follow(ctx, slot, session, options, parts);
  slot.session = session;
  return session;
}

function read(slot: Slot, as: string): Session | null {
  if (slot.ended) return null;
  if (!slot.session) throw new SessionError('NOT_LOADED', `ctx.${as} is read before it was loaded`);
  slot.touched = true;
  return slot.session;
}

function assign(slot: Slot, as: string, value: unknown, { manager }: MiddlewareParts): void {
  const session = slot.session;
  if (!session) throw new SessionError('NOT_LOADED', `ctx.${as} is set before it was loaded`);
  slot.touched = true;
  if (value === null) {
    if (!slot.ended) slot.leaving.push(session);
    slot.ended = true;
    return;
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new SessionError('DATA_INVALID', `ctx.${as} can be set to an object or null, got ${typeof value}`);
  }
  if (slot.ended) slot.session = manager.blank();
  slot.ended = false;
  if (slot.session && value !== slot.session) replaceData(slot.session, value);
}

/** Headers follow what happens to the session, at once: a handler may send them itself after `save()`. */
function follow(
  ctx: Context,
  slot: Slot,
  session: Session,
  options: MiddlewareOptions,
  parts: MiddlewareParts,
): void {
  Session.stateOf(session).announce = () => writeHeaders(ctx, slot, session, options, parts);
}

async function commit(
  ctx: Context,
  slot: Slot,
  options: MiddlewareOptions,
  parts: MiddlewareParts,
  failed: boolean,
): Promise<void> {
  const { session, ended } = slot;
  if (!session) return;
  for (const leaving of slot.leaving.splice(0)) {
    follow(ctx, slot, leaving, options, parts);
    await parts.manager.destroy(leaving);
  }
  // Koa drops Set-Cookie on errors: a record that nobody has the cookie of would be an orphan.
  if (!ended && !(failed && Session.stateOf(session).identity === undefined)) {
    follow(ctx, slot, session, options, parts);
    await parts.manager.save(session, false);
  }
  writeHeaders(ctx, slot, session, options, parts);
}

function writeHeaders(
  ctx: Context,
  slot: Slot,
  session: Session,
  options: MiddlewareOptions,
  parts: MiddlewareParts,
): void {
  const state = Session.stateOf(session);
  const cookie = setCookie(ctx, session, options, parts);
  if (ctx.headerSent) {
    if (cookie === undefined) return;
    state.cookie = 'keep';
    const name = state.identity?.pseudonym;
    parts.emit('session:cookie-lost', {
      ...(name !== undefined && { session: name }),
      reason: 'headers-sent',
    });
    return;
  }
  if (slot.touched) ctx.vary('Cookie');
  if (options.warningHeader && state.fallback) ctx.set('X-Session-Warning', 'fallback');
  if (cookie === undefined) return;
  state.cookie = 'keep';
  replaceSetCookie(ctx, options.cookieName, cookie);
  ctx.set('Cache-Control', 'no-store');
}

function setCookie(
  ctx: Context,
  session: Session,
  options: MiddlewareOptions,
  parts: MiddlewareParts,
): string | undefined {
  const { cookie } = Session.stateOf(session);
  if (cookie === 'keep') return undefined;
  const { cookieName } = options;
  const attributes = options.attributes(ctx);
  if (cookie === 'clear') {
    return hasCookie(ctx.req.headers.cookie, cookieName)
      ? writeCookie(cookieName, '', 0, attributes)
      : undefined;
  }
  const issued = parts.manager.tokenOf(session);
  if (!issued) return undefined;
  if (attributes.secure && !ctx.secure) parts.warnInsecure();
  const seconds = (issued.expires - parts.clock.wall()) / 1000;
  return writeCookie(cookieName, issued.token, seconds, attributes);
}

/** One response sets this cookie once: the last word counts. */
function replaceSetCookie(ctx: Context, name: string, cookie: string): void {
  const before = ctx.res.getHeader('Set-Cookie') ?? [];
  const list = Array.isArray(before) ? before : [String(before)];
  ctx.set('Set-Cookie', [...list.filter(other => !other.startsWith(`${name}=`)), cookie]);
}
