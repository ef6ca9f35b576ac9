import { BoundedMap } from '../store/bounded-map.js';
import { Doorkeeper } from '../store/doorkeeper.js';
import type { Entry } from '../store/entry.js';
import type { Confirmation } from '../store/store.js';
import { Copy } from './copy.js';

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
  readonly #doorkeeper = new Doorkeeper();

  constructor(options: ShadowOptions | false) {
    this.#copies = new BoundedMap<Copy>(options ? options.maxBytes : 0, copy => copy.weight);
    this.#maxStaleness = options ? options.maxStaleness : 0;
  }

  get bytes(): number {
    return this.#copies.bytes;
  }

  get size(): number {
    return this.#copies.size;
  }

  /** The keys of all copies, those that were used at the end. */
  keys(): string[] {
    return this.#copies.keys();
  }

  /** As `keep`, of what was read: where there is no room left, nobody makes way for who comes for the first time. */
  meet(key: string, entry: Entry, confirmed: Confirmation): void {
    const welcome = !this.#copies.full || this.#copies.get(key) !== undefined || this.#doorkeeper.knows(key);
    if (welcome) this.keep(key, entry, confirmed);
  }

  /** Keeps what the store acknowledged. An answer that was overtaken by a newer one changes nothing. */
  keep(key: string, entry: Entry, confirmed: Confirmation): void {
    const copy = this.#copies.use(key);
    const age = copy?.compare(entry) ?? -1;
    if (age > 0) return;
    // After most reads: then nothing is made anew.
    if (age === 0 && copy?.isOf(confirmed.incarnation)) copy.confirm(confirmed);
    else this.#copies.set(key, Copy.of(entry, confirmed, age === 0 ? undefined : copy));
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
