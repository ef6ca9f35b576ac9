import type { Clock, Timer } from '../clock.js';
import { StoreFault } from '../store/fault.js';

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
   * bounds a command that was sent, and its stamp makes it harmless.
   */
  async bound<T>(operation: () => Promise<T>): Promise<T> {
    if (this.left <= 0) throw new StoreFault('not-applied', 'timeout');
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.after(this.left, () => reject(new StoreFault('ambiguous', 'timeout')));
    });
    try {
      return await Promise.race([operation(), late]);
    } finally {
      timer?.cancel();
    }
  }
}
