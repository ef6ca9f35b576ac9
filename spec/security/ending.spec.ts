import { expect } from 'chai';
import type { Context } from 'koa';
import { newSecret, openSite, type Site, type Visitor } from '../support/app.js';
import { type Instance, Shop } from '../support/instances.js';
import { RedisServer } from '../support/redis-server.js';

describe('a logout over HTTP and a Redis server', () => {
  const secret = newSecret();
  let server: RedisServer;
  let here: Site;
  let there: Site;
  let gate: PromiseWithResolvers;
  let arrived: PromiseWithResolvers;
  before(async () => void (server = await RedisServer.start()));
  after(() => server.stop());
  beforeEach(async () => {
    [gate, arrived] = [withResolvers(), withResolvers()];
    [here, there] = [await open(), await open()];
  });
  afterEach(() => Promise.all([here.close(), there.close()]));

  const open = async (): Promise<Site> => {
    const site = await openSite(act, { redis: server.url, secret });
    await site.sessions.ready();
    return site;
  };

  const act = async (ctx: Context): Promise<void> => {
    if (ctx.path === '/login') await ctx.session.login('ada');
    if (ctx.path.endsWith('/logout')) ctx.session = null;
    if (ctx.path.startsWith('/slow')) {
      arrived.resolve();
      await gate.promise;
      ctx.session['late'] = true;
      if (ctx.path === '/slow-regenerate') await ctx.session.regenerate();
    }
    ctx.body = ctx.session?.authenticatedAs ?? 'nobody';
  };

  const loggedIn = async (): Promise<Visitor> => {
    const visitor = here.app.visitor();
    expect((await visitor.get('/login')).text).to.equal('ada');
    return visitor;
  };

  const same = (visitor: Visitor, site: Site): Visitor => {
    const other = site.app.visitor();
    other.cookies.set('session', visitor.cookies.get('session') ?? '');
    return other;
  };

  it('takes one line on any page, and ends the session at every instance: its cookie is worth nothing (ASVS 7.4.1, 7.4.4)', async () => {
    const visitor = await loggedIn();
    const [copy, elsewhere] = [same(visitor, here), same(visitor, there)];
    expect((await elsewhere.get('/')).text).to.equal('ada');
    expect((await visitor.get('/any/page/logout')).setCookies[0]).to.match(/^session=; Max-Age=0;/);
    expect((await copy.get('/')).text).to.equal('nobody');
    expect((await elsewhere.get('/')).text).to.equal('nobody');
  });

  for (const path of ['/slow', '/slow-regenerate'])
    it(`is not undone by a request that began before it and ends after it: ${path} (ASVS 7.4.1)`, async () => {
      const visitor = await loggedIn();
      const late = same(visitor, there);
      const answer = late.get(path);
      await arrived.promise;
      const [copy, elsewhere] = [same(visitor, here), same(visitor, there)];
      await visitor.get('/logout');
      gate.resolve();
      expect((await answer).status).to.equal(200);
      for (const each of [copy, elsewhere, late]) expect((await each.get('/')).text).to.equal('nobody');
    });
});

