import { expect } from 'chai';
import { type Instance, keyOf, Shop } from '../support/instances.js';

const MINUTE = 60_000;
const IDLE = 5 * MINUTE;

describe('a write that waits', () => {
  let shop: Shop;
  let a: Instance;
  let b: Instance;
  let token: string;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open({ idleTimeout: IDLE });
    b = await shop.open({ idleTimeout: IDLE });
    ({ token } = await a.sessions.manager.create({ user: 'ada' }));
    await b.load(token);
  });
  afterEach(() => shop.during(Promise.all([a.sessions.close(), b.sessions.close()])));

  it('is not lost when a touch lands on it before it meets what others wrote', async () => {
    await a.cutOff();
    await a.change(token, { order: 4711 });
    await shop.clock.advance(MINUTE);
    await a.change(token, {});
    await b.change(token, { seen: 1 });
    await a.rejoin();
    expect(await b.data(token)).to.deep.equal({ user: 'ada', order: 4711, seen: 1 });
  });

  it('joins what lives on in the store although its own deadline has passed', async () => {
    await a.cutOff();
    await a.change(token, { address: 'acknowledged' });
    for (let n = 0; n < 4; n += 1) {
      await shop.clock.advance(2 * MINUTE);
      await b.change(token, { n });
    }
    await a.rejoin();
    expect(await b.data(token)).to.deep.equal({ user: 'ada', address: 'acknowledged', n: 3 });
    expect(a.last('store:recovered')).to.include({ merged: 1, expired: 0 });
  });

  it('is dropped past its own deadline where nothing lives on, and counted', async () => {
    await a.cutOff();
    await a.change(token, { late: true });
    await shop.clock.advance(IDLE + 2 * MINUTE);
    await a.rejoin();
    expect(await b.load(token)).to.equal(undefined);
    expect(a.last('store:recovered')).to.include({ merged: 0, expired: 1 });
    expect(a.last('session:gone')).to.include({ reason: 'expired' });
  });

  it('lives as long as the session that it was merged with, not as its own deadline says', async () => {
    await a.cutOff();
    await a.change(token, { cart: 1 });
    await shop.clock.advance(IDLE - MINUTE);
    await b.change(token, { theme: 'dark' });
    await a.rejoin();
    await shop.clock.advance(IDLE - MINUTE);
    expect(await shop.behind.read(keyOf(token))).to.not.equal(undefined);
    expect(await b.data(token)).to.deep.equal({ user: 'ada', cart: 1, theme: 'dark' });
  });

  it('counts what others changed since its first version, after a second one too', async () => {
    await a.cutOff();
    await a.change(token, { colour: 'red' });
    await a.change(token, { other: 1 });
    await shop.clock.advance(1_000);
    await b.change(token, { colour: 'blue' });
    await a.rejoin();
    expect(await b.data(token)).to.deep.equal({ user: 'ada', colour: 'blue', other: 1 });
    expect(a.count('session:conflict')).to.equal(1);
    expect(a.last('session:conflict')).to.include({ keys: 1 });
    expect(a.last('migration:conflict')).to.include({ keys: 1 });
  });

  it('goes to a store that answers before anybody reads it here', async () => {
    a.store.next.push('ok', 'refused');
    await a.change(token, { n: 1 });
    expect(a.backlog).to.equal(1);
    expect((await a.load(token))?.source).to.equal('primary');
    expect(a.backlog).to.equal(0);
  });

  it('is not in the ledger of an outage that began after it had gone', async () => {
    for (let n = 0; n < 5; n += 1) {
      a.store.next.push('ok', 'refused');
      await a.change(token, { n });
      await shop.settle();
    }
    expect(a.backlog).to.equal(0);
    await a.cutOff();
    await a.rejoin();
    const { outageMs: _, at: __, ...ledger } = a.last('store:recovered') ?? { outageMs: 0, at: 0 };
    expect(Object.values(ledger)).to.deep.equal([0, 0, 0, 0, 0, 0, 0]);
    expect(a.sessions.stats().store.ledger).to.include({ migrated: 5 });
  });

  it('is put back into another data set after a grace, though no canary has noticed it yet', async () => {
    const session = await a.load(token);
    a.store.name = 'second';
    shop.forget(keyOf(token));
    Object.assign(session ?? {}, { n: 1 });
    if (session) await a.sessions.manager.save(session);
    expect(a.backlog).to.equal(1);
    await shop.clock.advance(1_900);
    expect(await shop.behind.read(keyOf(token))).to.equal(undefined);
    await shop.settle();
    expect(await b.data(token)).to.deep.equal({ user: 'ada', n: 1 });
  });
});

describe('a session that was created in an outage', () => {
  it('is dropped when the way back comes later than maxOutage: its end may be forgotten by then', async () => {
    const shop = new Shop();
    const a = await shop.open({ maxOutage: MINUTE });
    await a.cutOff();
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    await shop.clock.advance(70_000);
    await a.rejoin();
    expect(await shop.behind.read(keyOf(token))).to.equal(undefined);
    expect(a.last('store:recovered')).to.include({ migrated: 0, expired: 1 });
    await shop.during(a.sessions.close());
  });
});

describe('blind writes that met nothing', () => {
  let shop: Shop;
  let a: Instance;
  let b: Instance;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
    b = await shop.open({ idleTimeout: MINUTE });
    const tokens: string[] = [];
    for (let n = 0; n < 3; n += 1) tokens.push((await a.sessions.manager.create({ n })).token);
    await b.cutOff();
    for (const token of tokens) {
      shop.forget(keyOf(token));
      await b.blindly(token, { cart: 1 });
    }
    await b.rejoin();
  });
  afterEach(() => shop.during(Promise.all([a.sessions.close(), b.sessions.close()])));

  it('are what close() leaves behind', async () => {
    const left = await shop.during(b.sessions.close());
    expect(left.items).to.equal(3);
    expect(left.bytes).to.be.above(0);
  });

  it('end at their deadline, and are counted', async () => {
    expect(b.sessions.stats().store.backlog).to.include({ items: 0 }).and.not.include({ bytes: 0 });
    await shop.clock.advance(3 * MINUTE);
    expect(b.sessions.stats().store.ledger).to.include({ expired: 3 });
    expect(b.sessions.stats().store.backlog).to.include({ items: 0, bytes: 0 });
    expect(await shop.during(b.sessions.close())).to.deep.equal({ items: 0, bytes: 0 });
  });
});

describe('a journal full of what nobody wants any more', () => {
  it('gives way to a write of somebody who is here', async () => {
    const shop = new Shop();
    // Canaries, which would look for it too, are too rare to do so in time.
    const probe = { interval: MINUTE, maxInterval: 10 * MINUTE };
    const a = await shop.open({ idleTimeout: MINUTE, journal: { maxBytes: 64 * 1024 }, probe });
    a.store.link = 'refused';
    const create = (): Promise<unknown> => a.refusal(a.sessions.manager.create({ pad: 'x'.repeat(1000) }));
    for (let n = 0; n < 1_000 && (await create()) === undefined; n += 1);
    expect(a.count('journal:full')).to.equal(1);
    await shop.clock.advance(2 * MINUTE + 1);
    expect(await create()).to.equal(undefined);
    expect(a.count('journal:full')).to.equal(1);
    await shop.during(a.sessions.close());
  });
});
