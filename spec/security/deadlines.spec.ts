import { expect } from 'chai';
import { createClient } from 'redis';
import { type Clock, systemClock } from '../../src/clock.js';
import type { SessionOptions } from '../../src/options.js';
import { newSecret, openSite, type Site, type Visitor } from '../support/app.js';
import { keyOf, Shop } from '../support/instances.js';
import { RedisServer } from '../support/redis-server.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function adminOf(url: string) {
  return createClient({ url }).on('error', () => undefined);
}

describe('deadlines over a Redis whose TTLs somebody has taken away', () => {
  let server: RedisServer;
  let admin: ReturnType<typeof adminOf>;
  let clock: Clock;
  let site: Site;
  before(async () => {
    server = await RedisServer.start();
    admin = adminOf(server.url);
    await admin.connect();
  });
  after(async () => {
    admin.destroy();
    await server.stop();
  });
  beforeEach(() => void (clock = systemClock()));
  afterEach(() => site.close());

  const open = async (options: SessionOptions): Promise<Visitor> => {
    site = await openSite(
      async ctx => {
        if (ctx.path === '/login') await ctx.session.login('ada');
        if (ctx.path === '/write') ctx.session['n'] = Math.random();
        ctx.body = ctx.session.authenticatedAs ?? 'nobody';
      },
      { redis: server.url, secret: newSecret(), ...options },
      { clock },
    );
    await site.sessions.ready();
    const visitor = site.app.visitor();
    await visitor.get('/login');
    return visitor;
  };

  /** The record would stay for ever. */
  const persist = async (visitor: Visitor): Promise<void> => {
    const key = `sess:${keyOf(visitor.cookies.get('session') ?? '')}`;
    expect(Number(await admin.persist(key))).to.equal(1);
    expect(await admin.pTTL(key)).to.equal(-1);
  };

  // Clocks that differ from that of Redis by more than 60 s are corrected, so these spans are shorter.
  it('hold: a session that was not used is over, and looks like none (ASVS 7.3.1, 7.4.1)', async () => {
    const visitor = await open({ idleTimeout: 30_000 });
    await persist(visitor);
    clock.correct(29_000);
    expect((await site.app.visitor().get('/', cookieOf(visitor))).text).to.equal('ada');
    await persist(visitor);
    clock.correct(30_001);
    const answer = await visitor.get('/');
    expect([answer.status, answer.text, answer.setCookies.length]).to.deep.equal([200, 'nobody', 0]);
    expect(site.count('session:expired')).to.equal(1);
  });

  it('hold: a session is over at its absolute deadline, whatever its use and its cookie’s age (ASVS 7.3.2)', async () => {
    const visitor = await open({ idleTimeout: 30_000, absoluteTimeout: 50_000 });
    for (const ms of [20_000, 20_000]) {
      clock.correct(ms);
      expect((await visitor.get('/write')).text).to.equal('ada');
    }
    await persist(visitor);
    clock.correct(10_001);
    expect((await visitor.get('/')).text).to.equal('nobody');
  });
});

describe('the presets of NIST SP 800-63B-4', () => {
  const presets = [
    ['aal1', Infinity, 30 * 24 * HOUR],
    ['aal2', HOUR, 24 * HOUR],
    ['aal3', 15 * MINUTE, 12 * HOUR],
  ] as const;
  for (const [timeouts, idle, absolute] of presets)
    it(`end an idle session, and one in constant use, when ${timeouts} says (ASVS 7.1.1, 7.3.1, 7.3.2)`, async () => {
      const shop = new Shop();
      const here = await shop.open({ timeouts });
      const { token: used } = await here.sessions.manager.create({ n: 0 });
      const { token: idled } = await here.sessions.manager.create({ n: 0 });
      const step = Math.min(idle, absolute / 4) - 1;
      let passed = 0;
      for (let n = 1; passed + step < absolute; n += 1, passed += step) {
        shop.clock.jumpWall(step);
        expect(await here.data(used), `after ${passed + step} ms`).to.not.equal(undefined);
        await here.change(used, { n });
        if (n === 1) expect(await here.data(idled)).to.deep.equal({ n: 0 });
        if (n === 2 && idle < Infinity) expect(await here.data(idled)).to.equal(undefined);
      }
      shop.clock.jumpWall(absolute - passed);
      expect(await here.data(used)).to.equal(undefined);
      expect(await here.data(idled)).to.equal(undefined);
      await shop.during(here.sessions.close());
    });
});

function cookieOf(visitor: Visitor): { cookie: string } {
  return { cookie: `session=${visitor.cookies.get('session')}` };
}
