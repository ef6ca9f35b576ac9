import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createClient, type RedisClientType } from 'redis';
import { systemClock } from '../../src/clock.js';
import { Echoes } from '../../src/store/echoes.js';
import { type Entry, recordEntry, Stamps, stampOf } from '../../src/store/entry.js';
import type { RedisStore } from '../../src/store/redis.js';
import { until } from '../support/app.js';
import { PREFIX, redisStore } from '../support/contract-stores.js';
import { RedisServer } from '../support/redis-server.js';

describe('a report of a key', () => {
  let echoes: Echoes;

  beforeEach(() => void (echoes = new Echoes()));

  it('is news where this connection changed nothing', () => {
    expect(echoes.report('k')).to.equal('news');
  });

  it('is an echo if it comes right after the answer to a swap that put something, once', () => {
    echoes.depart('k');
    expect(echoes.arrive('k', true)).to.equal(false);
    expect([echoes.report('other'), echoes.report('k'), echoes.report('k')]).to.deep.equal([
      'news',
      'echo',
      'news',
    ]);
  });

  it('is an echo if it is the only one before that answer', () => {
    echoes.depart('k');
    expect(echoes.report('k')).to.equal('unknown');
    expect(echoes.arrive('k', true)).to.equal(false);
    expect(echoes.report('k')).to.equal('news');
  });

  it('is news if it is one of two before that answer, or the swap put nothing', () => {
    echoes.depart('k');
    echoes.report('k');
    echoes.report('k');
    expect(echoes.arrive('k', true)).to.equal(true);
    echoes.depart('k');
    echoes.report('k');
    expect(echoes.arrive('k', false)).to.equal(true);
  });

  it('is news once anything else was answered: an echo would have come before that', () => {
    for (const answer of [() => echoes.answered(), () => echoes.arrive('other', false)]) {
      echoes.depart('k');
      echoes.arrive('k', true);
      answer();
      expect(echoes.report('k')).to.equal('news');
      echoes = new Echoes();
    }
  });

  it('is the echo of the swap before where the next one of its key is under way already', () => {
    echoes.depart('k');
    echoes.arrive('k', true);
    echoes.depart('k');
    expect(echoes.report('k')).to.equal('echo');
    expect(echoes.report('k')).to.equal('unknown');
    expect(echoes.arrive('k', false)).to.equal(true);
  });

  it('is news for ever where a server has once kept an echo back', () => {
    echoes.depart('k');
    echoes.arrive('k', true);
    echoes.answered();
    echoes.depart('k');
    echoes.arrive('k', true);
    expect(echoes.report('k')).to.equal('news');
    echoes.depart('k');
    echoes.report('k');
    expect(echoes.arrive('k', true)).to.equal(true);
  });

  it('is counted over all swaps of its key that overlap', () => {
    echoes.depart('k');
    echoes.depart('k');
    echoes.report('k');
    expect(echoes.arrive('k', true)).to.equal(false);
    expect(echoes.report('k')).to.equal('unknown');
    expect(echoes.arrive('k', true)).to.equal(false);
    expect(echoes.report('k')).to.equal('news');
  });
});

describe('a Redis store that hears echoes', () => {
  const TTL = 600_000;
  const ROUNDS = 300;
  const stamps = new Stamps(systemClock());
  const newKey = (): string => randomBytes(32).toString('base64url');
  const record = (): Entry => recordEntry(stamps.next(), randomBytes(64));
  let server: RedisServer;
  let admin: RedisClientType;
  let mine: RedisStore;
  let other: RedisStore;
  let heard: string[];

  beforeEach(async () => {
    server = await RedisServer.start();
    admin = createClient({ url: server.url });
    await admin.connect();
    mine = redisStore({ url: server.url }, true);
    other = redisStore({ url: server.url });
    heard = [];
    mine.watch({
      changed: key => void heard.push(key),
      flushed: () => undefined,
      reached: () => undefined,
    });
    await Promise.all([mine.read(newKey()), other.read(newKey())]);
  });
  afterEach(async () => {
    admin.destroy();
    await Promise.all([mine.close(), other.close()]);
    await server.stop();
  });

  it('takes no change of its own for news, one by one or all at once', async () => {
    const keys = Array.from({ length: ROUNDS }, newKey);
    const first = record();
    for (const key of keys.slice(0, 20)) await mine.swap(key, first, null, TTL);
    await Promise.all(keys.slice(20).map(key => mine.swap(key, first, null, TTL)));
    const mingled = keys.flatMap(key => [
      mine.read(newKey()),
      mine.swap(key, record(), stampOf(first), TTL),
      mine.read(key),
    ]);
    await Promise.all(mingled);
    for (const key of keys.slice(0, 20))
      await mine.swap(key, record(), stampOf((await mine.read(key)) ?? first), TTL);
    await mine.read(newKey());
    expect(heard).to.deep.equal([]);
  });

  it('misses no change of others, however the two mingle', async () => {
    const keys = Array.from({ length: ROUNDS }, newKey);
    await Promise.all(
      keys.map(async key => {
        const [first, second] = [record(), record()];
        await mine.swap(key, first, null, TTL);
        const own = mine.swap(key, record(), stampOf(first), TTL);
        const theirs = other.swap(key, second, stampOf(first), TTL);
        const late = await Promise.all([own, theirs]);
        if (late[1].done) return;
        const there = await other.read(key);
        if (there) await other.swap(key, record(), stampOf(there), TTL);
      }),
    );
    await until(() => new Set(heard).size === ROUNDS);
  });

  it('hears what the server no longer watches, at a command of its own too', async () => {
    const keys = Array.from({ length: 10 }, newKey);
    for (const key of keys) await mine.read(key);
    await admin.configSet('tracking-table-max-keys', '1');
    await mine.read(newKey());
    expect(heard.length).to.be.at.least(keys.length - 1);
  });

  it('hears what the server evicts, at a command of its own too', async () => {
    const big = (): Entry => recordEntry(stamps.next(), randomBytes(50_000));
    const keys = Array.from({ length: 20 }, newKey);
    for (const key of keys) await mine.swap(key, big(), null, TTL);
    const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]);
    await admin.sendCommand(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru']);
    await admin.sendCommand(['CONFIG', 'SET', 'maxmemory', String(used + 200_000)]);
    for (let n = 0; n < 40; n += 1) await mine.swap(newKey(), big(), null, TTL);
    await mine.read(newKey());
    const left = await Promise.all(keys.map(key => admin.exists(PREFIX + key)));
    const gone = keys.filter((_, n) => left[n] === 0);
    expect(gone).not.to.deep.equal([]);
    expect(heard).to.include.members(gone);
  });
});
