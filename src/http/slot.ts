import type { Context } from 'koa';
import { SessionError } from '../errors.js';
import { type Manager } from '../session/manager.js';
import { replaceData, Session } from '../session/session.js';
import type { SessionSource } from '../session/state.js';

/** What is known of a session outside its data. */
export interface SessionInfo {
  readonly id: string | undefined;
  readonly createdAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  readonly source: SessionSource;
}

/** One request's session: loaded, perhaps ended, perhaps replaced by another. */
export class Slot {
  readonly manager: Manager;
  session: Session | undefined = undefined;
  /** Set to null by the app: reads as null from then on. */
  ended = false;
  /** The handler has looked at it. */
  touched = false;
  /** The handler is done. */
  committed = false;
  /** A cookie that leaves whatever happens to the headers. */
  kept: string | undefined = undefined;
  /** Destroyed in this request; the store hears of it at the commit. */
  readonly leaving: Session[] = [];

  constructor(manager: Manager) {
    this.manager = manager;
  }
}

/** Holds a slot where a context can be looked at, as logs do, and shows nothing of it. */
class Holder {
  readonly #slot: Slot;

  constructor(slot: Slot) {
    this.#slot = slot;
  }

  static slotOf(held: unknown): Slot | undefined {
    return held instanceof Holder ? held.#slot : undefined;
  }
}

/** Where a request keeps its slot, for each property: of its own, so that no app has put something there. */
const places = new Map<string, symbol>();

function placeOf(as: string): symbol {
  const place = places.get(as) ?? Symbol(`koa-resilient-session ${as}`);
  places.set(as, place);
  return place;
}

function slotAt(ctx: object, place: symbol): Slot | undefined {
  return Holder.slotOf(Reflect.get(ctx, place));
}

/** Makes `ctx[as]` the session of this request. */
export function attachSlot(ctx: Context, as: string, manager: Manager): Slot {
  const place = placeOf(as);
  const all: object = Object.getPrototypeOf(ctx) as object;
  if (!Object.hasOwn(all, place)) shareAccessor(all, as, place);
  const slot = new Slot(manager);
  Reflect.set(ctx, place, new Holder(slot));
  return slot;
}

/** Once for all requests of an app: to define it for each costs more than to find the session. */
function shareAccessor(contexts: object, as: string, place: symbol): void {
  Object.defineProperty(contexts, place, { value: undefined, writable: true });
  Object.defineProperty(contexts, as, {
    configurable: true,
    get(this: object) {
      const slot = slotAt(this, place);
      return slot && read(slot, as);
    },
    set(this: object, value: unknown) {
      const slot = slotAt(this, place);
      if (slot) assign(slot, as, value);
      // A request that this middleware does not serve has just a property.
      else Object.defineProperty(this, as, { value, writable: true, enumerable: true, configurable: true });
    },
  });
}

export function hasSlot(ctx: Context, as: string): boolean {
  return slotAt(ctx, placeOf(as)) !== undefined;
}

/** `ctx.loadSession`, or what it is called for another property. */
export function attachLoader(ctx: Context, as: string, load: () => Promise<Session>): void {
  Object.defineProperty(ctx, loaderOf(as), { configurable: true, value: load });
}

function loaderOf(as: string): string {
  return `load${as.charAt(0).toUpperCase()}${as.slice(1)}`;
}

function notLoaded(as: string, how: 'read' | 'set'): SessionError {
  const cure = `call await ctx.${loaderOf(as)}() first`;
  return new SessionError('NOT_LOADED', `ctx.${as} is ${how} before it was loaded: ${cure}`);
}

/** What this request knows of its session; `undefined` before it was loaded. */
export function infoOf(ctx: Context, as: string): SessionInfo | undefined {
  const session = slotAt(ctx, placeOf(as))?.session;
  if (!session) return undefined;
  // Read from the prototype: data keys of the same names must not answer.
  const reading = (name: keyof SessionInfo): unknown => Reflect.get(Session.prototype, name, session);
  return {
    id: reading('id') as SessionInfo['id'],
    createdAt: reading('createdAt') as SessionInfo['createdAt'],
    expiresAt: reading('expiresAt') as SessionInfo['expiresAt'],
    source: reading('source') as SessionSource,
  };
}

function read(slot: Slot, as: string): Session | null {
  if (slot.ended) return null;
  if (!slot.session) throw notLoaded(as, 'read');
  slot.touched = true;
  return slot.session;
}

function assign(slot: Slot, as: string, value: unknown): void {
  const { session, manager } = slot;
  if (!session) throw notLoaded(as, 'set');
  slot.touched = true;
  if (value === null) {
    if (!slot.ended) slot.leaving.push(session);
    slot.ended = true;
    return;
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    const got = Array.isArray(value) ? 'an array' : typeof value;
    throw new SessionError('DATA_INVALID', `ctx.${as} can be set to an object or null, got ${got}`);
  }
  const over = slot.ended || Session.stateOf(session).mark === 'destroyed';
  const current = over ? manager.blankAfter(session) : session;
  slot.session = current;
  slot.ended = false;
  if (value !== current) replaceData(current, value);
}
