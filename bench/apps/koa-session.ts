import type { RequestListener } from 'node:http';
import { randomBytes } from 'node:crypto';
import Koa, { type Middleware } from 'koa';
import { createClient } from 'redis';
import { peer } from './peer.js';
import { answer, type Shopper } from './shopper.js';

interface KoaSession {
  createSession(options: object, app: Koa): Middleware;
}

/** koa-session with its defaults, and the store on node-redis that most apps write. */
export async function start(url: string): Promise<RequestListener> {
  const { createSession } = await peer<KoaSession>('koa-session');
  const client = createClient({ url });
  client.on('error', () => undefined);
  await client.connect();
  const store = {
    async get(key: string): Promise<unknown> {
      const text = await client.get(key);
      return text === null ? undefined : (JSON.parse(text) as unknown);
    },
    async set(key: string, session: unknown, maxAge: number): Promise<void> {
      await client.set(key, JSON.stringify(session), { PX: maxAge });
    },
    async destroy(key: string): Promise<void> {
      await client.del(key);
    },
  };
  const app = new Koa();
  app.keys = [randomBytes(32).toString('hex')];
  app.use(createSession({ store }, app));
  app.use(ctx => {
    const { status, body } = answer(ctx.url, ctx.session as unknown as Shopper);
    ctx.status = status;
    ctx.body = body;
  });
  return app.callback();
}
