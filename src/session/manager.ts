import type { Clock } from '../clock.js';
import { SessionError } from '../errors.js';
import type { Emit } from '../observe/events.js';
import { type Stamps, tombstoneEntry } from '../store/entry.js';
import type { ResilientStore } from '../store/store.js';
import type { SealedIdentity, Vault } from '../vault/vault.js';
import type { DraftParts } from './draft.js';
import type { UserSessionOptions } from './index-write.js';
import { Indexing } from './indexing.js';
import { deadlineOf, Lifetime, type LifetimeOptions } from './lifetime.js';
import type { MergePolicy, MergeRules } from './merge.js';
import { loginOf } from './login.js';
import { Moving } from './moving.js';
import { Opening } from './opening.js';
import { Recall } from './recall.js';
import { Rotation } from './rotation.js';
import { Saving } from './saving.js';
import { isReserved, type LoginOptions, replaceData, Session, type SessionActions } from './session.js';
import { SessionState } from './state.js';

export interface ManagerOptions extends LifetimeOptions {
  readonly maxDataBytes: number;
  readonly onUnavailable: 'fresh' | 'reject';
  readonly merge: MergePolicy;
  readonly userSessions: UserSessionOptions;
}

export interface ManagerParts {
  readonly store: ResilientStore;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly emit: Emit;
}

/** The largest record that is written, and an entry of it, for so many bytes of data: deadlines and key stamps need room. */
export function recordLimits(maxDataBytes: number): { readonly text: number; readonly entry: number } {
  const text = maxDataBytes * 2 + 8_192;
  return { text, entry: text + 64 };
}

/** Opens, saves, regenerates and destroys sessions. Knows no HTTP. */
export class Manager implements SessionActions {
  readonly #parts: ManagerParts;
  readonly #lifetime: Lifetime;
  readonly #recall: Recall;
  readonly #opening: Opening;
  readonly #saving: Saving;
  readonly #moving: Moving;
  /** Which sessions each user has. */
  readonly indexing: Indexing;
  /** Which secrets are still needed. */
  readonly rotation: Rotation;
  #closed = false;

