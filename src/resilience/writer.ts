import { ALLOWED_SKEW, type Clock } from '../clock.js';
import { SessionError } from '../errors.js';
import type { Emit } from '../observe/events.js';
import { type Entry, isTombstone, reasonOf, stampOf, type Stamps, tombstoneEntry } from '../store/entry.js';
import { faultOf } from '../store/fault.js';
import type { Settled, Swapped } from '../store/store.js';
import { absorb, mergeOnto } from './absorb.js';
import type { Budget } from './deadline.js';
import type { Graveyard } from './graveyard.js';
import type { Journal } from './journal.js';
import type { JournalItem } from './journal-item.js';
import type { Fate } from './ledger.js';
import type { ModeSwitch } from './mode.js';
import type { Restoration } from './restoration.js';
import { type Outcome, settle, type World } from './settle.js';
import type { Shadow } from './shadow.js';
import type { Testimony, Witness } from './witness.js';

export interface WriterParts {
  readonly witness: Witness;
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly modes: ModeSwitch;
  readonly journal: Journal;
  readonly graveyard: Graveyard;
  readonly shadow: Shadow;
  readonly world: World;
  readonly restoration: Restoration;
  readonly emit: Emit;
  readonly count: (fate: Fate) => void;
  readonly pseudonymOf: (key: string) => string;
}

const SWEEP_EVERY = 1_000;

/** Takes one write to the store, or keeps it in the journal. The caller runs the writes of one key one by one. */
export class Writer {
  readonly #parts: WriterParts;
  #swept = -Infinity;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** A new write. Throws `STORE_UNAVAILABLE` where it can be kept nowhere. */
  async write(fresh: JournalItem, budget: Budget): Promise<Settled> {
    const { graveyard, journal } = this.#parts;
    const grave = graveyard.get(fresh.key);
    // The same tombstone once more is a retry, which the store answers.
    const again = grave && stampOf(grave) === stampOf(fresh.entry);
    if (grave && !again && fresh.expected !== 'any') return { done: false, current: grave };
    const pending = journal.get(fresh.key);
    const absorbed = pending ? absorb(pending, fresh) : { item: fresh };
    if ('answer' in absorbed) return absorbed.answer;
    const attempted = await this.#attempt(absorbed.item, budget);
    const outcome = pending ? attempted : this.#overNewest(attempted);
    // Meanwhile it may have had to make room for others: then it was counted as such.
    return this.#conclude(outcome, pending !== undefined && journal.holds(pending));
  }

