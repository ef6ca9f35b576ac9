import { isEntry, isTombstone, stampOf } from '../store/entry.js';
import { faultOf, type StoreFault } from '../store/fault.js';
import type { Entry } from '../store/entry.js';
import type { Expected, Swapped } from '../store/store.js';
import type { JournalItem } from './journal.js';
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

/**
 * Swaps one write into the store, whatever it meets there: the one table for live commits and for the drain.
 * See docs/recovery.md. Never throws.
 */
export async function settle(
  from: JournalItem,
  swap: (entry: Entry, expected: Expected, ttl: number) => Promise<Testimony<Swapped>>,
  world: World,
): Promise<Outcome> {
  const item = { ...from };
  let merged = false;
  for (;;) {
    const ttl = item.expires - world.now();
    if (ttl <= 0) return { item, kind: 'expired' };
    const told = await swap(item.entry, item.expected, ttl).catch(faultOf);
    if (told instanceof Error) return { item, kind: 'unsettled', fault: told };
    const { answer: swapped, confirmed } = told;
    if (swapped.done) return { item: { ...item, confirmed }, kind: 'acknowledged', merged };
    const step = swapped.current ? meet(item, swapped.current) : meetNothing(item, world);
    if (step !== 'again') return step;
    if (swapped.current) [item.confirmed, merged] = [confirmed, true];
  }
}

function meet(item: JournalItem, current: Entry): Step {
  if (!isEntry(current)) return { item, kind: 'quarantined', current };
  if (isTombstone(current)) return { item, kind: 'ended', current };
  if (!item.intent) return { item, kind: 'conflict', current };
  const merged = tryMerge(item, current);
  if (merged === undefined) return { item, kind: 'quarantined', current };
  if (merged === 'drop') return { item, kind: 'superseded', current };
  item.entry = merged;
  item.expected = stampOf(current);
  return 'again';
}

function tryMerge(item: JournalItem, current: Entry): Entry | 'drop' | undefined {
  try {
    return item.intent?.merge(current);
  } catch {
    return undefined;
  }
}

function meetNothing(item: JournalItem, world: World): Step {
  if (item.origin === 'blind' && !isTombstone(item.entry)) return { item, kind: 'orphaned' };
  if (world.now() - (item.confirmed?.at ?? item.added) > world.maxOutage) return { item, kind: 'expired' };
  if (isTombstone(item.entry) || !item.confirmed) return putBack(item);
  if (item.confirmed.incarnation === world.incarnation()) {
    return world.mayEvict() ? { item, kind: 'evicted' } : putBack(item);
  }
  const until = world.incarnationSince() + GRACE;
  return world.now() < until ? { item, kind: 'postponed', until } : putBack(item);
}

function putBack(item: JournalItem): Step {
  item.expected = null;
  return 'again';
}
