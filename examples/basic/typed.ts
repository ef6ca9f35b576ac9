// Typed session data. In a checkout: npx tsx examples/basic/typed.ts
import Koa from 'koa';
// In an app of your own: 'koa-resilient-session', here and in the declaration.
import session from '../../src/index.js';

interface Customer {
  readonly name: string;
  readonly since: number;
}

declare module '../../src/index.js' {
  interface SessionData {
    customer?: Customer;
  }
}

const app = new Koa();
app.use(session());
app.use(async ctx => {
  if (ctx.path === '/login') {
    // A login gets a new id, so that an id that somebody planted before is worth nothing.
    await ctx.session.regenerate();
    ctx.session.customer = { name: 'Ada', since: Date.now() };
  }
  if (ctx.path === '/logout') ctx.session = null;
  ctx.body = ctx.session.customer?.name ?? 'nobody';
});
app.listen(3000);
