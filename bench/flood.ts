/**
 * A flood of requests without a cookie, each of which makes a session, while Redis is away: what becomes of the users who
 * were there before, and of memory. `node --expose-gc --import tsx bench/flood.ts [requests]`.
 */
import { randomBytes } from 'node:crypto';
import { session, type Sessions } from '../src/index.js';
import { RedisServer } from '../spec/support/redis-server.js';

const USERS = 1_000;
const BATCH = 100;
const SAMPLES = 10;

declare module '../src/index.js' {
  interface SessionData {
    name?: string;
    step?: number;
    pad?: string;
  }
}

function memory(): string {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return `${Math.round((heapUsed + external) / 2 ** 20)} MiB`;
}

async function write(sessions: Sessions, tokens: readonly string[], step: number): Promise<void> {
  for (const token of tokens) {
    const found = await sessions.manager.load(token);
    if (found) await sessions.manager.save(Object.assign(found, { step }));
  }
}

/** Resolves with how many were turned away. */
async function flood(sessions: Sessions, requests: number): Promise<number> {
  let refused = 0;
  for (let sent = 0; sent < requests; sent += BATCH) {
    const batch = Array.from({ length: BATCH }, () => sessions.manager.create({ pad: 'x'.repeat(200) }));
    for (const { status } of await Promise.allSettled(batch)) if (status === 'rejected') refused += 1;
    // Nothing of this waits for anybody: without a pause no timer would ever run.
    await new Promise(resolve => setImmediate(resolve));
  }
  return refused;
}

function once(sessions: Sessions, event: 'store:degraded' | 'store:recovered'): Promise<void> {
  return new Promise(resolve => sessions.events.once(event, () => resolve()));
}

async function main(requests: number): Promise<void> {
  // In an app its HTTP server keeps the process alive; the library never does.
  const alive = setInterval(() => undefined, 1_000);
  const redis = await RedisServer.start({ persistent: true });
  const options = { redis: redis.url, secret: randomBytes(32).toString('hex'), logger: false } as const;
  const sessions = session(options);
  await sessions.ready();
  const tokens: string[] = [];
  while (tokens.length < USERS)
    tokens.push((await sessions.manager.create({ name: `user ${tokens.length}`, step: 0 })).token);
  const degraded = once(sessions, 'store:degraded');
  await redis.kill();
  await degraded;
  await write(sessions, tokens, 1);
  let refused = 0;
  for (let sample = 1; sample <= SAMPLES; sample += 1) {
    refused += await flood(sessions, requests / SAMPLES);
    const { items, bytes } = sessions.stats().store.backlog;
    const sent = ((requests / SAMPLES) * sample).toLocaleString('en');
    console.log(
      `${sent.padStart(10)} requests, ${refused} refused: journal ${items} items, ${bytes} bytes; ${memory()}`,
    );
  }
  await write(sessions, tokens, 2);
  console.log(`health: ${sessions.health().status}`);
  const recovered = once(sessions, 'store:recovered');
  await redis.restart();
  await recovered;
  const other = session(options);
  const found = await Promise.all(tokens.map(async token => other.manager.load(token)));
  console.log(
    `users whose last write is in Redis: ${found.filter(each => each?.['step'] === 2).length} of ${USERS}`,
  );
  await Promise.all([sessions.close(), other.close()]);
  await redis.stop();
  clearInterval(alive);
}

await main(Number(process.argv[2] ?? 1_000_000));
