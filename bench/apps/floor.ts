import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import Koa from 'koa';
import { createClient } from 'redis';
import { answer, type Shopper } from './shopper.js';

/**
 * The least that sessions in Redis can cost: one plain GET, one SET where the data changed, JSON, and nothing else. No
 * check of the cookie, no deadline (node-redis's own timer is off), no TTL, nothing sealed, and the last write wins.
 */
export async function start(url: string): Promise<RequestListener> {
  const client = createClient({ url, commandOptions: { timeout: 0 } });
  client.on('error', () => undefined);
  await client.connect();
  const app = new Koa();
  app.use(async ctx => {
    let id = /sid=([\w-]+)/.exec(ctx.req.headers.cookie ?? '')?.[1] ?? '';
    const text = await client.get(`floor:${id}`);
    const session = (text === null ? {} : JSON.parse(text)) as Shopper;
    const { status, body } = answer(ctx.url, session);
    if (ctx.url.startsWith('/new?')) {
      id = randomBytes(32).toString('base64url');
      ctx.set('Set-Cookie', `sid=${id}; Path=/; HttpOnly`);
    }
    if (ctx.url !== '/read' && status === 200) await client.set(`floor:${id}`, JSON.stringify(session));
    ctx.status = status;
    ctx.body = body;
  });
  return app.callback();
}
