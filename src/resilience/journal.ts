import { type Entry, isTombstone, ownEntry, type Stamp } from '../store/entry.js';
import { type Confirmation, type Expected, type Tier, TIERS, type WriteIntent } from '../store/store.js';

/** What is known of the session in the store at the time of the write. */
export type Origin = 'created' | 'based' | 'blind';

/** A write that the store has not acknowledged. */
export interface JournalItem {
  readonly key: string;
  entry: Entry;
  expected: Expected;
  origin: Origin;
  /** Decides who must make room, and for whom. Of a tombstone it means nothing. */
  readonly tier: Tier;
  /** Monotonic ms after which nobody wants it any more. */
  expires: number;
  /** How long it lives in the store from when it comes there, ms: a tombstone must outlive what may meet it there. */
  readonly life: number;
  /** Monotonic ms of the first write that waits here. */
  readonly added: number;
  confirmed: Confirmation | undefined;
  readonly intent: WriteIntent | undefined;
  /** The stamp that this write started from: later ones in the way are changes of others. */
  readonly since: Stamp | undefined;
  /** The key of a tombstone that goes first. */
  readonly after: string | undefined;
}

/** Share of the cap that only tombstones may use: a logout outranks every write. */
const RESERVED_SHARE = 0.1;
/** An estimate of what one item takes beside key and entry. */
const SLOT_BYTES = 200;

/** Of items of one tier, in the order in which they came. */
class Shelf {
  readonly items = new Map<string, JournalItem>();
  bytes = 0;

  put(item: JournalItem): void {
    item.entry = ownEntry(item.entry);
    this.items.set(item.key, item);
    this.bytes += sizeOf(item);
  }

  delete(key: string): boolean {
    const item = this.items.get(key);
    if (!item) return false;
    this.bytes -= sizeOf(item);
    return this.items.delete(key);
  }
}

/**
 * Writes that wait for the store, counted in bytes. While an item is here it is the truth on this instance. Where there
 * is no room a write pushes out those of lower tiers, the lowest and oldest first, and never one of its own.
 */
