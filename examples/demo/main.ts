/**
 * `npm run demo`: the app, and a Redis of its own (or the one in REDIS_URL), until Ctrl-C.
 * `npm run demo -- --once`: plays the story by itself. Exit code 0: every promise held; 1: one did not; 2: it could not be played.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { RedisServer, stopAllServers } from '../../spec/support/redis-server.js';
import { Control } from './control.js';
import { AppProcess, stopAllApps } from './processes.js';
import { isSabotage, SABOTAGES } from './sabotage.js';
import { Story } from './story.js';

interface Wishes {
  readonly once: boolean;
  readonly sabotage: string | undefined;
}

const USAGE = `npm run demo -- [--once] [--sabotage=${SABOTAGES.join('|')}]`;

const secret = process.env['SESSION_SECRET_KEY'] || randomBytes(32).toString('base64url');

function readWishes(): Wishes {
  const { values } = parseArgs({
    options: { once: { type: 'boolean', default: false }, sabotage: { type: 'string' } },
  });
  const { once, sabotage } = values;
  if (sabotage !== undefined && !isSabotage(sabotage)) throw new TypeError(`no such sabotage: ${sabotage}`);
  return { once, sabotage };
}

/** Two instances of the app and their users. */
async function playOnce(sabotage: string | undefined): Promise<number> {
  if (process.env['REDIS_URL'])
    console.log('--once kills its Redis, so it starts one of its own and leaves REDIS_URL alone');
  const redis = await RedisServer.start({ persistent: true });
  const options = { redisUrl: redis.url, secret, sabotage, quiet: true };
  const [a, b] = await Promise.all([
    AppProcess.start({ ...options, name: 'A' }),
    AppProcess.start({ ...options, name: 'B' }),
  ]);
  console.log(`Redis: pid ${redis.pid}; app A: pid ${a.pid}, ${a.url}; app B: pid ${b.pid}, ${b.url}`);
  if (sabotage) console.log(`Sabotage: ${sabotage}`);
  const held = await new Story(redis, a, b).play();
  console.log(held ? '\nEvery promise held.' : '\nA promise was broken.');
  return held ? 0 : 1;
}

/** One instance and a page, until somebody ends it. */
async function serve(sabotage: string | undefined): Promise<number> {
  const given = process.env['REDIS_URL'];
  const redis = given ? undefined : await RedisServer.start({ persistent: true });
  const control = redis && (await Control.start(redis));
  const app = await AppProcess.start({
    name: 'A',
    redisUrl: redis?.url ?? given ?? '',
    secret,
    port: process.env['PORT'],
    controlUrl: control?.url,
    sabotage,
  });
  console.log(
    redis ? `Redis of its own: pid ${redis.pid}, port ${redis.port}` : 'Redis: the one in REDIS_URL',
  );
  console.log(`The demo is at ${app.url}/ (Ctrl-C ends it)`);
  const code = await app.gone();
  control?.close();
  return code ?? 2;
}

/** Ends every process that this one started. */
async function cleanUp(): Promise<void> {
  await stopAllApps();
  await stopAllServers();
}

let ending: Promise<never> | undefined;

function end(code: number): Promise<never> {
  ending ??= cleanUp().then(() => process.exit(code));
  return ending;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => void end(code));
}

try {
  const { once, sabotage } = readWishes();
  await end(once ? await playOnce(sabotage) : await serve(sabotage));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof TypeError) console.error(USAGE);
  await end(2);
}
