/**
 * How long a logout at one process is not seen by another that reads from its cache: behind a network without delay, with
 * one, and where all that Redis says is lost on the way.
 * `node --import tsx bench/staleness.ts [logouts]`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createSessions, type Sessions } from '../src/create.js';
import { RedisServer } from '../spec/support/redis-server.js';
import { TcpProxy } from '../spec/support/tcp-proxy.js';
import { quantile } from './support/figures.js';

/** Added to each direction between Redis and the other process, ms. */
const DELAYS = [0, 5, 20];
/** Each is an outage of its own. */
const LOST = 20;

const [role = '200', url = '', secret = randomBytes(32).toString('hex')] = process.argv.slice(2);

/** In ms that both processes count alike. */
const now = (): number => performance.timeOrigin + performance.now();
const open = (redis: string): Sessions => createSessions({ redis, secret, cache: true, logger: false });

if (role === 'other') await watch();
else await measure(Math.max(200, Number(role)));

/** Asks as often as its event loop turns: each answer from the cache may be the last one that is old. */
async function watch(): Promise<void> {
  const { manager, ready } = open(url);
  await ready();
  process.on('message', ({ token }: { token: string }) => {
    void follow(manager, token).then(at => process.send?.({ at }));
  });
  process.send?.('ready');
}

/** When its cache answered for this session for the last time. */
async function follow(manager: Sessions['manager'], token: string): Promise<number> {
  while ((await source(manager, token)) !== 'cache') await new Promise(setImmediate);
  process.send?.('reads');
  for (let last = 0; ; await new Promise(setImmediate)) {
    const from = await source(manager, token);
    if (from === 'cache') last = now();
    else if (from !== 'primary') return last;
  }
}

/** `undefined`: it has ended, or nobody can say. */
async function source(manager: Sessions['manager'], token: string): Promise<string | undefined> {
  return (await manager.load(token).catch(() => undefined))?.source;
}

async function measure(logouts: number): Promise<void> {
  const server = await RedisServer.start();
  const proxy = await TcpProxy.start(server.port);
  const here = open(server.url);
  await here.ready();
  const other = fork(fileURLToPath(import.meta.url), ['other', proxy.url, secret], {
    execArgv: ['--import', 'tsx'],
  });
  await once(other, 'message');
  console.log('| Network | logouts | median ms | p99 ms | max ms |\n| --- | --: | --: | --: | --: |');
  for (const delay of DELAYS) {
    proxy.delay = delay;
    report(`${delay} ms each way`, await series(logouts, here, other));
  }
  proxy.delay = 0;
  report('replies lost', await series(LOST, here, other, mode => (proxy.mode = mode)));
  other.kill();
  await Promise.all([here.close(), proxy.close()]);
  await server.stop();
}

/** For each logout the ms from its acknowledgement to the last answer of the other process that was older. */
async function series(
  logouts: number,
  here: Sessions,
  other: ChildProcess,
  network: (mode: 'pass' | 'drop-replies') => void = () => undefined,
): Promise<number[]> {
  const ms: number[] = [];
  for (let n = 0; n < logouts; n += 1) {
    const { token } = await here.manager.create({ user: 'ada' });
    other.send({ token });
    await once(other, 'message');
    network('drop-replies');
    await here.manager.destroy(token);
    const ended = now();
    const [{ at }] = (await once(other, 'message')) as [{ at: number }];
    ms.push(Math.max(0, at - ended));
    network('pass');
  }
  return ms;
}

function report(network: string, ms: readonly number[]): void {
  const figures = [0.5, 0.99, 1].map(share => quantile(ms, share).toFixed(1));
  console.log(`| ${network} | ${ms.length} | ${figures.join(' | ')} |`);
}
