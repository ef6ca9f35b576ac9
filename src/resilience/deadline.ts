import type { Clock, Timer } from '../clock.js';
import { Bag } from '../store/bag.js';
import { StoreFault } from '../store/fault.js';

/** A timer that is so much too late, ms, says that this process stood still, and nothing about the store. */
const STALLED = 50;
/** What arrived while the process stood still is read before this timer fires, ms. */
const CATCH_UP = 5;

/** One span of time for everything that a load or a commit does with the store. */
export class Budget {
  readonly #clock: Clock;
  /** Monotonic ms. */
  readonly until: number;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.until = clock.monotonic() + ms;
  }

  get left(): number {
    return Math.max(0, this.until - this.#clock.monotonic());
  }

  /** As {@link Waits.bound}, for one operation alone. With nothing left it does not begin. */
  bound<T>(operation: () => Promise<T>): Promise<T> {
    if (this.left <= 0) return Promise.reject(new StoreFault('not-applied', 'timeout'));
    const waits = new Waits(this.#clock);
    waits.close();
    return waits.bound(operation, this);
  }
}

class Wait {
  readonly until: number;
  /** In the bag; `undefined`: it is over. */
  place: number | undefined;
  readonly #reject: (error: StoreFault) => void;

  constructor(until: number, reject: (error: StoreFault) => void) {
    this.until = until;
    this.#reject = reject;
  }

  expire(): void {
    this.#reject(new StoreFault('ambiguous', 'timeout'));
  }
}

/**
 * Operations that nobody waits for longer than their budgets. All share one timer, because one for each costs more than
 * what it guards.
 */
export class Waits {
  readonly #clock: Clock;
  readonly #waits = new Bag<Wait>();
  #timer: Timer | undefined;
  #due = Infinity;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Settles with `operation`, or throws an ambiguous `timeout` once the budget is spent. The operation goes on: nothing
   * bounds a command that was sent, and its stamp makes it harmless.
   */
  bound<T>(operation: () => Promise<T>, { until }: Budget): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const wait = new Wait(until, reject);
      wait.place = this.#waits.put(wait);
      if (until < this.#due) this.#arm(until);
      operation().then(
        answer => {
          this.#end(wait);
          resolve(answer);
        },
        (error: unknown) => {
          this.#end(wait);
          reject(error);
        },
      );
    });
  }

  /** Nobody waits any longer. */
  abandon(): void {
    for (const wait of this.#waits) this.#expire(wait);
  }

  /** From now on no timer outlives those who wait. */
  close(): void {
    this.#closed = true;
    this.#rest();
  }

  #expire(wait: Wait): void {
    this.#end(wait);
    wait.expire();
  }

  #end(wait: Wait): void {
    if (wait.place === undefined) return;
    this.#waits.take(wait.place);
    wait.place = undefined;
    if (this.#closed) this.#rest();
  }

  #rest(): void {
    if (this.#waits.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#due = Infinity;
  }

  #arm(due: number): void {
    this.#timer?.cancel();
    this.#due = due;
    this.#timer = this.#clock.after(Math.max(0, due - this.#clock.monotonic()), () => this.#ring());
  }

  /** After a stall of the event loop timers run before the replies that are already here: then those are read first. */
  #ring(): void {
    const stalled = this.#clock.monotonic() - this.#due > STALLED;
    if (stalled) this.#timer = this.#clock.after(CATCH_UP, () => this.#expireDue());
    else this.#expireDue();
  }

  #expireDue(): void {
    const now = this.#clock.monotonic();
    let next = Infinity;
    for (const wait of this.#waits) {
      if (wait.until <= now) this.#expire(wait);
      else next = Math.min(next, wait.until);
    }
    this.#timer = undefined;
    this.#due = Infinity;
    if (next < Infinity) this.#arm(next);
  }
}
