import { expect } from 'chai';
import { createClient } from 'redis';
import type { SessionOptions } from '../../src/options.js';
import { newSecret, openSite, type Site, type Visitor } from '../support/app.js';
import { RedisServer } from '../support/redis-server.js';

function adminOf(url: string) {
  return createClient({ url }).on('error', () => undefined);
}

/** An app that logs in whom the path names, lists, and logs out, on several instances over one Redis. */
describe('the sessions of a user, over HTTP and a Redis server', () => {
  const secret = newSecret();
  let server: RedisServer;
  let admin: ReturnType<typeof adminOf>;
  let sites: Site[] = [];
  before(async () => {
    server = await RedisServer.start();
    admin = adminOf(server.url);
    await admin.connect();
  });
  after(async () => {
    admin.destroy();
    await server.stop();
  });
  beforeEach(async () => {
    await admin.flushAll();
  });
  afterEach(async () => {
    await Promise.all(sites.map(site => site.close()));
    sites = [];
  });

  const open = async (options: SessionOptions = {}): Promise<Site> => {
    const site: Site = await openSite(
      async ctx => {
        const [, act = '', name = ''] = ctx.path.split('/');
        const { users } = site.sessions;
        if (act === 'login') ctx.body = String(await ctx.session.login(name, { label: ctx.get('x-device') }));
        if (act === 'regenerate') ctx.body = String(await ctx.session.regenerate());
        if (act === 'list') ctx.body = (await users.list(name)).map(each => each.label).join();
        if (act === 'everywhere')
          ctx.body = String((await users.endAll(name, { except: ctx.session })).ended);
        if (act === 'logout') ctx.session = null;
        if (act === 'who') ctx.body = ctx.session.authenticatedAs ?? 'nobody';
        if (act === 'keep') ctx.session['kept'] = true;
        ctx.body ??= 'ok';
      },
      { redis: server.url, secret, ...options },
    );
    sites.push(site);
    await site.sessions.ready();
    return site;
  };

  const logIn = async (site: Site, device: string): Promise<Visitor> => {
    const visitor = site.app.visitor();
    expect((await visitor.get('/login/ada', { 'x-device': device })).text).to.equal('true');
    return visitor;
  };

  const at = (site: Site, { cookies }: Visitor): Visitor => {
    const visitor = site.app.visitor();
    for (const [name, value] of cookies) visitor.cookies.set(name, value);
    return visitor;
  };

  it('log out everywhere: the next request at any instance knows nobody (ASVS 7.4.3)', async () => {
    const [here, there] = [await open(), await open()];
    const [phone, laptop] = [await logIn(here, 'phone'), await logIn(there, 'laptop')];
    expect((await laptop.get('/list/ada')).text).to.equal('laptop,phone');
    expect((await laptop.get('/everywhere/ada')).text).to.equal('1');
    for (const site of [here, there]) expect((await at(site, phone).get('/who')).text).to.equal('nobody');
    expect((await at(here, laptop).get('/who')).text).to.equal('ada');
    expect((await laptop.get('/list/ada')).text).to.equal('laptop');
  });

  it('cost a login two commands more than a regenerate, and as many a logout', async () => {
    const site = await open({ shadow: false });
    const costOf = async (visitor: Visitor, path: string): Promise<number> => {
      const before = await calls();
      await visitor.get(path);
      return (await calls()) - before;
    };
    const visitor = site.app.visitor();
    await visitor.get('/keep');
    const regenerate = await costOf(visitor, '/regenerate');
    expect(await costOf(visitor, '/login/ada')).to.equal(regenerate + 2);
    const other = await logIn(site, 'laptop');
    const read = await costOf(other, '/who');
    expect(read).to.equal(1);
    expect(await costOf(other, '/logout')).to.equal(read + 1 + 2);
  });

  it('show no user in Redis: every key is a hash, and no value holds a name or a label', async () => {
    const site = await open();
    await logIn(site, 'device-canary');
    const keys = await admin.keys('*');
    expect(keys).to.have.length(2 + 1 + (await graves()));
    for (const key of keys) {
      expect(key).to.match(/^sess:([\w-]{43}|generation)$/);
      const value = (await admin.get(key)) ?? '';
      expect(value).not.to.include('ada').and.not.to.include('device-canary');
    }
  });

  /** Tombstones, of canaries above all. */
  const graves = async (): Promise<number> => {
    const values = await Promise.all((await admin.keys('sess:*')).map(key => admin.getRange(key, 0, 0)));
    return values.filter(value => value === '\u0002').length;
  };

  const calls = async (): Promise<number> => {
    const text = String(await admin.sendCommand(['INFO', 'commandstats']));
    const counted = [...text.matchAll(/^cmdstat_(?:getrange|evalsha|eval):calls=(\d+)/gm)];
    return counted.reduce((sum, [, count]) => sum + Number(count), 0);
  };
});
