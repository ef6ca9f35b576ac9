import { SessionError } from '../errors.js';
import type { Manager } from './manager.js';
import { assignData, Session, type SessionData } from './session.js';

/** What a canary saw just now. `at`: wall-clock ms; `ms`: how long it took. */
export interface CheckReport {
  readonly ok: boolean;
  readonly at: number;
  readonly ms: number;
  readonly connect: boolean;
  readonly operate: boolean;
  readonly seal: boolean;
}

/**
 * Sessions outside a request: WebSockets, jobs, administration. Errors: `DATA_INVALID`, `DATA_TOO_LARGE`, `RESERVED_KEY`;
 * `STORE_UNAVAILABLE` where nobody can say or keep; `SESSION_ENDED` for writes onto a session that is over;
 * `CLOSED` after `close()`.
 */
export interface SessionManager {
  create(data: SessionData): Promise<{ readonly session: Session & SessionData; readonly token: string }>;
  /** `undefined`: there is no such session. */
  load(token: string): Promise<(Session & SessionData) | undefined>;
  /** Resolves with the token: another one where the secret has changed, or where the data had to go on under a new id. */
  save(session: Session): Promise<string>;
  /** Resolves with the token that takes the old one's place. */
  regenerate(session: Session): Promise<string>;
  /** By token or by session. Ending what is not there is no error. */
  destroy(session: Session | string): Promise<void>;
  check(): Promise<CheckReport>;
}

export function publicManager(manager: Manager, canary: { check(): Promise<CheckReport> }): SessionManager {
  return Object.freeze({
    async create(data: SessionData) {
      const session = await manager.open(undefined);
      Session.stateOf(session).byApp = true;
      if (typeof data !== 'object' || data === null || Array.isArray(data))
        throw new SessionError('DATA_INVALID', 'manager.create() takes an object');
      assignData(session, data);
      await kept(session, manager.save(session, true));
      return { session: typed(session), token: tokenOf(manager, session) };
    },
    async load(token: string) {
      const session = await manager.open(token);
      const { base, source, orphan } = Session.stateOf(session);
      if (source === 'unavailable')
        throw new SessionError('STORE_UNAVAILABLE', 'the session cannot be read now');
      return base || orphan ? typed(session) : undefined;
    },
    async save(session: Session) {
      manager.refuseIfClosed();
      refuseOthers(session);
      beginAnew(session);
      await kept(session, manager.save(session, false));
      return tokenOf(manager, session);
    },
    async regenerate(session: Session) {
      manager.refuseIfClosed();
      refuseOthers(session);
      beginAnew(session);
      await kept(session, manager.regenerate(session));
      return tokenOf(manager, session);
    },
    async destroy(session: Session | string) {
      manager.refuseIfClosed();
      if (typeof session !== 'string') {
        refuseOthers(session);
        beginAnew(session);
      }
      await (typeof session === 'string' ? manager.destroyToken(session) : manager.destroy(session));
    },
    async check() {
      const { ok, at, ms, connect, operate, seal } = await canary.check();
      return { ok, at, ms, connect, operate, seal };
    },
  });
}

function refuseOthers(session: unknown): void {
  if (!(session instanceof Session))
    throw new SessionError('DATA_INVALID', 'the manager takes sessions that it has created or loaded');
}

/** Each call is a request of its own, with a deadline of its own. */
function beginAnew(session: Session): void {
  Session.stateOf(session).patience.spent = 0;
}

async function kept(session: Session, outcome: Promise<boolean>): Promise<void> {
  if (await outcome) return;
  const ended = Session.stateOf(session).mark !== 'live';
  throw ended
    ? new SessionError('SESSION_ENDED', 'the session has ended')
    : new SessionError('STORE_UNAVAILABLE', 'the session can be kept nowhere now');
}

function tokenOf(manager: Manager, session: Session): string {
  const issued = manager.tokenOf(session);
  if (!issued) throw new SessionError('SESSION_ENDED', 'the session has ended');
  return issued.token;
}

function typed(session: Session): Session & SessionData {
  // What a session's data looks like is the app's word, given by declaration merging.
  return session as Session & SessionData;
}
