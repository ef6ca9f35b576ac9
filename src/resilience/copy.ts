import type { Kept } from '../store/bounded-map.js';
import { type Entry, HEADER_BYTES } from '../store/entry.js';
import { compareVersions, pack, type Packed, PACKED_BYTES, unpack } from '../store/packed.js';
import type { Confirmation } from '../store/store.js';

/** As measured: its fields, and what the heap leaves between many of them. */
const COPY_BYTES = 104;
const MAX_ANCESTORS = 3;
/** Of a stamp: they are random, and tell one version from another without the time. */
const RANDOM_BYTES = 8;
const NOBODY = pack(Buffer.alloc(0));

/** What the store acknowledged of one session, and when it did so last. */
export class Copy implements Kept {
  used = false;
  /** Somebody else has changed what is in the store since. */
  stale = false;
  readonly #packed: Packed;
  /** The random bytes of the versions that this one was made from, as far as they are remembered. */
  readonly #ancestors: Packed;
  #at: number;
  readonly #incarnation: string | undefined;
  #watch: number | undefined;

  private constructor(packed: Packed, ancestors: Packed, { at, incarnation, watch }: Confirmation) {
    this.#packed = packed;
    this.#ancestors = ancestors;
    // What is no whole number needs memory of its own.
    this.#at = Math.floor(at);
    this.#incarnation = incarnation;
    this.#watch = watch;
  }

  static of(entry: Entry, confirmed: Confirmation, before: Copy | undefined): Copy {
    // In one data set each version was made from the one before it; across a loss nobody knows.
    const line = before?.isOf(confirmed.incarnation) ? lineOf(before.#ancestors, before.#packed) : NOBODY;
    return new Copy(pack(entry), line, confirmed);
  }

  get entry(): Entry {
    return unpack(this.#packed);
  }

  get confirmed(): Confirmation {
    return { at: this.#at, incarnation: this.#incarnation, watch: this.#watch };
  }

  get weight(): number {
    const ancestors = this.#ancestors === NOBODY ? 0 : this.#ancestors.length + PACKED_BYTES;
    return COPY_BYTES + this.#packed.length + PACKED_BYTES + ancestors;
  }

  /** Less than 0: it is older than `entry`; 0: it is a copy of that one. */
  compare(entry: Entry): number {
    return compareVersions(this.#packed, entry);
  }

  descendsFrom(entry: Entry): boolean {
    const line = unpack(this.#ancestors);
    for (let at = 0; at < line.length; at += RANDOM_BYTES)
      if (line.subarray(at, at + RANDOM_BYTES).equals(randomOf(entry))) return true;
    return false;
  }

  /** The same data set has it still. */
  confirm({ at, watch }: Omit<Confirmation, 'incarnation'>): void {
    this.#at = Math.floor(at);
    this.#watch = watch;
    this.stale = false;
  }

  /** Whether it was confirmed last by this data set. */
  isOf(incarnation: string | undefined): boolean {
    return this.#incarnation === incarnation;
  }
}

/** Of a version that comes after the one that is `packed`. */
function lineOf(ancestors: Packed, packed: Packed): Packed {
  const line = ancestors + packed.slice(HEADER_BYTES - RANDOM_BYTES, HEADER_BYTES);
  return pack(Buffer.from(line.slice(-MAX_ANCESTORS * RANDOM_BYTES), 'latin1'));
}

function randomOf(entry: Entry): Buffer {
  return entry.subarray(HEADER_BYTES - RANDOM_BYTES, HEADER_BYTES);
}
