import type { Ledger } from '../observe/snapshot.js';

export type Fate = keyof Ledger;

const FATES: readonly Fate[] = [
  'migrated',
  'merged',
  'superseded',
  'tombstones',
  'expired',
  'quarantined',
  'evicted',
];

export class LedgerBook {
  #counts = emptyCounts();

  count(fate: Fate): void {
    this.#counts[fate] += 1;
  }

  get ledger(): Ledger {
    return { ...this.#counts };
  }

  /** The ledger so far; the next one begins empty. */
  close(): Ledger {
    const closed = this.ledger;
    this.#counts = emptyCounts();
    return closed;
  }
}

function emptyCounts(): Record<Fate, number> {
  return Object.fromEntries(FATES.map(fate => [fate, 0])) as Record<Fate, number>;
}
