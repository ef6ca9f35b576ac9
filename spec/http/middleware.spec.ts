import { expect } from 'chai';
import type { Context, Middleware } from 'koa';
import { createSessions } from '../../src/create.js';
import type { SessionOptions } from '../../src/options.js';
import { systemClock } from '../../src/clock.js';
import { MemoryStore } from '../../src/store/memory.js';
import { type Entry } from '../../src/store/entry.js';
import { StoreFault } from '../../src/store/fault.js';
import type { Expected, SessionStore, Swapped } from '../../src/store/store.js';
import { newSecret, openSite, type Site, TestApp } from '../support/app.js';

/** A memory store that tells what reached it under sessions' own keys, canaries aside. */
class WatchedStore implements SessionStore {
  readonly reads: string[] = [];
  readonly swaps: string[] = [];
  down = false;
  readonly #behind = new MemoryStore(1024 * 1024, systemClock());

  async read(key: string): Promise<Entry | undefined> {
    if (this.down) throw new StoreFault('not-applied', 'refused');
    this.reads.push(key);
    return this.#behind.read(key);
  }

  async swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    if (this.down) throw new StoreFault('not-applied', 'refused');
    this.swaps.push(key);
    return this.#behind.swap(key, entry, expected, ttl);
  }
}

/** What some caches obey before Cache-Control. */
const CDN_HEADERS = [
  'CDN-Cache-Control',
  'Cloudflare-CDN-Cache-Control',
  'Surrogate-Control',
  'Edge-Control',
  'X-Accel-Expires',
  'X-LiteSpeed-Cache-Control',
];

const ROUTES: Readonly<Record<string, (ctx: Context) => unknown>> = {
  '/': () => undefined,
  '/read': ctx => ctx.session['views'] ?? 'none',
  '/who': ctx => String(ctx.session['user'] ?? 'nobody'),
  '/count': ctx => (ctx.session['views'] = Number(ctx.session['views'] ?? 0) + 1),
  '/login': async ctx => {
    ctx.session['user'] = 'u1';
    return ctx.session.regenerate();
  },
  '/logout': ctx => void (ctx.session = null),
  '/replace': ctx => void (ctx.session = { fresh: true }),
  '/null-then-read': ctx => {
    ctx.session = null;
    return String(ctx.session);
  },
  '/null-then-new': ctx => {
    ctx.session = null;
    ctx.session = { user: 'u2' };
  },
  '/count-then-throw': ctx => {
    ctx.session['views'] = Number(ctx.session['views'] ?? 0) + 1;
    throw Object.assign(new Error('the handler failed'), { status: 418, expose: true });
  },
  '/bad-data-then-throw': ctx => {
    ctx.session['big'] = 10n;
    throw Object.assign(new Error('the handler failed'), { status: 418, expose: true });
  },
  '/send-then-count': async ctx => {
    ctx.respond = false;
    ctx.res.writeHead(200).flushHeaders();
    ctx.session['views'] = Number(ctx.session['views'] ?? 0) + 1;
  },
  '/bad-data': ctx => void (ctx.session['big'] = 10n),
  '/own-cookie': ctx => {
    ctx.set('Set-Cookie', 'theme=dark; Path=/');
    ctx.session['views'] = 1;
  },
  '/cacheable': ctx => {
    ctx.set('Cache-Control', 'public, max-age=60');
    ctx.session['views'] = 1;
  },
  '/cdn': ctx => {
    for (const name of CDN_HEADERS) ctx.set(name, 'max-age=60');
    ctx.session['views'] = 1;
  },
  '/cdn-only': ctx => {
    for (const name of CDN_HEADERS) ctx.set(name, 'max-age=60');
  },
  '/save-twice': async ctx => {
    ctx.session['views'] = 1;
    await ctx.session.save();
    ctx.session['views'] = 2;
    return ctx.session.save();
  },
  '/string': ctx => {
    // What plain JavaScript may do.
    Reflect.set(ctx, 'session', 'text');
  },
};

async function handler(ctx: Context): Promise<void> {
  const result = await ROUTES[ctx.path]?.(ctx);
  if (ctx.respond === false) {
    // The commit comes after the handler, and the body after the commit.
    setImmediate(() => ctx.res.end());
    return;
  }
  ctx.body = typeof result === 'string' || typeof result === 'number' ? String(result) : 'ok';
}

