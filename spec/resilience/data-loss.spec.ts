import { expect } from 'chai';
import type { SessionOptions } from '../../src/options.js';
import { storeKeyOf } from '../../src/vault/token.js';
import { type Instance, Shop } from '../support/instances.js';

describe('a store that may have lost data', () => {
  let shop: Shop;
  let a: Instance;
  let b: Instance;
  let token: string;

  const open = async (options: SessionOptions = {}): Promise<void> => {
    [a, b] = [await shop.open(options), await shop.open(options)];
    ({ token } = await a.sessions.manager.create({ user: 'ada' }));
  };

  beforeEach(() => void (shop = new Shop()));
  afterEach(() => shop.during(Promise.all([a.sessions.close(), b.sessions.close()])));

  it('is reported, with its cause', async () => {
    await open();
    shop.loseEverything(a, b);
    await shop.settle();
    expect(a.last('store:data-loss')).to.include({ cause: 'incarnation' });
    expect(b.count('store:data-loss')).to.equal(1);
  });

  it('gets back what this instance has copies of, without anybody asking for it', async () => {
    await open();
    await b.change(token, { cart: ['tea'] });
    shop.loseEverything(a, b);
    await shop.settle();
    const c = await shop.open();
    expect(await c.data(token)).to.deep.equal({ user: 'ada', cart: ['tea'] });
    await shop.during(c.sessions.close());
  });

  it('is asked for nothing in vain meanwhile: a copy is served at once', async () => {
    await open();
    shop.loseEverything(a);
    expect(await a.data(token)).to.deep.equal({ user: 'ada' });
    expect((await a.load(token))?.source).to.equal('shadow');
  });

  it('says unavailable, not absent, of a session that others may yet put back, and absent later', async () => {
    await open();
    shop.loseEverything(a, b);
    expect(await b.load(token).catch((error: unknown) => error)).to.have.property(
      'code',
      'STORE_UNAVAILABLE',
    );
    await shop.settle();
    expect(await b.data(token)).to.deep.equal({ user: 'ada' });
    const { token: other } = await (await shop.open()).sessions.manager.create({});
    shop.forget(storeKeyOf(Buffer.from(other, 'base64url').subarray(6, 38)));
    await shop.settle(60_000);
    expect(await b.load(other)).to.equal(undefined);
  });

  it('gets the ends before the copies: a logout that it has lost stays one (P3)', async () => {
    await open();
    await b.data(token);
    await a.sessions.manager.destroy(token);
    shop.loseEverything(a, b);
    await shop.settle();
    for (const each of [a, b, await shop.open()]) expect(await each.load(token)).to.equal(undefined);
  });

  it('that is restored from an older version takes the newer one that an instance knows', async () => {
    await open();
    const key = storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38));
    const old = await shop.behind.read(key);
    await a.change(token, { step: 2 });
    shop.loseEverything(a, b);
    if (old) await shop.behind.swap(key, old, null, 3_600_000);
    await shop.settle();
    expect(await b.data(token)).to.deep.equal({ user: 'ada', step: 2 });
  });

  it('and was written to since is merged, when the user comes, with what an instance knows', async () => {
    await open();
    const key = storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38));
    const old = await shop.behind.read(key);
    await a.change(token, { left: 1 });
    shop.loseEverything(a, b);
    if (old) await shop.behind.swap(key, old, null, 3_600_000);
    await b.change(token, { right: 2 });
    await shop.settle();
    expect(await a.data(token)).to.deep.equal({ user: 'ada', left: 1, right: 2 });
    await a.change(token, {});
    expect(await b.data(token)).to.deep.equal({ user: 'ada', left: 1, right: 2 });
  });

  it('keeps the newest of the copies that it is offered, however long ago all of them were made', async () => {
    await open();
    await b.data(token);
    await shop.settle(1_000);
    await a.change(token, { step: 2 });
    await shop.settle(120_000);
    shop.loseEverything(a, b);
    await shop.settle();
    for (const each of [a, b]) expect(await each.data(token)).to.deep.equal({ user: 'ada', step: 2 });
  });

  it('takes back nothing once it was flushed on purpose', async () => {
    await open();
    a.store.watcher?.flushed();
    shop.loseEverything();
    await shop.settle();
    expect(await a.load(token)).to.equal(undefined);
    expect(a.count('store:data-loss')).to.equal(0);
  });

  it('that fails again in the middle gets the rest afterwards', async () => {
    await open();
    const tokens: string[] = [];
    for (let n = 0; n < 30; n += 1) tokens.push((await a.sessions.manager.create({ n })).token);
    shop.loseEverything(a, b);
    await shop.clock.advance(6_000);
    await a.cutOff();
    await a.rejoin();
    await shop.settle();
    const found = await Promise.all(tokens.map(async each => b.data(each)));
    expect(found).to.deep.equal(tokens.map((_, n) => ({ n })));
  });

  describe("with afterDataLoss: 'relogin'", () => {
    it('gets no copies back: everybody logs in again', async () => {
      await open({ afterDataLoss: 'relogin' });
      shop.loseEverything(a, b);
      await shop.settle();
      expect(await a.load(token)).to.equal(undefined);
      expect(await b.load(token)).to.equal(undefined);
    });

    it('is not trusted with what it has from before', async () => {
      await open({ afterDataLoss: 'relogin' });
      for (const each of [a, b]) each.store.name = 'second';
      await shop.settle();
      expect(await a.load(token)).to.equal(undefined);
      const { token: fresh } = await a.sessions.manager.create({ user: 'bob' });
      expect(await b.data(fresh)).to.deep.equal({ user: 'bob' });
    });
  });
});
