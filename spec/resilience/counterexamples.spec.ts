import { expect } from 'chai';
import { type Instance, Shop } from '../support/instances.js';

/** Counterexamples that the model in spec/model found, played with the real thing. */
describe('a session, in the order of events that once broke it', () => {
  let shop: Shop;
  let a: Instance;
  let b: Instance;
  let token: string;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
    b = await shop.open();
    ({ token } = await a.sessions.manager.create({ user: 'ada' }));
    await b.load(token);
  });

  afterEach(async () => {
    await shop.during(Promise.all([a.sessions.close(), b.sessions.close()]));
  });

  it('ends under its new id too, although that was written twice, if it was logged out before', async () => {
    const session = await a.load(token);
    if (!session) throw new Error('not there');
    await a.cutOff();
    const moved = await a.sessions.manager.regenerate(session);
    await a.change(moved, { late: true });
    await b.sessions.manager.destroy(token);
    await a.rejoin();
    expect(await a.data(moved)).to.equal(undefined);
    expect(await b.data(moved)).to.equal(undefined);
  });

  it('ends under its third id too, if it was logged out under its first', async () => {
    const first = await a.load(token);
    if (!first) throw new Error('not there');
    await a.cutOff();
    const second = await a.load(await a.sessions.manager.regenerate(first));
    if (!second) throw new Error('not there');
    const moved = await a.sessions.manager.regenerate(second);
    await b.sessions.manager.destroy(token);
    await a.rejoin();
    expect(await a.data(moved)).to.equal(undefined);
    expect(await b.data(moved)).to.equal(undefined);
  });

  it('shows in an outage what Redis has acknowledged, although a slow request saves an older version', async () => {
    const slow = await a.load(token);
    if (!slow) throw new Error('not there');
    await a.change(token, { first: true });
    await a.cutOff();
    await a.sessions.manager.save(Object.assign(slow, { second: true }));
    expect(await a.data(token)).to.deep.equal({ user: 'ada', first: true, second: true });
  });

  it('shows in the next outage the change that stood above its own, not the version before both', async () => {
    await a.cutOff();
    await a.change(token, { user: 'bea' });
    await shop.settle(1_000);
    await b.change(token, { user: 'cleo' });
    await a.rejoin();
    await a.cutOff();
    expect(await a.data(token)).to.deep.equal({ user: 'cleo' });
  });
});