describe('the middleware', () => {
  let store: WatchedStore;
  let site: Site;
  const open = async (options: SessionOptions = {}): Promise<void> => {
    store = new WatchedStore();
    site = await openSite(handler, { store, ...options });
    await site.sessions.ready();
    store.reads.length = 0;
    store.swaps.length = 0;
  };
  afterEach(() => site.close());

  describe('for a session that nobody wrote to', () => {
    it('writes nothing, asks nothing and sets no header', async () => {
      await open();
      const answer = await site.app.visitor().get('/');
      expect(answer.setCookies).to.deep.equal([]);
      expect(answer.header('vary')).to.equal(undefined);
      expect(answer.header('cache-control')).to.equal(undefined);
      expect(store.swaps.concat(store.reads)).to.deep.equal([]);
    });

    it('writes nothing when it is read, and says that the answer depends on the cookie', async () => {
      await open();
      const answer = await site.app.visitor().get('/read');
      expect(answer.header('vary')).to.equal('Cookie');
      expect(answer.setCookies).to.deep.equal([]);
      expect(store.swaps).to.deep.equal([]);
    });

    it('writes nothing to a stored one either', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const writes = store.swaps.length;
      const answer = await visitor.get('/read');
      expect(answer.text).to.equal('1');
      expect(answer.setCookies).to.deep.equal([]);
      expect(store.swaps).to.have.length(writes);
    });
  });

  describe('for a session that was written to', () => {
    it('sets one cookie, which no cache may keep (ASVS 14.3.2)', async () => {
      await open();
      const answer = await site.app.visitor().get('/count');
      expect(answer.setCookies).to.have.length(1);
      expect(answer.setCookies[0]).to.match(
        /^session=[\w-]{72}; Max-Age=86400; Path=\/; HttpOnly; SameSite=Lax$/,
      );
      expect(answer.header('cache-control')).to.equal('no-store');
      expect(answer.header('vary')).to.equal('Cookie');
    });

    it('is saved before the answer arrives, and sets no cookie again', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const again = await visitor.get('/count');
      expect(again.text).to.equal('2');
      expect(again.setCookies).to.deep.equal([]);
      expect((await visitor.get('/read')).text).to.equal('2');
    });

    it('keeps cookies of the app and overrides its cache headers', async () => {
      await open();
      const answer = await site.app.visitor().get('/own-cookie');
      expect(answer.setCookies).to.have.length(2);
      expect(answer.setCookies[0]).to.equal('theme=dark; Path=/');
      expect((await site.app.visitor().get('/cacheable')).header('cache-control')).to.equal('no-store');
    });

    it('sends no header that a cache would obey before no-store, and leaves them to other pages (ASVS 14.3.2)', async () => {
      await open();
      const [answer, other] = [
        await site.app.visitor().get('/cdn'),
        await site.app.visitor().get('/cdn-only'),
      ];
      expect(answer.header('cache-control')).to.equal('no-store');
      for (const name of CDN_HEADERS) {
        expect(answer.header(name), name).to.equal(undefined);
        expect(other.header(name), name).to.equal('max-age=60');
      }
    });

    it('twice in one request sets one cookie', async () => {
      await open();
      const visitor = site.app.visitor();
      expect((await visitor.get('/save-twice')).setCookies).to.have.length(1);
      expect((await visitor.get('/read')).text).to.equal('2');
    });

    it('with what JSON cannot say answers an error that quotes nothing, and keeps the old record (ASVS 16.5.1)', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      expect((await visitor.get('/bad-data')).status).to.equal(500);
      expect(site.app.errors).to.have.length(1);
      expect(site.app.errors[0]).to.have.property('code', 'DATA_INVALID');
      expect((await visitor.get('/read')).text).to.equal('1');
    });
  });

  describe('when the handler throws', () => {
    it('saves an existing session, and answers with the handler’s own error', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const failed = await visitor.get('/count-then-throw');
      expect(failed.status).to.equal(418);
      expect(failed.text).to.equal('the handler failed');
      expect((await visitor.get('/read')).text).to.equal('2');
    });

    it('leaves no orphan of a new session', async () => {
      await open();
      const failed = await site.app.visitor().get('/count-then-throw');
      expect(failed.status).to.equal(418);
      expect(store.swaps).to.deep.equal([]);
      expect(failed.setCookies).to.deep.equal([]);
    });

    it('never hides that error behind one of its own', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const failed = await visitor.get('/bad-data-then-throw');
      expect(failed.status).to.equal(418);
      expect(failed.text).to.equal('the handler failed');
    });
  });

  describe('when the headers are sent already', () => {
    it('saves a new session all the same, and reports the lost cookie', async () => {
      await open();
      const answer = await site.app.visitor().get('/send-then-count');
      expect(answer.status).to.equal(200);
      expect(answer.setCookies).to.deep.equal([]);
      expect(site.count('session:saved')).to.equal(1);
      expect(site.count('session:cookie-lost')).to.equal(1);
      expect(site.app.errors).to.deep.equal([]);
    });

    it('saves an existing session, and reports nothing: no cookie is lost', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      await visitor.get('/send-then-count');
      expect((await visitor.get('/read')).text).to.equal('2');
      expect(site.count('session:cookie-lost')).to.equal(0);
    });
  });

  describe('with ctx.session set', () => {
    it('to null ends the session and its cookie', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const before = new Map(visitor.cookies);
      const answer = await visitor.get('/logout');
      expect(answer.setCookies).to.have.length(1);
      expect(answer.setCookies[0]).to.match(/^session=; Max-Age=0;/);
      expect(answer.header('cache-control')).to.equal('no-store');
      before.forEach((value, name) => visitor.cookies.set(name, value));
      expect((await visitor.get('/read')).text).to.equal('none');
      expect(site.count('session:destroyed')).to.equal(1);
    });

    it('to null where there is none does nothing at all', async () => {
      await open();
      const answer = await site.app.visitor().get('/logout');
      expect(answer.setCookies).to.deep.equal([]);
      expect(store.swaps).to.deep.equal([]);
    });

    it('to null reads as null in the rest of the request', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      expect((await visitor.get('/null-then-read')).text).to.equal('null');
    });

    it('to null and then to an object starts a session with another id', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const old = visitor.cookies.get('session') ?? '';
      const answer = await visitor.get('/null-then-new');
      expect(answer.setCookies).to.have.length(1);
      expect(idIn(visitor.cookies.get('session'))).not.to.equal(idIn(old));
      expect((await visitor.get('/who')).text).to.equal('u2');
      expect((await visitor.get('/read')).text).to.equal('none');
      visitor.cookies.set('session', old);
      expect((await visitor.get('/read')).text).to.equal('none');
    });

    it('to an object replaces all data under the same id', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const old = visitor.cookies.get('session');
      await visitor.get('/replace');
      expect((await visitor.get('/read')).text).to.equal('none');
      expect(visitor.cookies.get('session')).to.equal(old);
    });

    it('to anything else is refused', async () => {
      await open();
      expect((await site.app.visitor().get('/string')).status).to.equal(500);
      expect(site.app.errors[0]).to.have.property('code', 'DATA_INVALID');
    });
  });

  it('gives a login a new id, and the old cookie is dead', async () => {
    await open();
    const visitor = site.app.visitor();
    await visitor.get('/count');
    const old = visitor.cookies.get('session') ?? '';
    await visitor.get('/login');
    expect(idIn(visitor.cookies.get('session'))).not.to.equal(idIn(old));
    expect((await visitor.get('/read')).text).to.equal('1');
    visitor.cookies.set('session', old);
    expect((await visitor.get('/read')).text).to.equal('none');
  });

  describe('for a cookie that proves nothing', () => {
    const forgeries: Record<string, (token: string) => string> = {
      'is empty': () => '',
      'is malformed': () => 'hello',
      'is cut': token => token.slice(0, 71),
      'is forged': token => token.slice(0, 40) + (token[40] === 'A' ? 'B' : 'A') + token.slice(41),
      'is of an unknown key': token => (token[0] === 'A' ? 'B' : 'A') + token.slice(1),
      'holds bytes that no cookie has': () => `${'é'.repeat(20)}`,
      'is very long': () => 'A'.repeat(8_000),
    };
    for (const [what, forge] of Object.entries(forgeries)) {
      it(`which ${what} is anonymous, and never asks the store`, async () => {
        await open();
        const visitor = site.app.visitor();
        await visitor.get('/count');
        store.reads.length = 0;
        store.swaps.length = 0;
        const cookie = `session=${forge(visitor.cookies.get('session') ?? '')}`;
        const answer = await site.app
          .visitor()
          .get('/read', { cookie: Buffer.from(cookie).toString('latin1') });
        expect(answer.status).to.equal(200);
        expect(answer.text).to.equal('none');
        expect(answer.setCookies).to.deep.equal([]);
        expect(store.reads.concat(store.swaps)).to.deep.equal([]);
      });
    }

    it('is reported: forged and unknown apart', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const token = visitor.cookies.get('session') ?? '';
      for (const what of ['is malformed', 'is forged', 'is of an unknown key']) {
        await site.app.visitor().get('/read', { cookie: `session=${forgeries[what]?.(token)}` });
      }
      expect(site.count('security:forged-token')).to.equal(2);
      expect(site.count('security:unknown-key')).to.equal(1);
    });

    it('stands twice is anonymous, and a store is not asked', async () => {
      await open();
      const [one, other] = [site.app.visitor(), site.app.visitor()];
      await one.get('/count');
      await other.get('/count');
      store.reads.length = 0;
      const cookie = `session=${one.cookies.get('session')}; session=${other.cookies.get('session')}`;
      expect((await site.app.visitor().get('/read', { cookie })).text).to.equal('none');
      expect(store.reads).to.deep.equal([]);
    });

    it('gets a new id on the first write, never the one that it named', async () => {
      await open();
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const token = visitor.cookies.get('session') ?? '';
      const forged = token.slice(0, 71) + (token[71] === 'A' ? 'B' : 'A');
      const answer = await site.app.visitor().get('/count', { cookie: `session=${forged}` });
      expect(answer.text).to.equal('1');
      expect(answer.setCookies[0])
        .to.match(/^session=[\w-]{72};/)
        .and.not.include(token.slice(8, 40));
    });
  });

  describe('with lazy loading', () => {
    it('asks the store for nothing until it is told to', async () => {
      store = new WatchedStore();
      site = await openSite(
        async ctx => {
          if (ctx.path === '/') return void (ctx.body = 'ok');
          if (ctx.path === '/early') return void (ctx.body = ctx.session);
          if (ctx.path === '/early-set') return void (ctx.session = null);
          const [session, same] = await Promise.all([ctx.loadSession(), ctx.loadSession()]);
          session['views'] = Number(session['views'] ?? 0) + 1;
          ctx.body = `${session === same && session === ctx.session} ${String(session['views'])}`;
        },
        { store, lazy: true },
      );
      await site.sessions.ready();
      const visitor = site.app.visitor();
      expect((await visitor.get('/count')).text).to.equal('true 1');
      expect((await visitor.get('/count')).text).to.equal('true 2');
      store.reads.length = 0;
      const untouched = await visitor.get('/');
      expect(store.reads).to.deep.equal([]);
      expect(untouched.header('vary')).to.equal(undefined);
      for (const path of ['/early', '/early-set']) expect((await visitor.get(path)).status).to.equal(500);
      expect(site.app.errors).to.have.length(2);
      for (const error of site.app.errors) expect(error).to.have.property('code', 'NOT_LOADED');
    });
  });

  describe('with a cookie', () => {
    it('that is Secure over plain HTTP sends it all the same, and warns once', async () => {
      await open({ cookie: { secure: true } });
      for (const _ of [1, 2, 3]) {
        const answer = await site.app.visitor().get('/count');
        expect(answer.status).to.equal(200);
        expect(answer.setCookies[0]).to.match(/^__Host-session=.*; Secure/);
      }
      expect(site.logger.messages('warn').filter(message => message.includes('app.proxy'))).to.have.length(1);
    });

    it('that is Secure behind a proxy that says so does not warn', async () => {
      await open({ cookie: { secure: true } });
      site.app.koa.proxy = true;
      await site.app.visitor().get('/count', { 'x-forwarded-proto': 'https' });
      expect(site.logger.messages('warn')).to.deep.equal([]);
    });

    it('by a function of the request takes its attributes from it', async () => {
      await open({ cookie: ctx => ({ domain: ctx.hostname, sameSite: 'strict' }) });
      const answer = await site.app.visitor().get('/count', { host: 'a.example' });
      expect(answer.setCookies[0]).to.match(/; Domain=a\.example; HttpOnly; SameSite=Strict$/);
    });

    it('by a function that gives what browsers refuse is refused too', async () => {
      await open({ cookie: () => ({ path: '/; Domain=evil.example' }) });
      const answer = await site.app.visitor().get('/count');
      expect(answer.status).to.equal(500);
      expect(answer.setCookies).to.deep.equal([]);
      expect(site.app.errors[0]).to.have.property('code', 'CONFIG_INVALID');
    });
  });

  describe('while the store is out of reach', () => {
    it('serves an empty session and leaves the cookie alone', async () => {
      await open({ shadow: false });
      const visitor = site.app.visitor();
      await visitor.get('/count');
      store.down = true;
      const answer = await visitor.get('/read');
      expect(answer.status).to.equal(200);
      expect(answer.text).to.equal('none');
      expect(answer.setCookies).to.deep.equal([]);
      expect(answer.header('x-session-warning')).to.equal('fallback');
      store.down = false;
    });

    it("answers 503 with Retry-After where the app chose 'reject'", async () => {
      await open({ shadow: false, onUnavailable: 'reject' });
      const visitor = site.app.visitor();
      await visitor.get('/count');
      store.down = true;
      const answer = await visitor.get('/read');
      expect(answer.status).to.equal(503);
      expect(answer.header('retry-after')).to.match(/^[1-9]\d*$/);
      expect(answer.header('vary')).to.equal('Cookie');
      expect((await site.app.visitor().get('/read')).status, 'one without a cookie needs no store').to.equal(
        200,
      );
      store.down = false;
    });

    it('says so on a save that had to wait, unless the app wants no such header', async () => {
      for (const [warningHeader, header] of [
        [true, 'fallback'],
        [false, undefined],
      ] as const) {
        await open({ warningHeader });
        store.down = true;
        const answer = await site.app.visitor().get('/count');
        expect(answer.status).to.equal(200);
        expect(answer.setCookies).to.have.length(1);
        expect(answer.header('x-session-warning')).to.equal(header);
        if (warningHeader) await site.close();
      }
    });

    it('says nothing of the kind in health', async () => {
      await open();
      expect((await site.app.visitor().get('/count')).header('x-session-warning')).to.equal(undefined);
    });
  });

  it('answers 503 after close()', async () => {
    await open();
    const visitor = site.app.visitor();
    await visitor.get('/count');
    await site.sessions.close();
    const answer = await visitor.get('/read');
    expect(answer.status).to.equal(503);
    expect(answer.header('retry-after')).to.match(/^[1-9]\d*$/);
  });

  it('lets requests under way finish at close(), and saves what they changed', async () => {
    let arrived: () => void = () => undefined;
    let go: () => void = () => undefined;
    const inside = new Promise<void>(resolve => (arrived = resolve));
    const gate = new Promise<void>(resolve => (go = resolve));
    site = await openSite(async ctx => {
      arrived();
      await gate;
      ctx.session['views'] = 1;
      ctx.body = 'ok';
    });
    const answer = site.app.visitor().get('/');
    await inside;
    const closed = site.sessions.close();
    go();
    expect((await answer).setCookies).to.have.length(1);
    await closed;
    expect(site.count('session:saved')).to.equal(1);
  });

  it('tells outside of the data what it knows of a session', async () => {
    let seen: unknown;
    site = await openSite(ctx => {
      Object.assign(ctx.session, { id: 'the app’s own' });
      seen = site.sessions.info(ctx);
      ctx.body = 'ok';
    });
    const visitor = site.app.visitor();
    await visitor.get('/');
    expect(seen).to.deep.equal({ id: undefined, createdAt: undefined, expiresAt: undefined, source: 'new' });
    await visitor.get('/');
    expect(seen).to.include({ source: 'primary' });
    expect(seen)
      .to.have.property('id')
      .that.matches(/^[\w-]{12}$/);
    expect(seen).to.have.property('createdAt').that.is.an.instanceOf(Date);
  });
});

