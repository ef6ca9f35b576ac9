import type { ServerResponse } from 'node:http';
import type { Context } from 'koa';
import type { Clock } from '../clock.js';
import type { Emit } from '../observe/events.js';
import type { Manager } from '../session/manager.js';
import { Session } from '../session/session.js';
import { beforeHeaders } from './before-headers.js';
import { type CookieAttributes, hasCookie, writeCookie } from './cookie.js';
import type { Slot } from './slot.js';

export interface HeaderOptions {
  readonly cookieName: string;
  readonly warningHeader: boolean;
  readonly attributes: (ctx: Context) => CookieAttributes;
}

export interface HeaderParts {
  readonly manager: Manager;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly warnInsecure: () => void;
}

/** What a session says in the headers of a response. */
export class Headers {
  readonly #options: HeaderOptions;
  readonly #parts: HeaderParts;

  constructor(options: HeaderOptions, parts: HeaderParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** As often as something happens to the session: a handler may send the headers itself. */
  write(ctx: Context, slot: Slot, session: Session): void {
    const state = Session.stateOf(session);
    const cookie = this.#cookieFor(ctx, session);
    if (ctx.headerSent) {
      if (cookie === undefined) return;
      state.cookie = 'keep';
      const name = state.identity?.pseudonym;
      this.#parts.emit('session:cookie-lost', { ...(name !== undefined && { session: name }), reason: SENT });
      return;
    }
    if (slot.touched) varyByCookie(ctx);
    if (this.#options.warningHeader && state.fallback) ctx.set('X-Session-Warning', 'fallback');
    if (cookie === undefined) return;
    state.cookie = 'keep';
    setCookie(ctx.res, this.#options.cookieName, cookie);
  }

  /**
   * What must hold when the headers leave, whatever has become of them since: the app may set others, and Koa drops all of
   * them on errors. Headers that leave before the handler is done may yet be followed by what a session says.
   */
  attend(ctx: Context, slot: Slot): void {
    beforeHeaders(ctx.res, () => {
      const { kept } = slot;
      if (kept !== undefined && this.#ownCookie(ctx) === undefined)
        setCookie(ctx.res, this.#options.cookieName, kept);
      if (slot.touched || !slot.committed) varyByCookie(ctx);
      if (this.#ownCookie(ctx) !== undefined) forbidCaches(ctx.res);
    });
  }

  /** The cookie of an id that was saved leaves with an error as well: without it the session would be lost to its user. */
  keepCookie(ctx: Context, slot: Slot): void {
    slot.kept = this.#ownCookie(ctx);
  }

  /** What the response, as it is now, sets for this session. */
  #ownCookie(ctx: Context): string | undefined {
    if (!ctx.res.hasHeader('Set-Cookie')) return undefined;
    return setCookies(ctx.res).find(cookie => cookie.startsWith(`${this.#options.cookieName}=`));
  }

  #cookieFor(ctx: Context, session: Session): string | undefined {
    const { cookie } = Session.stateOf(session);
    if (cookie === 'keep') return undefined;
    const { cookieName } = this.#options;
    const attributes = this.#options.attributes(ctx);
    if (cookie === 'clear') {
      const known = hasCookie(ctx.req.headers.cookie, cookieName) || this.#ownCookie(ctx) !== undefined;
      return known ? writeCookie(cookieName, '', 0, attributes) : undefined;
    }
    const issued = this.#parts.manager.tokenOf(session);
    if (!issued) return undefined;
    if (attributes.secure && !ctx.secure) this.#parts.warnInsecure();
    const seconds = (issued.expires - this.#parts.clock.wall()) / 1000;
    return writeCookie(cookieName, issued.token, seconds, attributes);
  }
}

const SENT = 'headers-sent';

function varyByCookie(ctx: Context): void {
  const before = ctx.res.getHeader('Vary');
  // To look whether it is in a list costs more than all else that is said here.
  if (before === undefined) ctx.res.setHeader('Vary', 'Cookie');
  else if (before !== 'Cookie') ctx.vary('Cookie');
}

function setCookies(res: ServerResponse): string[] {
  const before = res.getHeader('Set-Cookie') ?? [];
  return Array.isArray(before) ? before : [String(before)];
}

/** One response sets this cookie once: the last word counts. */
function setCookie(res: ServerResponse, name: string, cookie: string): void {
  res.setHeader('Set-Cookie', [...setCookies(res).filter(other => !other.startsWith(`${name}=`)), cookie]);
  forbidCaches(res);
}

/** What some caches obey before Cache-Control: RFC 9213, and older headers of their own. */
const OUTRANKS =
  /^(?:x-accel-expires|surrogate-control|edge-control|x-litespeed-cache-control|(?:.+-)?cdn-cache-control)$/;

/** Nobody may keep a cookie for others (ASVS 14.3.2). */
function forbidCaches(res: ServerResponse): void {
  for (const name of res.getHeaderNames()) if (OUTRANKS.test(name)) res.removeHeader(name);
  res.setHeader('Cache-Control', 'no-store');
}
