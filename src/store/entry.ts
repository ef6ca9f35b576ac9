import { ALLOWED_SKEW, type Clock } from '../clock.js';

declare const stampBrand: unique symbol;

/**
 * A hybrid logical time: 48-bit ms, 16-bit counter, 8 random bytes, as 32 lower-case hex digits, so that comparing
 * strings compares the bytes. A stamp names exactly one byte string.
 */
export type Stamp = string & { readonly [stampBrand]: true };

/**
 * What a store keeps under a key: `kind(1) ‖ stamp(16) ‖ body`. Kind 1 is a record (sealed), kind 2 a tombstone, whose
 * body is one reason byte.
 */
export type Entry = Buffer;

export type TombstoneReason = 'destroyed' | 'regenerated';

export const KIND_RECORD = 1;
export const KIND_TOMBSTONE = 2;
export const HEADER_BYTES = 17;

const REASONS: readonly TombstoneReason[] = ['destroyed', 'regenerated'];
const MAX_COUNTER = 0xffff;

/** The stamp that is older than every other: what a blind write gives to its keys. */
export const ZERO_STAMP = stampFrom('0'.repeat(32));

function stampFrom(hex: string): Stamp {
  // The only place where a string becomes a stamp: callers have 16 bytes as hex.
  return hex as Stamp;
}

export function isStamp(value: unknown): value is Stamp {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

/** The wall-clock ms that a stamp carries. */
export function stampTime(stamp: Stamp): number {
  return Number.parseInt(stamp.slice(0, 12), 16);
}

export function stampBytes(stamp: Stamp): Buffer {
  return Buffer.from(stamp, 'hex');
}

export function laterStamp(a: Stamp, b: Stamp): Stamp {
  return a > b ? a : b;
}

export function recordEntry(stamp: Stamp, body: Buffer): Entry {
  return Buffer.concat([Buffer.of(KIND_RECORD), stampBytes(stamp), body]);
}

export function tombstoneEntry(stamp: Stamp, reason: TombstoneReason): Entry {
  const code = REASONS.indexOf(reason) + 1;
  return Buffer.concat([Buffer.of(KIND_TOMBSTONE), stampBytes(stamp), Buffer.of(code)]);
}

/** Whether these bytes have the shape of an entry at all. What has not is foreign: somebody else wrote it. */
export function isEntry(bytes: Buffer): boolean {
  if (bytes.length <= HEADER_BYTES) return false;
  return bytes[0] === KIND_RECORD || (bytes[0] === KIND_TOMBSTONE && bytes.length === HEADER_BYTES + 1);
}

export function isTombstone(entry: Entry): boolean {
  return entry[0] === KIND_TOMBSTONE;
}

export function stampOf(entry: Entry): Stamp {
  return stampFrom(entry.toString('hex', 1, HEADER_BYTES));
}

export function bodyOf(entry: Entry): Buffer {
  return entry.subarray(HEADER_BYTES);
}

/** Why a tombstone stands there. An unknown reason counts as destroyed, the stricter of the two. */
export function reasonOf(tombstone: Entry): TombstoneReason {
  return REASONS[(tombstone[HEADER_BYTES] ?? 1) - 1] ?? 'destroyed';
}

/** The hybrid logical clock of one instance: every stamp that it makes is new, and later than what it was told of. */
export class Stamps {
  readonly #clock: Clock;
  #ms = 0;
  #counter = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A stamp later than `seen`, and than all that this instance made, unless `seen` lies in the far future. */
  next(seen: Stamp = ZERO_STAMP): Stamp {
    const wall = this.#clock.wall();
    this.#advance(wall);
    const seenMs = stampTime(seen);
    const seenCounter = Number.parseInt(seen.slice(12, 16), 16);
    const behind = seenMs > this.#ms || (seenMs === this.#ms && seenCounter >= this.#counter);
    if (!behind) return this.#format(this.#ms, this.#counter);
    const [ms, counter] = seenCounter === MAX_COUNTER ? [seenMs + 1, 0] : [seenMs, seenCounter + 1];
    // A clock far in the future must not drag this one along: it would spread to every session.
    if (ms <= wall + ALLOWED_SKEW) [this.#ms, this.#counter] = [ms, counter];
    return this.#format(ms, counter);
  }

  #advance(wall: number): void {
    // A corrected clock tells fractions, which must not hide that this ms has begun already.
    const now = Math.floor(wall);
    if (now > this.#ms) [this.#ms, this.#counter] = [now, 0];
    else if (this.#counter === MAX_COUNTER) [this.#ms, this.#counter] = [this.#ms + 1, 0];
    else this.#counter += 1;
  }

  #format(ms: number, counter: number): Stamp {
    const time = ms.toString(16).padStart(12, '0') + counter.toString(16).padStart(4, '0');
    return stampFrom(time + this.#clock.bytes(8).toString('hex'));
  }
}
