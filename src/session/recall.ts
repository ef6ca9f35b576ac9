import type { Clock, Timer } from '../clock.js';
import { BoundedMap, type Kept } from '../store/bounded-map.js';
import { Doorkeeper } from '../store/doorkeeper.js';
import { type Entry, type Stamp, stampOf } from '../store/entry.js';
import { pack, type Packed, PACKED_BYTES } from '../store/packed.js';
import type { VerifiedToken } from '../vault/vault.js';
import type { SessionRecord } from './record.js';

/** An entry, and what it opened to: true of these very bytes, and of no others. */
export class Opened {
  readonly record: SessionRecord;
  readonly stamp: Stamp;
  readonly #packed: Packed;

  constructor(entry: Entry, record: SessionRecord) {
    this.#packed = pack(entry);
    this.record = record;
    this.stamp = stampOf(entry);
  }

  get weight(): number {
    return this.#packed.length * COPIES + PACKED_BYTES;
  }

  is(entry: Entry): boolean {
    return this.#packed.length === entry.length && this.#packed === pack(entry);
  }
}

class Remembered implements Kept {
  used = true;
  readonly token: VerifiedToken;
  readonly opened: Opened;

  constructor(token: VerifiedToken, opened: Opened) {
    this.token = token;
    this.opened = opened;
  }
}

/** What is not used for so long is forgotten within twice as long, ms. */
const LINGER = 60_000;
const MAX_BYTES = 32 * 1024 * 1024;
/** As measured on Node 20, within a fifth for sessions of 100 B to 16 KB: keys, claims, stamps and the objects around them. */
const OBJECT_BYTES = 3_000;
/** The entry, the text in it, and the fields of the text once more. */
const COPIES = 3;

/**
 * Tokens and records of the sessions used last, verified and opened: whoever comes back with the same token, and finds the
 * same bytes in the store, costs no cryptography. Bounded in bytes and in time; an end is forgotten at once.
 */
export class Recall {
  readonly #clock: Clock;
  readonly #remembered = new BoundedMap<Remembered>(MAX_BYTES, ({ opened }) => OBJECT_BYTES + opened.weight);
  readonly #doorkeeper = new Doorkeeper();
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many tokens are remembered. */
  get size(): number {
    return this.#remembered.size;
  }

  token(token: string): VerifiedToken | undefined {
    return this.#remembered.use(token)?.token;
  }

  /** What `entry` opened to under this token. */
  opened(token: string, entry: Entry): Opened | undefined {
    const opened = this.#remembered.get(token)?.opened;
    return opened?.is(entry) ? opened : undefined;
  }

  keep(token: string, verified: VerifiedToken, entry: Entry, record: SessionRecord): void {
    if (this.#closed || !this.#isWelcome(token, verified)) return;
    const remembered = new Remembered(verified, new Opened(entry, record));
    this.#remembered.set(token, remembered);
    remembered.used = true;
    this.#timer ??= this.#clock.after(LINGER, () => this.#linger());
  }

  /** Where there is no room left, nobody makes way for who comes for the first time. */
  #isWelcome(token: string, { identity }: VerifiedToken): boolean {
    const known = !this.#remembered.full || this.#remembered.get(token) !== undefined;
    return known || this.#doorkeeper.knows(identity.key);
  }

  /** The session under `key` has another version now: known from now on, if a token that is remembered names it. */
  renew(token: string, key: string, entry: Entry, record: SessionRecord): void {
    const known = this.#remembered.get(token);
    if (known?.token.identity.key === key) this.keep(token, known.token, entry, record);
    else this.forget(token);
  }

  forget(token: string): void {
    this.#remembered.delete(token);
  }

  /** Remembers nothing from now on. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const token of this.#remembered.keys()) this.forget(token);
  }

  /** Whoever has not come back since the last time is forgotten. */
  #linger(): void {
    for (const token of this.#remembered.keys()) {
      const remembered = this.#remembered.get(token);
      if (remembered?.used) remembered.used = false;
      else this.forget(token);
    }
    this.#timer = this.size > 0 ? this.#clock.after(LINGER, () => this.#linger()) : undefined;
  }
}
