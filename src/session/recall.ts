import type { Clock, Timer } from '../clock.js';
import { type Entry, ownEntry, type Stamp, stampOf } from '../store/entry.js';
import type { VerifiedToken } from '../vault/vault.js';
import type { SessionRecord } from './record.js';

/** An entry, and what it opened to: true of these very bytes, and of no others. */
export class Opened {
  readonly record: SessionRecord;
  readonly stamp: Stamp;
  readonly #entry: Entry;

  constructor(entry: Entry, record: SessionRecord) {
    this.#entry = ownEntry(entry);
    this.record = record;
    this.stamp = stampOf(entry);
  }

  get weight(): number {
    return this.#entry.length * COPIES;
  }

  is(entry: Entry): boolean {
    return this.#entry === entry || this.#entry.equals(entry);
  }
}

interface Remembered {
  readonly token: VerifiedToken;
  opened: Opened | undefined;
}

/** What is not used for so long is forgotten within twice as long, ms. */
const LINGER = 60_000;
/** Of what was used since the last such time, and as much again of what was used before it. */
const MAX_BYTES = 16 * 1024 * 1024;
/** An estimate of what the objects around the bytes take. */
const OBJECT_BYTES = 1_500;
/** The entry, the text in it, and the fields of the text once more. */
const COPIES = 3;

/**
 * Tokens and records of the sessions used last, verified and opened: whoever comes back with the same token, and finds the
 * same bytes in the store, costs no cryptography. Bounded in bytes and in time; an end is forgotten at once.
 */
export class Recall {
  readonly #clock: Clock;
  #used = new Map<string, Remembered>();
  #before = new Map<string, Remembered>();
  #bytes = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many tokens are remembered. */
  get size(): number {
    return this.#used.size + this.#before.size;
  }

  token(token: string): VerifiedToken | undefined {
    return this.#find(token)?.token;
  }

  /** What `entry` opened to under this token. */
  opened(token: string, entry: Entry): Opened | undefined {
    const opened = this.#find(token)?.opened;
    return opened?.is(entry) ? opened : undefined;
  }

  keep(token: string, verified: VerifiedToken, entry: Entry, record: SessionRecord): void {
    this.forget(token);
    this.#put(token, { token: verified, opened: new Opened(entry, record) });
  }

  /** The session of a token that is remembered has another version now. */
  renew(token: string, entry: Entry, record: SessionRecord): void {
    const known = this.#find(token);
    if (known) this.keep(token, known.token, entry, record);
  }

  forget(token: string): void {
    const used = this.#used.get(token);
    if (used) this.#bytes -= sizeOf(used);
    this.#used.delete(token);
    this.#before.delete(token);
  }

  /** Remembers nothing from now on. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#turn();
    this.#turn();
  }

  #find(token: string): Remembered | undefined {
    const used = this.#used.get(token);
    if (used) return used;
    const before = this.#before.get(token);
    if (!before) return undefined;
    this.#before.delete(token);
    this.#put(token, before);
    return before;
  }

  #put(token: string, remembered: Remembered): void {
    if (this.#closed) return;
    this.#bytes += sizeOf(remembered);
    if (this.#bytes > MAX_BYTES) {
      this.#turn();
      this.#bytes = sizeOf(remembered);
    }
    this.#used.set(token, remembered);
    this.#timer ??= this.#clock.after(LINGER, () => this.#linger());
  }

  /** Whatever nobody has come back for goes, and whatever was used is next. */
  #turn(): void {
    this.#before = this.#used;
    this.#used = new Map();
    this.#bytes = 0;
  }

  #linger(): void {
    this.#turn();
    this.#timer = this.size > 0 ? this.#clock.after(LINGER, () => this.#linger()) : undefined;
  }
}

function sizeOf({ opened }: Remembered): number {
  return OBJECT_BYTES + (opened?.weight ?? 0);
}
