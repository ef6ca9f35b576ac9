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

/** What happened to a session, for the manager to act on. No I/O. */
export interface SessionState {
  identity: SealedIdentity | undefined;
  base: Base | undefined;
  source: SessionSource;
  mark: Mark;
  /** The `born` of the token: wall-clock ms, or 0 where the store has the session. */
  born: number;
  /** What the request came with, where it was verified. */
  token: string | undefined;
  /** The request's token was made with the first secret. */
  tokenCurrent: boolean;
  /** What the response must do with the cookie. */
  cookie: 'keep' | 'set' | 'clear';
  /** Called when `cookie` or `fallback` may have changed. */
  announce: () => void;
  /** Write even if nothing changed. */
  force: boolean;
  maxAge: number | undefined;
  login: Login | undefined;
  /** The list of the user's sessions does not say yet what has become of this one. */
  unlisted: boolean;
  /** The key under which that list has it, where it has moved since. */
  movedFrom: string | undefined;
  /** The app itself asked for it, outside a request. */
  byApp: boolean;
  /** Begins as one of too many: it lives briefly, until it comes back. */
  brief: boolean;
  /** What the cookie named, where that is not this session: an orphan's old id, or one that nothing was found under. */
  named: SealedIdentity | undefined;
  /** The data are an orphan's, which may only live on under a new id; or it is merged into them. */
  orphan: boolean;
  /** A record under a key that is not held here: nothing is written and no cookie is set. */
  refused: boolean;
  /** Nobody has seen what the store holds: changes only add what is missing there. */
  blind: boolean;
  /** A write of this session went to the journal, or could be kept nowhere. */
  fallback: boolean;
  /** What all commits of one request share: how long they have waited for the store in vain, ms. */
  readonly patience: Patience;
  /** Commits of one session come one after the other: each starts from what the one before has made of it. */
  turn: Promise<unknown> | undefined;
}

function silently(): void {
  // Nobody listens yet.
}

/** A session that nobody has yet. */
export function newState(): SessionState {
  return {
    identity: undefined,
    base: undefined,
    source: 'new',
    mark: 'live',
    born: 0,
    token: undefined,
    tokenCurrent: true,
    cookie: 'keep',
    announce: silently,
    force: false,
    maxAge: undefined,
    login: undefined,
    unlisted: false,
    movedFrom: undefined,
    byApp: false,
    brief: false,
    named: undefined,
    orphan: false,
    refused: false,
    blind: false,
    fallback: false,
    patience: { spent: 0, at: -Infinity },
    turn: undefined,
  };
}
