import type { Clock } from '../clock.js';
import { BoundedMap } from './bounded-map.js';
import { type Entry, isTombstone, ownEntry, stampOf } from './entry.js';
import type { Expected, SessionStore, Swapped } from './store.js';

interface Kept {
  readonly entry: Entry;
  /** Monotonic ms. */
  readonly expires: number;
}

/** Sessions in this process alone: bounded in bytes, the longest unused go first. */
export class MemoryStore implements SessionStore {
  readonly #kept: BoundedMap<Kept>;
  readonly #clock: Clock;

  constructor(maxBytes: number, clock: Clock) {
    this.#kept = new BoundedMap<Kept>(maxBytes, kept => kept.entry.length);
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#kept.bytes;
  }

  read(key: string): Promise<Entry | undefined> {
    return Promise.resolve(this.#live(key)?.entry);
  }

  async swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    refuseBlindWrite(entry, expected);
    const kept = this.#live(key);
    const answer = decide(kept?.entry, entry, expected);
    const expires = this.#clock.monotonic() + ttl;
    if (answer === 'put') this.#kept.set(key, { entry: ownEntry(entry), expires });
    if (answer === 'outlive' && kept && kept.expires < expires)
      this.#kept.set(key, { entry: kept.entry, expires });
    return answer === 'refuse' ? { done: false, current: kept?.entry } : { done: true };
  }

  mayEvict(): boolean {
    return true;
  }

  #live(key: string): Kept | undefined {
    const kept = this.#kept.use(key);
    if (!kept || kept.expires > this.#clock.monotonic()) return kept;
    this.#kept.delete(key);
    return undefined;
  }
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
