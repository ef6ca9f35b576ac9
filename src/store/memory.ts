import type { Clock } from '../clock.js';
import { BoundedMap, type Kept } from './bounded-map.js';
import { type Entry, isTombstone, stampOf } from './entry.js';
import { pack, type Packed, PACKED_BYTES, unpack } from './packed.js';
import type { Expected, SessionStore, Swapped } from './store.js';

interface Stored extends Kept {
  readonly packed: Packed;
  /** Monotonic ms. */
  expires: number;
}

/** Its fields, and the number that stands outside of them. */
const STORED_BYTES = 64;

/** Sessions in this process alone: bounded in bytes; the oldest go first, unless they were used. */
export class MemoryStore implements SessionStore {
  readonly #kept: BoundedMap<Stored>;
  readonly #clock: Clock;

  constructor(maxBytes: number, clock: Clock) {
    this.#kept = new BoundedMap<Stored>(maxBytes, sizeOf);
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#kept.bytes;
  }

  read(key: string): Promise<Entry | undefined> {
    return Promise.resolve(entryOf(this.#live(key)));
  }

  async swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    refuseBlindWrite(entry, expected);
    const kept = this.#live(key);
    const current = entryOf(kept);
    const answer = decide(current, entry, expected);
    const expires = this.#clock.monotonic() + ttl;
    if (answer === 'put') this.#kept.set(key, { packed: pack(entry), expires, used: false });
    if (answer === 'outlive' && kept) kept.expires = Math.max(kept.expires, expires);
    return answer === 'refuse' ? { done: false, current } : { done: true };
  }

  mayEvict(): boolean {
    return true;
  }

  #live(key: string): Stored | undefined {
    const kept = this.#kept.use(key);
    if (!kept || kept.expires > this.#clock.monotonic()) return kept;
    this.#kept.delete(key);
    return undefined;
  }
}

function entryOf(stored: Stored | undefined): Entry | undefined {
  return stored && unpack(stored.packed);
}

function sizeOf({ packed }: Stored): number {
  return STORED_BYTES + packed.length + PACKED_BYTES;
}

/** The rule of {@link SessionStore.swap}, for stores that can look before they put. */
function decide(
  current: Entry | undefined,
  entry: Entry,
  expected: Expected,
): 'put' | 'already' | 'outlive' | 'refuse' {
  if (!current) return expected === null || expected === 'any' ? 'put' : 'refuse';
  if (stampOf(current) === stampOf(entry)) return 'already';
  if (expected === 'any') return isTombstone(current) ? 'outlive' : 'put';
  if (isTombstone(current) && !isTombstone(entry)) return 'refuse';
  return stampOf(current) === expected ? 'put' : 'refuse';
}

export function refuseBlindWrite(entry: Entry, expected: Expected): void {
  if (expected === 'any' && !isTombstone(entry)) {
    throw new RangeError("swap(): 'any' is for tombstones only, got a record");
  }
}
