import type { Context } from 'koa';
import type { Clock } from '../clock.js';
import type { Emit } from '../observe/events.js';
import type { Manager } from '../session/manager.js';
import { Session } from '../session/session.js';
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
      this.cookieLost(session, 'headers-sent');
      return;
    }
    if (slot.touched) ctx.vary('Cookie');
    if (this.#options.warningHeader && state.fallback) ctx.set('X-Session-Warning', 'fallback');
    if (cookie === undefined) return;
    state.cookie = 'keep';
    replaceSetCookie(ctx, this.#options.cookieName, cookie);
    ctx.set('Cache-Control', 'no-store');
  }

  /** Whether the response, as it is now, sets this session's cookie. */
  carriesCookie(ctx: Context): boolean {
    return setCookies(ctx).some(cookie => cookie.startsWith(`${this.#options.cookieName}=`));
  }

  cookieLost(session: Session, reason: 'headers-sent' | 'handler-failed'): void {
    const name = Session.stateOf(session).identity?.pseudonym;
    this.#parts.emit('session:cookie-lost', { ...(name !== undefined && { session: name }), reason });
  }

  #cookieFor(ctx: Context, session: Session): string | undefined {
    const { cookie } = Session.stateOf(session);
    if (cookie === 'keep') return undefined;
    const { cookieName } = this.#options;
    const attributes = this.#options.attributes(ctx);
    if (cookie === 'clear') {
      const known = hasCookie(ctx.req.headers.cookie, cookieName) || this.carriesCookie(ctx);
      return known ? writeCookie(cookieName, '', 0, attributes) : undefined;
    }
    const issued = this.#parts.manager.tokenOf(session);
    if (!issued) return undefined;
    if (attributes.secure && !ctx.secure) this.#parts.warnInsecure();
    const seconds = (issued.expires - this.#parts.clock.wall()) / 1000;
    return writeCookie(cookieName, issued.token, seconds, attributes);
  }
}

function setCookies(ctx: Context): string[] {
  const before = ctx.res.getHeader('Set-Cookie') ?? [];
  return Array.isArray(before) ? before : [String(before)];
}

/** One response sets this cookie once: the last word counts. */
function replaceSetCookie(ctx: Context, name: string, cookie: string): void {
  ctx.set('Set-Cookie', [...setCookies(ctx).filter(other => !other.startsWith(`${name}=`)), cookie]);
}
