import type { ModeSwitch } from './mode.js';
import { type Pace, paced } from './pace.js';
import type { Shadow } from './shadow.js';
import type { Traffic } from './traffic.js';

export interface WarmingParts {
  readonly traffic: Traffic;
  readonly modes: ModeSwitch;
  readonly shadow: Shadow;
  /** The span in which the store reports changes now; `undefined`: it does not. */
  readonly watching: () => number | undefined;
  /** Asks the store for the entry under `key`, and keeps the answer. */
  readonly read: (key: string) => Promise<boolean>;
}

/** Few: what a user waits for goes first. */
const WIDTH = 4;

/**
 * Reads the copies again after a gap in which nobody reported changes, those used last first: else the next outage would
 * find none that can be trusted.
 */
export class Warming {
  readonly #parts: WarmingParts;
  readonly #pace: Pace;
  #warmed: number | undefined;
  #running = false;
  #closed = false;

  constructor(parts: WarmingParts) {
    this.#parts = parts;
    this.#pace = { width: WIDTH, traffic: parts.traffic };
  }

  kick(): void {
    const watch = this.#parts.watching();
    if (this.#closed || this.#running || watch === undefined || watch === this.#warmed) return;
    this.#running = true;
    void this.#warm(watch).finally(() => (this.#running = false));
  }

  close(): void {
    this.#closed = true;
  }

  async #warm(watch: number): Promise<void> {
    const { shadow, modes, watching, read } = this.#parts;
    const going = (): boolean => !this.#closed && modes.read.closed && watching() === watch;
    const cold = shadow.keys().filter(key => shadow.peek(key)?.confirmed.watch !== watch);
    const done = await paced(cold.toReversed(), this.#pace, async key => going() && read(key));
    if (done && going()) this.#warmed = watch;
  }
}
