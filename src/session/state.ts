import type { Stamp } from '../store/entry.js';
import type { Confirmation, Source } from '../store/store.js';
import type { SealedIdentity } from '../vault/vault.js';
import type { Login, SessionRecord } from './record.js';

/** Where a session came from. `new`: nobody had one; `unavailable`: there may be one that cannot be read now. */
export type SessionSource = Source | 'new' | 'unavailable';

/** The version that a session started from. */
export interface Base {
  readonly record: SessionRecord;
  readonly stamp: Stamp;
  /** The latest stamp that was seen under its key: the next one must be later. */
  readonly seen: Stamp;
  readonly confirmed: Confirmation | undefined;
  /** The store has it: a touch on top says nothing that would be missed. */
  readonly acknowledged: boolean;
}

/**
 * `live`; `destroyed`, by this request; `ended`, found to be over; `ephemeral`, a straggler after a regenerate: works
 * for this request, is never stored.
 */
export type Mark = 'live' | 'destroyed' | 'ended' | 'ephemeral';

/** `at`: monotonic ms of the last wait in vain. */
export interface Patience {
  spent: number;
  at: number;
}

/**
 * What happened to a session, for the manager to act on; as it begins, a session that nobody has yet. No I/O. A class,
 * because V8 may come to make literals old from the start, and they would keep whole requests with them.
 */
export class SessionState {
  identity: SealedIdentity | undefined = undefined;
  base: Base | undefined = undefined;
  source: SessionSource = 'new';
  mark: Mark = 'live';
  /** The `born` of the token: wall-clock ms, or 0 where the store has the session. */
  born = 0;
  /** What the request came with, where it was verified. */
  token: string | undefined = undefined;
  /** The request's token was made with the first secret. */
  tokenCurrent = true;
  /** What the response must do with the cookie. */
  cookie: 'keep' | 'set' | 'clear' = 'keep';
  /** Called when `cookie` or `fallback` may have changed. */
  announce: () => void = silently;
  /** Write even if nothing changed. */
  force = false;
  maxAge: number | undefined = undefined;
  login: Login | undefined = undefined;
  /** The list of the user's sessions does not say yet what has become of this one. */
  unlisted = false;
  /** The key under which that list has it, where it has moved since. */
  movedFrom: string | undefined = undefined;
  /** The app itself asked for it, outside a request. */
  byApp = false;
  /** Begins as one of too many: it lives briefly, until it comes back. */
  brief = false;
  /** What the cookie named, where that is not this session: an orphan's old id, or one that nothing was found under. */
  named: SealedIdentity | undefined = undefined;
  /** The data are an orphan's, which may only live on under a new id; or it is merged into them. */
  orphan = false;
  /** A record under a key that is not held here: nothing is written and no cookie is set. */
  refused = false;
  /** Nobody has seen what the store holds: changes only add what is missing there. */
  blind = false;
  /** A write of this session went to the journal, or could be kept nowhere. */
  fallback = false;
  /** What all commits of one request share: how long they have waited for the store in vain, ms. */
  patience: Patience = { spent: 0, at: -Infinity };
  /** Commits of one session come one after the other: each starts from what the one before has made of it. */
  turn: Promise<unknown> | undefined = undefined;
}

function silently(): void {
  // Nobody listens yet.
}
