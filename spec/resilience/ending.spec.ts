import { expect } from 'chai';
import { storeKeyOf } from '../../src/vault/token.js';
import { type Instance, Shop } from '../support/instances.js';

describe('the end of a session (P3)', () => {
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

  it('holds everywhere at once in health', async () => {
    await b.load(token);
    await a.sessions.manager.destroy(token);
    expect(await a.data(token)).to.equal(undefined);
    expect(await b.data(token)).to.equal(undefined);
  });

  it('refuses a slow request that saves after it', async () => {
    const slow = await b.load(token);
    await a.sessions.manager.destroy(token);
    Object.assign(slow ?? {}, { late: true });
    const refused = slow && (await b.sessions.manager.save(slow).catch((reason: unknown) => reason));
    expect(refused).to.have.property('code', 'SESSION_ENDED');
    expect(b.last('session:gone')).to.include({ reason: 'destroyed' });
    expect(await a.data(token)).to.equal(undefined);
  });

  it('holds on the instance during an outage, and everywhere after it', async () => {
    await b.load(token);
    await a.cutOff();
    await a.sessions.manager.destroy(token);
    expect(await a.data(token)).to.equal(undefined);
    await a.rejoin();
    expect(await b.data(token)).to.equal(undefined);
    expect(a.last('store:recovered')).to.include({ tombstones: 1 });
  });

  it('beats what another instance wrote during the outage, whoever comes back first', async () => {
    for (const order of [
      [a, b],
      [b, a],
    ]) {
      const { token: each } = await a.sessions.manager.create({ user: 'bob' });
      await b.load(each);
      await Promise.all([a.cutOff(), b.cutOff()]);
      await a.sessions.manager.destroy(each);
      await b.change(each, { late: true });
      for (const instance of order) await instance.rejoin();
      expect(await a.data(each)).to.equal(undefined);
      expect(await b.data(each)).to.equal(undefined);
    }
  });

  it('is not undone by a slow request across a link that comes and goes', async () => {
    const slow = await a.load(token);
    await a.cutOff();
    await a.sessions.manager.destroy(token);
    await a.rejoin();
    await a.cutOff();
    Object.assign(slow ?? {}, { late: true });
    const refused = slow && (await a.sessions.manager.save(slow).catch((reason: unknown) => reason));
    expect(refused).to.have.property('code', 'SESSION_ENDED');
    await a.rejoin();
    expect(await b.data(token)).to.equal(undefined);
  });

  it('whose reply was lost is repeated without harm', async () => {
    a.store.next.push('lose-reply');
    await shop.during(a.sessions.manager.destroy(token));
    expect(a.count('journal:added')).to.equal(1);
    await shop.settle();
    expect(a.backlog).to.equal(0);
    expect(await b.data(token)).to.equal(undefined);
  });

  it('by token needs no read: it holds although nobody can say what the session is', async () => {
    const strict = await shop.open({ onUnavailable: 'reject', shadow: false });
    await strict.cutOff();
    await strict.sessions.manager.destroy(token);
    await strict.rejoin();
    expect(await b.data(token)).to.equal(undefined);
    await shop.during(strict.sessions.close());
  });

  it('is refused after close(), like every other write', async () => {
    const other = await shop.open();
    const { session, token: mine } = await other.sessions.manager.create({});
    await shop.during(other.sessions.close());
    const { manager } = other.sessions;
    for (const late of [
      manager.save(session),
      manager.regenerate(session),
      manager.destroy(session),
      manager.destroy(mine),
    ]) {
      expect(await late.catch((reason: unknown) => reason)).to.have.property('code', 'CLOSED');
    }
  });

  it('that can be kept nowhere rejects, so that the app can say so', async () => {
    const small = await shop.open({ journal: { maxBytes: 64 * 1024 } });
    await small.cutOff();
    const ends = Array.from({ length: 400 }, async () => {
      const { token: each } = await a.sessions.manager.create({ user: 'bob' });
      await small.sessions.manager.destroy(each).catch((reason: unknown) => Promise.reject(reason as Error));
    });
    const outcomes = await Promise.allSettled(ends);
    const refused = outcomes.filter(outcome => outcome.status === 'rejected');
    expect(refused).to.have.length.above(0);
    for (const { reason } of refused) expect(reason).to.have.property('code', 'STORE_UNAVAILABLE');
    await shop.during(small.sessions.close());
  });

  describe('by regenerate', () => {
    it('moves the data to a new id, and the old one is dead everywhere', async () => {
      const session = await a.load(token);
      const fresh = session && (await a.sessions.manager.regenerate(session));
      expect(await b.data(fresh ?? '')).to.deep.equal({ user: 'ada' });
      expect(await b.data(token)).to.equal(undefined);
      expect(await a.data(token)).to.equal(undefined);
    });

    it('takes along what another instance wrote meanwhile', async () => {
      const session = await a.load(token);
      await b.change(token, { cart: 1 });
      const fresh = session && (await a.sessions.manager.regenerate(session));
      expect(await b.data(fresh ?? '')).to.deep.equal({ user: 'ada', cart: 1 });
    });

    it('creates nothing where the session has ended', async () => {
      const session = await a.load(token);
      await b.sessions.manager.destroy(token);
      const refused =
        session && (await a.sessions.manager.regenerate(session).catch((reason: unknown) => reason));
      expect(refused).to.have.property('code', 'SESSION_ENDED');
      expect(a.count('session:regenerated')).to.equal(0);
    });

    it('creates nothing in an outage either, where this instance itself ended the session', async () => {
      const session = await a.load(token);
      await a.sessions.manager.destroy(token);
      await a.cutOff();
      const refused =
        session && (await a.sessions.manager.regenerate(session).catch((reason: unknown) => reason));
      expect(refused).to.have.property('code', 'SESSION_ENDED');
      expect(a.backlog).to.equal(0);
    });

    it('of two requests at once makes one new session', async () => {
      const sessions = [await a.load(token), await b.load(token)];
      const outcomes = await Promise.allSettled([
        a.sessions.manager.regenerate(sessions[0] as NonNullable<(typeof sessions)[0]>),
        b.sessions.manager.regenerate(sessions[1] as NonNullable<(typeof sessions)[0]>),
      ]);
      expect(outcomes.map(outcome => outcome.status).toSorted()).to.deep.equal(['fulfilled', 'rejected']);
    });

    it('in an outage holds after it: the new id lives, the old one is dead', async () => {
      await b.load(token);
      await a.cutOff();
      const session = await a.load(token);
      const fresh = session && (await a.sessions.manager.regenerate(session));
      expect(await a.data(fresh ?? '')).to.deep.equal({ user: 'ada' });
      expect(await a.data(token)).to.equal(undefined);
      await a.rejoin();
      expect(await b.data(fresh ?? '')).to.deep.equal({ user: 'ada' });
      expect(await b.data(token)).to.equal(undefined);
    });

    it('in an outage takes along what another instance wrote to the old id', async () => {
      await b.load(token);
      await a.cutOff();
      const session = await a.load(token);
      const fresh = session && (await a.sessions.manager.regenerate(session));
      await b.change(token, { cart: 1 });
      await a.rejoin();
      await shop.settle();
      expect(await b.data(fresh ?? '')).to.deep.equal({ user: 'ada', cart: 1 });
      expect(a.backlog).to.equal(0);
    });

    it('in an outage ends the new id too, if the session was destroyed elsewhere', async () => {
      await b.load(token);
      await a.cutOff();
      const session = await a.load(token);
      const fresh = session && (await a.sessions.manager.regenerate(session));
      await b.sessions.manager.destroy(token);
      await a.rejoin();
      expect(await b.data(fresh ?? '')).to.equal(undefined);
      expect(await a.data(fresh ?? '')).to.equal(undefined);
      expect(a.backlog).to.equal(0);
    });
  });
});

