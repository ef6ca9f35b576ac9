import { expect } from 'chai';
import { ALLOWED_SKEW } from '../../src/clock.js';
import { isTombstone } from '../../src/store/entry.js';
import { type Instance, keyOf, Shop } from '../support/instances.js';

const HOUR = 3_600_000;
const MINUTE = 60_000;

describe('a tombstone', () => {
  let shop: Shop;
  let a: Instance;
  let b: Instance;
  let token: string;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open({ maxOutage: HOUR });
    b = await shop.open({ maxOutage: HOUR });
    ({ token } = await a.sessions.manager.create({ user: 'ada' }));
    await b.load(token);
  });
  afterEach(() => shop.during(Promise.all([a.sessions.close(), b.sessions.close()])));

  it('that waited lives in the store for maxOutage and the allowed skew from when it came there', async () => {
    await a.cutOff();
    await a.sessions.manager.destroy(token);
    await shop.clock.advance(50 * MINUTE);
    await a.rejoin();
    expect(a.store.ttls.get(keyOf(token))).to.equal(HOUR + ALLOWED_SKEW);
  });

  it('that waited still stands when an instance comes back that was cut off before it came there', async () => {
    await a.cutOff();
    await a.sessions.manager.destroy(token);
    await shop.clock.advance(40 * MINUTE);
    await b.load(token);
    await b.cutOff();
    await b.change(token, { cart: 1 });
    await shop.clock.advance(10 * MINUTE);
    await a.rejoin();
    await shop.clock.advance(45 * MINUTE);
    await b.rejoin();
    expect(await b.load(token)).to.equal(undefined);
    const c = await shop.open();
    expect(await c.load(token)).to.equal(undefined);
    expect(b.last('store:recovered')).to.include({ superseded: 1, migrated: 0 });
    await shop.during(c.sessions.close());
  });

  it('goes to the store before every record that waits, however late it came', async () => {
    await a.cutOff();
    const created = Array.from({ length: 20 }, async (_, n) => a.sessions.manager.create({ n }));
    const records = (await Promise.all(created)).map(each => keyOf(each.token));
    await a.sessions.manager.destroy(token);
    const arrived = arrivals(shop, [...records, keyOf(token)]);
    await a.rejoin();
    expect(arrived).to.have.length(21);
    expect(arrived[0]).to.equal(keyOf(token));
  });

  it('of a regenerate in an outage that meets a logout ends the new id too, whatever was written to it since', async () => {
    await a.cutOff();
    const session = await a.load(token);
    if (!session) throw new Error('there is no such session');
    const fresh = await a.sessions.manager.regenerate(session);
    session['user'] = 'bob';
    await a.sessions.manager.save(session);
    await b.sessions.manager.destroy(token);
    await a.rejoin();
    await shop.settle();
    expect(await b.load(fresh)).to.equal(undefined);
    expect(await a.load(fresh)).to.equal(undefined);
    const ended = await shop.behind.read(keyOf(fresh));
    expect(ended && isTombstone(ended)).to.equal(true);
    expect(a.backlog).to.equal(0);
  });

  describe('that a store has evicted', () => {
    beforeEach(() => void (a.store.evicts = b.store.evicts = true));

    it('ends a regenerate all the same: absence proves nothing there, and nothing is created', async () => {
      const slow = await a.load(token);
      await b.sessions.manager.destroy(token);
      shop.forget(keyOf(token));
      expect(slow && (await a.refusal(a.sessions.manager.regenerate(slow)))).to.equal('SESSION_ENDED');
      expect(a.count('session:regenerated')).to.equal(0);
      expect(a.count('session:saved')).to.equal(1);
      await shop.settle();
      const there = await shop.behind.read(keyOf(token));
      expect(there === undefined || isTombstone(there)).to.equal(true);
      expect(a.backlog).to.equal(0);
    });

    it('ends a regenerate that waited all the same', async () => {
      await a.cutOff();
      const slow = await a.load(token);
      const fresh = slow && (await a.sessions.manager.regenerate(slow));
      await b.sessions.manager.destroy(token);
      shop.forget(keyOf(token));
      await a.rejoin();
      await shop.settle();
      expect(await b.load(fresh ?? '')).to.equal(undefined);
    });
  });
});

/** Which of `keys` are swapped in the store, in order. */
function arrivals(shop: Shop, keys: readonly string[]): string[] {
  const arrived: string[] = [];
  const { behind } = shop;
  const swap = behind.swap.bind(behind);
  behind.swap = (key, ...rest) => {
    if (keys.includes(key)) arrived.push(key);
    return swap(key, ...rest);
  };
  return arrived;
}
