import { Journal } from '../../src/resilience/journal.js';
import type { JournalItem } from '../../src/resilience/journal-item.js';

/** The journal, counting who comes and goes: the ledger must account for each exactly once. */
export class WatchedJournal extends Journal {
  /** Items that were here, and were let go of other than for a newer version or as an orphan. */
  left = 0;
  refused = 0;
  #replacing = false;

  override put(item: JournalItem): JournalItem[] | undefined {
    this.#replacing = true;
    const victims = super.put(item);
    this.#replacing = false;
    if (!victims) this.refused += 1;
    this.left += victims?.length ?? 0;
    return victims;
  }

  override delete(key: string): boolean {
    const deleted = super.delete(key);
    if (deleted && !this.#replacing) this.left += 1;
    return deleted;
  }

  override sweep(now: number, before: number): JournalItem[] {
    const over = super.sweep(now, before);
    this.left += over.length;
    return over;
  }

  override forget(key: string): boolean {
    const forgotten = super.forget(key);
    if (forgotten) this.left += 1;
    return forgotten;
  }

  override orphan(item: JournalItem): JournalItem[] | undefined {
    this.#replacing = true;
    const victims = super.orphan(item);
    this.#replacing = false;
    if (!victims) this.refused += 1;
    this.left += victims?.length ?? 0;
    return victims;
  }
}
