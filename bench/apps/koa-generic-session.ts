import type { RequestListener } from 'node:http';
import { randomBytes } from 'node:crypto';
import Koa, { type Middleware } from 'koa';
import { peer } from './peer.js';
import { answer, type Shopper } from './shopper.js';

interface KoaGenericSession {
  readonly default: (options: object) => Middleware;
}

interface KoaRedis {
  readonly default: (options: { url: string }) => object;
}

/** koa-generic-session with koa-redis (which brings ioredis), both with their defaults. */
export async function start(url: string): Promise<RequestListener> {
  const { default: session } = await peer<KoaGenericSession>('koa-generic-session');
  const { default: redisStore } = await peer<KoaRedis>('koa-redis');
  const app = new Koa();
  app.keys = [randomBytes(32).toString('hex')];
  app.use(session({ store: redisStore({ url }) }));
  app.use(ctx => {
    const { status, body } = answer(ctx.url, ctx.session as unknown as Shopper);
    ctx.status = status;
    ctx.body = body;
  });
  return app.callback();
}
