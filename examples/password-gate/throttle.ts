const ATTEMPTS = 5;
const WINDOW = 60_000;
/** Whoever has more addresses than this is counted anew, but memory stays as it is. */
const ADDRESSES = 10_000;

interface Count {
  readonly attempts: number;
  readonly until: number;
}

/** Five attempts a minute for each address, counted by this process: Redis need not be there. */
export class Throttle {
  readonly #counts = new Map<string, Count>();

  /** Counts an attempt before it is looked at, so that a hundred at once are no way around. Seconds to wait; 0: none. */
  attempt(address: string, now = performance.now()): number {
    const { attempts, until } = this.#countOf(address, now);
    if (attempts >= ATTEMPTS) return Math.ceil((until - now) / 1000);
    // To the end of the map: what stands at its beginning was heard of least lately.
    this.#counts.delete(address);
    this.#counts.set(address, { attempts: attempts + 1, until });
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= ADDRESSES) break;
      this.#counts.delete(oldest);
    }
    return 0;
  }

  forget(address: string): void {
    this.#counts.delete(address);
  }

  #countOf(address: string, now: number): Count {
    const count = this.#counts.get(address);
    return count && count.until > now ? count : { attempts: 0, until: now + WINDOW };
  }
}
