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

/** Users who keep on shopping, whatever happens to Redis. */
export class Traffic {
  #running = true;
  readonly #shoppers: Promise<void>;

  constructor(habits: readonly Habit[]) {
    this.#shoppers = Promise.all(habits.map(habit => this.#shop(habit))).then(() => undefined);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#shoppers;
  }

  async #shop({ shopper, tea, bread }: Habit): Promise<void> {
    while (this.#running) {
      // At the same time, each onto a key of its own: neither may cost the other its change.
      await Promise.all([shopper.write(tea, 'tea'), shopper.write(bread, 'bread')]);
      await Promise.all([...new Set([tea, bread])].map(site => shopper.read(site)));
      await sleep(PAUSE);
    }
  }
}
