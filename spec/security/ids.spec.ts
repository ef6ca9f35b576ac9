import { expect } from 'chai';
import type { Context } from 'koa';
import { systemClock } from '../../src/clock.js';
import type { SessionStore } from '../../src/store/store.js';
import { MemoryStore } from '../../src/store/memory.js';
import { Vault } from '../../src/vault/vault.js';
import { newSecret, openSite, type Site, type Visitor } from '../support/app.js';
import { Shop } from '../support/instances.js';

/** Which keys a store was asked for, canaries aside: those come before `listen`. */
class ListeningStore implements SessionStore {
  readonly asked: string[] = [];
  readonly #behind = new MemoryStore(1024 * 1024, systemClock());

  read(key: string): ReturnType<SessionStore['read']> {
    this.asked.push(key);
    return this.#behind.read(key);
  }

  swap(...[key, ...others]: Parameters<SessionStore['swap']>): ReturnType<SessionStore['swap']> {
    this.asked.push(key);
    return this.#behind.swap(key, ...others);
  }
}

const ROUTES: Readonly<Record<string, (ctx: Context) => unknown>> = {
  '/write': ctx => (ctx.session['seen'] = true),
  '/assign-and-login': ctx => {
    ctx.session = { user: 'ada' };
    return ctx.session.login('ada');
  },
  '/login-and-assign': async ctx => {
    await ctx.session.login('ada');
    ctx.session = { user: 'ada' };
  },
  '/login': ctx => ctx.session.login('ada'),
  '/regenerate': ctx => ctx.session.regenerate(),
};

async function handler(ctx: Context): Promise<void> {
  await ROUTES[ctx.path]?.(ctx);
  ctx.body = JSON.stringify([ctx.session?.authenticatedAs ?? 'nobody', ctx.session]);
}

const NOBODY = '["nobody",{}]';

