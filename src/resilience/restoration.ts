import { ALLOWED_SKEW, type Clock, type Timer } from '../clock.js';
import type { Emit } from '../observe/events.js';
import { type Entry, isEntry, isTombstone, stampOf, stampTime } from '../store/entry.js';
import { faultOf } from '../store/fault.js';
import type { Confirmation, Expected, SessionStore, Swapped } from '../store/store.js';
import type { Copy } from './copy.js';
import { Budget } from './deadline.js';
import type { Graveyard } from './graveyard.js';
import type { Journal } from './journal.js';
import type { ModeSwitch } from './mode.js';
import { type Pace, paced } from './pace.js';
import type { Serial } from './serial.js';
import type { Shadow } from './shadow.js';
import type { Testimony, Witness } from './witness.js';
import type { Traffic } from './traffic.js';

/** What to do with warm copies when the store may have lost data: offer them to it, or let users log in again. */
export type LossPolicy = 'restore' | 'relogin';

export interface RestorationParts {
  readonly traffic: Traffic;
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly emit: Emit;
  readonly witness: Witness;
  readonly modes: ModeSwitch;
  readonly graveyard: Graveyard;
  readonly shadow: Shadow;
  readonly journal: Journal;
  readonly serial: Serial;
  readonly policy: LossPolicy;
  readonly deadline: number;
  readonly maxOutage: number;
  /** The longest that a session can live, ms: who holds a copy does not know its deadlines, which are sealed. */
  readonly longestLife: number;
}

/** How long a data set that may have lost tombstones waits for those of all instances before records are put back, ms. */
export const GRACE = 2_000;
/** For so long after a suspected loss "nothing there" may mean "not there yet", ms. */
const DOUBT = 60_000;
const WIDTH = 8;

