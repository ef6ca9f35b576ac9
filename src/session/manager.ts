import { ALLOWED_SKEW, type Clock } from '../clock.js';
import { SessionError } from '../errors.js';
import type { Emit } from '../observe/events.js';
import {
  type Entry,
  isTombstone,
  reasonOf,
  type Stamp,
  type Stamps,
  stampOf,
  stampTime,
  tombstoneEntry,
  ZERO_STAMP,
} from '../store/entry.js';
import type { Lookup, ResilientStore, Settled } from '../store/store.js';
import type { SealedIdentity, Vault } from '../vault/vault.js';
import { Draft, type DraftParts, openRecord } from './commit.js';
import { serialise } from './data.js';
import { type MergePolicy, mergeRecords } from './merge.js';
import { dataOf, type SessionRecord, stampChanges } from './record.js';
import { type Mark, rebase, Session, type SessionActions, type SessionState } from './session.js';

export interface ManagerOptions {
  /** ms, or `false` for none. */
  readonly idleTimeout: number | false;
  readonly absoluteTimeout: number;
  readonly rolling: boolean;
  readonly maxDataBytes: number;
  readonly maxOutage: number;
  readonly onUnavailable: 'fresh' | 'reject';
  readonly merge: MergePolicy;
}

export interface ManagerParts {
  readonly store: ResilientStore;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly emit: Emit;
}

/** A touch moves the idle deadline only when this share of the timeout has passed, or every request would write. */
const TOUCH_SHARE = 0.1;
/** For so long after a regenerate a request with the old cookie gets an ephemeral session, ms. */
const STRAGGLER = 30_000;

/** Loads, commits, regenerates and destroys sessions; judges deadlines; merges what conflicts. Knows no HTTP. */
export class Manager implements SessionActions {
  readonly #options: ManagerOptions;
  readonly #parts: ManagerParts;
  readonly #drafts: DraftParts;
  #closed = false;

  constructor(options: ManagerOptions, parts: ManagerParts) {
    this.#options = options;
    this.#parts = parts;
    const { vault, stamps, emit } = parts;
    const onConflict = (session: string, keys: number, migrating: boolean): void => {
      emit('session:conflict', { session, keys });
      if (migrating) emit('migration:conflict', { session, keys });
    };
    this.#drafts = { vault, stamps, policy: options.merge, onConflict };
  }

