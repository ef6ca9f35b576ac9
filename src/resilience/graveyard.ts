import type { Clock } from '../clock.js';
import { BoundedMap } from '../store/bounded-map.js';
import { type Entry, ownEntry } from '../store/entry.js';

interface Grave {
  readonly tombstone: Entry;
  readonly until: number;
}

const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Sessions that this instance ended or saw ended, for as long as their tombstones live. Without it a slow request across
 * a link that comes and goes revives a session that the same instance has ended.
 */
export class Graveyard {
  readonly #graves = new BoundedMap<Grave>(MAX_BYTES, grave => grave.tombstone.length);
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  bury(key: string, tombstone: Entry, ttl: number): void {
    const until = this.#clock.monotonic() + ttl;
    const there = this.#graves.get(key);
    if (!there || there.until < until) this.#graves.set(key, { tombstone: ownEntry(tombstone), until });
  }

  get(key: string): Entry | undefined {
    return this.find(key)?.tombstone;
  }

  /** The tombstone, and how long it has yet to live, ms. */
  find(key: string): { readonly tombstone: Entry; readonly left: number } | undefined {
    const grave = this.#graves.get(key);
    if (!grave) return undefined;
    const left = grave.until - this.#clock.monotonic();
    if (left > 0) return { tombstone: grave.tombstone, left };
    this.#graves.delete(key);
    return undefined;
  }

  keys(): string[] {
    return this.#graves.keys();
  }
}