export class Journal {
  readonly #tombstones = new Shelf();
  readonly #records: Readonly<Record<Tier, Shelf>>;
  readonly #orphans = new Shelf();
  /** Where items wait for the store, in the order in which they go to it. */
  readonly #shelves: readonly Shelf[];
  readonly #maxBytes: number;
  /** What the last write of a user that found no room would have needed. */
  #refused = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    const shelves = TIERS.map(tier => [tier, new Shelf()] as const);
    // Every tier has its shelf.
    this.#records = Object.fromEntries(shelves) as Record<Tier, Shelf>;
    this.#shelves = [this.#tombstones, ...shelves.map(([, shelf]) => shelf).toReversed()];
  }

  /** Blind writes that wait for their user. */
  get orphans(): number {
    return this.#orphans.items.size;
  }

  /** Items that wait for the store. */
  get size(): number {
    return this.#shelves.reduce((sum, shelf) => sum + shelf.items.size, 0);
  }

  get bytes(): number {
    return this.#shelves.reduce((sum, shelf) => sum + shelf.bytes, this.#orphans.bytes);
  }

  /** Whether users who were there before the outage find no more room. */
  get full(): boolean {
    const { returning, authenticated } = this.#records;
    const used = this.#tombstones.bytes + returning.bytes + authenticated.bytes;
    return used + this.#refused >= this.#capFor('record');
  }

  get(key: string): JournalItem | undefined {
    for (const shelf of this.#shelves) {
      const item = shelf.items.get(key);
      if (item) return item;
    }
    return undefined;
  }

  /**
   * Keeps the item in place of an older one under its key. Returns those that had to go for it, or `undefined` where there
   * is no room: then nothing has changed.
   */
  put(item: JournalItem): JournalItem[] | undefined {
    const old = this.get(item.key);
    const needed = sizeOf(item) - (old ? sizeOf(old) : 0);
    const victims = this.#roomFor(item, needed);
    // One write that is larger than what others could ever need says nothing about their room.
    if (isOfUser(item)) this.#refused = victims ? 0 : Math.min(needed, this.#maxBytes / 2);
    if (!victims) return undefined;
    for (const [shelf, victim] of victims) shelf.delete(victim.key);
    this.delete(item.key);
    (isTombstone(item.entry) ? this.#tombstones : this.#records[item.tier]).put(item);
    return victims.map(([, victim]) => victim);
  }

  /**
   * Removes and returns records that were confirmed last before monotonic `before`, and orphans past their deadline. A
   * record past its deadline may yet join a version that lives on in the store: it goes only where room is short.
   */
  sweep(now: number, before: number): JournalItem[] {
    const short = this.bytes > this.#maxBytes / 2;
    const isOver = ({ expires, confirmed, added }: JournalItem, mayJoin: boolean): boolean =>
      (expires <= now && !mayJoin) || (confirmed?.at ?? added) < before;
    const records = TIERS.map(tier => [this.#records[tier], !short] as const);
    return [...records, [this.#orphans, false] as const].flatMap(([shelf, mayJoin]) => {
      const over = [...shelf.items.values()].filter(item => isOver(item, mayJoin));
      for (const { key } of over) shelf.delete(key);
      return over;
    });
  }

  delete(key: string): boolean {
    return this.#shelves.some(shelf => shelf.delete(key));
  }

  /** Tombstones first, then records by tier, the highest first, each in order of arrival. */
  keys(): string[] {
    return this.#shelves.flatMap(shelf => [...shelf.items.keys()]);
  }

  /** Records that must wait until the tombstone under `key` is in the store. */
  dependents(key: string): JournalItem[] {
    return this.#shelves.flatMap(shelf => [...shelf.items.values()]).filter(item => item.after === key);
  }

  /** Ms since the oldest item came, at monotonic `now`. */
  oldest(now: number): number {
    let added = now;
    for (const { items } of this.#shelves)
      for (const item of items.values()) added = Math.min(added, item.added);
    return now - added;
  }

  /**
   * A blind write that met nothing: it lives on under a new id at its cookie's next request. In place of an older one under
   * its key. Returns those that had to go for it, or `undefined` where there is no room: then nothing has changed.
   */
  orphan(item: JournalItem): JournalItem[] | undefined {
    const old = [this.get(item.key), this.orphaned(item.key)];
    const freed = old.reduce((sum, each) => sum + (each ? sizeOf(each) : 0), 0);
    const victims = this.#roomFor({ ...item, tier: 'blind' }, sizeOf(item) - freed);
    if (!victims) return undefined;
    for (const [shelf, victim] of victims) shelf.delete(victim.key);
    this.delete(item.key);
    this.#orphans.delete(item.key);
    this.#orphans.put(item);
    return victims.map(([, victim]) => victim);
  }

  orphaned(key: string): JournalItem | undefined {
    return this.#orphans.items.get(key);
  }

  forget(key: string): boolean {
    return this.#orphans.delete(key);
  }

  #capFor(kind: 'record' | 'tombstone'): number {
    return this.#maxBytes * (kind === 'tombstone' ? 1 : 1 - RESERVED_SHARE);
  }

  #roomFor(item: JournalItem, needed: number): [Shelf, JournalItem][] | undefined {
    const tombstone = isTombstone(item.entry);
    let excess = this.bytes + needed - this.#capFor(tombstone ? 'tombstone' : 'record');
    const victims: [Shelf, JournalItem][] = [];
    for (const shelf of this.#below(tombstone ? 'returning' : item.tier)) {
      for (const victim of shelf.items.values()) {
        if (excess <= 0) return victims;
        if (victim.key === item.key) continue;
        victims.push([shelf, victim]);
        excess -= sizeOf(victim);
      }
    }
    return excess <= 0 ? victims : undefined;
  }

  /** Whatever a write of this tier may push out. Beyond its reserve a tombstone counts as the write of a returning user. */
  #below(tier: Tier): Shelf[] {
    const lower = TIERS.slice(0, TIERS.indexOf(tier));
    return [this.#orphans, ...lower.map(each => this.#records[each])];
  }
}

/** Whether it is of somebody who was there before the outage. */
function isOfUser({ entry, tier }: JournalItem): boolean {
  return isTombstone(entry) || TIERS.indexOf(tier) >= TIERS.indexOf('returning');
}

/** The entry, and what the closure that can merge it holds. */
function sizeOf({ entry, key, intent }: JournalItem): number {
  const held = intent?.weight ?? (intent?.merge ? entry.length : 0);
  return entry.length + held + key.length + SLOT_BYTES;
}