  /** New sessions are refused with `CLOSED` from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Throws `CLOSED` after `close()`. Requests under way may still commit, and do not ask. */
  refuseIfClosed(): void {
    if (this.#closed) throw new SessionError('CLOSED', 'sessions are closed');
  }

  /** The session behind a token; a new one where there is none that can be trusted. */
  async open(token: string | undefined): Promise<Session> {
    this.refuseIfClosed();
    if (token === undefined) return this.#fresh();
    const { vault, emit, store, clock } = this.#parts;
    const claims = vault.verify(token);
    if (typeof claims === 'string') {
      if (claims === 'unknown-key') emit('security:unknown-key', { reason: 'token' });
      else emit('security:forged-token', { reason: claims });
      return this.#fresh();
    }
    const began = clock.monotonic();
    const found = await store.lookup(claims.identity.key);
    const session = this.#judge(claims.identity, found, claims.born);
    const state = Session.stateOf(session);
    state.tokenCurrent = claims.current;
    const ms = clock.monotonic() - began;
    if (state.base) emit('session:loaded', { session: claims.identity.pseudonym, source: state.source, ms });
    return session;
  }

  /** A session that nobody has yet. */
  blank(): Session {
    return this.#fresh();
  }

  /** Saves what changed. Resolves `false` where it could not be kept: the session has ended, or there is no room. */
  async save(session: Session, force: boolean): Promise<boolean> {
    const state = Session.stateOf(session);
    state.force ||= force;
    try {
      return await this.#commit(session, state);
    } finally {
      state.announce();
    }
  }

  async regenerate(session: Session): Promise<boolean> {
    const state = Session.stateOf(session);
    if (state.mark !== 'live' || state.refused) return false;
    try {
      if (!state.identity) return await this.save(session, true);
      return await this.#moveTo(session, state, state.identity);
    } finally {
      state.announce();
    }
  }

  /** Rejects with `STORE_UNAVAILABLE` where the end can be kept nowhere. */
  async destroy(session: Session): Promise<void> {
    const state = Session.stateOf(session);
    state.mark = 'destroyed';
    state.cookie = 'clear';
    try {
      if (state.identity) await this.#end(state, state.identity);
    } finally {
      state.announce();
    }
  }

  /** As `destroy`, for whoever has the token alone. Asks nothing first: a logout must not depend on a read. */
  async destroyToken(token: string): Promise<void> {
    const claims = this.#parts.vault.verify(token);
    if (typeof claims !== 'string') await this.#end(newState(), claims.identity);
  }

  defaultMaxAge(): number | undefined {
    return this.#options.idleTimeout || undefined;
  }

  /** The token to set, and when it ends (wall-clock ms). */
  tokenOf(session: Session): { readonly token: string; readonly expires: number } | undefined {
    const { identity, base, born } = Session.stateOf(session);
    if (!identity || !base) return undefined;
    return { token: this.#parts.vault.issue(identity, born), expires: deadlineOf(base.record) };
  }

  #judge(identity: SealedIdentity, found: Lookup, born: number): Session {
    const { emit, clock } = this.#parts;
    const session = identity.pseudonym;
    switch (found.state) {
      case 'found':
        return this.#opened(identity, found, born);
      case 'ended':
        return this.#straggler(found.tombstone) ? this.#fresh({ mark: 'ephemeral' }) : this.#fresh();
      case 'foreign':
        emit('security:undecryptable', { session, reason: 'foreign' });
        return this.#fresh();
      case 'absent':
        // Born in an outage at another instance, it may be on its way.
        if (born === 0 || clock.wall() - born > this.#options.maxOutage) return this.#fresh();
        return this.#unavailable(identity, born);
      default:
        return this.#unavailable(identity, born);
    }
  }

  #straggler(tombstone: Buffer): boolean {
    if (reasonOf(tombstone) !== 'regenerated') return false;
    return this.#parts.clock.wall() - stampTime(stampOf(tombstone)) < STRAGGLER;
  }

  #unavailable(identity: SealedIdentity, born: number): Session {
    this.#parts.emit('session:unavailable', { session: identity.pseudonym });
    if (this.#options.onUnavailable === 'reject') {
      throw new SessionError('STORE_UNAVAILABLE', 'the session cannot be read now');
    }
    return this.#fresh({ identity, born, source: 'unavailable', blind: true, fallback: true });
  }