describe('two middlewares on one app', () => {
  const make = (options: SessionOptions): ReturnType<typeof createSessions> =>
    createSessions({ secret: newSecret(), redis: false, logger: false, ...options }, { env: {} });
  const both: Middleware = ctx => {
    ctx.session['mine'] = 1;
    Reflect.get(ctx, 'admin').theirs = 2;
    ctx.body = JSON.stringify([ctx.session, Reflect.get(ctx, 'admin')]);
  };

  it('with different names and cookies keep two sessions apart', async () => {
    const [first, second] = [make({}), make({ as: 'admin', cookie: { name: 'admin' } })];
    const app = await TestApp.serve(first, second, both);
    try {
      const visitor = app.visitor();
      expect((await visitor.get('/')).setCookies).to.have.length(2);
      expect((await visitor.get('/')).text).to.equal('[{"mine":1},{"theirs":2}]');
    } finally {
      await Promise.all([app.close(), first.close(), second.close()]);
    }
  });

  const clashes: [string, SessionOptions, SessionOptions][] = [
    ['the same cookie', {}, { as: 'admin' }],
    ['the same property', {}, { cookie: { name: 'admin' } }],
    ['the same of both', {}, {}],
  ];
  for (const [what, one, other] of clashes) {
    it(`with ${what} are refused`, async () => {
      const [first, second] = [make(one), make(other)];
      const app = await TestApp.serve(first, second, ctx => void (ctx.body = 'ok'));
      try {
        expect((await app.visitor().get('/')).status).to.equal(500);
        expect(app.errors[0]).to.have.property('code', 'DUPLICATE_MIDDLEWARE');
      } finally {
        await Promise.all([app.close(), first.close(), second.close()]);
      }
    });
  }

  it('with a property that Koa has already are refused, whichever comes first', async () => {
    for (const as of ['body', '__proto__', 'constructor']) {
      const [first, second] = [make({}), make({ as, cookie: { name: 'admin' } })];
      const app = await TestApp.serve(first, second, ctx => void (ctx.body = 'ok'));
      try {
        for (const _ of [1, 2]) expect((await app.visitor().get('/')).status, as).to.equal(500);
        for (const error of app.errors) expect(error).to.have.property('code', 'DUPLICATE_MIDDLEWARE');
      } finally {
        await Promise.all([app.close(), first.close(), second.close()]);
      }
    }
  });

  it('that are one, used twice, are refused too', async () => {
    const only = make({});
    const app = await TestApp.serve(only, only, ctx => void (ctx.body = 'ok'));
    try {
      expect((await app.visitor().get('/')).status).to.equal(500);
      expect(app.errors[0]).to.have.property('code', 'DUPLICATE_MIDDLEWARE');
    } finally {
      await Promise.all([app.close(), only.close()]);
    }
  });
});

/** The part of a token that is the id: 32 bytes from the seventh on. */
function idIn(token: string | undefined): string {
  return Buffer.from(token ?? '', 'base64url').toString('hex', 6, 38);
}

describe('a request that the middleware does not serve', () => {
  it('has no session, and may have a property of that name of its own', async () => {
    const sessions = createSessions({ secret: newSecret(), redis: false, logger: false }, { env: {} });
    const served: Middleware = (ctx, next) => (ctx.path === '/static' ? next() : sessions(ctx, next));
    const app = await TestApp.serve(served, ctx => {
      const before: unknown = Reflect.get(ctx, 'session');
      if (ctx.path === '/static') Reflect.set(ctx, 'session', 'my own');
      else ctx.session['user'] = 'ada';
      ctx.body = JSON.stringify([before ?? 'none', Reflect.get(ctx, 'session')]);
    });
    try {
      const visitor = app.visitor();
      for (let turn = 0; turn < 2; turn += 1) {
        await visitor.get('/');
        expect((await visitor.get('/static')).text).to.equal('["none","my own"]');
        expect((await visitor.get('/')).text).to.equal('[{"user":"ada"},{"user":"ada"}]');
      }
    } finally {
      await Promise.all([app.close(), sessions.close()]);
    }
  });
});
