import type { Clock } from '../clock.js';
import { SessionError } from '../errors.js';
import type { Emit } from '../observe/events.js';
import { type Entry, isTombstone, reasonOf, type Stamp, type Stamps, ZERO_STAMP } from '../store/entry.js';
import type { ResilientStore, Settled, Tier, WriteIntent } from '../store/store.js';
import type { SealedIdentity, Vault } from '../vault/vault.js';
import { Draft, type DraftParts } from './draft.js';
import { Fields } from './fields.js';
import type { Lifetime } from './lifetime.js';
import type { Recall } from './recall.js';
import { rebase, type Session } from './session.js';
import type { SessionState } from './state.js';

export interface SavingParts {
  readonly store: ResilientStore;
  readonly vault: Vault;
  readonly recall: Recall;
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly emit: Emit;
  readonly lifetime: Lifetime;
  readonly drafts: DraftParts;
  readonly maxDataBytes: number;
}

/** One write, on its way or come to its end. */
export interface Write {
  readonly identity: SealedIdentity;
  readonly draft: Draft;
  /** The data that it was made of. */
  readonly fields: Fields;
  /** The deadline moves, and the cookie's with it. */
  readonly moves: boolean;
  readonly touchOnly: boolean;
}

/** What a commit found that it has to write. */
interface Due {
  readonly fields: Fields;
  readonly touch: boolean;
  readonly touchOnly: boolean;
}

/** How long a request that has waited in vain goes on without asking, ms. */
const RECOVERS_AFTER = 1_000;

/** Session → store, if anything changed. Resolves false where nothing could be kept. */
export class Saving {
  readonly #parts: SavingParts;

  constructor(parts: SavingParts) {
    this.#parts = parts;
  }

  /** Whether there is nothing to do at all, as after most requests. */
  isIdle(session: Session, state: SessionState): boolean {
    const waits = state.force || state.unlisted || this.#parts.lifetime.touchDue(state, false);
    return state.mark === 'live' && !waits && knownTo(state).fit(session);
  }

  async commit(session: Session, state: SessionState): Promise<boolean> {
    const { base, force } = state;
    const known = knownTo(state);
    const fields = this.fieldsOf(session, state);
    const changed = fields !== known && fields.text !== known.text;
    if (state.mark === 'destroyed') return !changed && !force;
    const touch = this.#parts.lifetime.touchDue(state, changed);
    if (!changed && !touch && !force) return true;
    if (state.mark !== 'live' || state.refused) return this.#refuse(state, changed);
    state.force = false;
    const touchOnly = !changed && !force && base !== undefined && base.acknowledged;
    return this.#write(session, state, { fields, touch, touchOnly });
  }

  /** What the session holds now. Throws what cannot be saved. */
  fieldsOf(session: Session, state: SessionState): Fields {
    const known = knownTo(state);
    return known.fit(session) ? known : Fields.from(session, known, this.#parts.maxDataBytes);
  }

  /**
   * Swaps, and keeps the account of how long this request has waited in vain. `undefined`: it could be kept nowhere. Throws
   * where the data themselves are at fault.
   */
  async swap(
    state: SessionState,
    { identity, draft }: Pick<Write, 'identity' | 'draft'>,
    expected: Stamp | null,
    {
      confirmed,
      tier,
      blind = false,
      awaited = false,
      after,
    }: Omit<WriteIntent, 'merge' | 'rest' | 'waited'>,
  ): Promise<Settled | undefined> {
    const ttl = this.#parts.lifetime.ttlOf(draft.record);
    const { merge, rest } = draft;
    const settled = await this.patiently(state, identity, waited => {
      const intent = { merge, rest, confirmed, tier, blind, awaited, after, waited };
      return this.#parts.store.swap(identity.key, draft.entry, expected, ttl, intent);
    });
    if (draft.failure) throw draft.failure;
    return settled;
  }

  /** `undefined`: it could be kept nowhere. */
  async patiently(
    state: SessionState,
    identity: SealedIdentity,
    swap: (waited: number) => Promise<Settled>,
  ): Promise<Settled | undefined> {
    const { clock, emit } = this.#parts;
    const { patience } = state;
    const began = clock.monotonic();
    // With nothing left nobody is asked, and so nobody could answer: after a while there is a new chance.
    if (began - patience.at > RECOVERS_AFTER) patience.spent = 0;
    try {
      const settled = await swap(patience.spent);
      const now = clock.monotonic();
      const answered = !settled.done || settled.by === 'primary';
      patience.spent = answered ? 0 : patience.spent + now - began;
      if (!answered) patience.at = now;
      return settled;
    } catch (error) {
      if (!(error instanceof SessionError) || error.code !== 'STORE_UNAVAILABLE') throw error;
      state.fallback = true;
      emit('session:unavailable', { session: identity.pseudonym, reason: 'journal-full' });
      return undefined;
    }
  }

  /** After a swap: what the session is now, and what becomes of its cookie. */
  conclude(session: Session, state: SessionState, write: Write, settled: Settled, ms: number): boolean {
    const { identity, draft, fields, moves, touchOnly } = write;
    if (!settled.done && !draft.yielded) return this.stopped(state, identity, settled.current);
    const created = state.base === undefined && !state.blind;
    const by = settled.done ? settled.by : 'primary';
    draft.migrating = by === 'journal';
    const confirmed = settled.done ? settled.confirmed : state.base?.confirmed;
    const acknowledged = by === 'primary';
    state.base = { record: draft.record, stamp: draft.stamp, seen: draft.stamp, confirmed, acknowledged };
    state.identity = identity;
    if (state.token !== undefined) this.#remember(state.token, !draft.yielded, write);
    state.maxAge = draft.record.maxAge;
    state.login = draft.record.login;
    state.brief = false;
    state.unlisted ||= state.login !== undefined && (created || moves || !state.tokenCurrent);
    rebase(session, fields, draft.record);
    this.#cookieAfter(state, by, created, created || moves);
    if (state.orphan && state.named) this.#parts.store.adopted(state.named.key);
    state.orphan = false;
    this.#announce(identity.pseudonym, by, { created, touchOnly, ms });
    return true;
  }

  #remember(token: string, whole: boolean, { identity, draft }: Write): void {
    const { recall } = this.#parts;
    if (whole) recall.renew(token, identity.key, draft.entry, draft.record);
    else recall.forget(token);
  }

