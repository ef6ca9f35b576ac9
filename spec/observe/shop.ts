import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { createClient } from 'redis';
import { addSecret, addUser, Canaries } from '../support/canaries.js';
import { RedisServer } from '../support/redis-server.js';

/** What must not get out of the shop. */
export interface Words {
  readonly data: string;
  readonly key: string;
  readonly unsaved: string;
  readonly user: string;
  readonly label: string;
  readonly redisUser: string;
  readonly password: string;
  /** What somebody else has put into Redis. */
  readonly garbage: string;
}

export function newWords(): Words {
  const word = (name: string): string => `${name}-${randomBytes(16).toString('hex')}`;
  return {
    data: word('data'),
    key: word('key'),
    unsaved: word('unsaved'),
    user: word('user'),
    label: word('label'),
    redisUser: word('redis-user'),
    password: word('redis-password'),
    garbage: word('garbage'),
  };
}

export function canariesOf(words: Words, secrets: readonly [string, ...string[]]): Canaries {
  const canaries = new Canaries();
  secrets.forEach((secret, index) => addSecret(canaries, `secret ${index + 1}`, secret));
  addUser(canaries, 'user', words.user, secrets[0]);
  for (const [name, word] of Object.entries(words)) if (name !== 'user') canaries.add(name, word);
  return canaries;
}

/** A server with the user of the shop, and one without a password for whoever plays tricks on it. */
export function serverFor({ redisUser, password }: Words): Promise<RedisServer> {
  return RedisServer.start({ args: ['--user', redisUser, 'on', `>${password}`, '~*', '&*', '+@all'] });
}

export function urlOf(port: number, { redisUser, password }: Pick<Words, 'redisUser' | 'password'>): string {
  return `redis://${redisUser}:${password}@127.0.0.1:${port}`;
}

/** Paths at which the shop does something that is refused, or fails. */
export const WRONG = [
  '/large',
  '/big',
  '/cycle',
  '/unwritable',
  '/hostile',
  '/reserved',
  '/prototype',
  '/max-age',
  '/max-age-object',
  '/set',
  '/throw',
] as const;

/** What a request does. */
export async function serve(ctx: Context, { data, key, unsaved, user, label }: Words): Promise<void> {
  const { session } = ctx;
  ctx.body = 'ok';
  if (ctx.path === '/write') {
    const nested = { deep: [data] };
    Object.assign(session, { [key]: data, nested, at: Math.random(), [`_${key}`]: unsaved });
    await session.save();
  }
  if (ctx.path === '/login') await session.login(user, { label });
  if (ctx.path === '/regenerate') await session.regenerate();
  if (ctx.path === '/logout') ctx.session = null;
  WRONGS.find(([path]) => path === ctx.path)?.[1](ctx, data, key);
}

type Wrong = (ctx: Context, data: string, key: string) => unknown;

const put = ({ session }: Context, key: string, value: unknown): unknown =>
  Object.assign(session, { [key]: value });

const WRONGS: readonly (readonly [path: (typeof WRONG)[number], act: Wrong])[] = [
  ['/large', (ctx, data, key) => put(ctx, key, data.repeat(1_000))],
  ['/big', (ctx, data, key) => put(ctx, key, [data, 1n])],
  ['/cycle', (ctx, data, key) => put(ctx, key, cycle(data, key))],
  ['/unwritable', (ctx, data, key) => put(ctx, key, { toJSON: () => fail(data) })],
  ['/hostile', (ctx, data, key) => put(ctx, key, JSON.parse(`{"__proto__":"${data}"}`))],
  ['/reserved', (ctx, data) => put(ctx, 'save', data)],
  ['/prototype', ({ session }, data, key) => Reflect.set(session, '__proto__', { [key]: data })],
  ['/max-age', (ctx, data) => put(ctx, 'maxAge', data)],
  ['/max-age-object', (ctx, data, key) => put(ctx, 'maxAge', { [key]: data })],
  ['/set', (ctx, data) => Object.assign(ctx, { session: data })],
  ['/throw', () => fail('the handler failed')],
];

function cycle(data: string, key: string): object {
  const loop = { [key]: data };
  return Object.assign(loop, { [`${key}-again`]: loop });
}

function fail(message: string): never {
  throw new Error(message);
}

/** One command, by somebody who may do everything. */
export async function asAdmin(server: RedisServer, command: readonly string[]): Promise<void> {
  const client = createClient({ url: server.url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.sendCommand(command);
  } finally {
    client.destroy();
  }
}

/** Tokens that nobody has issued, made from one that somebody has. */
export function forgeriesOf(token: string): string[] {
  const last = token.endsWith('A') ? 'B' : 'A';
  return [
    `${token.slice(0, -1)}${last}`,
    token.slice(1),
    `AAAA${token.slice(4)}`,
    `${token}\\n`,
    `"${token}`,
  ];
}
