import { expect } from 'chai';
import type { Clock } from '../../src/clock.js';
import { type Entry, isTombstone } from '../../src/store/entry.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { Expected, SessionStore, Swapped } from '../../src/store/store.js';
import { type OpenedStore, storeContract } from '../../src/testing.js';
import {
  memoryStore,
  openedCluster,
  openedRedis,
  openedSentinel,
  openedSupervisor,
  startCluster,
} from '../support/contract-stores.js';
import { ManualClock } from '../support/manual-clock.js';
import { RedisServer } from '../support/redis-server.js';

const BYTES = 1024 * 1024;

describe('the memory store', () => {
  const clock = new ManualClock();
  storeContract({ describe, it, create: async () => memoryStore(clock), elapse: ms => clock.advance(ms) });
});

describe('the Redis store on a server', () => {
  let server: RedisServer;
  before(async () => (server = await RedisServer.start()));
  after(() => server.stop());
  storeContract({ describe, it, create: async () => openedRedis(server.url) });
});

describe('the Redis store on a Redis Cluster', () => {
  let server: RedisServer;
  before(async () => (server = await startCluster()));
  after(() => server.stop());
  storeContract({ describe, it, create: async () => openedCluster(server.url) });
});

describe('the Redis store behind a Redis Sentinel', () => {
  let server: RedisServer;
  let sentinel: RedisServer;
  before(async () => {
    server = await RedisServer.start();
    sentinel = await RedisServer.start({ sentinelOf: server });
  });
  after(async () => {
    await sentinel.stop();
    await server.stop();
  });
  storeContract({ describe, it, create: async () => openedSentinel(sentinel) });
});

describe('the supervisor over a memory store', () => {
  const clock = new ManualClock();
  const create = async (): Promise<OpenedStore> => openedSupervisor(new MemoryStore(BYTES, clock), clock);
  storeContract({ describe, it, create, elapse: ms => clock.advance(ms), putsBack: true });
});

describe('the contract suite', () => {
  it('passes a store that keeps the contract', async () => {
    expect(await failuresOf(clock => new MemoryStore(BYTES, clock))).to.deep.equal([]);
  });

  it('fails a store that sets blindly', async () => {
    expect(await failuresOf(clock => new BlindStore(clock))).to.include.members([
      'puts a record that expects nothing only where nothing is',
      'refuses a swap that comes late, after another has replaced its entry',
      'lets exactly one of 20 first records win, and shows it to the others',
    ]);
  });

  it('fails a store that compares and sets in two steps', async () => {
    expect(await failuresOf(clock => new RacingStore(clock))).to.include(
      'lets exactly one of 20 successors of one record win, and shows it to the others',
    );
  });

  it('fails a store that deletes instead of keeping tombstones', async () => {
    expect(await failuresOf(clock => new ForgettingStore(clock))).to.include.members([
      'reads a tombstone exactly as it was put',
      'never puts a record over a tombstone, whatever the record expects',
    ]);
  });

  it('fails a store that ignores the ttl', async () => {
    expect(await failuresOf(clock => new EternalStore(clock))).to.have.members([
      'lets a record go when its ttl is over, and the key be used again',
      'gives each entry its own ttl, not that of the one before',
      'lets a tombstone go when its ttl is over',
      'refuses a swap that expects the stamp of an entry whose ttl is over',
    ]);
  });

  it('fails a store that keeps text instead of bytes', async () => {
    expect(await failuresOf(clock => new TextStore(clock))).to.include(
      'reads a record exactly as it was put, in bytes of every value',
    );
  });

  it('closes the store after a test that failed, too', async () => {
    let open = 0;
    await run(async clock => {
      open += 1;
      return { store: new BlindStore(clock), close: async () => void (open -= 1) };
    });
    expect(open).to.equal(0);
  });
});

/** The titles of the clauses that fail on a store. */
function failuresOf(build: (clock: Clock) => SessionStore): Promise<string[]> {
  return run(async clock => ({ store: build(clock), close: () => Promise.resolve() }));
}

async function run(create: (clock: Clock) => Promise<OpenedStore>): Promise<string[]> {
  const clock = new ManualClock();
  const tests: { title: string; body: () => Promise<void> }[] = [];
  storeContract({
    describe: (_, body) => body(),
    it: (title, body) => tests.push({ title, body }),
    create: () => create(clock),
    elapse: ms => clock.advance(ms),
  });
  const failed: string[] = [];
  for (const { title, body } of tests) await body().catch(() => failed.push(title));
  return failed;
}

/** Keeps the last entry, whatever was expected. */
class BlindStore implements SessionStore {
  readonly #kept = new Map<string, { entry: Entry; until: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async read(key: string): Promise<Entry | undefined> {
    const kept = this.#kept.get(key);
    return kept && kept.until > this.#clock.monotonic() ? kept.entry : undefined;
  }

  async swap(key: string, entry: Entry, _expected: Expected, ttl: number): Promise<Swapped> {
    this.#kept.set(key, { entry, until: this.#clock.monotonic() + ttl });
    return { done: true };
  }
}

class RacingStore extends BlindStore {
  readonly #rules: MemoryStore;

  constructor(clock: Clock) {
    super(clock);
    this.#rules = new MemoryStore(BYTES, clock);
  }

  /** Decides on a copy of what it saw, and sets after a turn in which others do the same. */
  override async swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    const seen = await this.read(key);
    const copy = `${key}:${Math.random()}`;
    if (seen) await this.#rules.swap(copy, seen, isTombstone(seen) ? 'any' : null, ttl);
    const answer = await this.#rules.swap(copy, entry, expected, ttl);
    return answer.done ? super.swap(key, entry, expected, ttl) : answer;
  }
}

class ForgettingStore extends MemoryStore {
  constructor(clock: Clock) {
    super(BYTES, clock);
  }

  override swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    return super.swap(key, entry, expected, isTombstone(entry) ? 0 : ttl);
  }
}

class EternalStore extends MemoryStore {
  constructor(clock: Clock) {
    super(BYTES, clock);
  }

  override swap(key: string, entry: Entry, expected: Expected): Promise<Swapped> {
    return super.swap(key, entry, expected, 3_600_000);
  }
}

class TextStore extends MemoryStore {
  constructor(clock: Clock) {
    super(BYTES, clock);
  }

  override async read(key: string): Promise<Entry | undefined> {
    const entry = await super.read(key);
    return entry && Buffer.from(entry.toString('utf8'), 'utf8');
  }
}
