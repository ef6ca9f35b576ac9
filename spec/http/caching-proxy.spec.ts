import { Readable } from 'node:stream';
import { expect } from 'chai';
import type { Context, Middleware } from 'koa';
import { createSessions, type Sessions } from '../../src/create.js';
import { type Answer, newSecret, TestApp, Visitor } from '../support/app.js';
import { CachingProxy, findNginx } from '../support/caching-proxy.js';

const PUBLIC = { 'Cache-Control': 'public, max-age=60' } as const;

/** How an answer leaves: `who` has looked at the session, or has not, and says what to tell the visitor. */
type Way = (ctx: Context, who: () => string) => unknown;

const failure = (text: string, more: object): Error =>
  Object.assign(new Error(text), { expose: true, ...more });

/** What a handler may answer with that depends on who asks. */
const WAYS: Readonly<Record<string, Way>> = {
  'a page': (ctx, who) => void (ctx.body = who()),
  'a page that the app calls public': (ctx, who) => {
    ctx.set(PUBLIC);
    ctx.body = who();
  },
  'a page whose Vary the app sets afterwards': (ctx, who) => {
    ctx.body = who();
    ctx.set('Vary', 'Accept-Language');
  },
  'a page whose Vary the app removes afterwards': (ctx, who) => {
    ctx.body = who();
    ctx.remove('Vary');
  },
  'a page whose Vary a middleware further out sets': (ctx, who) => {
    ctx.state['outer'] = { Vary: 'Accept', ...PUBLIC };
    ctx.body = who();
  },
  'a stream': (ctx, who) => void (ctx.body = Readable.from([who()])),
  'a redirect': (ctx, who) => ctx.redirect(`/${who()}`),
  'a permanent redirect': (ctx, who) => {
    ctx.status = 301;
    ctx.redirect(`/${who()}`);
  },
  'a 404 that the handler throws': (ctx, who) => ctx.throw(404, who()),
  'a 404 that Koa makes': (ctx, who) => ctx.set('X-User', who()),
  'an error': (_ctx, who) => {
    throw failure(who(), { status: 500 });
  },
  'an error with headers of its own': (_ctx, who) => {
    throw failure(who(), { status: 500, headers: { Vary: 'Accept', ...PUBLIC } });
  },
};

/** The same, where the headers leave before the handler is done. */
const EARLY_WAYS: Readonly<Record<string, Way>> = {
  'headers that the handler sends itself': (ctx, who) => {
    ctx.respond = false;
    const text = who();
    ctx.res.writeHead(200, { Vary: 'Accept', ...PUBLIC });
    ctx.res.end(text);
  },
  'headers in a list that the handler sends itself': (ctx, who) => {
    ctx.respond = false;
    const text = who();
    ctx.res.writeHead(200, 'Fine', ['Vary', 'Accept', 'Cache-Control', 'public, max-age=60']);
    ctx.res.end(text);
  },
  'what follows a save after the headers': async (ctx, who) => {
    ctx.respond = false;
    const text = who();
    ctx.res.flushHeaders();
    if (text === 'ada') await ctx.session.save();
    ctx.res.end(text);
  },
  'what is streamed before the session is read': async (ctx, who) => {
    ctx.respond = false;
    ctx.res.writeHead(200, PUBLIC).flushHeaders();
    await new Promise(resolve => setImmediate(resolve));
    ctx.res.end(who());
  },
};

const ALL_WAYS = { ...WAYS, ...EARLY_WAYS };