  /** A tombstone, or something that does not open, stands in the way. */
  stopped(state: SessionState, identity: SealedIdentity, current: Entry | undefined): boolean {
    const { emit } = this.#parts;
    const session = identity.pseudonym;
    state.mark = 'ended';
    if (current === undefined) return false;
    if (isTombstone(current)) emit('session:gone', { session, reason: reasonOf(current) });
    else emit('security:undecryptable', { session, reason: 'in-the-way' });
    return false;
  }

  #refuse(state: SessionState, changed: boolean): boolean {
    const reason = state.refused ? 'unknown-key' : state.mark;
    const session = state.identity?.pseudonym;
    if (changed && state.mark !== 'ephemeral')
      this.#parts.emit('session:gone', { ...(session && { session }), reason });
    return state.mark === 'ephemeral';
  }

  async #write(session: Session, state: SessionState, { fields, touch, touchOnly }: Due): Promise<boolean> {
    const { vault, clock, stamps, lifetime, drafts, emit } = this.#parts;
    const { blind, base } = state;
    const identity = state.identity ?? vault.newIdentity();
    const stamp = stamps.next(base?.seen);
    state.brief = lifetime.isBrief(state);
    if (state.brief) emit('security:flood', { session: identity.pseudonym });
    const record = lifetime.recordFor(state, fields, stamp, touch);
    const draft = new Draft(drafts, { identity, record, stamp, since: base?.stamp, touchOnly });
    const moves = touch || (base !== undefined && base.record.maxAge !== record.maxAge);
    const write = { identity, draft, fields, moves, touchOnly };
    const began = clock.monotonic();
    const settled = await this.swap(state, write, expectedBy(state), {
      confirmed: base?.confirmed,
      blind,
      awaited: blind && lifetime.isAwaited(state.born),
      tier: tierOf(state, touchOnly),
    });
    if (!settled) return false;
    const nothing = !settled.done && settled.current === undefined;
    if (blind && nothing) return this.#writeAnew(session, state, fields);
    return this.conclude(session, state, write, settled, clock.monotonic() - began);
  }

  /** Nothing was there after all, and an id that nobody has is never adopted: the data gets a new one. */
  #writeAnew(session: Session, state: SessionState, fields: Fields): Promise<boolean> {
    const orphan = state.base !== undefined;
    Object.assign(state, { named: state.identity, orphan, identity: undefined, base: undefined });
    Object.assign(state, { source: 'new', blind: false });
    return this.#write(session, state, { fields, touch: false, touchOnly: false });
  }

  #cookieAfter(state: SessionState, by: 'primary' | 'journal', created: boolean, due: boolean): void {
    if (by === 'journal') state.fallback = true;
    else state.blind = false;
    const unborn = created || state.source === 'new' ? state.born || this.#parts.clock.wall() : state.born;
    const born = by === 'primary' ? 0 : unborn;
    if (due || born !== state.born || !state.tokenCurrent) state.cookie = 'set';
    state.born = born;
    state.tokenCurrent = true;
  }

  #announce(
    session: string,
    by: 'primary' | 'journal',
    { created, touchOnly, ms }: { created: boolean; touchOnly: boolean; ms: number },
  ): void {
    const { emit } = this.#parts;
    if (touchOnly) {
      emit('session:touched', { session, ms });
      return;
    }
    if (created) emit('session:created', { session });
    emit('session:saved', { session, by, ms });
  }
}

/** The data that a session started from. */
function knownTo({ base }: SessionState): Fields {
  return base?.record.fields ?? Fields.none;
}

/** Keeping a cookie does not make a bot a user: its session must have been in the store. */
export function tierOf({ base, blind }: SessionState, touchOnly: boolean): Tier {
  if (blind) return 'blind';
  if (touchOnly) return 'touched';
  if (base && base.record.login) return 'authenticated';
  return base?.confirmed ? 'returning' : 'new';
}

/** A blind write expects a stamp that nobody makes: it may meet a record and merge, and never creates one. */
function expectedBy({ base, blind }: SessionState): Stamp | null {
  return base?.stamp ?? (blind ? ZERO_STAMP : null);
}
