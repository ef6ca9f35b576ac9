import { ALLOWED_SKEW } from '../clock.js';
import { SessionError } from '../errors.js';
import type { Emit } from '../observe/events.js';
import { stampOf, tombstoneEntry } from '../store/entry.js';
import type { Lookup, ResilientStore, Settled } from '../store/store.js';
import { pseudonymOf } from '../vault/token.js';
import type { SealedIdentity } from '../vault/vault.js';
import { type FoundIndex, IndexWrite, type IndexWriteParts, openIndex } from './index-write.js';
import { deadlineOf } from './lifetime.js';
import { SessionState } from './state.js';
import {
  changed,
  EMPTY_INDEX,
  ends,
  type IndexChange,
  type Listed,
  mergeIndexes,
  settled,
  type UserIndex,
} from './user-index.js';

export interface IndexingParts extends IndexWriteParts {
  readonly store: ResilientStore;
  readonly emit: Emit;
  /** Swaps, and keeps the account of how long its request has waited. `undefined`: it could be kept nowhere. */
  readonly patiently: (
    state: SessionState,
    identity: SealedIdentity,
    swap: (waited: number) => Promise<Settled>,
  ) => Promise<Settled | undefined>;
}

/** How long a tombstone stands where no index was, ms: until it is gone nobody is listed. */
const CLEARED_FOR = 1_000;

/** Keeps for each user who is logged in where: one sealed entry, by the two operations that all sessions use. */
export class Indexing {
  readonly #parts: IndexingParts;

  constructor(parts: IndexingParts) {
    this.#parts = parts;
  }

