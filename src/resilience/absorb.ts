import { type Entry, isTombstone, stampOf } from '../store/entry.js';
import { type Merged, type Settled, TIERS } from '../store/store.js';
import type { JournalItem } from './journal-item.js';

export type Absorbed = { readonly item: JournalItem } | { readonly answer: Settled };

/** A write onto one that still waits: they become one, as if the first were in the store. */
export function absorb(pending: JournalItem, fresh: JournalItem): Absorbed {
  const top = stampOf(pending.entry);
  if (top === stampOf(fresh.entry)) return { item: pending };
  // It ends whatever is there: the waiting end of a regenerate would leave what it cannot open.
  if (fresh.expected === 'any') return { item: { ...fresh, added: pending.added } };
  if (isTombstone(pending.entry)) return { answer: { done: false, current: pending.entry } };
  if (fresh.expected === top) return { item: onTop(pending, fresh) };
  const merged = mergeOnto(pending.entry, fresh);
  if (merged === undefined) return { answer: { done: false, current: pending.entry } };
  // What waits says as much already.
  if (merged === 'drop') return { answer: { done: true, by: 'journal', confirmed: pending.confirmed } };
  return { item: onTop(pending, { ...fresh, ...merged }) };
}

/** `undefined`: the two cannot be merged. */
export function mergeOnto(current: Entry, fresh: JournalItem): Merged | 'drop' | undefined {
  try {
    return fresh.intent?.merge?.(current, fresh.since, fresh.entry);
  } catch {
    return undefined;
  }
}

function onTop(pending: JournalItem, fresh: JournalItem): JournalItem {
  // What the older of the two started from is what the store was known to hold, unless only the newer one saw it.
  const seen = pending.origin === 'blind' && fresh.origin !== 'blind' ? fresh : pending;
  const { expected, origin, confirmed, since } = seen;
  const { added } = pending;
  const tier = TIERS.indexOf(pending.tier) > TIERS.indexOf(fresh.tier) ? pending.tier : fresh.tier;
  const after = fresh.after ?? pending.after;
  return { ...fresh, expected, origin, added, confirmed, tier, after, since };
}