/** Notices that the store may have lost data, and offers it what this instance knows: first the ends, then the copies. */
export class Restoration {
  readonly #parts: RestorationParts;
  readonly #pace: Pace;
  #name: string | undefined;
  #since: number;
  #losses = 0;
  /** When the last loss was noticed, wall-clock ms. */
  #noticed = 0;
  #restored = 0;
  #running = false;
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: RestorationParts) {
    this.#parts = parts;
    this.#pace = { width: WIDTH, traffic: parts.traffic };
    this.#name = parts.store.incarnation?.();
    this.#since = parts.clock.monotonic();
  }

  /** When the present data set was first seen, monotonic ms. */
  get since(): number {
    this.observe();
    return this.#since;
  }

  /** Whether absence proves nothing now: other instances may still be putting back what they know. */
  get doubtful(): boolean {
    this.observe();
    if (this.#parts.policy === 'relogin') return false;
    return this.#losses > 0 && this.#parts.clock.monotonic() - this.#since < DOUBT;
  }

  /** Whether `copy` may be put back into the data set that `confirmed` speaks of, which may have lost it. */
  restores(copy: Copy, confirmed: Confirmation): boolean {
    return !copy.stale && this.completes(copy, confirmed);
  }

  /** Whether what `copy` says may be missing in a record of that data set: true of a stale copy too, which cannot revive. */
  completes(copy: Copy, { incarnation }: Confirmation): boolean {
    return this.#parts.policy === 'restore' && !copy.isOf(incarnation);
  }

  /** Whether a record is from before a loss after which everybody shall log in again. */
  distrusts(record: Entry): boolean {
    return this.#parts.policy === 'relogin' && stampTime(stampOf(record)) < this.#noticed;
  }

  /** Looks whether the store still has the data set that it had. */
  observe(): void {
    const { store, clock, emit } = this.#parts;
    const name = store.incarnation?.();
    if (name === undefined || name === this.#name) return;
    const first = this.#name === undefined;
    this.#name = name;
    this.#since = clock.monotonic();
    if (first) return;
    this.#losses += 1;
    this.#noticed = clock.wall();
    emit('store:data-loss', { cause: store.lossCause?.() ?? 'incarnation' });
  }

  /** Goes on with what is to be restored, as far as the store takes writes now. */
  kick(): void {
    this.observe();
    const idle = !this.#running && !this.#closed && this.#timer === undefined;
    if (!idle || this.#restored === this.#losses || !this.#parts.modes.write.closed) return;
    this.#running = true;
    const loss = this.#losses;
    void this.#restore(loss).finally(() => {
      this.#running = false;
      // Lost once more meanwhile: what is in the store now has yet to be completed.
      if (this.#losses !== loss) this.kick();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #restore(loss: number): Promise<void> {
    const { graveyard, shadow } = this.#parts;
    const going = (): boolean => !this.#closed && this.#losses === loss;
    const ended = await paced(graveyard.keys(), this.#pace, async key => going() && this.#end(key));
    if (!ended || !going()) return;
    await this.#grace();
    const offered = await paced(
      shadow.keys().toReversed(),
      this.#pace,
      async key => going() && this.#offer(key),
    );
    if (offered && going()) this.#restored = loss;
  }

  #grace(): Promise<void> {
    const left = this.#since + GRACE - this.#parts.clock.monotonic();
    if (left <= 0) return Promise.resolve();
    return new Promise(resolve => {
      this.#timer = this.#parts.clock.after(left, () => {
        this.#timer = undefined;
        resolve();
      });
    });
  }

  async #end(key: string): Promise<boolean> {
    const { graveyard, journal, serial } = this.#parts;
    return serial.run(key, async () => {
      const grave = graveyard.find(key);
      // The drain brings what waits, against the stamp that it was written for: a regenerate takes along what it meets.
      if (journal.has(key)) return true;
      return !grave || (await this.#swap(key, grave.tombstone, 'any', grave.left)) !== undefined;
    });
  }

  /** A copy goes in where nothing is, or what it was made from; anything else stays, and meets it when its user comes. */
  #offer(key: string): Promise<boolean> {
    const { shadow, serial, longestLife } = this.#parts;
    return serial.run(key, async () => {
      let expected: Expected = null;
      for (;;) {
        const copy = shadow.peek(key);
        if (!copy || !this.restores(copy, { ...copy.confirmed, incarnation: this.#name })) return true;
        const { entry } = copy;
        const told: Testimony<Swapped> | undefined = await this.#swap(key, entry, expected, longestLife);
        if (!told) return false;
        const { answer, confirmed } = told;
        if (answer.done) shadow.keep(key, entry, confirmed);
        if (answer.done || !answer.current) return true;
        if (!this.#yields(key, answer.current, copy)) return true;
        expected = stampOf(answer.current);
      }
    });
  }

  /**
   * Whether the copy was made from what is there: then it was seen so, or it is from well before the loss. Older by its
   * stamp is not enough: it may have been written since by a slow clock. A tombstone yields to nothing.
   */
  #yields(key: string, current: Entry, copy: Copy): boolean {
    const { graveyard, shadow, maxOutage } = this.#parts;
    if (!isEntry(current)) return false;
    if (!isTombstone(current)) {
      const before = copy.compare(current) > 0 && stampTime(stampOf(current)) < this.#noticed - ALLOWED_SKEW;
      return before || copy.descendsFrom(current);
    }
    graveyard.bury(key, current, maxOutage + ALLOWED_SKEW);
    shadow.drop(key);
    return false;
  }

  async #swap(
    key: string,
    entry: Entry,
    expected: Expected,
    ttl: number,
  ): Promise<Testimony<Swapped> | undefined> {
    const { witness, modes, clock, deadline, emit } = this.#parts;
    const ask = (): Promise<Testimony<Swapped>> =>
      witness.ask(key, store => store.swap(key, entry, expected, ttl));
    try {
      return await modes.write.run(ask, new Budget(clock, deadline));
    } catch (error) {
      const { class: faultClass, reason } = faultOf(error);
      emit('store:error', { operation: 'restore', class: faultClass, code: reason });
      if (faultClass !== 'not-applied') witness.unsettle();
      return undefined;
    }
  }
}
