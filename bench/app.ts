import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import Koa, { type Context, type Next } from 'koa';
import { createClient } from 'redis';
import { session } from '../src/index.js';

/**
 * One app of the benchmark, in a process of its own: `tsx bench/app.ts <variant>`. `GET /new` gives the caller a session;
 * `GET /` is what is measured.
 */
export const VARIANTS = ['bare', 'plain-get', 'session-read', 'session-write'] as const;
export type Variant = (typeof VARIANTS)[number];

declare module '../src/index.js' {
  interface SessionData {
    benchUser?: string;
    benchCount?: number;
  }
}

type Handler = (ctx: Context, next: Next) => unknown;

/** About what a logged-in user of a small shop has. */
const USER = randomBytes(150).toString('hex');

function bare(): Handler {
  return ctx => {
    if (ctx.path === '/new') ctx.set('Set-Cookie', `sid=${randomBytes(54).toString('base64url')}; Path=/`);
    ctx.body = 'ok';
  };
}

/** The least that sessions in Redis can cost: one GET and one JSON.parse, no checks, no deadline, nothing sealed. */
async function plainGet(): Promise<Handler> {
  const client = createClient({ url: String(process.env['REDIS_URL']), commandOptions: { timeout: 0 } });
  client.on('error', () => undefined);
  await client.connect();
  return async ctx => {
    if (ctx.path === '/new') {
      const sid = randomBytes(54).toString('base64url');
      await client.set(`plain:${sid}`, JSON.stringify({ benchUser: USER }));
      ctx.set('Set-Cookie', `sid=${sid}; Path=/`);
    }
    const text = await client.get(`plain:${/sid=([\w-]+)/.exec(ctx.get('Cookie'))?.[1] ?? ''}`);
    const data: unknown = text === null ? {} : JSON.parse(text);
    ctx.body = typeof data === 'object' && data !== null && 'benchUser' in data ? 'ok' : 'anonymous';
  };
}

function sessions(write: boolean): Handler {
  return ctx => {
    if (ctx.path === '/new') ctx.session.benchUser = USER;
    if (write) ctx.session.benchCount = (ctx.session.benchCount ?? 0) + 1;
    ctx.body = ctx.session.benchUser === undefined ? 'anonymous' : 'ok';
  };
}

async function handler(app: Koa, variant: Variant): Promise<Handler> {
  if (variant === 'bare') return bare();
  if (variant === 'plain-get') return plainGet();
  const sessionMiddleware = session({ cookie: { name: 'sid' }, logger: false });
  await sessionMiddleware.ready();
  app.use(sessionMiddleware);
  return sessions(variant === 'session-write');
}

async function main(): Promise<void> {
  const variant = VARIANTS.find(name => name === process.argv[2]);
  if (!variant) throw new RangeError(`the variant must be one of ${VARIANTS.join(', ')}`);
  const app = new Koa();
  app.use(await handler(app, variant));
  const server = app.listen(0, '127.0.0.1', () => {
    // A TCP server's address is an object.
    process.send?.({ port: (server.address() as AddressInfo).port });
  });
  process.on('message', () => process.send?.({ cpuMs: cpuMs() }));
  process.on('disconnect', () => process.exit());
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

if (process.send) await main();
