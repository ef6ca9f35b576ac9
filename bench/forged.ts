/**
 * A million cookies that prove nothing, of several kinds, through the middleware over a real Redis: what each costs beside
 * a request without a cookie, what Redis hears of them, and how many are let in.
 * `node --import tsx bench/forged.ts [requests]`.
 */
import { randomBytes } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import Koa, { type Context } from 'koa';
import { createClient } from 'redis';
import { createSessions, type Sessions } from '../src/create.js';
import { RedisServer } from '../spec/support/redis-server.js';
import { timerlessClock } from '../spec/support/timerless-clock.js';

declare module '../src/session/session.js' {
  interface SessionData {
    name?: string;
  }
}

const ROUNDS = 10;
const BATCH = 100;
/** Forging costs as well, and is not what is measured. */
const POOL = 5_000;

interface Admin {
  sendCommand(args: string[]): Promise<unknown>;
}

type Forge = (token: string) => string;

const KINDS: Readonly<Record<string, Forge>> = {
  garbage: () => randomBytes(24).toString('hex'),
  '72 random characters': () => randomBytes(54).toString('base64url'),
  'forged under a known key id': token => token.slice(0, 4) + randomBytes(51).toString('base64url'),
  'a valid one with a bit flipped': token => {
    const bytes = Buffer.from(token, 'base64url');
    const bit = randomBytes(2).readUInt16BE() % (bytes.length * 8);
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return bytes.toString('base64url');
  },
};

interface Tally {
  /** Of the processor: neighbours on the machine do not count. */
  readonly micros: number[];
  sent: number;
  accepted: number;
}

const app = new Koa();
const socket = new Socket();

function contextWith(cookie: string | undefined): Context {
  const req = new IncomingMessage(socket);
  req.url = '/';
  req.method = 'GET';
  if (cookie !== undefined) req.headers.cookie = `session=${cookie}`;
  return app.createContext(req, new ServerResponse(req));
}

/** Whether the app saw somebody's session. */
async function isLetIn(sessions: Sessions, cookie: string | undefined): Promise<boolean> {
  const ctx = contextWith(cookie);
  let known = false;
  await sessions(ctx, async () => {
    known = !ctx.session.isNew || ctx.session.name !== undefined;
  });
  return known;
}

async function run(
  sessions: Sessions,
  cookies: readonly (string | undefined)[],
  count: number,
  tally: Tally,
): Promise<void> {
  const before = process.cpuUsage();
  for (let sent = 0; sent < count; sent += 1) {
    if (await isLetIn(sessions, cookies[sent % cookies.length])) tally.accepted += 1;
    // Nothing of this waits for anybody: without a pause no socket would be read.
    if (sent % BATCH === 0) await new Promise(resolve => setImmediate(resolve));
  }
  const { user, system } = process.cpuUsage(before);
  tally.micros.push((user + system) / count);
  tally.sent += count;
}

/** How often each command ran so far, by Redis's own account. Scripts call what they call on top of it. */
async function commandsOf(admin: Admin): Promise<ReadonlyMap<string, number>> {
  const text = String(await admin.sendCommand(['INFO', 'commandstats']));
  const calls = [...text.matchAll(/^cmdstat_(?!info)([^:]+):calls=(\d+)/gm)];
  return new Map(calls.map(([, name = '', count]) => [name, Number(count)]));
}

async function commandsDuring<T>(admin: Admin, act: () => Promise<T>): Promise<[T, string]> {
  const before = await commandsOf(admin);
  const result = await act();
  const more = [...(await commandsOf(admin))].map(
    ([name, count]) => [name, count - (before.get(name) ?? 0)] as const,
  );
  const told = more.filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`);
  return [result, told.join(', ')];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report(tallies: ReadonlyMap<string, Tally>): void {
  const base = tallies.get('no cookie')?.micros ?? [];
  console.log('| Cookie | requests | µs, median | µs, best round | against no cookie | wrongly accepted |');
  console.log('| --- | --: | --: | --: | --: | --: |');
  for (const [kind, { micros, sent, accepted }] of tallies) {
    // Round by round: a machine that slows down slows both down.
    const ratio = median(micros.map((mine, round) => mine / (base[round] ?? Number.NaN)));
    const figures = [median(micros).toFixed(1), Math.min(...micros).toFixed(1), ratio.toFixed(2)];
    console.log(`| ${[kind, sent.toLocaleString('en'), ...figures, accepted].join(' | ')} |`);
  }
}

async function measure(sessions: Sessions, token: string, requests: number): Promise<Map<string, Tally>> {
  const kinds = Object.entries(KINDS);
  const share = Math.ceil(requests / kinds.length / ROUNDS);
  const tallies = new Map<string, Tally>();
  for (const kind of ['no cookie', ...Object.keys(KINDS)])
    tallies.set(kind, { micros: [], sent: 0, accepted: 0 });
  const into = (kind: string): Tally => tallies.get(kind) ?? { micros: [], sent: 0, accepted: 0 };
  await run(sessions, [undefined], share, { micros: [], sent: 0, accepted: 0 });
  for (let round = 0; round < ROUNDS; round += 1) {
    await run(sessions, [undefined], share, into('no cookie'));
    for (const [kind, forge] of kinds) {
      const pool = Array.from({ length: Math.min(POOL, share) }, () => forge(token));
      await run(sessions, pool, share, into(kind));
    }
  }
  return tallies;
}

async function main(requests: number): Promise<void> {
  const redis = await RedisServer.start();
  const options = { redis: redis.url, secret: randomBytes(32).toString('hex'), logger: false } as const;
  // Without canaries every command that Redis counts is one that a cookie has caused.
  const sessions = createSessions(options, { clock: timerlessClock() });
  const admin = createClient({ url: redis.url }).on('error', () => undefined);
  await admin.connect();
  await sessions.ready();
  const { token } = await sessions.manager.create({ name: 'ada' });
  const [tallies, commands] = await commandsDuring(admin, () => measure(sessions, token, requests));
  report(tallies);
  const [known, own] = await commandsDuring(admin, () => isLetIn(sessions, token));
  if (!known) throw new Error('the valid cookie was not let in either');
  console.log(`\nRedis commands that all of these caused: ${commands || 'none'}`);
  console.log(`Redis commands that one request with a valid cookie causes: ${own}`);
  await sessions.close();
  admin.destroy();
  await redis.stop();
}

await main(Number(process.argv[2] ?? 1_000_000));