describe('all sessions of a user', () => {
  let shop: Shop;
  let here: Instance;
  let there: Instance;
  beforeEach(async () => {
    shop = new Shop();
    [here, there] = [await shop.open(), await shop.open()];
  });
  afterEach(() => shop.during(Promise.all([here.sessions.close(), there.sessions.close()])));

  const logIn = async (instance: Instance, user: string): Promise<string> => {
    const { session } = await instance.sessions.manager.create({});
    await session.login(user, { label: 'phone' });
    return instance.sessions.manager.save(session);
  };

  it('end when the account is disabled or deleted, though none of them asks (ASVS 7.4.2)', async () => {
    const tokens = [await logIn(here, 'ada'), await logIn(there, 'ada'), await logIn(there, 'ada')];
    const other = await logIn(here, 'bob');
    expect(await here.sessions.users.endAll('ada')).to.deep.equal({ ended: 3, complete: true });
    for (const token of tokens)
      for (const instance of [here, there]) expect(await instance.load(token)).to.equal(undefined);
    expect((await there.load(other))?.authenticatedAs).to.equal('bob');
  });

  it('can be ended by an administrator, one by one or all of one user (ASVS 7.4.5)', async () => {
    const [first, second] = [await logIn(here, 'ada'), await logIn(there, 'ada')];
    const [one] = await there.sessions.users.list('ada');
    expect(await there.sessions.users.end('ada', one?.id ?? '')).to.equal(true);
    const alive = [await here.load(first), await here.load(second)].filter(each => each !== undefined);
    expect(alive).to.have.length(1);
    await here.sessions.users.endAll('ada');
    for (const token of [first, second]) expect(await there.load(token)).to.equal(undefined);
  });

  it('and of all users end at once with another secret (ASVS 7.4.5)', async () => {
    const tokens = [await logIn(here, 'ada'), await logIn(there, 'bob')];
    const after = await shop.open({ secret: newSecret() });
    for (const token of tokens) expect(await after.load(token)).to.equal(undefined);
    expect(await after.sessions.users.list('ada')).to.deep.equal([]);
    await shop.during(after.sessions.close());
  });

  it('can be seen, and ended by their user after a fresh proof, which the session remembers (ASVS 7.5.1, 7.5.2)', async () => {
    const [mine, other] = [await logIn(here, 'ada'), await logIn(there, 'ada')];
    const end = async (ctx: Context): Promise<void> => {
      if (!ctx.session.authenticatedWithin(60_000)) ctx.throw(403);
      await here.sessions.users.endAll('ada', { except: ctx.session });
    };
    shop.clock.jumpWall(120_000);
    const refused = await here.visit(mine, end).catch((error: unknown) => String(error));
    expect(refused).to.include('403');
    expect(await there.load(other)).to.not.equal(undefined);
    const fresh = (await here.visit(mine, ctx => ctx.session.login('ada'))) ?? '';
    expect(await here.visit(fresh, end)).to.equal(undefined);
    expect(await there.load(other)).to.equal(undefined);
    expect((await there.load(fresh))?.authenticatedAs).to.equal('ada');
  });
});

describe('rights that are taken away in an outage', () => {
  let shop: Shop;
  let here: Instance;
  let there: Instance;
  let token: string;
  beforeEach(async () => {
    shop = new Shop();
    [here, there] = [await shop.open(), await shop.open()];
    ({ token } = await here.sessions.manager.create({ role: 'admin', sudo: true }));
    await there.load(token);
  });
  afterEach(() => shop.during(Promise.all([here.sessions.close(), there.sessions.close()])));

  const downgrade = async (): Promise<void> => {
    const session = await here.load(token);
    if (!session) throw new Error('there is no such session');
    session['role'] = 'guest';
    delete session['sudo'];
    await here.sessions.manager.save(session);
  };

  it('stay away: the older copy in Redis never shows again here, and nowhere after it (ASVS 16.5.2)', async () => {
    await here.cutOff();
    await downgrade();
    expect(await here.data(token)).to.deep.equal({ role: 'guest' });
    await here.rejoin();
    for (const instance of [here, there]) expect(await instance.data(token)).to.deep.equal({ role: 'guest' });
  });

  it('stay away though another instance wrote to the older copy meanwhile (ASVS 16.5.2)', async () => {
    await here.cutOff();
    await downgrade();
    await there.change(token, { cart: 1 });
    await here.rejoin();
    await shop.settle();
    for (const instance of [here, there])
      expect(await instance.data(token)).to.deep.equal({ role: 'guest', cart: 1 });
  });

  it('stay away though Redis comes back as it was before: an older copy over a newer one (ASVS 16.5.2)', async () => {
    const [older] = (await shop.behind.dump()).filter(({ entry }) => entry[0] === 1);
    await here.cutOff();
    await downgrade();
    await here.rejoin();
    await Promise.all([here.cutOff(), there.cutOff()]);
    shop.loseEverything(here, there);
    expect(older && (await shop.behind.swap(older.key, older.entry, null, 3_600_000))).to.deep.equal({
      done: true,
    });
    await here.rejoin();
    await shop.settle();
    expect(await here.data(token)).to.deep.equal({ role: 'guest' });
    await there.rejoin();
    await shop.settle();
    expect(await there.data(token)).to.deep.equal({ role: 'guest' });
  });

  it('such as all of a login stay away, though the other instance saw only the login (ASVS 7.4.1, 16.5.2)', async () => {
    await here.cutOff();
    await here.sessions.manager.destroy(token);
    expect(await here.data(token)).to.equal(undefined);
    await here.rejoin();
    for (const instance of [here, there]) expect(await instance.data(token)).to.equal(undefined);
  });
});

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>(done => (resolve = done));
  return { promise, resolve };
}
