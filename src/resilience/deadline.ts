import type { Clock, Timer } from '../clock.js';
import { StoreFault } from '../store/fault.js';

/** A timer that is so much too late, ms, says that this process stood still, and nothing about the store. */
const STALLED = 50;
/** What arrived while the process stood still is read before this timer fires, ms. */
const CATCH_UP = 5;

/** One span of time for everything that a load or a commit does with the store. */
export class Budget {
  readonly #clock: Clock;
  readonly #until: number;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#until = clock.monotonic() + ms;
  }

  get left(): number {
    return Math.max(0, this.#until - this.#clock.monotonic());
  }

  /**
   * Settles with `operation`, or throws an ambiguous `timeout` once the budget is spent. The operation goes on: nothing
   * bounds a command that was sent, and its stamp makes it harmless. After a stall of the event loop timers run before
   * the replies that are already here: then those are read first. Whoever calls what is in `abandon` meanwhile ends the
   * wait at once.
   */
  async bound<T>(operation: () => Promise<T>, abandon?: Set<() => void>): Promise<T> {
    if (this.left <= 0) throw new StoreFault('not-applied', 'timeout');
    let timer: Timer | undefined;
    let expire = (): void => undefined;
    const late = new Promise<never>((_, reject) => {
      expire = () => reject(new StoreFault('ambiguous', 'timeout'));
      abandon?.add(expire);
      timer = this.#clock.after(this.left, () => {
        const stalled = this.#clock.monotonic() - this.#until > STALLED;
        if (stalled) timer = this.#clock.after(CATCH_UP, expire);
        else expire();
      });
    });
    try {
      return await Promise.race([operation(), late]);
    } finally {
      timer?.cancel();
      abandon?.delete(expire);
    }
  }
}
