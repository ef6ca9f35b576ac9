/**
 * `npm run demo`: the app, and a Redis of its own (or the one in REDIS_URL), until Ctrl-C.
 * `npm run demo -- --once`: plays the story by itself. Exit code 0: every promise held; 1: one did not; 2: it could not be played.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { RedisServer, stopAllServers } from '../../spec/support/redis-server.js';
import { Control } from './control.js';
import { AppProcess, stopAllApps } from './processes.js';
import { isSabotage, SABOTAGES } from './sabotage.js';
import { Story } from './story.js';

interface Wishes {
  readonly once: boolean;
  readonly sabotage: string | undefined;
  readonly help: boolean;
}

/** So that a page that was left open finds the next demo. */
const USUAL_PORT = 8_379;
/** How soon it is noticed that nobody waits for this process any more, ms. */
const PARENT_CHECK = 250;

const USAGE = `\
npm run demo                    a page with buttons to kill, freeze and restart Redis, until Ctrl-C
npm run demo -- --once          plays the story by itself; exit code 0: every promise held, 1: one did not,
                                2: it could not be played
npm run demo -- --sabotage=NAME either of them with one safeguard taken away: ${SABOTAGES.join(', ')}

PORT=…       where the page is, instead of ${USUAL_PORT} (or any free port if that is taken)
REDIS_URL=…  a Redis of yours for the page, without buttons to kill it; --once leaves it alone`;

const secret = process.env['SESSION_SECRET_KEY'] || randomBytes(32).toString('base64url');

function readWishes(): Wishes {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      sabotage: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const { once, sabotage, help } = values;
  if (sabotage !== undefined && !isSabotage(sabotage)) throw new TypeError(`no such sabotage: ${sabotage}`);
  return { once, sabotage, help };
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
  const held = await Promise.race([new Story(redis, a, b).play(), untimelyEnd(a), untimelyEnd(b)]);
  console.log(held ? '\nEvery promise held.' : '\nA promise was broken.');
  return held ? 0 : 1;
}

async function untimelyEnd(app: AppProcess): Promise<never> {
  const code = await app.gone();
  throw new Error(`app ${app.name} ended in the middle of the story (code ${code})`);
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
    port: await port(process.env['PORT'] ?? ''),
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

function port(wished: string): Promise<string> {
  if (wished !== '' && !(/^\d{1,5}$/.test(wished) && Number(wished) < 65_536))
    throw new RangeError(`PORT must be a number from 0 to 65535, not ${wished}`);
  return wished === '' ? usualPort() : Promise.resolve(wished);
}

function usualPort(): Promise<string> {
  return new Promise(resolve => {
    const probe = createServer();
    probe.once('error', () => resolve('0'));
    probe.listen(USUAL_PORT, '127.0.0.1', () => probe.close(() => resolve(String(USUAL_PORT))));
  });
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

// npm that is killed passes nothing on, and then there is nobody left to press Ctrl-C.
const { ppid } = process;
setInterval(() => process.ppid !== ppid && void end(129), PARENT_CHECK).unref();
process.stdout.on('error', () => undefined);

async function run({ once, sabotage, help }: Wishes): Promise<number> {
  if (!help) return once ? playOnce(sabotage) : serve(sabotage);
  console.log(USAGE);
  return 0;
}

try {
  await end(await run(readWishes()));
} catch (error) {
  // What breaks because the demo is being ended is no news.
  if (ending) await ending;
  console.error(error instanceof Error ? error.message : error);
  if (error instanceof TypeError) console.error(USAGE);
  await end(2);
}
