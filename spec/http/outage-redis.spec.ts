import { expect } from 'chai';
import type { Context } from 'koa';
import type { EventName } from '../../src/observe/events.js';
import { newSecret, openSite, type Site, until, type Visitor } from '../support/app.js';
import { RedisServer } from '../support/redis-server.js';

const ROUTES: Readonly<Record<string, (ctx: Context) => unknown>> = {
  '/count': ctx => (ctx.session['views'] = Number(ctx.session['views'] ?? 0) + 1),
  '/login': async ctx => {
    ctx.session['user'] = 'ada';
    await ctx.session.regenerate();
  },
  '/logout': ctx => void (ctx.session = null),
};

async function handler(ctx: Context): Promise<void> {
  await ROUTES[ctx.path]?.(ctx);
  ctx.body = `${String(ctx.session?.['user'] ?? 'nobody')} ${String(ctx.session?.['views'] ?? 0)}`;
}

type Trouble = 'kill' | 'freeze';

describe('the whole stack, over a Redis that', () => {
  let server: RedisServer;
  let site: Site;
  let other: Site;
  const secret = newSecret();

  beforeEach(async () => {
    server = await RedisServer.start({ persistent: true });
    [site, other] = [await open(), await open()];
  });
  afterEach(async () => {
    server.thaw();
    await Promise.all([site.close(), other.close()]);
    await server.stop();
  });

  const open = async (): Promise<Site> => {
    const opened = await openSite(handler, { redis: server.url, secret });
    await opened.sessions.ready();
    return opened;
  };

  /** Both instances notice by their canaries, which need not wait for the next one that is due. */
  const begin = async (trouble: Trouble): Promise<void> => {
    const noticed = Promise.all([site, other].map(each => next(each, 'store:degraded')));
    if (trouble === 'kill') await server.kill();
    else server.freeze();
    for (let n = 0; n < 3; n += 1)
      await Promise.all([site, other].map(each => each.sessions.manager.check()));
    await noticed;
  };

  const end = async (trouble: Trouble): Promise<void> => {
    const recovered = Promise.all([site, other].map(each => next(each, 'store:recovered')));
    if (trouble === 'kill') await server.restart();
    else server.thaw();
    await recovered;
  };

  /** The same visitor, at the other instance. */
  const elsewhere = (visitor: Visitor): Visitor => {
    const same = other.app.visitor();
    for (const [name, value] of visitor.cookies) same.cookies.set(name, value);
    return same;
  };

  const textOf = async (visitor: Visitor, path = '/'): Promise<string> => {
    const { status, text } = await visitor.get(path);
    expect(status).to.equal(200);
    return text;
  };

  for (const trouble of ['kill', 'freeze'] as const) {
    const what = trouble === 'kill' ? 'is killed and restarted' : 'freezes and thaws';

    it(`${what}, keeps everything that users did, twice over`, async () => {
      const [reader, writer, newcomer] = [site, site, site].map(each => each.app.visitor()) as [
        Visitor,
        Visitor,
        Visitor,
      ];
      for (const visitor of [reader, writer]) await visitor.get('/count');
      for (const round of [1, 2]) {
        await begin(trouble);
        expect(await textOf(reader)).to.equal('nobody 1');
        expect(await textOf(writer, '/count')).to.equal(`nobody ${round + 1}`);
        expect(await textOf(newcomer, '/count')).to.equal(`nobody ${round}`);
        expect((await reader.get()).header('x-session-warning')).to.equal('fallback');
        await end(trouble);
        for (const at of [(visitor: Visitor) => visitor, elsewhere]) {
          expect(await textOf(at(reader))).to.equal('nobody 1');
          expect(await textOf(at(writer))).to.equal(`nobody ${round + 1}`);
          expect(await textOf(at(newcomer))).to.equal(`nobody ${round}`);
        }
        expect((await reader.get()).header('x-session-warning')).to.equal(undefined);
        expect(site.sessions.stats().store.backlog.items).to.equal(0);
      }
    });

    it(`${what}, keeps logins and logouts: the new id lives, what ended stays so`, async () => {
      const [ada, bob] = [site.app.visitor(), site.app.visitor()];
      for (const visitor of [ada, bob]) await visitor.get('/count');
      const [before, gone] = [elsewhere(ada), elsewhere(bob)];
      for (const visitor of [before, gone]) await visitor.get('/');
      await begin(trouble);
      expect(await textOf(ada, '/login')).to.equal('ada 1');
      expect(await textOf(ada)).to.equal('ada 1');
      const kept = new Map(bob.cookies);
      await bob.get('/logout');
      for (const [name, value] of kept) bob.cookies.set(name, value);
      expect(await textOf(bob)).to.equal('nobody 0');
      await end(trouble);
      for (const at of [(visitor: Visitor) => visitor, elsewhere]) {
        expect(await textOf(at(ada))).to.equal('ada 1');
        expect(await textOf(at(bob))).to.equal('nobody 0');
      }
      expect(await textOf(before)).to.equal('nobody 0');
      expect(await textOf(gone)).to.equal('nobody 0');
    });
  }
});

/** Resolves when `name` happens at this site. */
async function next(site: Site, name: EventName): Promise<void> {
  const before = site.count(name);
  await until(() => site.count(name) > before);
}
