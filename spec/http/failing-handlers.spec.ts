import { expect } from 'chai';
import type { Middleware } from 'koa';
import { createSessions, type Sessions } from '../../src/create.js';
import { newSecret, type Recorded, recordEvents, TestApp, type Visitor } from '../support/app.js';

const failing: Middleware = async ctx => {
  if (ctx.path === '/logout') ctx.session = null;
  else ctx.session['user'] = 'ada';
  if (ctx.path === '/regenerate') await ctx.session.regenerate();
  if (ctx.path === '/save') await ctx.session.save();
  if (ctx.path === '/too-large') ctx.session['big'] = 'x'.repeat(100_000);
  if (ctx.path !== '/') throw Object.assign(new Error('the handler failed'), { status: 418 });
  ctx.body = 'ok';
};

const answering: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch {
    ctx.status = 418;
    ctx.body = 'sorry';
  }
};

const places: readonly (readonly [string, readonly Middleware[]])[] = [
  ['Koa answers', []],
  ['an error handler of the app answers', [answering]],
];

for (const [where, before] of places) {
  describe(`a handler that fails, where ${where}`, () => {
    let sessions: Sessions;
    let events: Recorded[];
    let app: TestApp;
    let visitor: Visitor;

    beforeEach(async () => {
      sessions = createSessions({ secret: newSecret(), redis: false, logger: false }, { env: {} });
      events = recordEvents(sessions);
      app = await TestApp.serve(...before, sessions, failing);
      visitor = app.visitor();
    });
    afterEach(() => Promise.all([app.close(), sessions.close()]));
    const count = (name: string): number => events.filter(event => event.name === name).length;

    for (const path of ['/regenerate', '/save']) {
      it(`after ${path.slice(1)}() has made a new id, hands out its cookie once, and the session lives`, async () => {
        if (path === '/regenerate') await visitor.get('/');
        const old = visitor.cookies.get('session');
        const failed = await visitor.get(path);
        expect([failed.status, failed.setCookies.length]).to.deep.equal([418, 1]);
        expect(failed.header('cache-control')).to.equal('no-store');
        const token = visitor.cookies.get('session') ?? '';
        expect(token).to.have.length(72).and.not.equal(old);
        expect((await sessions.manager.load(token))?.toJSON()).to.deep.equal({ user: 'ada' });
        expect(count('session:cookie-lost') + count('session:destroyed')).to.equal(0);
      });
    }

    it('after a logout clears the cookie all the same, and the session is over', async () => {
      await visitor.get('/');
      const token = visitor.cookies.get('session') ?? '';
      const failed = await visitor.get('/logout');
      expect(failed.status).to.equal(418);
      expect(failed.setCookies.join()).to.match(/^session=; Max-Age=0;/);
      expect(await sessions.manager.load(token)).to.equal(undefined);
    });

    it('with changes that cannot be saved answers its own error, and session:gone says of those', async () => {
      await visitor.get('/');
      const failed = await visitor.get('/too-large');
      expect([failed.status, failed.setCookies]).to.deep.equal([418, []]);
      expect(events.find(({ name }) => name === 'session:gone')?.event).to.include({
        reason: 'DATA_TOO_LARGE',
      });
      expect(await sessions.manager.load(visitor.cookies.get('session') ?? '')).to.not.equal(undefined);
    });
  });
}
