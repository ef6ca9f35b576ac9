import { expect } from 'chai';
import type { Context } from 'koa';
import type { SessionOptions } from '../../src/options.js';
import { MemoryStore } from '../../src/store/memory.js';
import { newSecret, openSite, type Site } from '../support/app.js';
import { FaultyStore } from '../support/faulty-store.js';
import { ManualClock } from '../support/manual-clock.js';

const DAY = 24 * 3_600_000;

const ROUTES: Readonly<Record<string, (ctx: Context) => unknown>> = {
  '/count': ctx => (ctx.session['views'] = Number(ctx.session['views'] ?? 0) + 1),
  '/remember': ctx => void (ctx.session.maxAge = 30 * DAY),
  '/login': ctx => ctx.session.regenerate(),
  '/logout': ctx => void (ctx.session = null),
  '/switch': ctx => {
    ctx.session = null;
    ctx.session = { views: 100 };
  },
  '/destroy-then-write': async ctx => {
    await ctx.session.destroy();
    ctx.session['late'] = 1;
    return ctx.session.save();
  },
  '/destroy-then-new': async ctx => {
    await ctx.session.destroy();
    ctx.session = { views: 7 };
    return ctx.session.save();
  },
};

const READ = 'views' as const;

async function handler(ctx: Context): Promise<void> {
  const result = await ROUTES[ctx.path]?.(ctx);
  ctx.body = typeof result === 'boolean' ? String(result) : String(ctx.session?.[READ] ?? 'none');
}

describe('the cookie', () => {
  let clock: ManualClock;
  let store: FaultyStore;
  let site: Site;
  const sites: Site[] = [];

  const open = async (options: SessionOptions = {}, act = handler): Promise<void> => {
    site = await openSite(act, { store, ...options }, { clock });
    sites.push(site);
    await clock.advance(1_000);
  };
  beforeEach(() => {
    clock = new ManualClock();
    store = new FaultyStore(new MemoryStore(1024 * 1024, clock));
  });
  afterEach(() => Promise.all(sites.splice(0).map(each => each.close())));

  it('is set again when the app sets maxAge, with the new deadline', async () => {
    await open();
    const visitor = site.app.visitor();
    await visitor.get('/count');
    const answer = await visitor.get('/remember');
    expect(answer.setCookies).to.have.length(1);
    expect(answer.setCookies[0]).to.include(`Max-Age=${(30 * DAY) / 1000}`);
    expect((await visitor.get('/count')).text).to.equal('2');
  });

  it('is set again with the next save once the secret has changed, and then needs the old one no more', async () => {
    const [old, fresh] = [newSecret(), newSecret()];
    await open({ secret: old });
    const visitor = site.app.visitor();
    await visitor.get('/count');
    await open({ secret: [fresh, old] });
    const rotated = site.app.visitor();
    rotated.cookies.set('session', visitor.cookies.get('session') ?? '');
    const answer = await rotated.get('/count');
    expect([answer.text, answer.setCookies.length]).to.deep.equal(['2', 1]);
    expect((await rotated.get('/count')).setCookies).to.deep.equal([]);
    await open({ secret: fresh });
    const later = site.app.visitor();
    later.cookies.set('session', rotated.cookies.get('session') ?? '');
    expect((await later.get('/')).text).to.equal('3');
  });

  for (const path of ['/', '/count']) {
    it(`of a session born in an outage is set again, once it is stored, by ${path === '/' ? 'a read' : 'a write'}`, async () => {
      await open();
      store.link = 'refused';
      const visitor = site.app.visitor();
      await visitor.get('/count');
      expect(bornOf(visitor.cookies.get('session'))).to.not.equal(0);
      store.link = 'ok';
      await clock.advance(20_000);
      const answer = await visitor.get(path);
      expect(answer.setCookies).to.have.length(1);
      expect(bornOf(visitor.cookies.get('session'))).to.equal(0);
      expect((await visitor.get(path)).setCookies).to.deep.equal([]);
    });
  }

  describe('that was replaced by a login', () => {
    const straggler = async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const late = site.app.visitor();
      late.cookies.set('session', visitor.cookies.get('session') ?? '');
      await visitor.get('/login');
      return { visitor, late };
    };

    it('brings a session for that request alone for 30 s: nothing stored, no cookie set', async () => {
      const { late } = await straggler();
      await clock.advance(29_000);
      const before = site.count('session:saved');
      const answer = await late.get('/count');
      expect([answer.text, answer.setCookies.length]).to.deep.equal(['1', 0]);
      expect((await late.get('/')).text).to.equal('none');
      expect(site.count('session:saved')).to.equal(before);
    });

    it('brings a new session after that', async () => {
      const { late } = await straggler();
      await clock.advance(31_000);
      expect((await late.get('/count')).setCookies).to.have.length(1);
    });

    it('and comes with a logout, clears no cookie and ends no successor', async () => {
      const { visitor, late } = await straggler();
      expect((await late.get('/logout')).setCookies).to.deep.equal([]);
      expect((await visitor.get('/')).text).to.equal('1');
    });
  });

  describe('after destroy()', () => {
    it('is cleared, and a write resolves false', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const answer = await visitor.get('/destroy-then-write');
      expect(answer.text).to.equal('false');
      expect(answer.setCookies).to.have.length(1);
      expect(answer.setCookies[0]).to.match(/^session=; Max-Age=0;/);
    });

    it('is that of a new session, if the app begins one', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const old = visitor.cookies.get('session') ?? '';
      const answer = await visitor.get('/destroy-then-new');
      expect([answer.text, answer.setCookies.length]).to.deep.equal(['true', 1]);
      expect((await visitor.get('/')).text).to.equal('7');
      expect(await site.sessions.manager.load(old)).to.equal(undefined);
    });
  });

  it('of a session that was read late, with lazy, makes the answer vary by it', async () => {
    await open({ lazy: true }, async ctx => {
      const session = ctx.path === '/read' ? await ctx.loadSession() : undefined;
      ctx.body = String(session?.[READ] ?? 'none');
    });
    expect((await site.app.visitor().get('/read')).header('vary')).to.equal('Cookie');
    expect((await site.app.visitor().get('/')).header('vary')).to.equal(undefined);
  });

  it('of a session that is ended and begun anew on a frozen store waits for one deadline in all', async () => {
    let began = 0;
    let entered: () => void = () => undefined;
    const inside = new Promise<void>(resolve => (entered = resolve));
    let ended = 0;
    await open({}, async ctx => {
      if (ctx.path === '/switch') {
        store.link = 'hang';
        began = clock.monotonic();
        ctx.res.once('finish', () => (ended = clock.monotonic()));
        entered();
      }
      await handler(ctx);
    });
    const visitor = site.app.visitor();
    await visitor.get('/count');
    const answer = visitor.get('/switch');
    await inside;
    while (ended === 0) await clock.advance(25);
    expect((await answer).setCookies).to.have.length(1);
    expect(ended - began).to.be.at.most(325);
    store.link = 'ok';
  });
});

