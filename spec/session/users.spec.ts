import { expect } from 'chai';
import { pseudonymOf } from '../../src/vault/token.js';
import { type Instance, keyOf, Shop } from '../support/instances.js';

const HOUR = 3_600_000;

/** Logs in at `instance`, as from another browser each time. Resolves with the token. */
async function logIn(instance: Instance, user: string, label?: string): Promise<string> {
  const { manager } = instance.sessions;
  const { session } = await manager.create({});
  if (!(await session.login(user, label === undefined ? {} : { label })))
    throw new Error('nobody is logged in');
  return manager.save(session);
}

const nameOf = (token: string): string => pseudonymOf(keyOf(token));

describe('a login', () => {
  it('moves the session to a new id, and the old one is dead at once (ASVS 7.2.4)', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const { session, token } = await here.sessions.manager.create({ cart: 3 });
    expect(await session.login('ada')).to.equal(true);
    const after = await here.sessions.manager.save(session);
    expect(after).not.to.equal(token);
    expect(await here.data(after)).to.deep.equal({ cart: 3 });
    expect(await here.data(token)).to.deep.equal(undefined);
  });

  it('binds the session to its user and notes the time, in every later request', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const began = shop.clock.wall();
    const token = await logIn(here, 'ada');
    await shop.clock.advance(1000);
    const session = await here.load(token);
    expect(session?.authenticatedAs).to.equal('ada');
    expect(session?.authenticatedAt?.getTime()).to.equal(began);
  });

  it('is fresh for as long as the app asks, and not a moment longer (ASVS 7.5.3)', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const token = await logIn(here, 'ada');
    await shop.clock.advance(5_000);
    const session = await here.load(token);
    expect(session?.authenticatedWithin(5_000)).to.equal(true);
    expect(session?.authenticatedWithin(4_999)).to.equal(false);
  });

  it('that never happened is never fresh', async () => {
    const here = await new Shop().open();
    const { session } = await here.sessions.manager.create({ a: 1 });
    expect(session.authenticatedWithin(Infinity)).to.equal(false);
    expect(session.authenticatedAt).to.equal(undefined);
    expect(session.authenticatedAs).to.equal(undefined);
  });

  it('lets the absolute timeout begin, and a later one lets it begin again', async () => {
    const shop = new Shop();
    const here = await shop.open({ timeouts: 'aal3' });
    const { session } = await here.sessions.manager.create({ a: 1 });
    shop.clock.jumpWall(HOUR / 5);
    await session.login('ada');
    expect(session.expiresAt?.getTime()).to.equal(shop.clock.wall() + HOUR / 4);
    const token = await here.sessions.manager.save(session);
    for (let quarter = 0; quarter < 59; quarter += 1) {
      shop.clock.jumpWall(HOUR / 5);
      await here.change(token, { quarter });
    }
    const again = await here.load(token);
    await again?.login('ada');
    expect(again?.expiresAt?.getTime()).to.equal(shop.clock.wall() + HOUR / 4);
  });

  it('as another user leaves the data of the one before behind', async () => {
    const here = await new Shop().open();
    const { session } = await here.sessions.manager.create({});
    await session.login('ada');
    Object.assign(session, { orders: [1, 2] });
    await session.login('bob');
    expect(session.toJSON()).to.deep.equal({});
    expect(session.authenticatedAs).to.equal('bob');
    expect(await here.sessions.users.list('ada')).to.deep.equal([]);
    expect(await here.sessions.users.list('bob')).to.have.length(1);
  });

  it('refuses what is no user, and does not repeat it', async () => {
    const here = await new Shop().open();
    const { session } = await here.sessions.manager.create({});
    for (const user of ['', 'x'.repeat(257), '\ud800', 7, null, undefined, {}, ['ada']]) {
      const refused = await session.login(user as string).then(
        () => new Error('it was let in'),
        (error: unknown) => error as Error,
      );
      expect(Reflect.get(refused, 'code')).to.equal('DATA_INVALID');
      expect(refused.message).to.equal('a user is a string of 1 to 256 characters');
    }
    for (const label of [7, null, {}])
      expect(await here.refusal(session.login('ada', { label: label as string }))).to.equal('DATA_INVALID');
    expect(session.authenticatedAs).to.equal(undefined);
  });

  it('takes any label, and keeps of it what can be shown: a login must not fail for what a browser calls itself', async () => {
    const here = await new Shop().open();
    for (const label of ['x'.repeat(5000), 'a\tb\u0007c\u0085', '\ud800', '🙂'.repeat(60), '<b>"\\'])
      await logIn(here, 'ada', label);
    const labels = (await here.sessions.users.list('ada')).map(each => each.label);
    expect(labels).to.have.members(['x'.repeat(100), 'a b c ', ' ', '🙂'.repeat(50), '<b>"\\']);
  });

  it('onto a session that has ended meanwhile logs nobody in', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    const { session, token } = await here.sessions.manager.create({ a: 1 });
    await there.sessions.manager.destroy(token);
    expect(await session.login('ada')).to.equal(false);
    expect(session.authenticatedAs).to.equal(undefined);
    expect(await there.sessions.users.list('ada')).to.deep.equal([]);
  });

  it('whose answer was lost on its way succeeds when it is sent again with the old cookie', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const { token } = await here.sessions.manager.create({ cart: 3 });
    const lost = await here.visit(token, ctx => ctx.session.login('ada'));
    const again = await here.visit(token, ctx => ctx.session.login('ada'));
    expect(again).to.be.a('string').and.not.equal(lost);
    expect((await here.load(again ?? ''))?.authenticatedAs).to.equal('ada');
    expect(await here.data(again ?? '')).to.deep.equal({});
    expect(await here.data(lost ?? '')).to.deep.equal({ cart: 3 });
  });

  it('in an outage logs in, and is listed everywhere after it', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    await here.cutOff();
    const token = await logIn(here, 'ada', 'phone');
    expect((await here.load(token))?.authenticatedAs).to.equal('ada');
    expect((await here.sessions.users.list('ada')).map(each => each.label)).to.deep.equal(['phone']);
    await here.rejoin();
    expect((await there.load(token))?.authenticatedAs).to.equal('ada');
    expect((await there.sessions.users.list('ada')).map(each => each.id)).to.deep.equal([nameOf(token)]);
  });
});