  constructor(options: ManagerOptions, parts: ManagerParts) {
    this.#parts = parts;
    const lifetime = new Lifetime(options, parts.clock);
    const limits = recordLimits(options.maxDataBytes);
    const { maxDataBytes, onUnavailable } = options;
    const recall = new Recall(parts.clock);
    this.#lifetime = lifetime;
    this.#recall = recall;
    this.#opening = new Opening({
      ...parts,
      recall,
      lifetime,
      onUnavailable,
      actions: this,
      maxEntryBytes: limits.entry,
    });
    const drafts = draftsOf(options, parts, lifetime, limits.text);
    const saving = { ...parts, recall, lifetime, drafts, maxDataBytes };
    this.#saving = new Saving(saving);
    this.#moving = new Moving(saving, this.#saving);
    const patiently = this.#saving.patiently.bind(this.#saving);
    const { maxOutage, userSessions, absoluteTimeout } = options;
    this.rotation = new Rotation({ ...parts, absoluteTimeout });
    this.indexing = new Indexing({ ...parts, maxOutage, userSessions, patiently });
  }

  /** New sessions are refused with `CLOSED` from now on. */
  close(): void {
    this.#closed = true;
    this.#recall.close();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws `CLOSED` after `close()`. Requests under way may still commit, and do not ask. */
  refuseIfClosed(): void {
    if (this.#closed) throw new SessionError('CLOSED', 'sessions are closed');
  }

  /** The session behind a token; a new one where there is none that can be trusted. */
  async open(token: string | undefined): Promise<Session> {
    this.refuseIfClosed();
    const session = await this.#opening.open(token);
    if (token !== undefined) this.rotation.noticed();
    return session;
  }

  /** A session that nobody has yet, in the request that had `before`. */
  blankAfter(before: Session): Session {
    return this.#opening.fresh({ patience: Session.stateOf(before).patience });
  }

  /** Saves what changed. Resolves `false` where it could not be kept: the session has ended, or there is no room. */
  async save(session: Session, force: boolean): Promise<boolean> {
    const state = Session.stateOf(session);
    state.force ||= force;
    if (!state.turn && this.#saving.isIdle(session, state)) {
      state.announce();
      return true;
    }
    return this.#inTurn(state, async () => this.#listed(state, await this.#saving.commit(session, state)));
  }

  async regenerate(session: Session): Promise<boolean> {
    const state = Session.stateOf(session);
    return this.#inTurn(state, () => this.#move(session, state));
  }

  async login(session: Session, user: string, options: LoginOptions): Promise<boolean> {
    this.refuseIfClosed();
    const state = Session.stateOf(session);
    const login = loginOf(user, options, this.now());
    return this.#inTurn(state, async () => {
      const before = state.login;
      const mine = before?.user === user ? state.identity?.key : undefined;
      await this.indexing.admit(user, mine);
      if (before && before.user !== user) replaceData(session, {});
      // A straggler's cookie leads nowhere; but whoever proves who they are may begin anew.
      if (state.mark === 'ephemeral') state.mark = 'live';
      // The later login wins a merge whole, whatever the clocks of two instances say.
      state.login = { ...login, at: Math.max(login.at, (before?.at ?? 0) + 1) };
      const done = await this.#move(session, state);
      if (!done) state.login = before;
      else this.#parts.emit('session:authenticated', named(state));
      return done;
    });
  }

  /** To a new id; what was nobody's yet gets its first one. */
  async #move(session: Session, state: SessionState): Promise<boolean> {
    if (state.mark !== 'live') return false;
    // What is sealed with a key that is not held here stays as it is, and is left behind.
    if (state.refused) Object.assign(state, { refused: false, identity: undefined });
    this.#forget(state);
    state.force ||= !state.identity;
    const moved = state.identity
      ? this.#moving.move(session, state, state.identity)
      : this.#saving.commit(session, state);
    return this.#listed(state, await moved);
  }

  /** Notes in the index of its user what has become of this session. False: it has been ended from there. */
  async #listed(state: SessionState, kept: boolean): Promise<boolean> {
    if (!kept || !state.unlisted) return kept;
    state.unlisted = false;
    if (await this.indexing.enter(state)) return true;
    Object.assign(state, { mark: 'ended', cookie: 'keep' });
    this.#parts.emit('session:gone', { ...named(state), reason: 'destroyed' });
    return false;
  }

  /** Rejects with `STORE_UNAVAILABLE` where the end can be kept nowhere. */
  async destroy(session: Session): Promise<void> {
    const state = Session.stateOf(session);
    // What a straggler holds was never stored, and its cookie may be that of the successor by now.
    if (state.mark === 'ephemeral') return;
    state.mark = 'destroyed';
    this.#forget(state);
    await this.#inTurn(state, async () => {
      state.cookie = 'clear';
      const identity = state.identity ?? state.named;
      if (!identity) return;
      await this.#end(state, identity);
      if (state.login) await this.indexing.leave(state.login.user, identity.key, state);
    });
  }

  async #inTurn<T>(state: SessionState, act: () => Promise<T>): Promise<T> {
    const turn = state.turn ? state.turn.then(act, act) : act();
    state.turn = turn;
    try {
      return await turn;
    } finally {
      if (state.turn === turn) state.turn = undefined;
      state.announce();
    }
  }

  /** As `destroy`, for whoever has the token alone. Asks nothing first: a logout must not depend on a read. */
  async destroyToken(token: string): Promise<void> {
    this.#recall.forget(token);
    const claims = this.#parts.vault.verify(token);
    if (typeof claims !== 'string') await this.#end(new SessionState(), claims.identity);
  }

  /** The token that a request came with is of no more use. */
  #forget(state: SessionState): void {
    if (state.token !== undefined) this.#recall.forget(state.token);
    state.token = undefined;
  }

  defaultMaxAge(): number | undefined {
    return this.#lifetime.idleTimeout;
  }

  now(): number {
    return Math.floor(this.#parts.clock.wall());
  }

  /** The token to set, and when it ends (wall-clock ms). */
  tokenOf(session: Session): { readonly token: string; readonly expires: number } | undefined {
    const { identity, base, born } = Session.stateOf(session);
    if (!identity || !base) return undefined;
    return { token: this.#parts.vault.issue(identity, born), expires: deadlineOf(base.record) };
  }

  async #end(state: SessionState, identity: SealedIdentity): Promise<void> {
    const { store, stamps, emit, clock } = this.#parts;
    const { patience } = state;
    const tombstone = tombstoneEntry(stamps.next(state.base?.seen), 'destroyed');
    const began = clock.monotonic();
    const life = this.#lifetime.tombstoneTtl(state);
    const settled = await store.swap(identity.key, tombstone, 'any', life, {
      waited: patience.spent,
    });
    const ms = clock.monotonic() - began;
    if (settled.done && settled.by === 'journal') {
      state.fallback = true;
      Object.assign(patience, { spent: patience.spent + ms, at: began + ms });
    }
    emit('session:destroyed', { session: identity.pseudonym, ms });
  }
}

function named({ identity }: SessionState): { readonly session?: string } {
  return identity ? { session: identity.pseudonym } : {};
}

function draftsOf(
  { merge: policy, maxDataBytes }: ManagerOptions,
  { vault, stamps, emit }: ManagerParts,
  lifetime: Lifetime,
  maxRecordBytes: number,
): DraftParts {
  const onConflict = (session: string, keys: number, migrating: boolean): void => {
    emit('session:conflict', { session, keys });
    if (migrating) emit('migration:conflict', { session, keys });
  };
  const onFailure = (): void => emit('session:conflict', { keys: 0, reason: 'merge-failed' });
  const rules: MergeRules = { policy, maxDataBytes, isReserved, onFailure };
  return { vault, stamps, lifetime, rules, maxDataBytes, maxRecordBytes, onConflict };
}
