import { expect } from 'chai';
import { storeKeyOf } from '../../src/vault/token.js';
import { type Instance, Shop } from '../support/instances.js';

describe('an outage', () => {
  let shop: Shop;
  let a: Instance;
  let b: Instance;
  let token: string;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
    b = await shop.open();
    ({ token } = await a.sessions.manager.create({ user: 'ada' }));
  });

  afterEach(async () => {
    await shop.during(Promise.all([a.sessions.close(), b.sessions.close()]));
  });

  describe('reads', () => {
    it('go on from the warm copy', async () => {
      await a.cutOff();
      expect(await a.data(token)).to.deep.equal({ user: 'ada' });
      expect((await a.load(token))?.source).to.equal('shadow');
    });

    it('see what the same instance wrote during it (P1)', async () => {
      await a.cutOff();
      await a.change(token, { cart: ['tea'] });
      expect(await a.data(token)).to.deep.equal({ user: 'ada', cart: ['tea'] });
      expect((await a.load(token))?.source).to.equal('journal');
    });

    it('say unavailable, not absent, of a session that this instance never saw', async () => {
      await b.cutOff();
      const error = await b.load(token).catch((reason: unknown) => reason);
      expect(error).to.have.property('code', 'STORE_UNAVAILABLE');
      await b.rejoin();
      expect(await b.data(token)).to.deep.equal({ user: 'ada' });
    });

    it('do not use copies older than maxStaleness', async () => {
      await shop.settle(6 * 60_000);
      await a.cutOff();
      expect(await a.load(token).catch((reason: unknown) => reason)).to.have.property(
        'code',
        'STORE_UNAVAILABLE',
      );
    });

    it('never go back to a record older than one that was acknowledged', async () => {
      const { key, entry } = await recordOf(shop, token);
      await a.change(token, { step: 2 });
      await overwrite(shop, key, entry);
      expect(await a.data(token)).to.deep.equal({ user: 'ada', step: 2 });
      await a.change(token, { step: 3 });
      expect(await b.data(token)).to.deep.equal({ user: 'ada', step: 3 });
    });
  });

  describe('waiting (P5)', () => {
    it('ends for everybody once the circuit is open: the store is not even asked', async () => {
      await a.cutOff('hang');
      const before = a.store.calls;
      for (let n = 0; n < 20; n += 1) await a.change(token, { n });
      const canaries = a.store.calls - before;
      expect(canaries).to.equal(0);
    });

    it('is over after one deadline for each of the few requests that meet a frozen store', async () => {
      a.store.link = 'hang';
      const began = shop.clock.monotonic();
      await shop.during(
        Promise.all(Array.from({ length: 50 }, async (_, n) => a.change(token, { [`k${n}`]: n }))),
      );
      expect(shop.clock.monotonic() - began).to.be.at.most(2 * 250 + 100);
      expect(a.mode).to.equal('degraded');
    });

    it('takes one deadline for parallel commits of one session together, not one each', async () => {
      const sessions = await Promise.all(Array.from({ length: 10 }, async () => a.load(token)));
      a.store.link = 'hang';
      const began = shop.clock.monotonic();
      const saves = sessions.map(async (session, n) => {
        if (!session) throw new Error('there is no such session');
        session[`k${n}`] = n;
        await a.sessions.manager.save(session);
      });
      await shop.during(Promise.all(saves));
      expect(shop.clock.monotonic() - began).to.be.at.most(300);
      a.store.link = 'ok';
      await shop.settle();
      expect(Object.keys((await b.data(token)) ?? {})).to.have.length(11);
    });
  });

  describe('writes', () => {
    it('are in the store after it, and the ledger says how many (P2)', async () => {
      await a.cutOff();
      await a.change(token, { cart: ['tea'] });
      const other = await a.sessions.manager.create({ user: 'bob' });
      expect(a.backlog).to.equal(2);
      await a.rejoin();
      expect(a.backlog).to.equal(0);
      expect(await b.data(token)).to.deep.equal({ user: 'ada', cart: ['tea'] });
      expect(await b.data(other.token)).to.deep.equal({ user: 'bob' });
      expect(a.last('store:recovered')).to.include({ migrated: 2, merged: 0, tombstones: 0 });
    });

    it('of two instances to different keys are both kept (P4)', async () => {
      await b.load(token);
      await Promise.all([a.cutOff(), b.cutOff()]);
      await a.change(token, { left: 1 });
      await b.change(token, { right: 2 });
      await a.rejoin();
      await b.rejoin();
      expect(await a.data(token)).to.deep.equal({ user: 'ada', left: 1, right: 2 });
      expect(b.last('store:recovered')).to.include({ merged: 1 });
      expect(b.count('session:conflict')).to.equal(0);
    });

    it('of two instances to the same key: the later one wins, and session:conflict says so', async () => {
      await b.load(token);
      await Promise.all([a.cutOff(), b.cutOff()]);
      await a.change(token, { colour: 'red' });
      await shop.clock.advance(5_000);
      await b.change(token, { colour: 'blue' });
      await b.rejoin();
      await a.rejoin();
      expect(await b.data(token)).to.include({ colour: 'blue' });
      expect(a.last('session:conflict')).to.include({ keys: 1 });
      expect(a.count('migration:conflict')).to.equal(1);
    });

    it('remove a key for good, even where another instance changed another key', async () => {
      await a.change(token, { gone: true });
      await b.load(token);
      await a.cutOff();
      const session = await a.load(token);
      delete session?.['gone'];
      if (session) await a.sessions.manager.save(session);
      await b.change(token, { kept: true });
      await a.rejoin();
      expect(await b.data(token)).to.deep.equal({ user: 'ada', kept: true });
    });

    it('whose reply was lost after they were applied are not applied twice', async () => {
      const session = await a.load(token);
      if (!session) throw new Error('there is no such session');
      a.store.next.push('lose-reply');
      session['n'] = 1;
      await shop.during(a.sessions.manager.save(session));
      expect(a.backlog).to.equal(1);
      await b.change(token, { m: 2 });
      await shop.settle();
      expect(a.backlog).to.equal(0);
      expect(await a.data(token)).to.deep.equal({ user: 'ada', n: 1, m: 2 });
      expect(a.mode).to.equal('healthy');
    });

    it('survive a second outage in the middle of the way back', async () => {
      await a.cutOff();
      const tokens = [];
      for (let n = 0; n < 40; n += 1) tokens.push((await a.sessions.manager.create({ n })).token);
      a.store.link = 'ok';
      // In steps shorter than the pause before the way back begins.
      while (a.mode === 'degraded') await shop.clock.advance(10);
      a.store.next.push(
        ...Array.from({ length: 10 }, () => 'ok' as const),
        ...Array.from({ length: 20 }, () => 'refused' as const),
      );
      await shop.clock.advance(150);
      await a.cutOff();
      expect(a.backlog).to.be.within(1, 40);
      await a.rejoin();
      expect(a.backlog).to.equal(0);
      const found = await Promise.all(tokens.map(async each => b.data(each)));
      expect(found).to.deep.equal(tokens.map((_, n) => ({ n })));
    });

    it('put a session back whose TTL ran out while they waited', async () => {
      await a.cutOff();
      await a.change(token, { late: true });
      const { key } = await recordOf(shop, token);
      forget(shop, key);
      await a.rejoin();
      expect(await b.data(token)).to.deep.equal({ user: 'ada', late: true });
    });

    it('are not put back into a store that evicts: absence proves nothing there', async () => {
      await a.cutOff();
      await a.change(token, { late: true });
      const { key } = await recordOf(shop, token);
      forget(shop, key);
      a.store.evicts = true;
      await a.rejoin();
      expect(await b.data(token)).to.equal(undefined);
      expect(a.last('store:recovered')).to.include({ evicted: 1 });
      expect(a.count('session:gone')).to.equal(1);
    });

    it('are put back into a store that lost its data, after a grace for tombstones', async () => {
      await a.cutOff();
      await a.change(token, { late: true });
      const { key } = await recordOf(shop, token);
      forget(shop, key);
      a.store.name = 'second';
      a.store.evicts = true;
      await a.rejoin();
      expect(await b.data(token)).to.deep.equal({ user: 'ada', late: true });
    });

    it('older than maxOutage are dropped, and counted', async () => {
      const short = await shop.open({ maxOutage: 60_000 });
      const { token: mine } = await short.sessions.manager.create({ user: 'bob' });
      await short.cutOff();
      await short.change(mine, { late: true });
      const { key } = await recordOf(shop, mine);
      await shop.settle(70_000);
      forget(shop, key);
      await short.rejoin();
      expect(short.last('store:recovered')).to.include({ expired: 1 });
      expect(await short.data(mine)).to.equal(undefined);
      await shop.during(short.sessions.close());
    });

    it('that find no room are counted and named, and fail nobody', async () => {
      const small = await shop.open({ journal: { maxBytes: 64 * 1024 } });
      await small.cutOff();
      const creations = Array.from({ length: 100 }, async (_, n) =>
        small.sessions.manager.create({ n, pad: 'x'.repeat(2000) }),
      );
      const outcomes = await Promise.allSettled(creations);
      const kept = outcomes.filter(outcome => outcome.status === 'fulfilled').length;
      expect(kept).to.be.within(5, 50);
      expect(small.count('journal:full')).to.equal(100 - kept);
      expect(small.sessions.stats().store.backlog.bytes).to.be.at.most(64 * 1024);
      await small.rejoin();
      expect(small.last('store:recovered')).to.include({ migrated: kept, evicted: 100 - kept });
      await shop.during(small.sessions.close());
    });
  });

  describe('with the store out of memory', () => {
    it('reads stay with the store, writes wait, and a logout goes through', async () => {
      const other = await a.sessions.manager.create({ user: 'bob' });
      a.store.link = 'oom';
      for (let n = 0; n < 3; n += 1) await a.change(token, { n });
      expect(a.mode).to.equal('degraded');
      expect((await a.load(other.token))?.source).to.equal('primary');
      expect((await a.load(token))?.source).to.equal('journal');
      await a.sessions.manager.destroy(other.token);
      expect(await b.data(other.token)).to.equal(undefined);
      await a.rejoin();
      expect(await b.data(token)).to.deep.equal({ user: 'ada', n: 2 });
    });
  });

  describe('noticed and survived', () => {
    it('opens after three failures in a row, and a quiet app notices by its canaries', async () => {
      a.store.link = 'refused';
      await shop.settle(10_000);
      expect(a.mode).to.equal('degraded');
      expect(a.last('store:degraded')).to.include({ reason: 'refused' });
    });

    it('opens at a rate of failures although no three come in a row', async () => {
      for (let n = 0; n < 40 && a.mode === 'healthy'; n += 1) {
        a.store.next.push(n % 2 ? 'refused' : 'ok');
        await a.load(token).catch(() => undefined);
      }
      expect(a.mode).to.equal('degraded');
    });

    it('is none where single failures stand among many successes', async () => {
      for (let n = 0; n < 60; n += 1) {
        a.store.next.push(n % 4 ? 'ok' : 'refused');
        await a.load(token).catch(() => undefined);
      }
      expect(a.count('store:error')).to.equal(15);
      expect(a.mode).to.equal('healthy');
    });

    it('is not re-opened by failures that arrive late', async () => {
      const sessions = await Promise.all(
        Array.from({ length: 8 }, async () => (await a.sessions.manager.create({})).session),
      );
      a.store.link = 'hang';
      const late = sessions.map(async (session, n) => {
        Object.assign(session, { n });
        await a.sessions.manager.save(session);
      });
      await shop.clock.advance(200);
      await a.cutOff('refused');
      await a.rejoin();
      await shop.during(Promise.all(late));
      expect(a.mode).to.equal('healthy');
      expect(a.count('store:degraded')).to.equal(1);
    });

    it('knows no wall clock: a jump of an hour changes nothing', async () => {
      await a.cutOff();
      await a.change(token, { n: 1 });
      shop.clock.jumpWall(-3_600_000);
      await a.rejoin();
      expect(a.mode).to.equal('healthy');
      expect(await b.data(token)).to.deep.equal({ user: 'ada', n: 1 });
    });

    it('is survived with listeners that throw', async () => {
      for (const name of ['store:degraded', 'store:recovered', 'journal:added', 'circuit:open'] as const) {
        a.sessions.events.on(name, () => {
          throw new Error('listener');
        });
      }
      await a.cutOff();
      await a.change(token, { n: 1 });
      await a.rejoin();
      expect(await b.data(token)).to.deep.equal({ user: 'ada', n: 1 });
    });

    it('passes close() with what it leaves behind', async () => {
      await a.cutOff('hang');
      await a.change(token, { n: 1 });
      const left = await shop.during(a.sessions.close());
      expect(left.items).to.equal(1);
      expect(await a.load(token).catch((reason: unknown) => reason)).to.have.property('code', 'CLOSED');
    });

    it('that is over at close() is drained before it', async () => {
      a.store.next.push('ok', 'refused');
      await a.change(token, { n: 1 });
      expect(a.backlog).to.equal(1);
      expect(await shop.during(a.sessions.close())).to.deep.equal({ items: 0, bytes: 0 });
      expect(await b.data(token)).to.deep.equal({ user: 'ada', n: 1 });
    });
  });
});

interface Known {
  readonly key: string;
  readonly entry: Buffer;
}

/** The one record of this session in the shared store. */
async function recordOf(shop: Shop, token: string): Promise<Known> {
  const key = storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38));
  const entry = await shop.behind.read(key);
  if (!entry) throw new Error('there is no such record');
  return { key, entry };
}

/** As a store does that was restored from an older snapshot. */
async function overwrite(shop: Shop, key: string, entry: Buffer): Promise<void> {
  forget(shop, key);
  await shop.behind.swap(key, entry, null, 3_600_000);
}

/** As a store does that evicts, or loses data. */
function forget(shop: Shop, key: string): void {
  shop.forget(key);
}
