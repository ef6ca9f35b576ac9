import { expect } from 'chai';
import type { Context, Middleware } from 'koa';
import { createSessions, type Sessions } from '../../src/create.js';
import { newSecret, type Recorded, recordEvents, TestApp, until } from '../support/app.js';

/** Of the Set-Cookie that a response has so far. */
function tokenIn(ctx: Context): string {
  return /session=([\w-]{72})/.exec(String(ctx.res.getHeader('set-cookie')))?.[1] ?? '';
}

describe('a handler that fails after its session got a new id', () => {
  let sessions: Sessions;
  let events: Recorded[];
  let app: TestApp;
  let issued: string;

  const handler: Middleware = async ctx => {
    ctx.session['user'] = 'ada';
    if (ctx.path === '/regenerate') await ctx.session.regenerate();
    if (ctx.path === '/save') await ctx.session.save();
    issued = tokenIn(ctx);
    if (ctx.path !== '/') throw Object.assign(new Error('the handler failed'), { status: 418 });
    ctx.body = 'ok';
  };
  const serve = async (...before: Middleware[]): Promise<void> => {
    sessions = createSessions({ secret: newSecret(), redis: false, logger: false }, { env: {} });
    events = recordEvents(sessions);
    app = await TestApp.serve(...before, sessions, handler);
  };
  const count = (name: string): number => events.filter(event => event.name === name).length;
  afterEach(() => Promise.all([app.close(), sessions.close()]));

  for (const path of ['/regenerate', '/save']) {
    it(`by ${path.slice(1)}() loses the cookie where Koa answers: that is reported, and the session ends`, async () => {
      await serve();
      const visitor = app.visitor();
      if (path === '/regenerate') await visitor.get('/');
      const failed = await visitor.get(path);
      expect([failed.status, failed.setCookies]).to.deep.equal([418, []]);
      await until(() => count('session:destroyed') === 1);
      const lost = events.find(({ name }) => name === 'session:cookie-lost');
      expect(lost?.event).to.include({ reason: 'handler-failed' });
      expect(issued).to.have.length(72);
      expect(await sessions.manager.load(issued)).to.equal(undefined);
    });

    it(`by ${path.slice(1)}() keeps it where the app answers the error before Koa does`, async () => {
      await serve(async (ctx, next) => {
        try {
          await next();
        } catch {
          ctx.status = 500;
          ctx.body = 'sorry';
        }
      });
      const visitor = app.visitor();
      if (path === '/regenerate') await visitor.get('/');
      const failed = await visitor.get(path);
      expect([failed.status, failed.setCookies.length]).to.deep.equal([500, 1]);
      expect(visitor.cookies.get('session')).to.equal(issued);
      expect((await sessions.manager.load(issued))?.toJSON()).to.deep.equal({ user: 'ada' });
      expect(count('session:cookie-lost') + count('session:destroyed')).to.equal(0);
    });
  }
});
