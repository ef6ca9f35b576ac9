import { ALLOWED_SKEW } from '../clock.js';
import { type Entry, isEntry, isTombstone, stampOf } from '../store/entry.js';
import { faultOf, type StoreFault } from '../store/fault.js';
import type { Expected, Swapped } from '../store/store.js';
import { mergeOnto } from './absorb.js';
import type { JournalItem } from './journal-item.js';
import { GRACE } from './restoration.js';
import type { Testimony } from './witness.js';

/** What the table below asks of the world. */
export interface World {
  /** Monotonic ms. */
  now(): number;
  incarnation(): string | undefined;
  /** Monotonic ms at which the present incarnation was first seen. */
  incarnationSince(): number;
  mayEvict(): boolean;
  readonly maxOutage: number;
}

/** How a write ended, with the item as it is now: merged, restamped, confirmed. */
export type Outcome = { readonly item: JournalItem } & (
  | { readonly kind: 'acknowledged'; readonly merged: boolean }
  | { readonly kind: 'ended'; readonly current: Entry }
  | { readonly kind: 'superseded' | 'conflict' | 'quarantined'; readonly current: Entry }
  | { readonly kind: 'expired' | 'evicted' | 'orphaned' }
  | { readonly kind: 'postponed'; readonly until: number }
  | { readonly kind: 'unsettled'; readonly fault: StoreFault }
);

type Step = Outcome | 'again';
type Swap = (entry: Entry, expected: Expected, ttl: number) => Promise<Testimony<Swapped>>;

/**
 * Swaps one write into the store, whatever it meets there: the one table for live commits and for the drain.
 * See docs/recovery.md. Never throws.
 */
export async function settle(from: JournalItem, swap: Swap, world: World): Promise<Outcome> {
  const item = { ...from };
  let merged = false;
  for (;;) {
    const over = isOver(item, world);
    if (over && merged) return { item, kind: 'expired' };
    const told = await attempt(item, over, swap, world).catch(faultOf);
    if (told instanceof Error) return { item, kind: 'unsettled', fault: told };
    const { answer: swapped, confirmed } = told;
    if (swapped.done || swapped.current) item.confirmed = confirmed;
    if (swapped.done) return { item, kind: 'acknowledged', merged };
    const step = swapped.current ? meet(item, swapped.current) : meetNothing(item, over, world);
    if (step !== 'again') return step;
    if (swapped.current) merged = true;
  }
}

/** Past its own deadline, or waiting since before tombstones began to be forgotten: it may join what is there, no more. */
function isOver(item: JournalItem, world: World): boolean {
  if (isTombstone(item.entry)) return false;
  if (item.expires <= world.now()) return true;
  return item.expected === null && unconfirmedFor(item, world) > world.maxOutage;
}

function attempt(item: JournalItem, over: boolean, swap: Swap, world: World): Promise<Testimony<Swapped>> {
  // Nothing else carries this stamp, so a swap that expects it asks what is there and can put nothing.
  if (over) return swap(item.entry, stampOf(item.entry), ALLOWED_SKEW);
  const ttl = isTombstone(item.entry) ? item.life : item.expires - world.now();
  return swap(item.entry, item.expected, ttl);
}

function unconfirmedFor(item: JournalItem, world: World): number {
  return world.now() - (item.confirmed?.at ?? item.added);
}

function meet(item: JournalItem, current: Entry): Step {
  if (!isEntry(current)) return { item, kind: 'quarantined', current };
  if (isTombstone(current)) return { item, kind: 'ended', current };
  if (!item.intent?.merge) return { item, kind: 'conflict', current };
  const merged = mergeOnto(current, item);
  if (merged === undefined)
    return isTombstone(item.entry) ? endUnread(item) : { item, kind: 'quarantined', current };
  if (merged === 'drop') return { item, kind: 'superseded', current };
  item.entry = merged.entry;
  item.expires = merged.expires;
  item.expected = stampOf(current);
  // It has seen now what is there.
  item.origin = 'based';
  return 'again';
}

/** Nobody here can open what is there, so nothing of it can be taken along; but it must end. */
function endUnread(item: JournalItem): Step {
  item.expected = 'any';
  return 'again';
}

function meetNothing(item: JournalItem, over: boolean, world: World): Step {
  const incarnation = world.incarnation();
  const same = !item.confirmed || item.confirmed.incarnation === incarnation;
  // An end is never too late: others may yet offer what it ended. But what an evicting store dropped may have been one.
  if (isTombstone(item.entry)) return same && world.mayEvict() ? { item, kind: 'evicted' } : putBack(item);
  if (over) return { item, kind: 'expired' };
  if (item.origin === 'blind') return { item, kind: 'orphaned' };
  if (unconfirmedFor(item, world) > world.maxOutage) return { item, kind: 'expired' };
  if (item.origin === 'created') return putBack(item);
  if (same) {
    return world.mayEvict() ? { item, kind: 'evicted' } : putBack(item);
  }
  const until = world.incarnationSince() + GRACE;
  return world.now() < until ? { item, kind: 'postponed', until } : putBack(item);
}

function putBack(item: JournalItem): Step {
  item.expected = null;
  return 'again';
}