/** What a handler may do around a session whose cookie it makes. */
const COOKIES: Readonly<Record<string, (ctx: Context) => unknown>> = {
  'a page': ctx => begin(ctx),
  'a page that was public before': ctx => {
    ctx.set(PUBLIC);
    return begin(ctx);
  },
  'a page that is public afterwards': async ctx => {
    await begin(ctx);
    ctx.set(PUBLIC);
  },
  'a page that a middleware further out calls public': ctx => {
    ctx.state['outer'] = PUBLIC;
    return begin(ctx);
  },
  'a page with a date to expire at': ctx => {
    ctx.set('Expires', new Date(Date.now() + 60_000).toUTCString());
    return begin(ctx);
  },
  'a page with what nginx obeys before Cache-Control': ctx => {
    ctx.set('X-Accel-Expires', '60');
    return begin(ctx);
  },
  'a stream': async ctx => {
    await begin(ctx);
    ctx.body = Readable.from(['a stream']);
  },
  'a redirect': async ctx => {
    await begin(ctx);
    ctx.redirect('/home');
  },
  'a permanent redirect': async ctx => {
    await begin(ctx);
    ctx.status = 301;
    ctx.redirect('/home');
  },
  'nothing, in a 204': async ctx => {
    await begin(ctx);
    ctx.status = 204;
  },
  'a 404': async ctx => {
    await begin(ctx);
    ctx.throw(404);
  },
  'an error': async ctx => {
    await begin(ctx);
    throw failure('an error', { status: 500, headers: PUBLIC });
  },
  'headers that the handler sends itself': async ctx => {
    await begin(ctx);
    ctx.respond = false;
    ctx.res.writeHead(200, PUBLIC);
    ctx.res.end('mine');
  },
};

async function begin(ctx: Context): Promise<void> {
  ctx.session['begun'] = true;
  await ctx.session.save();
  ctx.body = 'ok';
}

const outer: Middleware = async (ctx, next) => {
  await next();
  const headers: unknown = ctx.state['outer'];
  // The handlers above put only such there.
  if (headers !== undefined) ctx.set(headers as Record<string, string>);
};

const handler: Middleware = async ctx => {
  const [, act = '', name = ''] = decodeURIComponent(ctx.path).split('/');
  if (act === 'login') {
    ctx.session['user'] = name;
    ctx.body = await ctx.session.regenerate();
  }
  if (act === 'logout') ctx.session = null;
  if (act === 'cookie') await COOKIES[name]?.(ctx);
  if (act === 'read') await ALL_WAYS[name]?.(ctx, () => String(ctx.session['user'] ?? 'nobody'));
  if (act === 'unread') await ALL_WAYS[name]?.(ctx, () => 'everybody');
  if (act === 'if-modified') conditional(ctx, String(ctx.session['user'] ?? 'nobody'));
  if (act === 'if-modified-unread') conditional(ctx, 'everybody');
};

function conditional(ctx: Context, tag: string): void {
  ctx.status = 200;
  ctx.etag = tag;
  ctx.set('X-User', tag);
  if (ctx.fresh) ctx.status = 304;
  else ctx.body = tag;
}

/** Whom an answer is for: its text, or where it has none, a header. */
function addressee(answer: Answer): string {
  return answer.header('location')?.slice(1) ?? answer.header('x-user') ?? answer.text;
}

function cached(answer: Answer): string | undefined {
  return answer.header('x-cache');
}

