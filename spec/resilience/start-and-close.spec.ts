import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createSessions, type Sessions } from '../../src/create.js';
import type { SessionOptions } from '../../src/options.js';
import { MemoryStore } from '../../src/store/memory.js';
import { newSecret, openSite, recordEvents, TestApp, until } from '../support/app.js';
import { FaultyStore } from '../support/faulty-store.js';
import { type Instance, Shop } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

describe('the start', () => {
  it('with nobody there rejects ready(), and lets the process live to hear it', async () => {
    const program = fileURLToPath(new URL('../support/fixtures/await-ready.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const code = await new Promise(resolve => child.once('close', resolve));
    expect([code, text]).to.deep.equal([0, 'rejected with STORE_UNAVAILABLE\n']);
  });

  describe('in its own time', () => {
    let clock: ManualClock;
    let store: FaultyStore;
    let sessions: Sessions;
    const secret = newSecret();

    beforeEach(() => {
      clock = new ManualClock();
      store = new FaultyStore(new MemoryStore(1024 * 1024, clock));
    });
    afterEach(async () => {
      store.link = 'ok';
      await passing(sessions.close());
    });

    const open = (options: SessionOptions = {}): Sessions =>
      createSessions({ secret, store, logger: false, ...options }, { clock, env: {} });
    const passing = async <T>(work: Promise<T>): Promise<T> => {
      let over = false;
      work.then(
        () => (over = true),
        () => (over = true),
      );
      while (!over) await clock.advance(25);
      return work;
    };

    it('asks nothing for ready() that it would not ask anyway: no circuit opens the sooner', async () => {
      const asked: number[] = [];
      for (const awaited of [false, true]) {
        clock = new ManualClock();
        store = new FaultyStore(new MemoryStore(1024 * 1024, clock));
        store.link = 'refused';
        sessions = open();
        if (awaited) sessions.ready().catch(() => undefined);
        await clock.advance(4_000);
        asked.push(store.calls);
        store.link = 'ok';
        await passing(sessions.close());
      }
      expect(asked[1]).to.equal(asked[0]);
    });

    it('serves from the store as soon as ready() has resolved, however long it was away before', async () => {
      sessions = open();
      const { token } = await sessions.manager.create({ user: 'ada' });
      await passing(sessions.close());
      store.link = 'refused';
      sessions = open();
      const ready = sessions.ready();
      await clock.advance(3_000);
      expect(sessions.stats().store.mode).to.equal('degraded');
      store.link = 'ok';
      await passing(ready);
      expect((await sessions.manager.load(token))?.source).to.equal('primary');
    });
  });

  describe('before the first connection', () => {
    let server: RedisServer;
    let proxy: TcpProxy;
    before(async () => {
      server = await RedisServer.start();
      proxy = await TcpProxy.start(server.port);
    });
    after(async () => {
      await proxy.close();
      await server.stop();
    });

    it('lets requests wait for it within their deadline: a deploy logs nobody out', async () => {
      const options = { redis: proxy.url, secret: newSecret(), deadline: 8_000, logger: false } as const;
      const earlier = createSessions(options, { env: {} });
      const { token } = await earlier.manager.create({ user: 'ada' });
      await earlier.close();
      proxy.mode = 'refuse';
      const later = createSessions(options, { env: {} });
      const events = recordEvents(later);
      let entered = false;
      const app = await TestApp.serve(
        (_, next) => {
          entered = true;
          return next();
        },
        later,
        ctx => void (ctx.body = `${String(ctx.session['user'])} ${ctx.session.source}`),
      );
      const answer = app.visitor().get('/', { cookie: `session=${token}` });
      await until(() => entered);
      proxy.mode = 'pass';
      expect((await answer).text).to.equal('ada primary');
      expect(events.map(({ name }) => name)).to.not.include('circuit:open');
      await Promise.all([app.close(), later.close()]);
    });
  });
});

describe('the end', () => {
  let shop: Shop;
  let a: Instance;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
  });

  it('drains what waits although the circuit is still open, if the store answers', async () => {
    const b = await shop.open();
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    await a.cutOff();
    await a.change(token, { n: 1 });
    a.store.link = 'ok';
    expect(await shop.during(a.sessions.close())).to.deep.equal({ items: 0, bytes: 0 });
    expect(await b.data(token)).to.deep.equal({ user: 'ada', n: 1 });
    await shop.during(b.sessions.close());
  });

  it('waits for no store that answers nothing', async () => {
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    await a.cutOff('hang');
    await a.change(token, { n: 1 });
    const began = shop.clock.monotonic();
    expect(await shop.during(a.sessions.close())).to.include({ items: 1 });
    expect(shop.clock.monotonic() - began).to.be.at.most(6_000);
  });

  it('refuses what a request commits after it: nothing is acknowledged that nobody will keep', async () => {
    await shop.during(a.sessions.close());
    const clock = new ManualClock();
    let [arrived, go] = [(): void => undefined, (): void => undefined];
    const inside = new Promise<void>(resolve => (arrived = resolve));
    const gate = new Promise<void>(resolve => (go = resolve));
    const site = await openSite(
      async ctx => {
        arrived();
        await gate;
        ctx.session['order'] = 42;
        ctx.body = String(await ctx.session.save());
      },
      {},
      { clock },
    );
    const answer = site.app.visitor().get('/');
    await inside;
    const closed = site.sessions.close();
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(500);
    await closed;
    go();
    const { status, text, setCookies } = await answer;
    expect([status, text, setCookies]).to.deep.equal([200, 'false', []]);
    expect(site.count('session:saved')).to.equal(0);
    expect(site.sessions.stats().store.backlog.items).to.equal(0);
    await site.close();
  });
});
