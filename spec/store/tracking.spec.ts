import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createClient } from 'redis';
import { systemClock } from '../../src/clock.js';
import { type Entry, recordEntry, Stamps, stampOf, tombstoneEntry } from '../../src/store/entry.js';
import type { RedisStore } from '../../src/store/redis.js';
import { until } from '../support/app.js';
import { redisStore } from '../support/contract-stores.js';
import { RedisServer } from '../support/redis-server.js';

const TTL = 600_000;
const stamps = new Stamps(systemClock());
const newKey = (): string => randomBytes(32).toString('base64url');
const record = (): Entry => recordEntry(stamps.next(), randomBytes(64));

describe('the Redis store, watching', () => {
  let server: RedisServer;
  let mine: RedisStore;
  let other: RedisStore;
  let heard: (string | null)[];

  before(async () => void (server = await RedisServer.start()));
  after(() => server.stop());
  beforeEach(async () => {
    mine = redisStore({ url: server.url });
    other = redisStore({ url: server.url });
    heard = [];
    mine.watch({
      changed: key => void heard.push(key),
      flushed: () => void heard.push(null),
      reached: () => undefined,
    });
    await Promise.all([mine.read(newKey()), other.read(newKey())]);
  });
  afterEach(() => Promise.all([mine.close(), other.close()]));

  /** What was heard by the time that a change of `other` to a key, read before, is known. */
  const news = async (): Promise<(string | null)[]> => {
    const last = newKey();
    await mine.read(last);
    await other.swap(last, record(), null, TTL);
    await until(() => heard.includes(last));
    return heard.filter(key => key !== last);
  };

  it('hears that another changed what it has read', async () => {
    const [key, first] = [newKey(), record()];
    await mine.swap(key, first, null, TTL);
    await mine.read(key);
    await other.swap(key, record(), stampOf(first), TTL);
    expect(await news()).to.deep.equal([key]);
  });

  it('hears that another changed what it has put: the swap itself keeps the key watched', async () => {
    const [key, first] = [newKey(), record()];
    await mine.swap(key, first, null, TTL);
    const second = record();
    await mine.swap(key, second, stampOf(first), TTL);
    await other.swap(key, tombstoneEntry(stamps.next(), 'destroyed'), 'any', TTL);
    expect(await news()).to.deep.equal([key]);
  });

  it('hears it where node-redis puts a prefix of its own before each key, of options or of a client', async () => {
    const options = { url: server.url, keyPrefix: 'app:' };
    const given = { target: { kind: 'given', client: createClient(options) } } as const;
    for (const target of [options, given]) {
      const prefixed = [redisStore(target), redisStore(options)] as const;
      const told: string[] = [];
      prefixed[0].watch({
        changed: key => void told.push(key),
        flushed: () => undefined,
        reached: () => undefined,
      });
      const key = newKey();
      await prefixed[0].swap(key, record(), null, TTL);
      await prefixed[1].swap(key, tombstoneEntry(stamps.next(), 'destroyed'), 'any', TTL);
      await until(() => told.length > 0);
      expect(told).to.deep.equal([key]);
      await Promise.all(prefixed.map(store => store.close()));
    }
  });

  it('hears that what was not there is there now', async () => {
    const key = newKey();
    await mine.read(key);
    await other.swap(key, record(), null, TTL);
    expect(await news()).to.deep.equal([key]);
  });

  it('hears of a change after a swap of its own that met a conflict', async () => {
    const [key, first] = [newKey(), record()];
    await other.swap(key, first, null, TTL);
    expect((await mine.swap(key, record(), null, TTL)).done).to.equal(false);
    await other.swap(key, record(), stampOf(first), TTL);
    expect(await news()).to.deep.equal([key]);
  });

  it('hears nothing of its own changes', async () => {
    const [key, first] = [newKey(), record()];
    await mine.swap(key, first, null, TTL);
    await mine.read(key);
    await mine.swap(key, record(), stampOf(first), TTL);
    expect(await news()).to.deep.equal([]);
  });

  it('hears that all data were flushed', async () => {
    const admin = createClient({ url: server.url });
    await admin.connect();
    try {
      await mine.read(newKey());
      await admin.flushAll();
      await until(() => heard.includes(null));
    } finally {
      admin.destroy();
    }
  });

  it('numbers each span of watching, and says when nobody watches', async () => {
    const first = mine.watching();
    expect(first).to.be.a('number');
    await server.kill();
    await until(() => mine.watching() === undefined);
    await server.restart();
    await until(() => mine.watching() !== undefined);
    expect(mine.watching()).not.to.equal(first);
  });

  it('works without where the server does not let it watch', async () => {
    const admin = createClient({ url: server.url });
    await admin.connect();
    try {
      await admin.aclSetUser('quiet', ['on', '>canary', '~*', '+@all', '-client|tracking']);
      const store = redisStore({ url: server.url.replace('//', '//quiet:canary@') });
      try {
        const [key, entry] = [newKey(), record()];
        await until(
          async () => (await store.swap(key, entry, null, TTL).catch(() => undefined)) !== undefined,
        );
        expect((await store.read(key))?.equals(entry)).to.equal(true);
        expect(store.watching()).to.equal(undefined);
      } finally {
        await store.close();
      }
    } finally {
      admin.destroy();
    }
  });
});
