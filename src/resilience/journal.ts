import { PLACE_BYTES } from '../store/bounded-map.js';
import { isTombstone } from '../store/entry.js';
import { type Confirmation, type Tier, TIERS } from '../store/store.js';
import { type JournalItem, Resting } from './journal-item.js';

/** Share of the cap that only tombstones may use: a logout outranks every write. */
const RESERVED_SHARE = 0.1;

/** Of items of one tier, in the order in which they came. */
class Shelf {
  readonly items = new Map<string, Resting>();
  bytes = 0;

  put(key: string, item: Resting): void {
    this.items.set(key, item);
    this.bytes += weigh(key, item);
  }

  delete(key: string): boolean {
    const item = this.items.get(key);
    if (!item) return false;
    this.bytes -= weigh(key, item);
    return this.items.delete(key);
  }
}

/** Who has to go for another. */
interface Victim {
  readonly shelf: Shelf;
  readonly key: string;
  readonly item: Resting;
}

/**
 * Writes that wait for the store, counted in bytes. While an item is here it is the truth on this instance. Where there
 * is no room a write pushes out those of lower tiers, the lowest and oldest first, and never one of its own. Who asks for
 * an item is given a copy of it.
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
    let sum = 0;
    for (const { items } of this.#shelves) sum += items.size;
    return sum;
  }

  get bytes(): number {
    let sum = this.#orphans.bytes;
    for (const { bytes } of this.#shelves) sum += bytes;
    return sum;
  }

  /** Whether users who were there before the outage find no more room. */
  get full(): boolean {
    const { returning, authenticated } = this.#records;
    const used = this.#tombstones.bytes + returning.bytes + authenticated.bytes;
    return used + this.#refused >= this.#capFor('record');
  }

  has(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  get(key: string): JournalItem | undefined {
    return this.#find(key)?.item(key);
  }

  /** Whether this very version of it waits here still. */
  holds({ key, entry }: Pick<JournalItem, 'key' | 'entry'>): boolean {
    return this.#find(key)?.is(entry) ?? false;
  }

  /** The store has answered for the item, which waits on. */
  confirm(key: string, confirmed: Confirmation | undefined): void {
    this.#find(key)?.confirm(confirmed);
  }

  /**
   * Keeps the item in place of an older one under its key. Returns those that had to go for it, or `undefined` where there
   * is no room: then nothing has changed.
   */
  put(item: JournalItem): JournalItem[] | undefined {
    const resting = new Resting(item);
    const needed = weigh(item.key, resting) - weighAny(item.key, this.#find(item.key));
    const victims = this.#roomFor(item, needed);
    // One write that is larger than what others could ever need says nothing about their room.
    if (isOfUser(item)) this.#refused = victims ? 0 : Math.min(needed, this.#maxBytes / 2);
    if (!victims) return undefined;
    for (const { shelf, key } of victims) shelf.delete(key);
    this.delete(item.key);
    this.#shelfOf(item).put(item.key, resting);
    return victims.map(itemOf);
  }

  /**
   * Removes and returns records that were confirmed last before monotonic `before`, and orphans past their deadline. A
   * record past its deadline may yet join a version that lives on in the store: it goes only where room is short.
   */
  sweep(now: number, before: number): JournalItem[] {
    const short = this.bytes > this.#maxBytes / 2;
    const isOver = ({ expires, known }: Resting, mayJoin: boolean): boolean =>
      (expires <= now && !mayJoin) || known < before;
    const records = TIERS.map(tier => [this.#records[tier], !short] as const);
    return [...records, [this.#orphans, false] as const].flatMap(([shelf, mayJoin]) => {
      const over = [...shelf.items].filter(([, item]) => isOver(item, mayJoin));
      for (const [key] of over) shelf.delete(key);
      return over.map(([key, item]) => item.item(key));
    });
  }

  delete(key: string): boolean {
    return this.#shelves.some(shelf => shelf.delete(key));
  }

  /** Tombstones first, then records by tier, the highest first, each in order of arrival. */
  keys(kind?: 'tombstone' | 'record'): string[] {
    return this.#shelves
      .filter(shelf => kind === undefined || (shelf === this.#tombstones) === (kind === 'tombstone'))
      .flatMap(({ items }) => [...items.keys()]);
  }

  /** Records that must wait until the tombstone under `key` is in the store. */
  dependents(key: string): JournalItem[] {
    return this.#shelves.flatMap(({ items }) =>
      [...items].filter(([, { after }]) => after === key).map(([own, item]) => item.item(own)),
    );
  }

  /** Ms since the oldest item came, at monotonic `now`. */
  oldest(now: number): number {
    let oldest = now;
    for (const { items } of this.#shelves)
      for (const { added } of items.values()) oldest = Math.min(oldest, added);
    return now - oldest;
  }

  /**
   * A blind write that met nothing: it lives on under a new id at its cookie's next request. In place of an older one under
   * its key. Returns those that had to go for it, or `undefined` where there is no room: then nothing has changed.
   */
  orphan(item: JournalItem): JournalItem[] | undefined {
    const { key } = item;
    const resting = new Resting(item);
    const freed = weighAny(key, this.#find(key)) + weighAny(key, this.#orphans.items.get(key));
    const victims = this.#roomFor({ ...item, tier: 'blind' }, weigh(key, resting) - freed);
    if (!victims) return undefined;
    for (const victim of victims) victim.shelf.delete(victim.key);
    this.delete(key);
    this.#orphans.delete(key);
    this.#orphans.put(key, resting);
    return victims.map(itemOf);
  }

  orphaned(key: string): JournalItem | undefined {
    return this.#orphans.items.get(key)?.item(key);
  }

  forget(key: string): boolean {
    return this.#orphans.delete(key);
  }

  #find(key: string): Resting | undefined {
    for (const { items } of this.#shelves) {
      const item = items.size > 0 ? items.get(key) : undefined;
      if (item) return item;
    }
    return undefined;
  }

  #shelfOf({ entry, tier }: JournalItem): Shelf {
    return isTombstone(entry) ? this.#tombstones : this.#records[tier];
  }

  #capFor(kind: 'record' | 'tombstone'): number {
    return this.#maxBytes * (kind === 'tombstone' ? 1 : 1 - RESERVED_SHARE);
  }

  #roomFor({ key, entry, tier }: JournalItem, needed: number): Victim[] | undefined {
    const tombstone = isTombstone(entry);
    let excess = this.bytes + needed - this.#capFor(tombstone ? 'tombstone' : 'record');
    const victims: Victim[] = [];
    for (const shelf of this.#below(tombstone ? 'returning' : tier)) {
      for (const [each, item] of shelf.items) {
        if (excess <= 0) return victims;
        if (each === key) continue;
        victims.push({ shelf, key: each, item });
        excess -= weigh(each, item);
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

function itemOf({ key, item }: Victim): JournalItem {
  return item.item(key);
}

/** Whether it is of somebody who was there before the outage. */
function isOfUser({ entry, tier }: JournalItem): boolean {
  return isTombstone(entry) || TIERS.indexOf(tier) >= TIERS.indexOf('returning');
}

function weigh(key: string, item: Resting): number {
  return PLACE_BYTES + key.length + item.weight;
}

function weighAny(key: string, item: Resting | undefined): number {
  return item ? weigh(key, item) : 0;
}
