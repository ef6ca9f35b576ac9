import { BoundedMap } from '../store/bounded-map.js';
import { type Entry, stampOf } from '../store/entry.js';
import type { Confirmation } from '../store/store.js';

export interface Copy {
  readonly entry: Entry;
  readonly confirmed: Confirmation;
}

export interface ShadowOptions {
  readonly maxBytes: number;
  /** A copy older than this at the start of an outage is not used, ms. */
  readonly maxStaleness: number;
}

/** Sealed copies of the sessions used last, so that an outage logs nobody out. */
export class Shadow {
  readonly #copies: BoundedMap<Copy>;
  readonly #maxStaleness: number;

  constructor(options: ShadowOptions | false) {
    this.#copies = new BoundedMap<Copy>(options ? options.maxBytes : 0, copy => copy.entry.length);
    this.#maxStaleness = options ? options.maxStaleness : 0;
  }

  get bytes(): number {
    return this.#copies.bytes;
  }

  get size(): number {
    return this.#copies.size;
  }

  /** Keeps what the store acknowledged. An answer that was overtaken by a newer one changes nothing. */
  keep(key: string, entry: Entry, confirmed: Confirmation): void {
    const copy = this.#copies.get(key);
    if (copy && stampOf(copy.entry) > stampOf(entry)) return;
    this.#copies.set(key, { entry, confirmed });
  }

  /** The copy, whatever its age: what this instance last saw acknowledged. */
  newest(key: string): Copy | undefined {
    return this.#copies.use(key);
  }

  /** The copy if it was confirmed no longer than `maxStaleness` before `outage` (monotonic ms). */
  warm(key: string, outage: number): Copy | undefined {
    const copy = this.#copies.use(key);
    return copy && copy.confirmed.at >= outage - this.#maxStaleness ? copy : undefined;
  }

  drop(key: string): void {
    this.#copies.delete(key);
  }
}