describe('the sessions of a user', () => {
  it('are listed with when they began, were used last, and the label that the app gave (ASVS 7.5.2)', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const began = shop.clock.wall();
    const phone = await logIn(here, 'ada', 'phone');
    shop.clock.jumpWall(3 * HOUR);
    const laptop = await logIn(here, 'ada', 'laptop');
    await logIn(here, 'bob', 'tablet');
    const listed = await here.sessions.users.list('ada');
    expect(listed.map(({ id, label }) => ({ id, label }))).to.deep.equal([
      { id: nameOf(laptop), label: 'laptop' },
      { id: nameOf(phone), label: 'phone' },
    ]);
    expect(listed[1]?.createdAt.getTime()).to.equal(began);
    expect(listed[1]?.usedAt.getTime()).to.equal(began);
    expect(listed[1]?.authenticatedAt.getTime()).to.equal(began);
  });

  it('are listed by their last use, which a touch notes', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const phone = await logIn(here, 'ada', 'phone');
    shop.clock.jumpWall(HOUR);
    await logIn(here, 'ada', 'laptop');
    shop.clock.jumpWall(3 * HOUR);
    await here.change(phone, {});
    const [first] = await here.sessions.users.list('ada');
    expect(first?.label).to.equal('phone');
    expect(first?.usedAt.getTime()).to.equal(shop.clock.wall());
  });

  it('are seen by all instances', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    await Promise.all([logIn(here, 'ada'), logIn(there, 'ada'), logIn(here, 'ada'), logIn(there, 'ada')]);
    expect(await here.sessions.users.list('ada')).to.have.length(4);
    expect(await there.sessions.users.list('ada')).to.have.length(4);
  });

  it('follow a session to its new id', async () => {
    const here = await new Shop().open();
    const session = await here.load(await logIn(here, 'ada', 'phone'));
    await session?.regenerate();
    const listed = await here.sessions.users.list('ada');
    expect(listed.map(each => each.id)).to.deep.equal([session?.id]);
  });

  it('lose the one that logs out', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const session = await here.load(await logIn(here, 'ada'));
    await session?.destroy();
    expect(await shop.indexed('ada')).to.deep.equal([]);
  });

  it('heal: what was ended by its token alone, lost or expired is listed no more', async () => {
    const shop = new Shop();
    const here = await shop.open({ shadow: false });
    const [ended, lost, kept] = [
      await logIn(here, 'ada'),
      await logIn(here, 'ada'),
      await logIn(here, 'ada'),
    ];
    await here.sessions.manager.destroy(ended);
    await shop.clock.advance(2 * 60_000);
    shop.forget(keyOf(lost));
    expect(await shop.indexed('ada')).to.have.members([ended, lost, kept].map(keyOf));
    expect((await here.sessions.users.list('ada')).map(each => each.id)).to.deep.equal([nameOf(kept)]);
    expect(await shop.indexed('ada')).to.deep.equal([keyOf(kept)]);
    shop.clock.jumpWall(25 * HOUR);
    expect(await here.sessions.users.list('ada')).to.deep.equal([]);
  });

  it('heal: an index that was lost has those again that are used', async () => {
    const shop = new Shop();
    const here = await shop.open({ shadow: false });
    const token = await logIn(here, 'ada', 'phone');
    shop.forget(shop.indexKey('ada'));
    expect(await here.sessions.users.list('ada')).to.deep.equal([]);
    shop.clock.jumpWall(3 * HOUR);
    await here.change(token, {});
    expect((await here.sessions.users.list('ada')).map(each => each.label)).to.deep.equal(['phone']);
  });

  it('end one by one, and everywhere at once', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    const [phone, laptop] = [await logIn(here, 'ada'), await logIn(there, 'ada')];
    expect(await there.sessions.users.end('ada', nameOf(phone))).to.equal(true);
    expect(await here.data(phone)).to.equal(undefined);
    expect(await here.data(laptop)).to.deep.equal({});
    expect(await here.sessions.users.list('ada')).to.have.length(1);
  });

  it('cannot be ended by the name of another user’s session', async () => {
    const here = await new Shop().open();
    const token = await logIn(here, 'bob');
    await logIn(here, 'ada');
    expect(await here.sessions.users.end('ada', nameOf(token))).to.equal(false);
    expect(await here.data(token)).to.deep.equal({});
  });

  it('all end but the one that asks (ASVS 7.4.3)', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    const others = [await logIn(here, 'ada'), await logIn(there, 'ada')];
    const mine = await logIn(here, 'ada');
    const asks = await here.load(mine);
    const outcome = await here.sessions.users.endAll('ada', { except: asks });
    expect(outcome).to.deep.equal({ ended: 2, complete: true });
    for (const token of others) expect(await there.data(token)).to.equal(undefined);
    expect(await there.data(mine)).to.deep.equal({});
    expect(await here.sessions.users.list('ada')).to.have.length(1);
  });

  it('all end, and who logs in after that stays (ASVS 7.4.3)', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    const before = [await logIn(here, 'ada'), await logIn(there, 'ada')];
    const bob = await logIn(here, 'bob');
    expect(await there.sessions.users.endAll('ada')).to.deep.equal({ ended: 2, complete: true });
    for (const token of before) expect(await here.data(token)).to.equal(undefined);
    const after = await logIn(here, 'ada');
    shop.clock.jumpWall(3 * HOUR);
    await there.change(after, { a: 1 });
    expect(await there.data(after)).to.deep.equal({ a: 1 });
    expect(await here.data(bob)).to.deep.equal({});
  });

  it('stay excepted under a new id', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const mine = await here.load(await logIn(here, 'ada'));
    await shop.clock.advance(1000);
    await here.sessions.users.endAll('ada', { except: mine });
    await mine?.regenerate();
    shop.clock.jumpWall(3 * HOUR);
    if (!mine) throw new Error('it was just made');
    const token = await here.sessions.manager.save(mine);
    await here.change(token, { a: 1 });
    expect(await here.data(token)).to.deep.equal({ a: 1 });
  });

  it('that log in elsewhere in an outage end by what was asked meanwhile, once both are back', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    await there.cutOff();
    const stolen = await logIn(there, 'ada');
    await shop.clock.advance(1000);
    await here.sessions.users.endAll('ada');
    expect(await there.data(stolen)).to.deep.equal({});
    await there.rejoin();
    await shop.settle();
    expect(await there.data(stolen)).to.equal(undefined);
    expect(await here.data(stolen)).to.equal(undefined);
    expect(await here.sessions.users.list('ada')).to.deep.equal([]);
  });

  it('that nobody could ask for end once the store is back', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    const stolen = await logIn(there, 'ada');
    await here.cutOff();
    await shop.clock.advance(1000);
    expect(await here.sessions.users.endAll('ada')).to.deep.equal({ ended: 0, complete: false });
    expect(await there.data(stolen)).to.deep.equal({});
    await here.rejoin();
    await shop.settle();
    expect(await there.data(stolen)).to.equal(undefined);
    expect(await there.sessions.users.list('ada')).to.deep.equal([]);
  });

  it('end at once on the instance that was asked in an outage, where it knows them', async () => {
    const shop = new Shop();
    const here = await shop.open();
    const token = await logIn(here, 'ada');
    await here.cutOff();
    expect(await here.sessions.users.endAll('ada')).to.deep.equal({ ended: 1, complete: false });
    expect(await here.data(token)).to.equal(undefined);
    await here.rejoin();
    expect(await here.data(token)).to.equal(undefined);
  });

  it('cannot be listed where nobody can say, which is no empty list', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    await logIn(there, 'ada');
    await here.cutOff();
    expect(await here.refusal(here.sessions.users.list('ada'))).to.equal('STORE_UNAVAILABLE');
    expect(await here.refusal(here.sessions.users.end('ada', 'x'))).to.equal('STORE_UNAVAILABLE');
  });

  it('are at most so many: the longest unused one ends (ASVS 7.1.2)', async () => {
    const shop = new Shop();
    const here = await shop.open({ userSessions: { max: 2 } });
    const first = await logIn(here, 'ada');
    shop.clock.jumpWall(3 * HOUR);
    const second = await logIn(here, 'ada');
    shop.clock.jumpWall(3 * HOUR);
    await here.change(first, {});
    const third = await logIn(here, 'ada');
    expect(await here.data(second)).to.equal(undefined);
    expect(await here.data(first)).to.deep.equal({});
    expect(await here.data(third)).to.deep.equal({});
    expect(await here.sessions.users.list('ada')).to.have.length(2);
  });

  it('are at most so many: or one more is refused, but not to whom it is proved again', async () => {
    const here = await new Shop().open({ userSessions: { max: 1, beyond: 'refuse' } });
    const first = await logIn(here, 'ada');
    const { session } = await here.sessions.manager.create({});
    expect(await here.refusal(session.login('ada'))).to.equal('TOO_MANY_SESSIONS');
    expect(session.authenticatedAs).to.equal(undefined);
    expect(await (await here.load(first))?.login('ada')).to.equal(true);
  });

  it('are in the store under nothing that tells of the user, and none of it in the clear', async () => {
    const shop = new Shop();
    const here = await shop.open();
    await logIn(here, 'ada@example.org', 'label-canary');
    for (const { key, entry } of await shop.behind.dump()) {
      for (const canary of ['ada', 'example', 'label-canary']) {
        expect(key).not.to.include(canary);
        expect(entry.includes(canary)).to.equal(false);
      }
    }
  });

  it('are listed again after something else was put in the place of the index', async () => {
    const shop = new Shop();
    const here = await shop.open({ shadow: false });
    const token = await logIn(here, 'ada', 'phone');
    await shop.behind.garble(shop.indexKey('ada'));
    shop.clock.jumpWall(3 * HOUR);
    await here.change(token, {});
    expect(here.count('security:undecryptable')).to.be.greaterThan(0);
    await shop.clock.advance(2_000);
    shop.clock.jumpWall(3 * HOUR);
    await here.change(token, {});
    expect((await here.sessions.users.list('ada')).map(each => each.label)).to.deep.equal(['phone']);
  });
});
