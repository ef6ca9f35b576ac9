import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createClient } from 'redis';
import { peer } from './peer.js';
import { answer, type Shopper } from './shopper.js';

interface Request {
  readonly url: string;
  readonly session: SessionOfFastify;
}

interface SessionOfFastify {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
}

interface App {
  register(plugin: unknown, options?: object): unknown;
  get(path: string, handler: (request: Request, reply: Reply) => unknown): void;
  ready(): Promise<unknown>;
  readonly routing: RequestListener;
}

interface Reply {
  code(status: number): Reply;
  send(body: string): Reply;
}

interface ConnectRedis {
  readonly RedisStore: new (options: { client: unknown }) => object;
}

/** @fastify/session with connect-redis. That a read writes the session is off (`rolling`): it would be a write. */
export async function start(url: string): Promise<RequestListener> {
  const { default: fastify } = await peer<{ default: () => App }>('fastify');
  const { default: cookie } = await peer<{ default: unknown }>('@fastify/cookie');
  const { default: session } = await peer<{ default: unknown }>('@fastify/session');
  const { RedisStore } = await peer<ConnectRedis>('connect-redis');
  const client = createClient({ url });
  client.on('error', () => undefined);
  await client.connect();
  const app = fastify();
  app.register(cookie);
  app.register(session, {
    store: new RedisStore({ client }),
    secret: randomBytes(32).toString('hex'),
    cookie: { secure: false },
    rolling: false,
    saveUninitialized: false,
  });
  app.get('*', (request, reply) => {
    const { status, body } = answer(request.url, request.session as unknown as Shopper);
    return reply.code(status).send(body);
  });
  await app.ready();
  return app.routing;
}
