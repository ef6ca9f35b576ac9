/**
 * What a place in a map takes beside the characters of its key, on Node 20: 28 to 56, as the map has grown, and 20 for the
 * key. The weights of what stands there were measured likewise: a field takes 8, an object 24.
 */
export const PLACE_BYTES = 68;

/** Making room is done for so much of the cap at once: to find the oldest, a map steps over all that have gone. */
const AHEAD = 1 / 64;
/** So many are passed over for their use when room is made: it must not stop the process for long. */
const MAX_CHANCES = 1_024;

/** What a map keeps. `used`: since it came, or since it was last passed over for that. */
export interface Kept {
  used: boolean;
}

/**
 * A map that counts bytes and lets go of the oldest when it would exceed its cap; what was used gets a second chance. So a
 * use moves nothing: reads are many, and evictions few.
 */
export class BoundedMap<V extends Kept> {
  readonly #values = new Map<string, V>();
  readonly #maxBytes: number;
  readonly #sizeOf: (value: V) => number;
  #bytes = 0;

  /** `sizeOf`: the value with all that only it holds, bytes; the same as long as it is here. */
  constructor(maxBytes: number, sizeOf: (value: V) => number) {
    this.#maxBytes = maxBytes;
    this.#sizeOf = sizeOf;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#values.size;
  }

  /** What comes now makes others go, or others have just gone for it. */
  get full(): boolean {
    return this.#bytes > this.#maxBytes * (1 - 2 * AHEAD);
  }

  /** Of all values, those that were used at the end. */
  keys(): string[] {
    const [idle, used]: [string[], string[]] = [[], []];
    for (const [key, value] of this.#values) (value.used ? used : idle).push(key);
    return idle.concat(used);
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  /** As `get`, and counts as a use. */
  use(key: string): V | undefined {
    const value = this.#values.get(key);
    if (value) value.used = true;
    return value;
  }

  /** A value larger than the whole cap is not kept. */
  set(key: string, value: V): void {
    const before = this.#values.get(key);
    value.used = before !== undefined;
    if (before) this.#bytes -= this.#weigh(key, before);
    const bytes = this.#weigh(key, value);
    if (this.#bytes + bytes > this.#maxBytes) {
      this.#values.delete(key);
      if (bytes > this.#maxBytes) return;
      this.#makeRoom(bytes);
    }
    this.#values.set(key, value);
    this.#bytes += bytes;
  }

  delete(key: string): boolean {
    const value = this.#values.get(key);
    if (!value) return false;
    this.#bytes -= this.#weigh(key, value);
    return this.#values.delete(key);
  }

  #makeRoom(bytes: number): void {
    const most = this.#maxBytes * (1 - AHEAD) - bytes;
    let chances = MAX_CHANCES;
    for (const [key, value] of this.#values) {
      if (this.#bytes <= most) return;
      if (value.used && chances > 0) {
        chances -= 1;
        value.used = false;
        this.#values.delete(key);
        this.#values.set(key, value);
      } else {
        this.delete(key);
      }
    }
  }

  #weigh(key: string, value: V): number {
    return key.length + PLACE_BYTES + this.#sizeOf(value);
  }
}
