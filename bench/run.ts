import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { execFileSync } from 'node:child_process';
import { RedisServer } from '../spec/support/redis-server.js';
import { VARIANTS } from './app.js';
import { Connection, meet } from './client.js';
import { type App, has, load, pin, saturate, type Second, startApp } from './processes.js';

/**
 * `npm run bench`: what a session costs, as ratios of one run, and what users see while Redis is killed, frozen and
 * brought back. Prints Markdown for docs/benchmarks.md. `--quick` is a rehearsal whose numbers mean nothing.
 */
const QUICK = process.argv.includes('--quick');
const ROUNDS = QUICK ? 1 : 7;
const SLICE = QUICK ? 1 : 3;
const WARM_UP = QUICK ? 1 : 5;
const CONNECTIONS = 32;
const USERS = 500;
const PHASE = QUICK ? 2 : 4;

const print = (line = ''): void => void process.stdout.write(`${line}\n`);

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function version(name: string): string {
  const text = readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed
    ? String(parsed.version)
    : 'unknown';
}

function redisVersion(url: string): string {
  const [, port = ''] = /:(\d+)$/.exec(url) ?? [];
  const cli = has('redis-cli')
    ? execFileSync('redis-cli', ['-p', port, 'INFO', 'server'], { encoding: 'utf8' })
    : '';
  return /redis_version:(\S+)/.exec(cli)?.[1] ?? 'of unknown version';
}

function describe(url: string): void {
  const cpu = cpus();
  print(`- Day: ${new Date().toISOString().slice(0, 10)}`);
  print(
    `- Machine: ${cpu.length} × ${cpu[0]?.model.trim() ?? 'unknown'}, ${process.platform} ${process.arch}`,
  );
  const packages = ['koa', 'redis', 'cockatiel'].map(name => `${name} ${version(name)}`);
  print(`- Versions: Node ${process.versions.node}, Redis ${redisVersion(url)}, ${packages.join(', ')}`);
  print(`- Load: ${has('wrk') ? 'wrk' : 'bench/load.ts'}, ${CONNECTIONS} connections, ${USERS} users`);
  print();
}

interface Sample {
  readonly rate: number;
  readonly busy: number;
}

async function sample(app: App, cookies: readonly string[], seconds: number): Promise<Sample> {
  const [cpu, began] = [await app.cpuMs(), performance.now()];
  const rate = await saturate(app.port, cookies, seconds, CONNECTIONS);
  return { rate, busy: ((await app.cpuMs()) - cpu) / (performance.now() - began) };
}

/** Rounds alternate, so that a machine that slows down slows everybody down. */
async function measure(apps: readonly App[]): Promise<Map<App, Sample[]>> {
  const cookies = new Map<App, string[]>();
  const samples = new Map<App, Sample[]>(apps.map(app => [app, []]));
  for (const app of apps) {
    cookies.set(app, await meet(app.port, USERS));
    await sample(app, cookies.get(app) ?? [], WARM_UP);
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let turn = 0; turn < apps.length; turn += 1) {
      const app = apps[(turn + round) % apps.length];
      if (app) samples.get(app)?.push(await sample(app, cookies.get(app) ?? [], SLICE));
    }
  }
  for (const app of apps) await assertKnown(app.port, cookies.get(app)?.[0] ?? '');
  return samples;
}

/** wrk looks at no body, and an app that had forgotten its users would be fast. */
async function assertKnown(port: number, cookie: string): Promise<void> {
  const connection = new Connection(port);
  const { body } = await connection.get('/', cookie);
  connection.close();
  if (body !== 'ok') throw new Error('the app no longer knows its users');
}

async function throughput(env: NodeJS.ProcessEnv): Promise<void> {
  const apps = await Promise.all(VARIANTS.map(variant => startApp(variant, env)));
  const samples = await measure(apps);
  apps.forEach(app => app.stop());
  const rates = apps.map(app => (samples.get(app) ?? []).map(each => each.rate));
  const ratio = (mine: readonly number[], theirs: readonly number[] = []): string =>
    median(mine.map((rate, round) => rate / (theirs[round] ?? Number.NaN))).toFixed(2);
  print(`| App | requests a second | against bare Koa | against one GET | app's core busy |`);
  print('| --- | --: | --: | --: | --: |');
  apps.forEach((app, index) => {
    const mine = rates[index] ?? [];
    const busy = median((samples.get(app) ?? []).map(each => each.busy));
    const ratios = `${ratio(mine, rates[0])} | ${ratio(mine, rates[1])}`;
    print(`| ${app.variant} | ${Math.round(median(mine))} | ${ratios} | ${Math.round(busy * 100)} % |`);
  });
  print();
}

/** Five phases, and what happens at the end of each. */
function phases(server: RedisServer): readonly (readonly [string, () => unknown])[] {
  return [
    ['Redis answers', () => server.kill()],
    ['killed (SIGKILL)', () => server.restart()],
    ['restarted', () => server.freeze()],
    ['frozen (SIGSTOP)', () => server.thaw()],
    ['thawed', () => undefined],
  ];
}

async function outage(server: RedisServer, env: NodeJS.ProcessEnv): Promise<void> {
  const app = await startApp('session-write', env);
  const cookies = await meet(app.port, 16);
  await load(app.port, cookies, 2, 5);
  const story = phases(server);
  const seen = load(app.port, cookies, PHASE * story.length, 5);
  const labels: string[] = [];
  for (const [name, act] of story) {
    for (let second = 0; second < PHASE; second += 1) labels.push(name);
    await new Promise(resolve => setTimeout(resolve, PHASE * 1000));
    await act();
  }
  report(await seen, labels);
  app.stop();
}

function report(seconds: readonly Second[], labels: readonly string[]): void {
  print('| Second | Redis | requests | p50 ms | p99 ms | max ms | not 200, or session lost |');
  print('| --: | --- | --: | --: | --: | --: | --: |');
  seconds.slice(0, labels.length).forEach(({ count, p50, p99, max, failed }, second) => {
    const latencies = [p50, p99, max].map(ms => ms.toFixed(1)).join(' | ');
    print(`| ${second + 1} | ${labels[second] ?? ''} | ${count} | ${latencies} | ${failed} |`);
  });
}

const server = await RedisServer.start({ persistent: true });
const fast = await RedisServer.start();
try {
  [server, fast].forEach(({ pid }) => pin(pid));
  const env = { SESSION_SECRET_KEY: randomBytes(32).toString('hex'), NODE_ENV: 'production' };
  describe(fast.url);
  await throughput({ ...env, REDIS_URL: fast.url });
  await outage(server, { ...env, REDIS_URL: server.url });
} finally {
  await Promise.all([server.stop(), fast.stop()]);
}
