/** The app under koa-session, with the Redis store that most apps write, and every default. */
import Koa, { type Middleware } from 'koa';
import { createClient } from 'redis';
import { Host, type Opened } from '../host.js';
import type { InstanceConfig, Status } from '../protocol.js';
import { routes } from '../routes.js';

interface KoaSession {
  createSession(options: object, app: Koa): Middleware;
}

/** Installed beside this file alone, so its types are not at hand: `npm install --prefix spec/faults/peer`. */
const PEER: string = 'koa-session';

const PING_LIMIT = 300;

/** As much of a node-redis client as is used here. */
interface Client {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { PX: number }): Promise<unknown>;
  del(key: string): Promise<unknown>;
  ping(): Promise<unknown>;
}

function storeOn(client: Client): object {
  return {
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
}

async function statusOf(client: Client): Promise<Status> {
  const late = new Promise<boolean>(resolve => setTimeout(resolve, PING_LIMIT, false));
  const ping = client.ping().then(
    () => true,
    () => false,
  );
  const settled = await Promise.race([ping, late]);
  return { settled, mode: 'unknown', backlog: 0, losses: 0, heapMb: 0 };
}

async function open({ redisUrl, secrets, away }: InstanceConfig): Promise<Opened> {
  const { createSession } = (await import(PEER)) as KoaSession;
  const client = createClient({ url: redisUrl });
  client.on('error', () => undefined);
  const connected = client.connect().catch(() => undefined);
  if (away !== true) await connected;
  const koa = new Koa();
  koa.keys = [...secrets];
  koa.use(createSession({ key: 'session', store: storeOn(client) }, koa));
  koa.use(routes(() => null));
  return {
    koa,
    status: () => statusOf(client),
    shift: () => undefined,
    close: () => {
      client.destroy();
      return Promise.resolve(0);
    },
  };
}

new Host(open);
