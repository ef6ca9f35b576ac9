import { type Entry, isTombstone } from '../../src/store/entry.js';
import { type Reason, StoreFault } from '../../src/store/fault.js';
import type { Expected, SessionStore, StoreWatcher, Swapped } from '../../src/store/store.js';

/**
 * How one instance reaches the store: as it should; `refused`, nothing is applied; `hang`, no answer ever; `lose-reply`,
 * applied and then no answer; `oom`, records are refused.
 */
export type Link = 'ok' | 'refused' | 'hang' | 'lose-reply' | 'oom';

/** One instance's view of a shared store, with faults. Counts what reaches it. */
export class FaultyStore implements SessionStore {
  link: Link = 'ok';
  /** Links for the next operations, before `link` counts again. */
  readonly next: Link[] = [];
  evicts = false;
  name: string | undefined = 'first';
  calls = 0;
  /** How far the store's clock is ahead. */
  offset: number | undefined;
  /** The ttl of the last swap under each key that reached the store. */
  readonly ttls = new Map<string, number>();
  /** The span in which it reports changes; `undefined`: it does not. */
  span: number | undefined;
  watcher: StoreWatcher | undefined;
  readonly #before = new Map<string, () => Promise<void>>();
  readonly #behind: SessionStore;

  constructor(behind: SessionStore) {
    this.#behind = behind;
  }

  read(key: string): Promise<Entry | undefined> {
    return this.#through(() => this.#behind.read(key), false);
  }

  swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    const operation = (): Promise<Swapped> => {
      this.ttls.set(key, ttl);
      return this.#behind.swap(key, entry, expected, ttl);
    };
    return this.#through(async () => {
      const act = this.#before.get(key);
      this.#before.delete(key);
      await act?.();
      return operation();
    }, !isTombstone(entry));
  }

  /** Before the next swap under `key` reaches the store, this happens. */
  beforeSwap(key: string, act: () => Promise<void>): void {
    this.#before.set(key, act);
  }

  incarnation(): string | undefined {
    return this.name;
  }

  watch(watcher: StoreWatcher): void {
    this.watcher = watcher;
  }

  watching(): number | undefined {
    return this.span;
  }

  clockOffset(): number | undefined {
    return this.offset;
  }

  mayEvict(): boolean {
    return this.evicts;
  }

  async #through<T>(operation: () => Promise<T>, record: boolean): Promise<T> {
    this.calls += 1;
    const link = this.next.shift() ?? this.link;
    if (link === 'refused') throw new StoreFault('not-applied', 'refused');
    if (link === 'oom' && record) throw fault('oom');
    if (link === 'hang') return new Promise<T>(() => undefined);
    const result = await operation();
    return link === 'lose-reply' ? new Promise<T>(() => undefined) : result;
  }
}

function fault(reason: Reason): StoreFault {
  return new StoreFault('not-applied', reason);
}
