import { setTimeout as sleep } from 'node:timers/promises';
import type { Shopper } from './shopper.js';
import type { Site } from './site.js';

/** Where a shopper puts what: two kinds at one instance, or one kind at each of two. */
export interface Habit {
  readonly shopper: Shopper;
  readonly tea: Site;
  readonly bread: Site;
}

const PAUSE = 30;
const POLL = 20;
/** Patience, not a measure. */
const LIMIT = 10_000;

/** Users who keep on shopping, whatever happens to Redis. */
export class Traffic {
  #running = true;
  #settling = false;
  /** Those who only read, and whose instances have both read from Redis since. */
  readonly #settled = new Set<Shopper>();
  readonly #movers: number;
  readonly #shoppers: Promise<void>;

  constructor(habits: readonly Habit[]) {
    this.#movers = habits.filter(({ tea, bread }) => tea !== bread).length;
    this.#shoppers = Promise.all(habits.map(habit => this.#shop(habit))).then(() => undefined);
  }

  /**
   * Lets those who use two instances only read, until each instance has what the other wrote: of a change that Redis has
   * reported but not yet been asked for, nobody can read anything once Redis is gone. The others go on writing.
   */
  async settle(): Promise<void> {
    this.#settled.clear();
    this.#settling = true;
    const late = performance.now() + LIMIT;
    while (this.#settled.size < this.#movers && performance.now() < late) await sleep(POLL);
  }

  /** Everybody writes again. */
  go(): void {
    this.#settling = false;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#shoppers;
  }

  async #shop({ shopper, tea, bread }: Habit): Promise<void> {
    while (this.#running) {
      const settling = this.#settling && tea !== bread;
      // At the same time, each onto a key of its own: neither may cost the other its change.
      if (!settling) await Promise.all([shopper.write(tea, 'tea'), shopper.write(bread, 'bread')]);
      const sources = await Promise.all([...new Set([tea, bread])].map(site => shopper.read(site)));
      if (settling && sources.every(source => source === 'primary')) this.#settled.add(shopper);
      await sleep(PAUSE);
    }
  }
}
