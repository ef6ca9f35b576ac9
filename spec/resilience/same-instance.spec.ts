import { expect } from 'chai';
import { Stamps } from '../../src/store/entry.js';
import { type Instance, Shop } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';

describe('on one instance (P1)', () => {
  let shop: Shop;
  let a: Instance;
  let token: string;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
    ({ token } = await a.sessions.manager.create({ user: 'ada' }));
  });

  afterEach(async () => {
    await shop.during(a.sessions.close());
  });

  it('a slow request that saves in an outage hides nothing that was acknowledged before it', async () => {
    const slow = await a.load(token);
    await a.change(token, { cart: 1 });
    await a.cutOff();
    Object.assign(slow ?? {}, { late: true });
    if (slow) await a.sessions.manager.save(slow);
    expect(await a.data(token)).to.deep.equal({ user: 'ada', cart: 1, late: true });
  });

  it('later stamps are later although the clock tells fractions of a millisecond', () => {
    const clock = new ManualClock();
    clock.correct(0.7);
    const stamps = new Stamps(clock);
    const made = Array.from({ length: 50 }, () => stamps.next());
    expect(made).to.deep.equal(made.toSorted());
  });
});

describe('a session born in an outage', () => {
  it('is awaited by other instances for all of maxOutage, however late in the hour it was born', async () => {
    const shop = new Shop();
    const [a, b] = [await shop.open({ maxOutage: 60_000 }), await shop.open({ maxOutage: 60_000 })];
    await shop.clock.advance(1_200_000);
    await a.cutOff();
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    const error = await b.load(token).catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'STORE_UNAVAILABLE');
    await shop.during(Promise.all([a.sessions.close(), b.sessions.close()]));
  });
});
