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
    return new Waits(this.#clock).bound(operation, this);
  }
}

class Wait {
  readonly until: number;
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

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Settles with `operation`, or throws an ambiguous `timeout` once the budget is spent. The operation goes on: nothing
   * bounds a command that was sent, and its stamp makes it harmless.
   */
  bound<T>(operation: () => Promise<T>, { until }: Budget): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const place = this.#waits.put(new Wait(until, reject));
      if (until < this.#due) this.#arm(until);
      operation().then(
        answer => {
          this.#waits.take(place);
          resolve(answer);
        },
        (error: unknown) => {
          this.#waits.take(place);
          reject(error);
        },
      );
    });
  }

  /** Nobody waits any longer. */
  abandon(): void {
    for (const wait of this.#waits) wait.expire();
  }

  #arm(due: number): void {
    this.#timer?.cancel();
    this.#due = due;
    this.#timer = this.#clock.after(Math.max(0, due - this.#clock.monotonic()), () => this.#ring());
  }

  /** After a stall of the event loop timers run before the replies that are already here: then those are read first. */
  #ring(): void {
    const stalled = this.#clock.monotonic() - this.#due > STALLED;
    if (stalled) this.#timer = this.#clock.after(CATCH_UP, () => this.#expire());
    else this.#expire();
  }

  /** Who has expired stays here until the store answers or the connection is given up, and never hears of it twice. */
  #expire(): void {
    const now = this.#clock.monotonic();
    let next = Infinity;
    for (const wait of this.#waits) {
      if (wait.until <= now) wait.expire();
      else next = Math.min(next, wait.until);
    }
    this.#timer = undefined;
    this.#due = Infinity;
    if (next < Infinity) this.#arm(next);
  }
}