  /** Notes the session of `state` in the index of its user. False: it has been ended there meanwhile. */
  async enter(state: SessionState): Promise<boolean> {
    const { identity, base, movedFrom } = state;
    const login = base?.record.login;
    if (!identity || !base || !login) return true;
    const { created, used } = base.record;
    const { at, user, label } = login;
    const listed = { created, login: at, used, until: deadlineOf(base.record) + ALLOWED_SKEW, label };
    state.movedFrom = undefined;
    const found = await this.#read(user, state);
    const write = await this.#write(found, { put: [identity.key, listed], movedFrom }, state);
    if (!write) return true;
    const ended = !write.index.sessions.has(identity.key) || (await this.#endedBesides(user, at, identity));
    if (ended) await this.#end(identity.key);
    return !ended;
  }

  /** The session under `key` is over. That it stays listed would harm nobody. */
  async leave(user: string, key: string, state: SessionState): Promise<void> {
    const found = await this.#read(user, state);
    if (found.index.sessions.has(key)) await this.#write(found, { remove: [key] }, state);
  }

  /** Throws `TOO_MANY_SESSIONS` where the app chose to refuse one more. */
  async admit(user: string, own: string | undefined): Promise<void> {
    const { max, beyond } = this.#parts.userSessions;
    if (beyond !== 'refuse') return;
    const listed = await this.list(user).catch(unavailable);
    if ([...listed.keys()].filter(key => key !== own).length >= max)
      throw new SessionError('TOO_MANY_SESSIONS', `the user has ${max} sessions already`);
  }

  /** What is alive, by store key. What is not is let go of. Throws `STORE_UNAVAILABLE`. */
  async list(user: string): Promise<ReadonlyMap<string, Listed>> {
    const state = new SessionState();
    const found = known(await this.#read(user, state));
    const { index } = settled(found.index, this.#now(), Infinity);
    const keys = [...index.sessions.keys()];
    const lookups = await Promise.all(keys.map(key => this.#parts.store.lookup(key)));
    const gone = keys.filter((key, at) => this.#isGone(lookups[at], index.sessions.get(key)));
    if (gone.length > 0) await this.#write(found, { remove: gone }, state);
    return changed(index, { remove: gone }).sessions;
  }

  /** False: there is none of that name. Throws `STORE_UNAVAILABLE`. */
  async end(user: string, isMeant: (key: string) => boolean): Promise<boolean> {
    const state = new SessionState();
    const found = known(await this.#read(user, state));
    const key = [...found.index.sessions.keys()].find(isMeant);
    if (key === undefined) return false;
    await this.#end(key);
    await this.#write(found, { remove: [key] }, state);
    return true;
  }

  /**
   * Ends all that are listed, and leaves word for those that come to be listed later, such as after an outage.
   * `complete`: the index was read from the store itself.
   */
  async endAll(
    user: string,
    except: string | undefined,
  ): Promise<{ readonly ended: number; readonly complete: boolean }> {
    const state = new SessionState();
    const at = this.#now();
    const found = await this.#read(user, state);
    const keys = [...found.index.sessions.keys()];
    const remove = keys.filter(key => key !== except);
    // First the ends, then the word of them: who is not listed any more could not be ended.
    await Promise.all(remove.map(key => this.#end(key)));
    const write = await this.#write(found, { remove, ending: { at, except, before: 0 } }, state);
    if (!write)
      throw new SessionError('STORE_UNAVAILABLE', 'the end of these sessions can be kept nowhere now');
    const more = write.fallen.filter(key => !remove.includes(key)).length;
    return { ended: remove.length + more, complete: write.acknowledged };
  }

  /** Where secrets are being changed another instance may have written an ending under another one just now. */
  async #endedBesides(user: string, at: number, identity: SealedIdentity): Promise<boolean> {
    const [, ...others] = this.#parts.vault.indexIdentities(user);
    if (others.length === 0) return false;
    const { index } = await this.#read(user, new SessionState());
    return ends(index.ending, identity.key, at);
  }

  async #read(user: string, { patience }: SessionState): Promise<FoundIndex> {
    const { vault, store, clock } = this.#parts;
    const [identity, ...older] = vault.indexIdentities(user);
    const began = clock.monotonic();
    const [first, ...others] = await Promise.all(
      [identity, ...older].map(each => store.lookup(each.key, patience.spent)),
    );
    const now = clock.monotonic();
    if (first?.state === 'unavailable')
      Object.assign(patience, { spent: patience.spent + now - began, at: now });
    const opened = first?.state === 'found' ? openIndex(vault, identity, first.entry) : undefined;
    const inherited = others.map((found, at) => {
      const olderIdentity = older[at];
      return olderIdentity && found.state === 'found'
        ? openIndex(vault, olderIdentity, found.entry)
        : undefined;
    });
    const index = [opened, ...inherited].reduce<UserIndex>(
      (sum, each) => (each ? mergeIndexes(sum, each) : sum),
      EMPTY_INDEX,
    );
    const isFound = first?.state === 'found' && opened !== undefined;
    return {
      identity,
      index,
      stamp: isFound ? stampOf(first.entry) : null,
      confirmed: isFound ? first.confirmed : undefined,
      state:
        isFound || first?.state === 'absent'
          ? 'known'
          : first?.state === 'unavailable'
            ? 'unknown'
            : 'blocked',
    };
  }

  /** `undefined`: it could not be kept. */
  async #write(found: FoundIndex, change: IndexChange, state: SessionState): Promise<IndexWrite | undefined> {
    const { store, clock } = this.#parts;
    const { identity, stamp, confirmed } = found;
    if (found.state === 'blocked') return this.#clear(identity);
    const write = new IndexWrite(this.#parts, found, change, key => this.#end(key));
    const settledAs = await this.#parts.patiently(state, identity, waited => {
      const ttl = write.expires - clock.monotonic();
      return store.swap(identity.key, write.entry, stamp, ttl, {
        merge: write.merge,
        tier: 'authenticated',
        confirmed,
        waited,
      });
    });
    await Promise.all(write.ends);
    write.acknowledged = settledAs?.done === true && settledAs.by === 'primary';
    return settledAs?.done ? write : undefined;
  }

  /** An index that does not open would keep this user from being listed for ever. */
  async #clear(identity: SealedIdentity): Promise<undefined> {
    const { store, stamps, emit } = this.#parts;
    emit('security:undecryptable', { session: identity.pseudonym, reason: 'user-index' });
    const tombstone = tombstoneEntry(stamps.next(), 'destroyed');
    await store.swap(identity.key, tombstone, 'any', CLEARED_FOR).catch(() => undefined);
  }

  async #end(key: string): Promise<void> {
    const { store, stamps, emit, clock, maxOutage } = this.#parts;
    const began = clock.monotonic();
    await store.swap(key, tombstoneEntry(stamps.next(), 'destroyed'), 'any', maxOutage + ALLOWED_SKEW);
    emit('session:destroyed', { session: pseudonymOf(key), ms: clock.monotonic() - began });
  }

  /** What was listed just now may be on its way to the store from another instance. */
  #isGone(found: Lookup | undefined, listed: Listed | undefined): boolean {
    if (found?.state === 'ended') return true;
    return found?.state === 'absent' && (listed?.used ?? 0) < this.#now() - ALLOWED_SKEW;
  }

  #now(): number {
    return Math.floor(this.#parts.clock.wall());
  }
}

function known(found: FoundIndex): FoundIndex {
  if (found.state === 'unknown')
    throw new SessionError('STORE_UNAVAILABLE', 'the sessions of this user cannot be read now');
  return found;
}

function unavailable(error: unknown): ReadonlyMap<string, Listed> {
  if (error instanceof SessionError && error.code === 'STORE_UNAVAILABLE') return new Map();
  throw error;
}
