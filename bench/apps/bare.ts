import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import Koa from 'koa';

/** Koa with a body: nothing is kept, and a cookie is as long as those of the others. */
export function start(): Promise<RequestListener> {
  const app = new Koa();
  app.use(ctx => {
    if (ctx.url.startsWith('/new?'))
      ctx.set('Set-Cookie', `sid=${randomBytes(54).toString('base64url')}; Path=/`);
    ctx.body = 'user-0000000';
  });
  return Promise.resolve(app.callback());
}