  /** What is about to wait will be read from here: then with all that was acknowledged here before it. */
  #overNewest(outcome: Outcome): Outcome {
    const { item } = outcome;
    const newest = this.#parts.shadow.newest(item.key);
    if (isSettled(outcome) || !newest || !item.expected || item.expected === 'any' || item.origin === 'blind')
      return outcome;
    const { entry: current, confirmed } = newest;
    const stamp = stampOf(current);
    if (stamp <= item.expected || stamp === stampOf(item.entry)) return outcome;
    const merged = mergeOnto(current, item);
    if (merged === undefined || merged === 'drop')
      return { item: { ...item, confirmed }, kind: 'superseded', current };
    return { ...outcome, item: { ...item, ...merged, expected: stamp, confirmed } };
  }

  /** A write that waits: once more. Nothing happens where it must go on waiting. */
  async retry(key: string, budget: Budget): Promise<Settled | undefined> {
    const { journal } = this.#parts;
    const item = journal.get(key);
    if (!item || this.#blocked(item)) return undefined;
    const outcome = await this.#attempt(item, budget);
    const waits = journal.holds(item);
    if (isSettled(outcome)) return this.#conclude(outcome, waits);
    // It waits on as it is: what it became meanwhile it will become again.
    if (waits) journal.confirm(key, outcome.item.confirmed);
    return undefined;
  }

  /** Lets go of what nobody wants any more. Returns how many that were; looks once in a second at most. */
  sweep(): number {
    const { journal, world } = this.#parts;
    const now = world.now();
    if (now - this.#swept < SWEEP_EVERY) return 0;
    this.#swept = now;
    const over = journal.sweep(now, now - world.maxOutage);
    for (const item of over) this.#lost(item, 'expired');
    return over.length;
  }

  /** An orphan has come to its end: it lives on elsewhere, or its session is over. */
  adopted(key: string, fate: Fate): void {
    if (this.#parts.journal.forget(key)) this.#parts.count(fate);
  }

  /** Whether anything at all can go to the store now. */
  get open(): boolean {
    const { read, write } = this.#parts.modes;
    // Out of memory, Redis still takes a tombstone, and a logout should not wait for an operator.
    return write.closed || (write.reason === 'oom' && read.closed);
  }

  passable(entry: Entry): boolean {
    return this.#parts.modes.write.closed || (isTombstone(entry) && this.open);
  }

  #blocked(item: JournalItem): boolean {
    const { after } = item;
    const waits = after !== undefined && this.#parts.journal.has(after);
    return waits || !this.passable(item.entry);
  }

  #attempt(item: JournalItem, budget: Budget): Promise<Outcome> {
    if (this.#blocked(item)) {
      return Promise.resolve({ item, kind: 'postponed', until: this.#parts.world.now() });
    }
    return settle(
      item,
      (entry, expected, ttl) => this.#swap(item.key, entry, expected, ttl, budget),
      this.#parts.world,
    );
  }

  async #swap(
    key: string,
    entry: Entry,
    expected: JournalItem['expected'],
    ttl: number,
    budget: Budget,
  ): Promise<Testimony<Swapped>> {
    const { witness, modes, emit } = this.#parts;
    const operation = (): Promise<Testimony<Swapped>> =>
      witness.ask(key, store => store.swap(key, entry, expected, ttl));
    const around = !modes.write.closed && this.passable(entry);
    try {
      return await (around ? budget.bound(operation) : modes.write.run(operation, budget));
    } catch (error) {
      const fault = faultOf(error);
      emit('store:error', { operation: 'swap', class: fault.class, code: fault.reason });
      if (fault.class !== 'not-applied') witness.unsettle();
      throw fault;
    }
  }

  #conclude(outcome: Outcome, waited: boolean): Settled {
    const { item } = outcome;
    switch (outcome.kind) {
      case 'acknowledged':
        return this.#acknowledged(item, outcome.merged, waited);
      case 'ended':
        return this.#ended(item, outcome.current, waited);
      case 'superseded':
      case 'conflict':
      case 'quarantined':
        // What outlived this write was seen here: a warm copy must not be older.
        if (outcome.kind === 'superseded' && item.confirmed)
          this.#parts.shadow.keep(item.key, outcome.current, item.confirmed);
        this.#release(item, outcome.kind === 'quarantined' ? 'quarantined' : 'superseded', waited);
        return { done: false, current: outcome.current };
      case 'expired':
      case 'evicted':
        this.#parts.shadow.drop(item.key);
        this.#release(item, outcome.kind, waited);
        this.#gone(item, outcome.kind);
        if (isTombstone(item.entry)) this.#endAnyway(item, 'evicted');
        return { done: false, current: undefined };
      case 'orphaned':
        return this.#orphaned(item, waited);
      default:
        return this.#wait(item);
    }
  }

  /** What others may yet bring to the store, or a user who comes back, decides about it. */
  #orphaned(item: JournalItem, waited: boolean): Settled {
    const { journal, restoration } = this.#parts;
    if (!waited && !item.intent?.awaited && !restoration.doubtful) return { done: false, current: undefined };
    const before = journal.orphaned(item.key);
    const merged = before && mergeOnto(before.entry, item);
    const whole = merged === undefined || merged === 'drop' ? item : { ...item, ...merged };
    const victims = merged === 'drop' ? [] : journal.orphan(whole);
    if (!victims) return this.#refuse(item, waited);
    for (const victim of victims) this.#lost(victim, 'evicted');
    return { done: true, by: 'journal', confirmed: item.confirmed };
  }

  #acknowledged(item: JournalItem, merged: boolean, waited: boolean): Settled {
    const { graveyard, shadow } = this.#parts;
    if (isTombstone(item.entry)) {
      graveyard.bury(item.key, item.entry, item.life);
      shadow.drop(item.key);
    } else if (item.confirmed) {
      shadow.keep(item.key, item.entry, item.confirmed);
    }
    const fate = merged ? 'merged' : 'migrated';
    this.#release(item, isTombstone(item.entry) ? 'tombstones' : fate, waited);
    return { done: true, by: 'primary', confirmed: item.confirmed };
  }

  #ended(item: JournalItem, current: Entry, waited: boolean): Settled {
    const { graveyard, shadow, world } = this.#parts;
    graveyard.bury(item.key, current, world.maxOutage + ALLOWED_SKEW);
    shadow.drop(item.key);
    this.#release(item, 'superseded', waited);
    if (isTombstone(item.entry) && reasonOf(current) === 'destroyed')
      this.#endDependents(item.key, 'superseded');
    if (waited && !isTombstone(item.entry)) this.#gone(item, 'ended');
    return { done: false, current };
  }

  /**
   * The session was, or may have been, destroyed elsewhere before it was regenerated here: the new id ends with the old
   * one, and whatever it was regenerated to in turn.
   */
  #endDependents(key: string, fate: Fate): void {
    for (const item of this.#parts.journal.dependents(key)) {
      this.#release(item, fate, true);
      this.#gone(item, 'ended');
      this.#endAnyway(item, fate);
    }
  }

  /** Whatever stands there, it is over, and so is what depends on it. */
  #endAnyway(item: JournalItem, fate: Fate): void {
    const { journal, stamps, graveyard, world } = this.#parts;
    const entry = tombstoneEntry(stamps.next(stampOf(item.entry)), 'destroyed');
    const life = world.maxOutage + ALLOWED_SKEW;
    graveyard.bury(item.key, entry, life);
    const end = { expected: 'any', origin: 'based', intent: undefined, after: undefined } as const;
    journal.put({ ...item, ...end, entry, life });
    this.#endDependents(item.key, fate);
  }

  #wait(item: JournalItem): Settled {
    const { journal, emit, graveyard } = this.#parts;
    const added = !journal.has(item.key);
    const kind = isTombstone(item.entry) ? 'tombstone' : 'record';
    const victims = journal.put(item) ?? (this.sweep() > 0 ? journal.put(item) : undefined);
    if (!victims) return this.#refuse(item, false);
    for (const victim of victims) this.#lost(victim, 'evicted');
    if (kind === 'tombstone') graveyard.bury(item.key, item.entry, item.life);
    if (added) emit('journal:added', { items: journal.size, bytes: journal.bytes, kind });
    return { done: true, by: 'journal', confirmed: item.confirmed };
  }

  #refuse(item: JournalItem, waited: boolean): never {
    const { journal, emit, count } = this.#parts;
    if (waited) journal.delete(item.key);
    count('evicted');
    const kind = isTombstone(item.entry) ? 'tombstone' : 'record';
    emit('journal:full', { items: journal.size, bytes: journal.bytes, kind });
    throw new SessionError('STORE_UNAVAILABLE', 'the store cannot be reached and the journal has no room');
  }

  #lost(item: JournalItem, fate: 'evicted' | 'expired'): void {
    const { journal, emit, count } = this.#parts;
    count(fate);
    if (fate === 'evicted')
      emit('journal:evicted', { items: journal.size, bytes: journal.bytes, kind: 'record' });
    this.#gone(item, fate);
  }

  #release(item: JournalItem, fate: Fate, waited: boolean): void {
    if (!waited) return;
    this.#parts.journal.delete(item.key);
    this.#parts.count(fate);
    if (fate === 'quarantined')
      this.#parts.emit('migration:quarantined', { session: this.#parts.pseudonymOf(item.key) });
  }

  #gone(item: JournalItem, reason: string): void {
    this.#parts.emit('session:gone', { session: this.#parts.pseudonymOf(item.key), reason });
  }
}

/** Whether the store has answered. */
function isSettled({ kind }: Outcome): boolean {
  return kind !== 'unsettled' && kind !== 'postponed';
}
