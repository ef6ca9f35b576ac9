import { BoundedMap } from '../store/bounded-map.js';
import { type Entry, ownEntry, type Stamp, stampOf } from '../store/entry.js';
import type { Confirmation } from '../store/store.js';

export interface Copy {
  readonly entry: Entry;
  readonly confirmed: Confirmation;
  /** Somebody else has changed what is in the store since. */
  stale: boolean;
  /** Versions that this one was made from, as far as they are remembered. */
  readonly ancestors: readonly Stamp[];
}

const MAX_ANCESTORS = 3;
const STAMP_BYTES = 48;

export interface ShadowOptions {
  readonly maxBytes: number;
  /** Where the store reports no changes: a copy older than this at the start of an outage is not used, ms. */
  readonly maxStaleness: number;
}

/** What a copy must satisfy to be served while the store cannot answer. */
export interface Trust {
  /** The last span in which the store reported changes; `undefined`: it does not. */
  readonly watch: number | undefined;
  /** When the outage began, monotonic ms. */
  readonly outage: number;
}

/** Sealed copies of the sessions used last, so that an outage logs nobody out. */
export class Shadow {
  readonly #copies: BoundedMap<Copy>;
  readonly #maxStaleness: number;

  constructor(options: ShadowOptions | false) {
    this.#copies = new BoundedMap<Copy>(options ? options.maxBytes : 0, sizeOf);
    this.#maxStaleness = options ? options.maxStaleness : 0;
  }

  get bytes(): number {
    return this.#copies.bytes;
  }

  get size(): number {
    return this.#copies.size;
  }

  /** The keys of all copies, the one used last at the end. */
  keys(): string[] {
    return this.#copies.keys();
  }

  /** Keeps what the store acknowledged. An answer that was overtaken by a newer one changes nothing. */
  keep(key: string, entry: Entry, confirmed: Confirmation): void {
    const copy = this.#copies.get(key);
    const [known, stamp] = [copy && stampOf(copy.entry), stampOf(entry)];
    if (known !== undefined && known > stamp) return;
    const own = copy && known === stamp ? copy.entry : ownEntry(entry);
    this.#copies.set(key, { entry: own, confirmed, stale: false, ancestors: lineOf(copy, stamp, confirmed) });
  }

  /** As `newest`, and counts as no use. */
  peek(key: string): Copy | undefined {
    return this.#copies.get(key);
  }

  /** The copy, whatever its age: what this instance last saw acknowledged. */
  newest(key: string): Copy | undefined {
    return this.#copies.use(key);
  }

  /** The copy, unless the store may hold something newer that was reported, or could not be, before the outage. */
  warm(key: string, { watch, outage }: Trust): Copy | undefined {
    const copy = this.#copies.use(key);
    if (!copy || copy.stale) return undefined;
    const { confirmed } = copy;
    const fresh =
      watch === undefined ? confirmed.at >= outage - this.#maxStaleness : confirmed.watch === watch;
    return fresh ? copy : undefined;
  }

  /** It remains as the least that this instance has seen, and serves nobody. */
  changed(key: string): void {
    const copy = this.#copies.get(key);
    if (copy) copy.stale = true;
  }

  drop(key: string): void {
    this.#copies.delete(key);
  }

  clear(): void {
    for (const key of this.#copies.keys()) this.#copies.delete(key);
  }
}

function sizeOf({ entry, ancestors }: Copy): number {
  return entry.length + ancestors.length * STAMP_BYTES;
}

/** In one data set each version was made from the one before it; across a loss nobody knows. */
function lineOf(before: Copy | undefined, stamp: Stamp, { incarnation }: Confirmation): readonly Stamp[] {
  if (!before || before.confirmed.incarnation !== incarnation) return [];
  const known = stampOf(before.entry);
  return known === stamp ? before.ancestors : [...before.ancestors, known].slice(-MAX_ANCESTORS);
}
