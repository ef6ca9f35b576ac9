import type { Entry } from './entry.js';
import { faultOf, StoreFault } from './fault.js';
import type { Expected, SessionStore, StoreWatcher, Swapped } from './store.js';

/**
 * A store of the user's own, as the contract has it: nothing but faults comes out of it, its optional members say nothing
 * where they throw, and an answer of the wrong shape is a fault too.
 */
export class GuardedStore implements SessionStore {
  readonly #store: SessionStore;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  async read(key: string): Promise<Entry | undefined> {
    const entry: unknown = await attempt(async () => this.#store.read(key));
    if (entry === undefined || entry === null) return undefined;
    if (Buffer.isBuffer(entry)) return entry;
    throw new StoreFault('ours', 'other', 'the store read something that is no Buffer');
  }

  async swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    const swapped: unknown = await attempt(async () => this.#store.swap(key, entry, expected, ttl));
    if (isSwapped(swapped)) return swapped;
    throw new StoreFault('ours', 'other', 'the store swapped, and did not say how that ended');
  }

  async close(): Promise<void> {
    await attempt(async () => this.#store.close?.());
  }

  async inspect(): Promise<void> {
    await attempt(async () => this.#store.inspect?.());
  }

  watch(watcher: StoreWatcher): void {
    said(() => this.#store.watch?.(watcher));
  }

  watching(): number | undefined {
    return said(() => this.#store.watching?.());
  }

  incarnation(): string | undefined {
    return said(() => this.#store.incarnation?.());
  }

  lossCause(): string | undefined {
    return said(() => this.#store.lossCause?.());
  }

  mayEvict(): boolean {
    return said(() => this.#store.mayEvict?.()) ?? false;
  }

  clockOffset(): number | undefined {
    return said(() => this.#store.clockOffset?.());
  }
}

function isSwapped(value: unknown): value is Swapped {
  if (typeof value !== 'object' || value === null || !('done' in value)) return false;
  if (value.done === true) return true;
  const current = 'current' in value ? value.current : undefined;
  return value.done === false && (current === undefined || Buffer.isBuffer(current));
}

async function attempt<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw faultOf(error);
  }
}

function said<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