describe('a session that nobody could read', () => {
  let shop: Shop;
  let a: Instance;
  let b: Instance;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
    b = await shop.open();
  });

  afterEach(async () => {
    await shop.during(Promise.all([a.sessions.close(), b.sessions.close()]));
  });

  it('takes blind writes that only add what the store lacks', async () => {
    const { token } = await a.sessions.manager.create({ user: 'ada', theme: 'dark' });
    await b.cutOff();
    await b.blindly(token, { theme: 'light', cart: 1 });
    await b.blindly(token, { cart: 2 });
    await b.rejoin();
    expect(await a.data(token)).to.deep.equal({ user: 'ada', theme: 'dark', cart: 2 });
  });

  it('gives a blind write a new id where nothing was there: no id is ever adopted', async () => {
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    shop.forget(keyOf(token));
    await b.cutOff();
    await b.blindly(token, { cart: 1 });
    await b.rejoin();
    expect(b.backlog).to.equal(0);
    expect(await a.data(token)).to.equal(undefined);
    const fresh = await b.blindly(token, {});
    expect(fresh).to.be.a('string').and.not.equal(token);
    expect(await a.data(fresh ?? '')).to.deep.equal({ cart: 1 });
  });

  it('may be on its way, if it was born in an outage at another instance', async () => {
    await a.cutOff();
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    expect(await b.load(token).catch((reason: unknown) => reason)).to.have.property(
      'code',
      'STORE_UNAVAILABLE',
    );
    await a.rejoin();
    expect(await b.data(token)).to.deep.equal({ user: 'ada' });
  });
});

function keyOf(token: string): string {
  return storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38));
}
