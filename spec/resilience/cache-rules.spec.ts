import { expect } from 'chai';
import type { SessionOptions } from '../../src/options.js';
import { MemoryStore } from '../../src/store/memory.js';
import { openSite, until } from '../support/app.js';
import { type Instance, keyOf, Shop } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';

const LEASE = 250;

describe('the cache answers', () => {
  let shop: Shop;
  let a: Instance;
  let token: string;

  const open = async (options: SessionOptions = {}): Promise<void> => {
    shop = new Shop();
    a = await shop.open({ cache: true, ...options });
    a.store.span = 1;
    ({ token } = await a.sessions.manager.create({ user: 'ada' }));
  };
  const source = async (): Promise<string | undefined> => (await a.load(token))?.source;

  beforeEach(() => open());
  afterEach(() => shop.during(a.sessions.close()));

  it('what the store has told, and nobody has changed since', async () => {
    const { calls } = a.store;
    expect([await a.data(token), await source()]).to.deep.equal([{ user: 'ada' }, 'cache']);
    expect(a.store.calls).to.equal(calls);
  });

  it('what this instance has written, as soon as that is acknowledged', async () => {
    await a.change(token, { step: 2 });
    const { calls } = a.store;
    expect(await a.data(token)).to.deep.equal({ user: 'ada', step: 2 });
    expect(a.store.calls).to.equal(calls);
  });

  it('until the lease is over, and again once the store has answered anything', async () => {
    await shop.clock.advance(LEASE - 1);
    expect(await source()).to.equal('cache');
    await shop.clock.advance(LEASE);
    expect(await source()).to.equal('primary');
    expect(await source()).to.equal('cache');
    await shop.clock.advance(LEASE);
    await a.sessions.manager.create({ user: 'bob' });
    expect(await source()).to.equal('cache');
  });

  it('for a lease that counts from when the store was asked: what came after that may be missing', async () => {
    await shop.clock.advance(LEASE);
    const { behind } = shop;
    const read = behind.read.bind(behind);
    behind.read = async key => {
      const answer = await read(key);
      await new Promise<void>(resolve => void shop.clock.after(LEASE - 50, resolve));
      return answer;
    };
    const asked = source();
    await shop.clock.advance(LEASE - 50);
    expect([await asked, await source()]).to.deep.equal(['primary', 'cache']);
    await shop.clock.advance(50);
    const { calls } = a.store;
    const again = source();
    await shop.clock.advance(0);
    expect(a.store.calls).to.equal(calls + 1);
    await shop.clock.advance(LEASE - 50);
    expect(await again).to.equal('primary');
  });

  it('and renews the lease behind the user who is served in its second half, once', async () => {
    await shop.clock.advance(LEASE / 2);
    const { calls } = a.store;
    expect([await source(), await source()]).to.deep.equal(['cache', 'cache']);
    expect(a.store.calls).to.equal(calls + 1);
    await shop.clock.advance(LEASE - 1);
    expect(await source()).to.equal('cache');
  });

  it('nothing that was reported changed', async () => {
    a.store.watcher?.changed(keyOf(token));
    expect([await source(), await source()]).to.deep.equal(['primary', 'cache']);
  });

  it('nothing that was learnt in another span of watching, or while nobody watches', async () => {
    a.store.span = 2;
    expect([await source(), await source()]).to.deep.equal(['primary', 'cache']);
    a.store.span = undefined;
    expect([await source(), await source()]).to.deep.equal(['primary', 'primary']);
  });

  it('nothing that everybody has been asked to forget', async () => {
    a.store.watcher?.flushed();
    expect(await source()).to.equal('primary');
  });

  it('nothing while the circuit is open', async () => {
    const { token: other } = await a.sessions.manager.create({ user: 'bob' });
    a.store.watcher?.changed(keyOf(other));
    a.store.link = 'refused';
    for (let n = 0; n < 3; n += 1) await a.refusal(a.load(other));
    expect(await source()).to.equal('shadow');
  });

  it('nothing while the journal knows better (P1)', async () => {
    a.store.next.push('refused');
    await a.change(token, { step: 2 });
    expect([a.mode, a.backlog]).to.deep.equal(['healthy', 1]);
    expect(await a.data(token)).to.deep.equal({ user: 'ada', step: 2 });
  });

  it('nothing in the time after a suspected loss, when the store may lack what others know', async () => {
    a.store.name = 'second';
    expect([await source(), await source()]).to.deep.equal(['primary', 'primary']);
    await shop.settle(61_000);
    await a.load(token);
    expect(await source()).to.equal('cache');
  });

  it('nothing from before a loss after which everybody shall log in again', async () => {
    await shop.during(a.sessions.close());
    await open({ afterDataLoss: 'relogin' });
    a.store.name = 'second';
    await shop.clock.advance(1);
    expect(await source()).not.to.equal('cache');
  });

  it('nothing that this instance has ended', async () => {
    await a.sessions.manager.destroy(token);
    expect(await a.load(token)).to.equal(undefined);
  });

  it('nothing that may be older than a write of which nobody knows how it ended', async () => {
    await shop.during(a.sessions.close());
    await open({ journal: { maxBytes: 64 * 1024 } });
    a.store.next.push('lose-reply');
    // There is no room for it in the journal.
    const lost = a.change(token, { text: 'x'.repeat(60_000) });
    expect(await shop.during(a.refusal(lost))).to.equal('STORE_UNAVAILABLE');
    await a.sessions.manager.create({ user: 'bob' });
    expect(await source()).to.equal('primary');
    expect(await a.data(token))
      .to.have.property('text')
      .with.length(60_000);
  });

  it('as a use of the copy: what is read often is not forgotten for what was read once', async () => {
    await shop.during(a.sessions.close());
    await open({ shadow: { maxBytes: 64 * 1024 } });
    for (let n = 0; n < 200; n += 1) {
      await a.sessions.manager.create({ n });
      expect(await source()).to.equal('cache');
    }
  });

  it('as a confirmation: what is known to be there now is no loss of long ago', async () => {
    await shop.during(a.sessions.close());
    await open({ maxOutage: 1_000 });
    for (let n = 0; n < 10; n += 1) {
      await shop.clock.advance(200);
      await a.sessions.manager.create({ n });
      expect(await source()).to.equal('cache');
    }
    shop.forget(keyOf(token));
    await a.change(token, { step: 2 });
    expect(await a.data(token)).to.deep.equal({ user: 'ada', step: 2 });
  });

  it('and a use is a touch where one is due, which swaps as ever', async () => {
    await shop.clock.advance(24 * 3_600_000 * 0.11);
    await a.load(token);
    const { calls } = a.store;
    await a.visit(token, ctx => void ctx.session['user']);
    expect([a.count('session:touched'), a.store.calls]).to.deep.equal([1, calls + 1]);
  });
});

describe('a cache over a store that reports no changes', () => {
  it('says once at the start that it is without effect, and asks for every read', async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(65_536, clock);
    const site = await openSite(ctx => (ctx.body = ctx.session.source), { store, cache: true }, { clock });
    await until(() => site.logger.lines.length > 0);
    expect(site.logger.messages('warn')).to.have.length(1);
    expect(site.logger.messages('warn')[0]).to.include('"cache" is without effect');
    const { token } = await site.sessions.manager.create({ user: 'ada' });
    await site.sessions.manager.load(token);
    expect((await site.sessions.manager.load(token))?.source).to.equal('primary');
    await site.close();
  });
});
