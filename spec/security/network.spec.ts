import { request } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { newSecret, openSite, type Site, until, type Visitor } from '../support/app.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const VISITORS = 40;
const ROUNDS = 10;
const BREAKS = 5;

describe('replies that could be mixed up', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let site: Site;
  beforeEach(async () => {
    server = await RedisServer.start();
    proxy = await TcpProxy.start(server.port);
    // Without copies each read is a reply of Redis.
    site = await openSite(
      ctx => {
        if (ctx.path !== '/') ctx.session['canary'] = ctx.path;
        ctx.body = String(ctx.session['canary'] ?? 'none');
      },
      {
        redis: proxy.url,
        secret: newSecret(),
        shadow: false,
        deadline: 2_000,
        probe: { interval: 20, maxInterval: 40 },
      },
    );
    await site.sessions.ready();
  });
  afterEach(async () => {
    await site.close();
    await proxy.close();
    await server.stop();
  });

  const crowd = async (): Promise<Visitor[]> => {
    const visitors = Array.from({ length: VISITORS }, () => site.app.visitor());
    await Promise.all(visitors.map((visitor, n) => visitor.get(`/canary-${n}`)));
    return visitors;
  };

  /** A reader who hangs up before the answer is there. */
  const abort = (visitor: Visitor, after: number): Promise<void> =>
    new Promise(resolve => {
      const headers = { cookie: `session=${visitor.cookies.get('session')}` };
      const sent = request(`${site.app.url}/`, { headers, agent: false });
      sent.on('error', () => undefined).on('close', () => resolve());
      sent.on('response', response => response.resume()).end();
      setTimeout(() => sent.destroy(), after);
    });

  it('never are, though every other reader hangs up in the middle: each sees its own session (ASVS 16.5.2)', async () => {
    const visitors = await crowd();
    let [own, aborted] = [0, 0];
    for (let round = 0; round < ROUNDS; round += 1) {
      proxy.delay = round % 4;
      const outcomes = visitors.map(async (visitor, n) => {
        if ((n + round) % 2 === 0) return abort(visitor, (n + round) % 5).then(() => (aborted += 1));
        expect((await visitor.get('/')).text).to.equal(`/canary-${n}`);
        return (own += 1);
      });
      await Promise.all(outcomes);
    }
    expect([own, aborted]).to.deep.equal([(VISITORS * ROUNDS) / 2, (VISITORS * ROUNDS) / 2]);
  });

  it('never are, though connections break in mid-read: each sees its own session, or none (ASVS 16.5.2)', async () => {
    const visitors = await crowd();
    const seen = { own: 0, none: 0 };
    for (let round = 0; round < BREAKS; round += 1) {
      proxy.delay = 3;
      await until(() => isReachable(site));
      const loaded = site.count('session:loaded');
      const answers = Promise.all(visitors.map(visitor => visitor.get('/')));
      await until(() => site.count('session:loaded') > loaded);
      proxy.mode = round % 2 === 0 ? 'drop-replies' : 'drop-requests';
      proxy.reset();
      proxy.mode = 'pass';
      for (const [n, { status, text }] of (await answers).entries()) {
        expect(status).to.equal(200);
        expect(['none', `/canary-${n}`]).to.include(text);
        seen[text === 'none' ? 'none' : 'own'] += 1;
      }
    }
    expect(seen.own + seen.none).to.equal(VISITORS * BREAKS);
    expect(seen.none, 'some reads were broken').to.be.above(0);
    await until(() => isReachable(site));
    for (const [n, visitor] of visitors.entries())
      expect((await visitor.get('/')).text).to.equal(`/canary-${n}`);
  });
});

describe('what answers in place of Redis', () => {
  const answers: Readonly<Record<string, (chunk: Buffer) => string>> = {
    'is a web server': () => 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n',
    'talks nonsense': () => '\u0000\u0001\u0002%%%~~~\r\n',
    'says +OK to all': chunk => '+OK\r\n'.repeat(Math.max(1, chunk.toString('latin1').split('*').length - 1)),
    'wants a password': chunk =>
      '-NOAUTH Authentication required.\r\n'.repeat(chunk.toString('latin1').split('*').length - 1),
    'says nothing': () => '',
  };
  for (const [what, answer] of Object.entries(answers))
    it(`and ${what} is no store: requests go on, nobody is let in, nothing throws (ASVS 16.5.2, 16.5.3)`, async () => {
      const impostor = await listen(answer);
      const { port } = impostor.address() as AddressInfo;
      const site = await openSite(
        ctx => {
          if (ctx.path === '/write') ctx.session['seen'] = true;
          ctx.body = String(ctx.session['seen'] ?? 'none');
        },
        { redis: `redis://127.0.0.1:${port}`, secret: newSecret(), deadline: 100 },
      );
      try {
        const visitor = site.app.visitor();
        for (const [path, seen] of [
          ['/', 'none'],
          ['/write', 'true'],
          ['/', 'true'],
        ] as const) {
          const { status, text } = await visitor.get(path);
          expect([status, text], path).to.deep.equal([200, seen]);
        }
        expect((await site.app.visitor().get('/')).text).to.equal('none');
        expect(site.sessions.health().status).to.equal('degraded');
        expect(site.app.errors).to.deep.equal([]);
      } finally {
        await site.close();
        await new Promise(resolve => impostor.close(resolve));
      }
    });
});

describe('a flapping Redis', () => {
  it('lets nobody in whom it lost sight of: a logout between two outages stays one (ASVS 7.4.1, 16.5.2)', async () => {
    const server = await RedisServer.start({ persistent: true });
    const secret = newSecret();
    const open = (): Promise<Site> =>
      openSite(
        async ctx => {
          if (ctx.path === '/login') await ctx.session.login('ada');
          if (ctx.path === '/logout') ctx.session = null;
          ctx.body = ctx.session?.authenticatedAs ?? 'nobody';
        },
        { redis: server.url, secret, probe: { interval: 20, maxInterval: 40 } },
      );
    const [here, there] = [await open(), await open()];
    try {
      await Promise.all([here.sessions.ready(), there.sessions.ready()]);
      for (let flap = 0; flap < 3; flap += 1) {
        const visitor = here.app.visitor();
        await visitor.get('/login');
        const token = visitor.cookies.get('session') ?? '';
        await server.kill();
        await visitor.get('/logout');
        expect((await here.app.visitor().get('/', { cookie: `session=${token}` })).text).to.equal('nobody');
        await server.restart();
        await until(
          () => here.sessions.stats().store.backlog.items === 0 && isHealthy(here) && isHealthy(there),
        );
        for (const site of [here, there])
          expect((await site.app.visitor().get('/', { cookie: `session=${token}` })).text).to.equal('nobody');
      }
    } finally {
      await Promise.all([here.close(), there.close()]);
      await server.stop();
    }
  });
});

/** Nobody may have noticed yet that the connection broke: healthy is not reachable. */
async function isReachable(site: Site): Promise<boolean> {
  return (await site.sessions.manager.check()).ok && isHealthy(site);
}

function isHealthy(site: Site): boolean {
  return site.sessions.stats().store.mode === 'healthy';
}

/** A server that answers each packet by `answer`. */
async function listen(answer: (chunk: Buffer) => string): Promise<Server> {
  const server = createServer(socket => {
    socket.on('error', () => undefined).on('data', chunk => void socket.write(answer(chunk)));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return server;
}