describe('an id', () => {
  const secret = newSecret();
  let store: ListeningStore;
  let site: Site;
  beforeEach(async () => {
    store = new ListeningStore();
    site = await openSite(handler, { store, secret });
    await site.sessions.ready();
  });
  afterEach(() => site.close());

  const begin = async (): Promise<Visitor> => {
    const visitor = site.app.visitor();
    await visitor.get('/write');
    return visitor;
  };

  /** Somebody else's browser with this cookie. */
  const holding = (token: string | undefined): Visitor => {
    const visitor = site.app.visitor();
    visitor.cookies.set('session', token ?? '');
    return visitor;
  };

  it('is 256 bits, each of which is set as often as not, and never comes twice (ASVS 7.2.2, 7.2.3, 11.5.1)', () => {
    const clock = systemClock();
    const vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, clock);
    const ids = Array.from({ length: 4_000 }, () => vault.newIdentity().id);
    expect(new Set(ids.map(id => id.toString('hex'))).size).to.equal(ids.length);
    for (let bit = 0; bit < 256; bit += 1) {
      const set = ids.filter(id => ((id[bit >> 3] ?? 0) >> (bit & 7)) & 1).length;
      // Six standard deviations: one run in a million strays so far.
      expect(set, `bit ${bit}`).to.be.within(1_810, 2_190);
    }
  });

  it('comes from the cookie alone: one in the URL, the body or another header is nobody’s (ASVS 7.2.3, 14.2.1)', async () => {
    const token = (await begin()).cookies.get('session') ?? '';
    store.asked.length = 0;
    const paths = [`/?session=${token}`, `/;session=${token}`, `/${token}`, `/?sid=${token}&token=${token}`];
    for (const path of paths) expect((await site.app.visitor().get(path)).text).to.equal(NOBODY);
    const headers = [
      'authorization',
      'session',
      'x-session',
      'x-session-id',
      'x-session-token',
      'set-cookie',
      'cookie2',
    ];
    for (const name of headers)
      for (const value of [token, `session=${token}`, `Bearer ${token}`])
        expect((await site.app.visitor().get('/', { [name]: value })).text, name).to.equal(NOBODY);
    const body = new URLSearchParams({ session: token });
    expect(await (await fetch(`${site.app.url}/`, { method: 'POST', body })).text()).to.equal(NOBODY);
    expect(store.asked).to.deep.equal([]);
  });

  it('is never adopted, even one that is signed, if nobody has a session of it (ASVS 7.2.3, 7.2.4)', async () => {
    const vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, systemClock());
    const chosen = vault.newIdentity();
    const visitor = holding(vault.issue(chosen, 0));
    expect((await visitor.get('/write')).setCookies).to.have.length(1);
    expect(visitor.cookies.get('session')).not.to.include(chosen.id.toString('base64url').slice(2, 40));
    expect(store.asked.filter(key => key === chosen.key)).to.have.length(1);
    expect((await holding(vault.issue(chosen, 0)).get('/')).text).to.equal(NOBODY);
  });

  it('is all that its cookie holds: 72 characters, whatever the session holds (ASVS 3.3.5, 14.3.3)', async () => {
    for (const path of ['/write', '/login', '/assign-and-login']) {
      const token = /=([^;]*);/.exec((await site.app.visitor().get(path)).setCookies[0] ?? '')?.[1] ?? '';
      expect(token).to.match(/^[\w-]{72}$/);
      expect(Buffer.from(token, 'base64url').toString('latin1')).not.to.match(/ada|seen|user/);
    }
  });

  it('stands in no answer but its cookie: not in a body, a header or a readable property (ASVS 3.3.4)', async () => {
    const answer = await site.app.visitor().get('/write');
    const token = /=([\w-]{72});/.exec(answer.setCookies[0] ?? '')?.[1] ?? '';
    expect(token).to.have.length(72);
    expect(answer.text).not.to.include(token.slice(8, 40));
    for (const name of ['location', 'etag', 'x-session-id', 'authorization'])
      expect(answer.header(name)).to.equal(undefined);
  });

  for (const path of ['/login', '/assign-and-login', '/login-and-assign', '/regenerate'])
    it(`that was planted is worth nothing after ${path.slice(1)}: it is dead, and another one lives (ASVS 7.2.4)`, async () => {
      const attacker = await begin();
      const planted = attacker.cookies.get('session');
      const victim = holding(planted);
      const { text } = await victim.get(path);
      expect(victim.cookies.get('session')).not.to.equal(planted);
      expect((await victim.get('/')).text)
        .to.equal(text)
        .and.not.equal(NOBODY);
      expect((await attacker.get('/')).text).to.equal(NOBODY);
    });

  it('is another one after each login, a second one of the same user too (ASVS 7.2.4)', async () => {
    const visitor = await begin();
    const tokens = new Set([visitor.cookies.get('session')]);
    for (let n = 0; n < 3; n += 1) {
      await visitor.get('/login');
      tokens.add(visitor.cookies.get('session'));
    }
    expect(tokens.size).to.equal(4);
    for (const token of [...tokens].slice(0, 3))
      expect((await holding(token).get('/')).text).to.equal(NOBODY);
    expect((await visitor.get('/')).text).to.equal('["ada",{"seen":true}]');
  });

  it('that changes though no data do is stored all the same (ASVS 7.2.4)', async () => {
    const visitor = await begin();
    const saved = site.count('session:saved');
    await visitor.get('/regenerate');
    expect(site.count('session:saved')).to.equal(saved + 1);
    expect((await visitor.get('/')).text).to.equal('["nobody",{"seen":true}]');
  });

  it('that ten requests change at once becomes one new one: the old one is dead, no other lives (ASVS 7.2.4)', async () => {
    const visitor = await begin();
    const old = visitor.cookies.get('session');
    const visitors = Array.from({ length: 10 }, () => holding(old));
    await Promise.all(visitors.map(each => each.get('/regenerate')));
    const fresh = visitors.map(each => each.cookies.get('session')).filter(token => token !== old);
    expect(fresh).to.have.length(1);
    expect((await holding(fresh[0]).get('/')).text).to.equal('["nobody",{"seen":true}]');
    expect((await holding(old).get('/')).text).to.equal(NOBODY);
  });
});

describe('an id that was planted before an outage', () => {
  it('is dead at once after a login in the outage, here, and everywhere after it (ASVS 7.2.4, 16.5.2)', async () => {
    const shop = new Shop();
    const [here, there] = [await shop.open(), await shop.open()];
    const { token: planted } = await here.sessions.manager.create({ cart: 1 });
    await there.load(planted);
    await here.cutOff();
    const fresh = (await here.visit(planted, ctx => ctx.session.login('ada'))) ?? '';
    expect((await here.load(fresh))?.authenticatedAs).to.equal('ada');
    expect(await here.load(planted)).to.equal(undefined);
    await here.rejoin();
    expect(await there.load(planted)).to.equal(undefined);
    expect((await there.load(fresh))?.authenticatedAs).to.equal('ada');
    await shop.during(Promise.all([here.sessions.close(), there.sessions.close()]));
  });
});
