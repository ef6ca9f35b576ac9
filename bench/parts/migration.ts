import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { meet } from '../load/meet.js';
import { watch } from '../load/shoot.js';
import type { Samples } from '../load/users.js';
import { Child } from '../support/child.js';
import { pin } from '../support/cores.js';
import { quantile } from '../support/figures.js';
import { note } from '../support/note.js';
import { DURABLE, type RedisServer, startRedis } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';
import { between, writeCookies } from './timeline.js';

/** How what waited in the journal came to Redis. */
export interface MigrationRun {
  readonly live: boolean;
  readonly bytes: number;
  readonly sessions: number;
  /** From `store:recovering` to `store:recovered`. */
  readonly ms: number;
  /** Of live requests before the outage, and during the migration; 0: there were none. */
  readonly usual: { readonly p50: number; readonly p99: number };
  readonly during: { readonly p50: number; readonly p99: number };
}

export interface MigrationResult {
  readonly runs: readonly MigrationRun[];
}

const USERS = 8;
const PAUSE = 5;
const BYTES = 300;

export async function migration({ quick }: Wishes): Promise<MigrationResult> {
  const runs: MigrationRun[] = [];
  const sessions = quick ? 200 : 50_000;
  for (let round = 0; round < (quick ? 1 : 3); round += 1)
    for (const live of quick ? [true] : [false, true]) runs.push(await drain(sessions, live, quick ? 1 : 5));
  return { runs };
}

async function drain(sessions: number, live: boolean, seconds: number): Promise<MigrationRun> {
  note(`${sessions} sessions ${live ? 'under live requests' : 'alone'}`);
  const dir = mkdtempSync(join(tmpdir(), 'bench-'));
  const redis = await startRedis(DURABLE);
  const nodeArgs = ['--max-old-space-size=8192'];
  const app = await Child.start('probes/app.js', { core: 'app', nodeArgs });
  try {
    const port = await app.ask<number>('open', { url: redis.url, roomy: true });
    const cookies = join(dir, 'cookies');
    writeCookies(cookies, await meet(port, USERS, BYTES));
    await app.ask('create', { count: sessions, bytes: BYTES });
    const visit = { port, cookies, users: USERS, writing: 1, pause: PAUSE, seconds };
    const usual = live ? summary((await watch(visit)).ms) : NOBODY;
    await cut(app, redis);
    const waiting = await app.ask<number>('changeAll');
    return {
      live,
      bytes: BYTES,
      sessions: waiting,
      usual,
      ...(await restore(app, redis, live ? visit : undefined)),
    };
  } finally {
    await app.stop();
    await redis.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

const NOBODY = { p50: 0, p99: 0 };

function summary(ms: readonly number[]): MigrationRun['usual'] {
  return { p50: quantile(ms, 0.5), p99: quantile(ms, 0.99) };
}

async function cut(app: Child, redis: RedisServer): Promise<void> {
  const degraded = app.heard('store:degraded', Date.now());
  await redis.kill();
  await degraded;
}

async function restore(
  app: Child,
  redis: RedisServer,
  visit: Parameters<typeof watch>[0] | undefined,
): Promise<Pick<MigrationRun, 'ms' | 'during'>> {
  const began = Date.now();
  // Long enough for a slow migration; what comes after it is not looked at.
  const seen: Promise<Samples> | undefined = visit && watch({ ...visit, seconds: 3 * visit.seconds });
  if (visit) await sleep(700);
  await redis.restart();
  pin(redis.pid, 'redis');
  const from = await app.heard('store:recovering', began);
  const to = await app.heard('store:recovered', began);
  const during = seen ? summary(between(await seen, from, to)) : NOBODY;
  return { ms: to - from, during };
}
