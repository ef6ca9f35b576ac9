import type { Clock, Timer } from '../clock.js';
import type { ModeSwitch } from './mode.js';
import { type Pace, paced } from './pace.js';
import type { Shadow } from './shadow.js';
import type { Traffic } from './traffic.js';

export interface WarmingParts {
  readonly clock: Clock;
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
/** What others change is read again so soon, ms: several changes of one session in that time are one. */
const GATHER = 100;

/**
 * Keeps copies such that an outage, whenever it comes, finds them fresh: what others have changed is read again soon; and
 * everything, what was used last first, after a gap in which nobody reported changes.
 */
export class Warming {
  readonly #parts: WarmingParts;
  readonly #pace: Pace;
  #warmed: number | undefined;
  readonly #changed = new Set<string>();
  #timer: Timer | undefined;
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

  /** Others have changed the session under `key`. */
  changed(key: string): void {
    if (this.#closed || !this.#parts.shadow.peek(key)) return;
    this.#changed.add(key);
    this.#timer ??= this.#parts.clock.after(GATHER, () => {
      this.#timer = undefined;
      void this.#refresh();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** In an outage copies stay as they are: the gap after it is seen to as a whole. */
  async #refresh(): Promise<void> {
    const keys = [...this.#changed];
    this.#changed.clear();
    const going = (): boolean => !this.#closed && this.#parts.modes.read.closed;
    await paced(keys, this.#pace, async key => going() && this.#parts.read(key));
  }

  async #warm(watch: number): Promise<void> {
    const { shadow, modes, watching, read } = this.#parts;
    const going = (): boolean => !this.#closed && modes.read.closed && watching() === watch;
    const isCold = (key: string): boolean => shadow.peek(key)?.confirmed.watch !== watch;
    // Users, and the drain, may have seen to it when its turn comes.
    const warmed = async (key: string): Promise<boolean> => !isCold(key) || read(key);
    const cold = shadow.keys().filter(isCold).toReversed();
    const done = await paced(cold, this.#pace, async key => going() && warmed(key));
    if (done && going()) this.#warmed = watch;
  }
}
