import { SLOT_BYTES } from '../store/bounded-map.js';
import { type Entry, isTombstone, type Stamp } from '../store/entry.js';
import type { Confirmation, Expected, WriteIntent } from '../store/store.js';

/** What is known of the session in the store at the time of the write. */
export type Origin = 'created' | 'based' | 'blind';

/** A write that the store has not acknowledged. */
export interface JournalItem {
  readonly key: string;
  entry: Entry;
  expected: Expected;
  readonly origin: Origin;
  /** Monotonic ms after which nobody wants it any more. */
  readonly expires: number;
  /** Monotonic ms of the first write that waits here. */
  readonly added: number;
  confirmed: Confirmation | undefined;
  readonly intent: WriteIntent | undefined;
  /** The stamp that this write started from: later ones in the way are changes of others. */
  readonly since: Stamp | undefined;
}

/** Share of the cap that only tombstones may use: a logout outranks every write. */
const RESERVED_SHARE = 0.1;

/** Writes that wait for the store, counted in bytes. While an item is here it is the truth on this instance. */
export class Journal {
  readonly #records = new Map<string, JournalItem>();
  readonly #tombstones = new Map<string, JournalItem>();
  readonly #orphans = new Map<string, JournalItem>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Items that wait for the store; orphans wait for their user instead. */
  get size(): number {
    return this.#records.size + this.#tombstones.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#bytes >= this.#maxBytes * (1 - RESERVED_SHARE);
  }

  get(key: string): JournalItem | undefined {
    return this.#tombstones.get(key) ?? this.#records.get(key);
  }

  /** Keeps the item in place of an older one. Returns false, and keeps the older one, where there is no room. */
  put(item: JournalItem): boolean {
    const old = this.get(item.key);
    const bytes = this.#bytes - (old ? sizeOf(old) : 0) + sizeOf(item);
    const tombstone = isTombstone(item.entry);
    if (bytes > this.#maxBytes * (tombstone ? 1 : 1 - RESERVED_SHARE)) return false;
    this.delete(item.key);
    (tombstone ? this.#tombstones : this.#records).set(item.key, item);
    this.#bytes += sizeOf(item);
    return true;
  }

  delete(key: string): boolean {
    const item = this.get(key);
    if (!item) return false;
    this.#bytes -= sizeOf(item);
    return this.#tombstones.delete(key) || this.#records.delete(key);
  }

  /** Tombstones first, then records, each in order of arrival. */
  keys(): string[] {
    return [...this.#tombstones.keys(), ...this.#records.keys()];
  }

  /** Records that must wait until the tombstone under `key` is in the store. */
  dependents(key: string): JournalItem[] {
    return [...this.#records.values()].filter(item => item.intent?.after === key);
  }

  /** Ms since the oldest item came, at monotonic `now`. */
  oldest(now: number): number {
    let added = now;
    for (const item of [...this.#tombstones.values(), ...this.#records.values()])
      added = Math.min(added, item.added);
    return now - added;
  }

  /** A blind write that met nothing: it lives on under a new id at its cookie's next request. */
  orphan(item: JournalItem): void {
    this.delete(item.key);
    this.#orphans.set(item.key, item);
    this.#bytes += sizeOf(item);
  }

  orphaned(key: string, now: number): JournalItem | undefined {
    const item = this.#orphans.get(key);
    if (item && item.expires <= now) this.forget(key);
    return this.#orphans.get(key);
  }

  forget(key: string): boolean {
    const item = this.#orphans.get(key);
    if (!item) return false;
    this.#bytes -= sizeOf(item);
    return this.#orphans.delete(key);
  }
}

/** The entry, and as much again for the closure that can merge it. */
function sizeOf(item: JournalItem): number {
  return item.entry.length * (item.intent ? 2 : 1) + item.key.length + SLOT_BYTES;
}
