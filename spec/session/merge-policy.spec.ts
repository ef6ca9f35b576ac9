import { expect } from 'chai';
import type { SessionOptions } from '../../src/options.js';
import { type Instance, Shop } from '../support/instances.js';

type Policy = Exclude<SessionOptions['merge'], string | undefined>;

describe('a merge function of the app', () => {
  let shop: Shop;
  let a: Instance;

  beforeEach(() => void (shop = new Shop()));
  afterEach(() => shop.during(a.sessions.close()));

  /** Two requests at once, which save one after the other. Resolves with what is kept. */
  const merged = async (merge: Policy): Promise<Record<string, unknown> | undefined> => {
    a = await shop.open({ merge });
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    const [one, other] = [await a.load(token), await a.load(token)];
    if (!one || !other) throw new Error('there is no such session');
    one['left'] = 1;
    other['right'] = 2;
    await a.sessions.manager.save(one);
    await a.sessions.manager.save(other);
    return a.data(token);
  };

  it('decides what is kept', async () => {
    const sum: Policy = (theirs, ours) => ({ sum: Number(theirs['left']) + Number(ours['right']) });
    expect(await merged(sum)).to.deep.equal({ sum: 3 });
    expect(a.count('session:conflict')).to.equal(0);
  });

  const failing: Record<string, Policy> = {
    throws: () => {
      throw new Error('a fault of the app');
    },
    // What plain JavaScript may do.
    'returns nothing': () => undefined as unknown as Record<string, unknown>,
    'returns a list': () => [] as unknown as Record<string, unknown>,
    'returns too much': () => ({ big: 'x'.repeat(300_000) }),
    'returns what JSON cannot say': () => ({ big: 10n }),
  };
  for (const [what, policy] of Object.entries(failing)) {
    it(`that ${what} loses nothing: the keys decide, and session:conflict says why`, async () => {
      expect(await merged(policy)).to.deep.equal({ user: 'ada', left: 1, right: 2 });
      expect(a.last('session:conflict')).to.include({ reason: 'merge-failed' });
      expect(a.count('security:undecryptable')).to.equal(0);
    });
  }

  it('that throws fails no drain either', async () => {
    a = await shop.open({
      merge: () => {
        throw new Error('a fault of the app');
      },
    });
    const b = await shop.open();
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    await a.cutOff();
    await a.change(token, { left: 1 });
    await b.change(token, { right: 2 });
    await a.rejoin();
    expect(await b.data(token)).to.deep.equal({ user: 'ada', left: 1, right: 2 });
    expect(a.last('store:recovered')).to.include({ merged: 1, quarantined: 0 });
    await shop.during(b.sessions.close());
  });
});

describe('maxAge', () => {
  const DAY = 24 * 3_600_000;
  let shop: Shop;
  let a: Instance;
  let b: Instance;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
    b = await shop.open();
  });
  afterEach(() => shop.during(Promise.all([a.sessions.close(), b.sessions.close()])));

  const lives = async (token: string): Promise<unknown> => {
    const session = await a.load(token);
    const left = (session?.expiresAt?.getTime() ?? 0) - shop.clock.wall();
    return [session?.maxAge, Math.round(left / DAY)];
  };

  it('is merged like a key: a parallel save of something else leaves it', async () => {
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    const [one, other] = [await a.load(token), await a.load(token)];
    if (!one || !other) throw new Error('there is no such session');
    one.maxAge = 20 * DAY;
    await a.sessions.manager.save(one);
    other['cart'] = 1;
    await a.sessions.manager.save(other);
    expect(await lives(token)).to.deep.equal([20 * DAY, 20]);
    expect(await b.data(token)).to.deep.equal({ user: 'ada', cart: 1 });
  });

  const setAt = async (instance: Instance, token: string, ms: number): Promise<void> => {
    const session = await instance.load(token);
    if (!session) throw new Error('there is no such session');
    session.maxAge = ms;
    await instance.sessions.manager.save(session);
  };

  it('that waits for the store goes in with what others wrote meanwhile', async () => {
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    await b.load(token);
    await b.cutOff();
    await setAt(b, token, 20 * DAY);
    await shop.clock.advance(1_000);
    await a.change(token, { cart: 1 });
    await b.rejoin();
    expect(await lives(token)).to.deep.equal([20 * DAY, 20]);
    expect(await a.data(token)).to.deep.equal({ user: 'ada', cart: 1 });
  });

  it('that was set last holds, whichever save reaches the store first', async () => {
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    await b.load(token);
    await b.cutOff();
    await setAt(b, token, 5 * DAY);
    await shop.clock.advance(1_000);
    await setAt(a, token, 20 * DAY);
    await b.rejoin();
    expect(await lives(token)).to.deep.equal([20 * DAY, 20]);
  });

  it('is not taken away by a blind write', async () => {
    const { session, token } = await a.sessions.manager.create({ user: 'ada' });
    session.maxAge = 20 * DAY;
    await a.sessions.manager.save(session);
    await b.cutOff();
    await b.blindly(token, { cart: 1 });
    await b.rejoin();
    expect(await lives(token)).to.deep.equal([20 * DAY, 20]);
    expect(await a.data(token)).to.deep.equal({ user: 'ada', cart: 1 });
  });
});
