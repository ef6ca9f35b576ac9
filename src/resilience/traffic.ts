import type { Clock } from '../clock.js';

/** The longest that background work lets users go first, ms: it must come to its end under any load. */
const COURTESY = 5;

/** Who waits for the store: users first, background work between them. */
export class Traffic {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #users = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What a user waits for. */
  serve<T>(task: () => Promise<T>): Promise<T> {
    this.#users += 1;
    const served = task();
    const leave = (): void => this.#leave();
    served.then(leave, leave);
    return served;
  }

  /** Resolves at once where no user waits, else when the next one has been served. */
  giveWay(): Promise<void> {
    if (this.#users === 0) return Promise.resolve();
    return new Promise(resolve => {
      const go = (): void => {
        timer.cancel();
        this.#waiting.delete(go);
        resolve();
      };
      const timer = this.#clock.after(COURTESY, go);
      this.#waiting.add(go);
    });
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#waiting.size === 0) return;
    const [next] = this.#waiting;
    next?.();
  }
}