  #opened(identity: SealedIdentity, found: Lookup & { state: 'found' }, born: number): Session {
    const { emit, vault, clock } = this.#parts;
    const session = identity.pseudonym;
    if (found.entry.length > this.#maxEntryBytes()) {
      emit('security:undecryptable', { session, reason: 'too-large' });
      return this.#fresh();
    }
    const record = openRecord(vault, identity, found.entry);
    if (record === 'unknown-key') {
      emit('security:unknown-key', { session, reason: 'record' });
      return this.#fresh({ identity, refused: true });
    }
    if (record === 'undecryptable') {
      emit('security:undecryptable', { session, reason: 'sealed' });
      return this.#fresh();
    }
    if (deadlineOf(record) <= clock.wall()) {
      emit('session:expired', { session });
      return this.#fresh();
    }
    return found.standing === 'orphan'
      ? this.#adopted(identity, record)
      : this.#loaded(identity, record, found, born);
  }

  #loaded(
    identity: SealedIdentity,
    record: SessionRecord,
    found: Lookup & { state: 'found' },
    born: number,
  ): Session {
    const { source, confirmed, entry } = found;
    const stored = source === 'primary';
    const state: SessionState = {
      ...newState(),
      identity,
      base: { record, stamp: stampOf(entry), confirmed },
      source,
      born: stored ? 0 : born,
      cookie: stored && born !== 0 ? 'set' : 'keep',
      maxAge: record.maxAge,
      blind: found.standing === 'blind',
      fallback: !stored,
    };
    const restored = found.older && this.#restored(identity, record, found.older);
    if (restored) state.force = true;
    return new Session(state, this, dataOf(restored ?? record));
  }

  /** What the store may have lost of an older version: merged into what is there now, and to be saved. */
  #restored(identity: SealedIdentity, record: SessionRecord, older: Entry): SessionRecord | undefined {
    const lost = openRecord(this.#parts.vault, identity, older);
    if (typeof lost === 'string') return undefined;
    const merged = mergeRecords(record, lost, 'keys', ZERO_STAMP);
    return merged.text === record.text ? undefined : merged;
  }

  /** A blind write whose session is not there: its data goes on under a new id, because no id is ever adopted. */
  #adopted(identity: SealedIdentity, record: SessionRecord): Session {
    const state: SessionState = {
      ...newState(),
      source: 'journal',
      orphan: identity.key,
      force: true,
      fallback: true,
    };
    return new Session(state, this, dataOf(record));
  }

  #fresh(marks: Partial<SessionState> & { mark?: Mark } = {}): Session {
    return new Session({ ...newState(), ...marks }, this, {});
  }

  /** The data's limit, and as much again for deadlines and key stamps. */
  #maxEntryBytes(): number {
    return this.#options.maxDataBytes * 2 + 4096;
  }

  async #commit(session: Session, state: SessionState): Promise<boolean> {
    if (state.mark === 'destroyed') return true;
    const text = serialise(session.toJSON(), this.#options.maxDataBytes);
    const { base } = state;
    const changed = base ? text !== base.record.text : text !== '{}';
    const touch = this.#touchDue(state, changed);
    if (!changed && !touch && !state.force) return true;
    if (state.mark !== 'live' || state.refused) return this.#refuse(state, changed);
    state.force = false;
    return this.#write(session, state, text, { touch, touchOnly: !changed && touch });
  }

  #refuse(state: SessionState, changed: boolean): boolean {
    const reason = state.refused ? 'unknown-key' : state.mark;
    const session = state.identity?.pseudonym;
    if (changed && state.mark !== 'ephemeral')
      this.#parts.emit('session:gone', { ...(session && { session }), reason });
    return state.mark === 'ephemeral';
  }

  #touchDue(state: SessionState, changed: boolean): boolean {
    const record = state.base?.record;
    const idleTimeout = this.#idleTimeout(state);
    if (!record || idleTimeout === false || !(this.#options.rolling || changed)) return false;
    return this.#parts.clock.wall() - record.used >= idleTimeout * TOUCH_SHARE;
  }

  #idleTimeout(state: SessionState): number | false {
    return state.maxAge ?? this.#options.idleTimeout;
  }

  async #write(
    session: Session,
    state: SessionState,
    text: string,
    how: { touch: boolean; touchOnly: boolean },
  ): Promise<boolean> {
    const { store, vault, clock, stamps } = this.#parts;
    const { blind } = state;
    const identity = state.identity ?? vault.newIdentity();
    const stamp = stamps.next(state.base?.stamp);
    const record = this.#recordFor(state, text, blind ? ZERO_STAMP : stamp, how.touch);
    const draft = new Draft(this.#drafts, identity, record, stamp, state.base?.stamp, how.touchOnly);
    const intent = { merge: draft.merge, confirmed: state.base?.confirmed, blind };
    const began = clock.monotonic();
    const settled = await store
      .swap(identity.key, draft.entry, expectedBy(state), this.#ttl(record), intent)
      .catch((error: unknown) => this.#unkept(state, identity, error));
    if (!settled) return false;
    if (blind && !settled.done && settled.current === undefined && !state.base)
      return this.#writeAnew(session, state, text);
    return this.#concluded(session, state, {
      identity,
      draft,
      settled,
      text,
      how,
      ms: clock.monotonic() - began,
    });
  }

  /** Nothing was there after all, and an id that nobody has is never adopted: the data gets a new one. */
  #writeAnew(session: Session, state: SessionState, text: string): Promise<boolean> {
    state.identity = undefined;
    state.source = 'new';
    state.blind = false;
    return this.#write(session, state, text, { touch: false, touchOnly: false });
  }

  #unkept(state: SessionState, identity: SealedIdentity, error: unknown): undefined {
    if (!(error instanceof SessionError) || error.code !== 'STORE_UNAVAILABLE') throw error;
    state.fallback = true;
    this.#parts.emit('session:unavailable', { session: identity.pseudonym, reason: 'journal-full' });
    return undefined;
  }

  #concluded(session: Session, state: SessionState, write: Concluding): boolean {
    const { identity, draft, settled, text, how, ms } = write;
    if (!settled.done && !draft.yielded) return this.#stopped(state, identity, settled.current);
    const created = state.base === undefined && !state.blind;
    const by = settled.done ? settled.by : 'primary';
    draft.migrating = by === 'journal';
    const confirmed = settled.done ? settled.confirmed : state.base?.confirmed;
    state.base = { record: draft.record, stamp: draft.stamp, confirmed };
    state.identity = identity;
    rebase(session, text, draft.record);
    this.#cookieAfter(state, by, created || how.touch);
    if (state.orphan !== undefined) this.#parts.store.forget(state.orphan);
    state.orphan = undefined;
    this.#announceWrite(identity.pseudonym, by, created, how.touchOnly, ms);
    return true;
  }

  #cookieAfter(state: SessionState, by: 'primary' | 'journal', due: boolean): void {
    if (by === 'journal') state.fallback = true;
    else state.blind = false;
    const born =
      by === 'primary' ? 0 : state.source === 'new' ? state.born || this.#parts.clock.wall() : state.born;
    if (due || born !== state.born || !state.tokenCurrent) state.cookie = 'set';
    state.born = born;
    state.tokenCurrent = true;
  }

  #announceWrite(
    session: string,
    by: 'primary' | 'journal',
    created: boolean,
    touchOnly: boolean,
    ms: number,
  ): void {
    const { emit } = this.#parts;
    if (touchOnly) {
      emit('session:touched', { session });
      return;
    }
    if (created) emit('session:created', { session });
    emit('session:saved', { session, by, ms });
  }

  /** A tombstone, or something that does not open, stands in the way. */
  #stopped(state: SessionState, identity: SealedIdentity, current: Buffer | undefined): boolean {
    const { emit } = this.#parts;
    const session = identity.pseudonym;
    state.mark = 'ended';
    if (current === undefined) return false;
    if (isTombstone(current)) emit('session:gone', { session, reason: reasonOf(current) });
    else emit('security:undecryptable', { session, reason: 'in-the-way' });
    return false;
  }

  async #moveTo(session: Session, state: SessionState, old: SealedIdentity): Promise<boolean> {
    const { store, vault, stamps, emit } = this.#parts;
    const text = serialise(session.toJSON(), this.#options.maxDataBytes);
    const identity = vault.newIdentity();
    const stamp = stamps.next(state.base?.stamp);
    const record = this.#recordFor(state, text, state.blind ? ZERO_STAMP : stamp, true);
    const draft = new Draft(this.#drafts, identity, record, stamp, undefined, false);
    const move = { submitted: false };
    const ended = await this.#endForMove(state, old, draft, identity, move).catch((error: unknown) =>
      this.#unkept(state, old, error),
    );
    if (!ended?.done) {
      this.#stopped(state, old, ended?.current);
      return false;
    }
    move.submitted = true;
    const settled = await store
      .swap(identity.key, draft.entry, null, this.#ttl(draft.record), { merge: draft.merge, after: old.key })
      .catch((error: unknown) => this.#unkept(state, identity, error));
    if (!settled) {
      state.mark = 'ended';
      return false;
    }
    state.source = 'new';
    state.base = undefined;
    state.blind = false;
    const done = this.#concluded(session, state, {
      identity,
      draft,
      settled,
      text,
      how: { touch: true, touchOnly: false },
      ms: 0,
    });
    if (done) emit('session:regenerated', { session: identity.pseudonym });
    return done;
  }

  /** The tombstone over the old id expects the stamp that was read: what others wrote since is folded into the new one. */
  #endForMove(
    state: SessionState,
    old: SealedIdentity,
    draft: Draft,
    fresh: SealedIdentity,
    move: { submitted: boolean },
  ): Promise<Settled> {
    const { store, stamps, vault } = this.#parts;
    const fold = (current: Buffer): Buffer => {
      const older = openRecord(vault, old, current);
      if (typeof older === 'string') throw new Error(older);
      const before = draft.stamp;
      draft.fold(older);
      if (move.submitted) this.#resubmit(fresh, draft, before);
      return tombstoneEntry(stamps.next(stampOf(current)), 'regenerated');
    };
    const tombstone = tombstoneEntry(stamps.next(state.base?.stamp), 'regenerated');
    const intent = { merge: fold, confirmed: state.base?.confirmed };
    return store.swap(old.key, tombstone, state.base?.stamp ?? null, this.#tombstoneTtl(state), intent);
  }

  /** A regenerate from an outage found a newer version under the old id: the new id takes its changes along. */
  #resubmit(identity: SealedIdentity, draft: Draft, expected: Stamp): void {
    const { store } = this.#parts;
    const write = store.swap(identity.key, draft.entry, expected, this.#ttl(draft.record), {
      merge: draft.merge,
    });
    // Where it could not be kept the supervisor has counted and reported it; nobody waits here.
    write.catch(() => undefined);
  }

  async #end(state: SessionState, identity: SealedIdentity): Promise<void> {
    const { store, stamps, emit } = this.#parts;
    const tombstone = tombstoneEntry(stamps.next(state.base?.stamp), 'destroyed');
    const settled = await store.swap(identity.key, tombstone, 'any', this.#tombstoneTtl(state));
    if (settled.done && settled.by === 'journal') state.fallback = true;
    emit('session:destroyed', { session: identity.pseudonym });
  }

  #recordFor(state: SessionState, text: string, stamp: Stamp, touch: boolean): SessionRecord {
    const now = Math.floor(this.#parts.clock.wall());
    const base = state.base?.record;
    const absolute = base?.absolute ?? now + this.#options.absoluteTimeout;
    const idleTimeout = this.#idleTimeout(state);
    const moves = !base || touch || base.maxAge !== state.maxAge;
    const idle = idleTimeout === false ? null : Math.min(now + idleTimeout, absolute);
    return {
      created: base?.created ?? now,
      authenticated: base?.authenticated ?? 0,
      used: moves ? now : base.used,
      idle: moves ? idle : base.idle,
      absolute,
      maxAge: state.maxAge,
      stamps: stampChanges(base, text, stamp, now - this.#options.maxOutage - ALLOWED_SKEW),
      text,
    };
  }

  /** The store's TTL is housekeeping: deadlines are judged from inside the record. */
  #ttl(record: SessionRecord): number {
    return Math.max(1, deadlineOf(record) - this.#parts.clock.wall()) + ALLOWED_SKEW;
  }

  #tombstoneTtl(state: SessionState): number {
    const left = state.base ? state.base.record.absolute - this.#parts.clock.wall() : Infinity;
    return Math.max(0, Math.min(left, this.#options.maxOutage)) + ALLOWED_SKEW;
  }
}

interface Concluding {
  readonly identity: SealedIdentity;
  readonly draft: Draft;
  readonly settled: Settled;
  readonly text: string;
  readonly how: { readonly touch: boolean; readonly touchOnly: boolean };
  readonly ms: number;
}

function newState(): SessionState {
  return {
    identity: undefined,
    base: undefined,
    source: 'new',
    mark: 'live',
    born: 0,
    tokenCurrent: true,
    cookie: 'keep',
    announce: () => undefined,
    force: false,
    maxAge: undefined,
    orphan: undefined,
    refused: false,
    blind: false,
    fallback: false,
  };
}

/** A blind write expects a stamp that nobody makes: it may meet a record and merge, and never creates one. */
function expectedBy({ base, blind }: SessionState): Stamp | null {
  return base?.stamp ?? (blind ? ZERO_STAMP : null);
}

function deadlineOf(record: SessionRecord): number {
  return Math.min(record.idle ?? record.absolute, record.absolute);
}
