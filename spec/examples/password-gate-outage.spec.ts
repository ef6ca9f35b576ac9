import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type Koa from 'koa';
import { readSettings, type Settings } from '../../examples/password-gate/settings.js';
import { systemClock } from '../../src/clock.js';
import type { Sessions } from '../../src/index.js';
import { MemoryStore } from '../../src/store/memory.js';
import { newSecret, until } from '../support/app.js';
import { FaultyStore } from '../support/faulty-store.js';
import { Browser } from './browser.js';
import { areIn, GateSite, give, listed, PASSWORD, stale } from './gate-site.js';

describe('the same app, through an outage of Redis', function () {
  this.timeout(120_000);
  let site: GateSite;

  before(async () => {
    site = await GateSite.open({ STEP_UP_SECONDS: '5' });
  });
  after(() => site.close());

  it('goes on as before, and nobody comes back who was ended in it (ASVS 7.4.3)', async () => {
    const [laptop, phone] = [await site.loggedIn('Laptop'), await site.loggedIn('Phone')];
    const before = laptop.copy();
    await site.loseRedis();

    // Log in, with an id that is new, and a banner that says what is the matter.
    const tablet = site.browser({ agent: 'Tablet' });
    await tablet.open('/login');
    const planted = tablet.copy();
    const home = await give(tablet, PASSWORD);
    expect(home.text).to.include('<h1>Note</h1>').and.include('Redis does not answer.');
    expect(home.header('x-session-warning')).to.equal('fallback');
    expect(await areIn(planted)).to.deep.equal([false]);
    expect((await give(site.browser(), 'a guess')).status).to.equal(403);

    // Use.
    await laptop.submit(await laptop.open('/'), '/note', { note: 'meanwhile' });
    expect((await laptop.open('/')).text).to.include('value="meanwhile"');
    expect((await laptop.post('/note', { note: 'forged' })).status).to.equal(403);

    // Step up.
    await stale(laptop);
    expect((await laptop.open('/api-key')).text).to.include('Your password again, please');
    expect((await give(laptop, PASSWORD, '/api-key')).text).to.include('<code>');
    expect(await areIn(before)).to.deep.equal([false]);

    // List, end all others, and log out.
    expect(await listed(laptop)).to.have.members(['[Laptop]', 'Phone', 'Tablet']);
    await laptop.submit(await laptop.open('/sessions'), '/sessions/end-others');
    expect(await areIn(laptop, phone, tablet)).to.deep.equal([true, false, false]);
    const copy = laptop.copy();
    await laptop.submit(await laptop.open('/'), '/logout');
    const stays = await site.loggedIn('Stays');

    await site.regainRedis();
    const elsewhere = await site.start();
    for (const program of [site.gate, elsewhere]) {
      for (const ended of [before, planted, phone, tablet, copy])
        expect((await ended.copy(program.url).send('GET', '/')).status).to.equal(303);
      expect((await stays.copy(program.url).send('GET', '/')).status).to.equal(200);
    }
    const after = await stays.open('/sessions');
    expect(after.text).to.not.include('Redis does not answer.');
    expect(await listed(stays)).to.deep.equal(['[Stays]']);
  });

  it('logs out everywhere who is known to Redis alone, as soon as it is back', async () => {
    const elsewhere = await site.start();
    const stranger = await site.loggedIn('Stranger', elsewhere);
    expect(await areIn(stranger)).to.deep.equal([true]);
    await site.loseRedis();
    await elsewhere.stop();
    const visitor = await site.loggedIn('Laptop');
    const page = await visitor.open('/sessions');
    const { text } = await visitor.submit(page, '/sessions/end-all');
    expect(text).to.include('Logged out everywhere; what only Redis knows of ends when it is back.');
    await site.regainRedis();
    expect(await areIn(visitor)).to.deep.equal([false]);
    expect(await areIn(stranger.copy(site.gate.url))).to.deep.equal([false]);
  });
});

/** By a name that the compiler does not follow: the data of its sessions have other types than those of these tests. */
const SITE: string = '../../examples/password-gate/site.js';

async function serve(sessions: Sessions): Promise<Server> {
  const { createSite } = (await import(SITE)) as { createSite(settings: Settings, sessions: Sessions): Koa };
  const server = createSite(readSettings({ APP_PASSWORD: PASSWORD }), sessions).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('the same app, where nothing can be kept any more', () => {
  const store = new FaultyStore(new MemoryStore(2 ** 20, systemClock()));
  let sessions: Sessions;
  let server: Server;

  before(async () => {
    // Of the same copy of the library as the site: errors are known by their class.
    const { session } = await import('../../src/index.js');
    sessions = session({ store, secret: newSecret(), logger: false, journal: { maxBytes: 64 * 1024 } });
    server = await serve(sessions);
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await sessions.close();
  });

  /** So many ends are on their way to the store that there is no room for one more. */
  const fillUp = async (): Promise<void> => {
    const tokens = await Promise.all(Array.from({ length: 400 }, () => sessions.manager.create({})));
    store.link = 'refused';
    await until(() => sessions.health().status !== 'healthy');
    await Promise.allSettled(tokens.map(({ token }) => sessions.manager.destroy(token)));
  };

  it('says of a logout that it was lost, and what to do', async () => {
    // A server that listens on TCP has such an address.
    const visitor = new Browser(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const page = await give(visitor, PASSWORD);
    await fillUp();
    const { status, text } = await visitor.submit(page, '/logout');
    expect(status).to.equal(503);
    expect(text).to.include('a copy of the cookie may still work');
    expect(visitor.cookie).to.equal('');
  });
});
