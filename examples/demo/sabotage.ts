import { createClient } from 'redis';
import type { Parts } from '../../src/create.js';
import { Journal } from '../../src/resilience/journal.js';
import { type Entry, isTombstone } from '../../src/store/entry.js';
import type { Expected, SessionStore, Swapped } from '../../src/store/store.js';

/** Ways to take one safeguard away from the library, so that the demo shows what it is there for. */
export const SABOTAGES = ['no-journal', 'no-tombstone', 'blind-set'] as const;

export type Sabotage = (typeof SABOTAGES)[number];

export function isSabotage(value: string): value is Sabotage {
  return SABOTAGES.some(name => name === value);
}

/** The part that does not do its work, in place of the one that does. */
export function partsFor(sabotage: Sabotage, redisUrl: string): Parts {
  switch (sabotage) {
    case 'no-journal':
      return { journal: new ForgetfulJournal(1) };
    case 'no-tombstone':
      return { store: usual => new TombstoneSwallower(usual) };
    case 'blind-set':
      return { store: usual => new BlindWriter(usual, redisUrl) };
  }
}

/** Says that it keeps every write, and keeps none. */
class ForgetfulJournal extends Journal {
  override put(): [] {
    return [];
  }
}

/** A store that passes everything on. */
class Wrapped implements SessionStore {
  protected readonly usual: SessionStore;

  constructor(usual: SessionStore) {
    this.usual = usual;
  }

  read(key: string): Promise<Entry | undefined> {
    return this.usual.read(key);
  }

  swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    return this.usual.swap(key, entry, expected, ttl);
  }

  async close(): Promise<void> {
    await this.usual.close?.();
  }

  incarnation(): string | undefined {
    return this.usual.incarnation?.();
  }

  mayEvict(): boolean {
    return this.usual.mayEvict?.() ?? false;
  }

  clockOffset(): number | undefined {
    return this.usual.clockOffset?.();
  }
}

/** Says that each session has ended, and ends none. */
class TombstoneSwallower extends Wrapped {
  override swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    return isTombstone(entry) ? Promise.resolve({ done: true }) : super.swap(key, entry, expected, ttl);
  }
}

/** Writes over whatever stands there, as session stores without stamps do. */
class BlindWriter extends Wrapped {
  readonly #client;

  constructor(usual: SessionStore, url: string) {
    super(usual);
    this.#client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: 50 } });
    this.#client.on('error', () => undefined);
    this.#client.connect().catch(() => undefined);
  }

  override async swap(key: string, entry: Entry, _expected: Expected, ttl: number): Promise<Swapped> {
    await this.#client.set(`sess:${key}`, entry, { PX: Math.max(1, Math.ceil(ttl)) });
    return { done: true };
  }

  override async close(): Promise<void> {
    this.#client.destroy();
    await super.close();
  }
}
