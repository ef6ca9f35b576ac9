import type { Context, Middleware, Next } from 'koa';
import { SessionError } from '../errors.js';
import { Session } from '../session/session.js';
import { readCookie } from './cookie.js';
import { type HeaderOptions, type HeaderParts, Headers } from './headers.js';
import { claimNames } from './names.js';
import { attachLoader, attachSlot, type Slot } from './slot.js';
import { Turn } from './turn.js';
import type { UnderWay } from './under-way.js';

export interface MiddlewareOptions extends HeaderOptions {
  readonly as: string;
  readonly lazy: boolean;
}

export interface MiddlewareParts extends HeaderParts {
  /** What close() waits for. */
  readonly underWay: UnderWay;
}

/** load → next → commit. Commits before the response leaves; a handler's own error is never hidden. */
export function createMiddleware(options: MiddlewareOptions, parts: MiddlewareParts): Middleware {
  const visit = new Visit(options, parts);
  const { underWay, manager } = parts;
  return async (ctx: Context, next: Next): Promise<void> => {
    underWay.enter();
    try {
      claimNames(ctx, options, visit);
      const slot = attachSlot(ctx, options.as, manager);
      visit.attend(ctx, slot);
      if (options.lazy) attachLoader(ctx, options.as, () => visit.loadLate(ctx, slot));
      else await visit.load(ctx, slot);
      await handle(visit, ctx, slot, next);
    } finally {
      underWay.leave();
    }
  };
}

async function handle(visit: Visit, ctx: Context, slot: Slot, next: Next): Promise<void> {
  try {
    await next();
  } catch (error) {
    await visit.commit(ctx, slot, true).catch((lost: unknown) => visit.commitFailed(slot, lost));
    throw error;
  }
  await visit.commit(ctx, slot, false);
}

/** What the middleware does with the session of one request. */
class Visit {
  readonly #options: MiddlewareOptions;
  readonly #parts: MiddlewareParts;
  readonly #headers: Headers;
  readonly #turn = new Turn();

  constructor(options: MiddlewareOptions, parts: MiddlewareParts) {
    this.#options = options;
    this.#parts = parts;
    this.#headers = new Headers(options, parts);
  }

  attend(ctx: Context, slot: Slot): void {
    this.#headers.attend(ctx, slot);
  }

  async load(ctx: Context, slot: Slot): Promise<Session> {
    if (slot.session) return slot.session;
    const token = readCookie(ctx.req.headers.cookie, this.#options.cookieName);
    if (token !== undefined) await this.#turn.end();
    const session = await this.#parts.manager.open(token);
    // A second load may have been quicker.
    if (slot.session) return slot.session;
    this.#follow(ctx, slot, session);
    slot.session = session;
    return session;
  }

  async loadLate(ctx: Context, slot: Slot): Promise<Session> {
    slot.touched = true;
    return this.load(ctx, slot);
  }

  async commit(ctx: Context, slot: Slot, failed: boolean): Promise<void> {
    slot.committed = true;
    const { session, ended } = slot;
    if (!session) return;
    const { manager } = this.#parts;
    for (const leaving of slot.leaving.splice(0)) {
      this.#follow(ctx, slot, leaving);
      await manager.destroy(leaving);
    }
    const state = Session.stateOf(session);
    // Koa drops Set-Cookie on errors: a record that nobody has the cookie of would be an orphan.
    if (!ended && !(failed && state.identity === undefined)) {
      this.#follow(ctx, slot, session);
      await manager.save(session, false);
    }
    this.#headers.write(ctx, slot, session);
    if (failed) this.#headers.keepCookie(ctx, slot);
  }

  /** The handler's own error is what the user hears of; that its changes are lost, nobody else would say. */
  commitFailed({ session }: Slot, error: unknown): void {
    const name = session && Session.stateOf(session).identity?.pseudonym;
    const reason = error instanceof SessionError ? error.code : 'other';
    this.#parts.emit('session:gone', { ...(name !== undefined && { session: name }), reason });
  }

  /** Headers follow what happens to the session, at once: a handler may send them itself after `save()`. */
  #follow(ctx: Context, slot: Slot, session: Session): void {
    Session.stateOf(session).announce = () => this.#headers.write(ctx, slot, session);
  }
}
