import { type Entry, type Stamp, stampOf, tombstoneEntry } from '../store/entry.js';
import type { Merged, Settled, Tier } from '../store/store.js';
import type { SealedIdentity } from '../vault/vault.js';
import { Draft, openRecord } from './draft.js';
import { type Saving, type SavingParts, tierOf } from './saving.js';
import type { Session } from './session.js';
import { SessionState } from './state.js';

/**
 * Regenerate (ASVS 7.2.4): first the old id ends, then the new one begins; in an outage the second waits for the first.
 */
export class Moving {
  readonly #parts: SavingParts;
  readonly #saving: Saving;

  constructor(parts: SavingParts, saving: Saving) {
    this.#parts = parts;
    this.#saving = saving;
  }

  /** False if the session had ended meanwhile, or if there was no room: then nothing was created. */
  async move(session: Session, state: SessionState, old: SealedIdentity): Promise<boolean> {
    const { vault, stamps, emit, lifetime, drafts, clock } = this.#parts;
    const began = clock.monotonic();
    const fields = this.#saving.fieldsOf(session, state);
    const identity = vault.newIdentity();
    const stamp = stamps.next(state.base?.seen);
    const { blind } = state;
    // Whoever logs in blindly may be somebody else than the cookie's last user: nothing of that session comes along.
    const from = blind ? Object.assign(new SessionState(), state, { blind: false, base: undefined }) : state;
    const record = lifetime.recordFor(from, fields, stamp, true);
    const draft = new Draft(drafts, { identity, record, stamp, since: undefined, touchOnly: false });
    const write = { identity, draft, fields, moves: true, touchOnly: false };
    if (!(await (blind ? this.#endBlindly(state, old) : this.#end(state, old, write)))) return false;
    const settled = await this.#saving.swap(state, write, null, {
      after: blind ? undefined : old.key,
      tier: successorTier(state),
    });
    if (!settled) {
      state.mark = 'ended';
      return false;
    }
    if (state.base?.record.login) state.movedFrom = old.key;
    Object.assign(state, { source: 'new', base: undefined, blind: false });
    const done = this.#saving.conclude(session, state, write, settled, clock.monotonic() - began);
    if (done) emit('session:regenerated', { session: identity.pseudonym });
    return done;
  }

  /**
   * The tombstone over the old id expects the stamp that was read, never `'any'`: what others wrote since is folded into
   * the new one, and what others have ended stays so.
   */
  async #end(
    state: SessionState,
    old: SealedIdentity,
    write: { readonly identity: SealedIdentity; readonly draft: Draft },
  ): Promise<boolean> {
    const { store, stamps, lifetime, clock } = this.#parts;
    const { draft, identity } = write;
    const move = { submitted: false };
    const life = lifetime.tombstoneTtl(state);
    const fold = (current: Entry): Merged => {
      const before = draft.stamp;
      draft.fold(this.#open(old, current), stampOf(current));
      if (move.submitted) this.#resubmit(identity, draft, before, old.key);
      const entry = tombstoneEntry(stamps.next(stampOf(current)), 'regenerated');
      return { entry, expires: clock.monotonic() + life };
    };
    const tombstone = tombstoneEntry(stamps.next(state.base?.seen), 'regenerated');
    const intent = { merge: fold, weight: draft.weight, confirmed: state.base?.confirmed };
    const settled = await this.#saving.patiently(state, old, waited =>
      store.swap(old.key, tombstone, state.base?.stamp ?? null, life, { ...intent, waited }),
    );
    if (draft.failure) throw draft.failure;
    move.submitted = true;
    if (settled && !settled.done) this.#saving.stopped(state, old, settled.current);
    return settled?.done === true;
  }

  /** Nobody has seen what the old id stands for: it ends like a logout, and the new id depends on nothing. */
  async #endBlindly(state: SessionState, old: SealedIdentity): Promise<boolean> {
    const { store, stamps, lifetime } = this.#parts;
    const tombstone = tombstoneEntry(stamps.next(state.base?.seen), 'regenerated');
    const life = lifetime.tombstoneTtl(state);
    const settled = await this.#saving.patiently(state, old, waited =>
      store.swap(old.key, tombstone, 'any', life, { waited }),
    );
    return settled !== undefined;
  }

  #open(old: SealedIdentity, current: Entry): Parameters<Draft['fold']>[0] {
    const older = openRecord(this.#parts.vault, old, current);
    if (typeof older === 'string') throw new Error(older);
    return older;
  }

  /** A regenerate from an outage found a newer version under the old id: the new id takes its changes along. */
  #resubmit(identity: SealedIdentity, draft: Draft, expected: Stamp, after: string): void {
    const { store, lifetime } = this.#parts;
    const intent = { merge: draft.merge, rest: draft.rest, after, tier: 'returning' as const };
    const write: Promise<Settled> = store.swap(
      identity.key,
      draft.entry,
      expected,
      lifetime.ttlOf(draft.record),
      intent,
    );
    // Where it could not be kept the supervisor has counted and reported it; nobody waits here.
    write.catch(() => undefined);
  }
}

/** Who moves to a new id has logged in. */
function successorTier(state: SessionState): Tier {
  return tierOf(state, false) === 'authenticated' ? 'authenticated' : 'returning';
}