describe('a session of the manager', () => {
  let site: Site;
  beforeEach(async () => void (site = await openSite(handler)));
  afterEach(() => site.close());
  const codeOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error: unknown) => Reflect.get(Object(error), 'code'),
    );

  it('that was destroyed refuses writes with SESSION_ENDED', async () => {
    const { manager } = site.sessions;
    const { session, token } = await manager.create({ user: 'ada' });
    await manager.destroy(session);
    Object.assign(session, { late: 1 });
    expect(await codeOf(manager.save(session))).to.equal('SESSION_ENDED');
    expect(await codeOf(manager.regenerate(session))).to.equal('SESSION_ENDED');
    expect(await session.save()).to.equal(false);
    expect(await manager.load(token)).to.equal(undefined);
  });

  it('refuses __proto__ as a key, and stays what it is', async () => {
    const { manager } = site.sessions;
    const { session, token } = await manager.create({ user: 'ada' });
    const hostile: unknown = JSON.parse('{"__proto__":{"isAdmin":true}}');
    expect(() => Object.assign(session, hostile))
      .to.throw()
      .with.property('code', 'DATA_INVALID');
    expect(Reflect.get(session, 'isAdmin')).to.equal(undefined);
    Object.assign(session, { more: 1 });
    await manager.save(session);
    expect((await manager.load(token))?.toJSON()).to.deep.equal({ user: 'ada', more: 1 });
  });
});

/** When the session of this token was born, in hours; 0: the store has it. */
function bornOf(token: string | undefined): number {
  return Buffer.from(token ?? '', 'base64url').readUIntBE(3, 3);
}