describe('behind a proxy that caches all it may', () => {
  let sessions: Sessions;
  let app: TestApp;
  let proxy: CachingProxy;
  let people: { ada: Visitor; bob: Visitor; nobody: Visitor };

  before(async function () {
    const binary = await findNginx();
    // Where everything must hold, a missing program is a failure; elsewhere nobody has to install it.
    if (binary === undefined && process.env['CI'] === undefined) return this.skip();
    sessions = createSessions({ secret: newSecret(), redis: false, logger: false }, { env: {} });
    app = await TestApp.serve(outer, sessions, handler);
    proxy = await CachingProxy.start(binary ?? 'nginx', app.url);
    people = { ada: await login('ada'), bob: await login('bob'), nobody: new Visitor(proxy.url) };
  });
  after(() => Promise.all([proxy?.stop(), app?.close(), sessions?.close()]));

  async function login(name: string): Promise<Visitor> {
    const visitor = new Visitor(proxy.url);
    await visitor.get(`/login/${name}`);
    return visitor;
  }

  /** What each gets who asks for the same, one after the other. */
  async function asked(method: string, path: string, headers = {}): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (const visitor of [people.ada, people.bob, people.nobody])
      answers.push(await visitor.send(method, encodeURI(path), headers));
    return answers;
  }

  for (const method of ['GET', 'HEAD']) {
    for (const name of Object.keys(ALL_WAYS)) {
      // An answer to HEAD has no text to tell whose it is.
      if (method === 'HEAD' && !/redirect|Koa/.test(name)) continue;
      it(`${method}: ${name} reaches nobody but the one whose session was read for it`, async () => {
        const answers = await asked(method, `/read/${name}`);
        expect(answers.map(addressee)).to.deep.equal(['ada', 'bob', 'nobody']);
        for (const answer of answers) expect(answer.header('vary')).to.match(/(^|, )Cookie$/);
        const again = await asked(method, `/read/${name}`);
        expect(again.map(addressee)).to.deep.equal(['ada', 'bob', 'nobody']);
        // It was there to be served to the others: Vary alone protects them.
        expect(again.map(cached)).to.deep.equal(['HIT', 'HIT', 'HIT']);
      });
    }

    for (const name of Object.keys(WAYS)) {
      it(`${method}: ${name} comes from the cache for all where no session was read`, async () => {
        const answers = await asked(method, `/unread/${name}`);
        expect(answers.map(cached)).to.deep.equal(['MISS', 'HIT', 'HIT']);
        for (const answer of answers) expect(answer.header('vary') ?? '').to.not.include('Cookie');
      });
    }

    it(`${method}: 304 goes to nobody whose page is another one`, async () => {
      const answers = await asked(method, '/if-modified', { 'If-None-Match': '"ada"' });
      expect(answers.map(({ status }) => status)).to.deep.equal([304, 200, 200]);
      expect(answers.map(answer => answer.header('etag'))).to.deep.equal(['"ada"', '"bob"', '"nobody"']);
      const again = await people.bob.send(method, '/if-modified', { 'If-None-Match': '"bob"' });
      expect([again.status, again.header('vary')]).to.deep.equal([304, 'Cookie']);
    });

    it(`${method}: 304 comes from the cache where no session was read`, async () => {
      const answers = await asked(method, '/if-modified-unread', { 'If-None-Match': '"everybody"' });
      expect(answers.map(({ status }) => status)).to.deep.equal([304, 304, 304]);
      expect(answers.map(cached)).to.deep.equal(['MISS', 'HIT', 'HIT']);
    });
  }

  for (const method of ['GET', 'HEAD']) {
    for (const name of Object.keys(COOKIES)) {
      it(`${method}: a cookie leaves with ${name}, and no cache hands it to others (ASVS 14.3.2)`, async () => {
        const path = encodeURI(`/cookie/${name}`);
        const visitors = [new Visitor(proxy.url), new Visitor(proxy.url), new Visitor(proxy.url)];
        const answers: Answer[] = [];
        for (const visitor of visitors) answers.push(await visitor.send(method, path));
        expect(new Set(visitors.map(({ cookies }) => cookies.get('session')))).to.have.property('size', 3);
        for (const answer of answers) {
          expect(answer.setCookies.join()).to.match(/session=[\w-]{72};/);
          expect(answer.header('x-cache')).to.equal('MISS');
          expect(answer.header('cache-control')).to.equal('no-store');
          expect(answer.header('vary')).to.equal('Cookie');
        }
      });
    }
  }

  it('a logout is not kept for others (ASVS 14.3.2)', async () => {
    const [carl, dora] = [await login('carl'), await login('dora')];
    for (const visitor of [carl, dora]) {
      const answer = await visitor.get('/logout');
      expect(answer.setCookies.join()).to.match(/^session=; Max-Age=0;/);
      expect([answer.header('cache-control'), answer.header('x-cache')]).to.deep.equal(['no-store', 'MISS']);
    }
  });
});
