import type { Clock } from '../clock.js';
import { BoundedMap, type Kept } from '../store/bounded-map.js';
import type { Entry } from '../store/entry.js';
import { pack, type Packed, PACKED_BYTES, unpack } from '../store/packed.js';

interface Grave extends Kept {
  readonly tombstone: Packed;
  readonly until: number;
}

const MAX_BYTES = 16 * 1024 * 1024;
/** Its fields, and the number that stands outside of them. */
const GRAVE_BYTES = 64;

/**
 * Sessions that this instance ended or saw ended, for as long as their tombstones live. Without it a slow request across
 * a link that comes and goes revives a session that the same instance has ended.
 */
export class Graveyard {
  readonly #graves = new BoundedMap<Grave>(MAX_BYTES, sizeOf);
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  bury(key: string, tombstone: Entry, ttl: number): void {
    const until = this.#clock.monotonic() + ttl;
    const there = this.#graves.get(key);
    if (!there || there.until < until)
      this.#graves.set(key, { tombstone: pack(tombstone), until, used: false });
  }

  get(key: string): Entry | undefined {
    return this.find(key)?.tombstone;
  }

  /** The tombstone, and how long it has yet to live, ms. */
  find(key: string): { readonly tombstone: Entry; readonly left: number } | undefined {
    const grave = this.#graves.get(key);
    if (!grave) return undefined;
    const left = grave.until - this.#clock.monotonic();
    if (left > 0) return { tombstone: unpack(grave.tombstone), left };
    this.#graves.delete(key);
    return undefined;
  }

  keys(): string[] {
    return this.#graves.keys();
  }
}

function sizeOf({ tombstone }: Grave): number {
  return GRAVE_BYTES + tombstone.length + PACKED_BYTES;
}
