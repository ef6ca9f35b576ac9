// Compiled by spec/package/types.spec.ts as an app of its own. Nothing here runs.
import Koa from 'koa';
import session, { healthRoutes, type SessionStore } from '../../../src/index.js';

declare module '../../../src/index.js' {
  interface SessionData {
    userId?: string;
    views?: number;
  }
}

const sessions = session({ redis: false });
const app = new Koa();
app.use(sessions);
app.use(healthRoutes(sessions, { authorize: ctx => ctx.ip === '127.0.0.1' }));
app.use(async ctx => {
  ctx.session.views = (ctx.session.views ?? 0) + 1;
  const user: string | undefined = ctx.session.userId;
  ctx.session = { userId: user ?? 'nobody' };
  ctx.session = null;
  const moved: boolean = await ctx.session.regenerate();
  ctx.body = moved;
});
sessions.events.on('store:recovered', ({ at, outageMs, migrated }) => [at, outageMs, migrated].map(Number));

// @ts-expect-error a user id is a string
app.use(ctx => void (ctx.session.userId = 1));
// @ts-expect-error nobody declared this key
app.use(ctx => void ctx.session.nobody);
// @ts-expect-error methods cannot be overwritten
app.use(ctx => void (ctx.session.save = undefined));
// @ts-expect-error there is no such option
session({ secrets: 'x' });
// @ts-expect-error there is no such event
sessions.events.on('store:exploded', () => undefined);
// @ts-expect-error payloads are read-only
sessions.events.on('store:degraded', event => void (event.reason = 'oom'));
// @ts-expect-error a store swaps
export const half: SessionStore = { read: () => Promise.resolve(undefined) };
