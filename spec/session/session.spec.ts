import { inspect } from 'node:util';
import { expect } from 'chai';
import type { Session } from '../../src/session/session.js';
import { type Instance, Shop } from '../support/instances.js';

type Loose = Session & Record<string, unknown>;

describe('a session', () => {
  let shop: Shop;
  let app: Instance;

  beforeEach(async () => {
    shop = new Shop();
    app = await shop.open({ idleTimeout: 3_600_000, absoluteTimeout: 7_200_000, maxDataBytes: 1_000 });
  });

  afterEach(async () => {
    await shop.during(app.sessions.close());
  });

  async function made(
    data: Record<string, unknown> = { user: 'ada' },
  ): Promise<{ session: Loose; token: string }> {
    const { session, token } = await app.sessions.manager.create(data);
    return { session: session as Loose, token };
  }

  async function refusal(change: (session: Loose) => void): Promise<unknown> {
    const { session, token } = await made();
    change(session);
    const error = await app.sessions.manager.save(session).catch((reason: unknown) => reason);
    expect(await app.data(token), 'the old record is intact').to.deep.equal({ user: 'ada' });
    return error;
  }

  describe('holds data', () => {
    it('as its own enumerable properties, without what begins with an underscore and without functions', async () => {
      const { session, token } = await made();
      Object.assign(session, { n: 1, _scratch: 2, act: () => 3 });
      await app.sessions.manager.save(session);
      expect(Object.keys(session)).to.include.members(['user', 'n']);
      expect(await app.data(token)).to.deep.equal({ user: 'ada', n: 1 });
    });

    it('counts it, and knows whether there is any', async () => {
      const { session } = await made({ a: 1, b: 2 });
      expect(session.length).to.equal(2);
      expect(session.populated).to.equal(true);
      expect((await made({})).session.populated).to.equal(false);
    });

    it('refuses names of its own interface, by assignment and at creation', async () => {
      const { session } = await made();
      for (const name of [
        'save',
        'regenerate',
        'destroy',
        'isNew',
        'populated',
        'length',
        'manuallyCommit',
        'toJSON',
      ]) {
        expect(() => Reflect.set(session, name, 1), name)
          .to.throw()
          .with.property('code', 'RESERVED_KEY');
        const refused = await app.sessions.manager.create({ [name]: 1 }).catch((reason: unknown) => reason);
        expect(refused, name).to.have.property('code', 'RESERVED_KEY');
      }
    });

    it('lets data win over the four readings', async () => {
      const { token } = await made({ id: 'mine', source: 'here', createdAt: 1, expiresAt: 2 });
      expect(await app.load(token)).to.include({ id: 'mine', source: 'here', createdAt: 1, expiresAt: 2 });
    });

    it('that JSON cannot say is refused, and the old record stays', async () => {
      const cycle: Record<string, unknown> = {};
      cycle['self'] = cycle;
      let deep: unknown = [];
      for (let n = 0; n < 100_000; n += 1) deep = [deep];
      for (const value of [1n, cycle, deep]) {
        expect(await refusal(session => void (session['bad'] = value))).to.have.property(
          'code',
          'DATA_INVALID',
        );
      }
    });

    it('that nests deep is refused from one depth on, whatever brackets its strings hold', async () => {
      const roomy = await shop.open({});
      const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
      const { token } = await roomy.sessions.manager.create({ deep: nested(499), text: '[{"\\'.repeat(600) });
      expect((await roomy.data(token))?.['deep']).to.deep.equal(nested(499));
      const refused = await roomy.change(token, { deep: nested(500) }).catch((error: unknown) => error);
      expect(refused).to.have.property('code', 'DATA_INVALID');
      await shop.during(roomy.sessions.close());
    });

    it('with hostile keys is refused at any depth; as mere values they are harmless', async () => {
      for (const name of ['__proto__', 'constructor', 'prototype']) {
        const hostile: unknown = JSON.parse(`{"deep":[{"${name}":{"admin":true}}]}`);
        expect(await refusal(session => void (session['bad'] = hostile)), name).to.have.property(
          'code',
          'DATA_INVALID',
        );
      }
      const { token } = await made({ word: '__proto__', words: ['constructor'] });
      expect(await app.data(token)).to.deep.equal({ word: '__proto__', words: ['constructor'] });
    });

    it('larger than maxDataBytes is refused, counted in bytes and not in characters', async () => {
      expect(await refusal(session => void (session['big'] = 'x'.repeat(1_000)))).to.have.property(
        'code',
        'DATA_TOO_LARGE',
      );
      expect(await refusal(session => void (session['big'] = 'é'.repeat(600)))).to.have.property(
        'code',
        'DATA_TOO_LARGE',
      );
    });

    it('saves a change that a checksum would miss: two texts of one length and CRC', async () => {
      const { token } = await made({ n: 'plumless' });
      await app.change(token, { n: 'buckeroo' });
      expect(await app.data(token)).to.deep.equal({ n: 'buckeroo' });
    });
  });

  describe('is written', () => {
    it('only when something changed', async () => {
      const { token } = await made();
      const before = app.count('session:saved');
      await app.change(token, { user: 'ada' });
      expect(app.count('session:saved')).to.equal(before);
      await app.change(token, { user: 'eve' });
      expect(app.count('session:saved')).to.equal(before + 1);
    });

    it('again in the same request, onto what the first write left', async () => {
      const { session, token } = await made();
      for (let n = 0; n < 3; n += 1) {
        session['n'] = n;
        await app.sessions.manager.save(session);
      }
      expect(await app.data(token)).to.deep.equal({ user: 'ada', n: 2 });
      expect(app.count('session:conflict')).to.equal(0);
    });

    it('by parallel requests without losing either key, and each then sees both (P4)', async () => {
      const { token } = await made();
      const one = (await app.load(token)) as Loose;
      const other = (await app.load(token)) as Loose;
      one['left'] = 1;
      other['right'] = 2;
      await Promise.all([app.sessions.manager.save(one), app.sessions.manager.save(other)]);
      expect(await app.data(token)).to.deep.equal({ user: 'ada', left: 1, right: 2 });
      expect([one, other].some(session => session['left'] === 1 && session['right'] === 2)).to.equal(true);
    });
  });

  describe('ends', () => {
    it('after its idle timeout, though the store would keep it', async () => {
      const { token } = await made();
      shop.clock.jumpWall(3_600_000);
      expect(await app.data(token)).to.equal(undefined);
      expect(app.count('session:expired')).to.equal(1);
    });

    it('later when it is used, but never after its absolute deadline', async () => {
      const { token } = await made();
      for (let n = 0; n < 3; n += 1) {
        shop.clock.jumpWall(2_000_000);
        await app.change(token, { n });
      }
      shop.clock.jumpWall(1_200_001);
      expect(await app.data(token)).to.equal(undefined);
    });

    it('is touched at most once per tenth of the idle timeout', async () => {
      const { token } = await made();
      for (let n = 0; n < 20; n += 1) {
        shop.clock.jumpWall(60_000);
        await app.change(token, {});
      }
      expect(app.count('session:touched')).to.equal(3);
    });

    it('as its own maxAge says, where the app set one', async () => {
      const { session, token } = await made();
      session.maxAge = 60_000;
      await app.sessions.manager.save(session);
      expect((await app.load(token))?.maxAge).to.equal(60_000);
      shop.clock.jumpWall(60_001);
      expect(await app.data(token)).to.equal(undefined);
    });

    it('keeps created and absolute deadline over a regenerate', async () => {
      const { session } = await made();
      shop.clock.jumpWall(3_000_000);
      const token = await app.sessions.manager.regenerate(session);
      for (let n = 0; n < 2; n += 1) {
        shop.clock.jumpWall(2_000_000);
        await app.change(token, { n });
      }
      shop.clock.jumpWall(300_000);
      expect(await app.data(token)).to.equal(undefined);
    });
  });

  it('shows in a log that it exists, and nothing of what is in it', async () => {
    const { session, token } = await made({ user: 'ada-canary' });
    const shown = inspect(session, { depth: 10, showHidden: true });
    expect(shown).to.match(/^Session \{ id: [\w-]{12}, keys: 1 \}$/);
    expect(token).to.not.include(String(session.id));
  });

  it('refuses a maxAge that is no positive whole number', async () => {
    const { session } = await made();
    for (const ms of [0, -1, 1.5, NaN, Infinity]) expect(() => (session.maxAge = ms)).to.throw(RangeError);
    // Data from outside may name it.
    for (const data of ['typed', { typed: 'typed' }])
      expect(() => Object.assign(session, { maxAge: data })).to.throw(RangeError, /^((?!typed).)*$/);
  });
});
