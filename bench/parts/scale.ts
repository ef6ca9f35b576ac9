import type { Cost } from '../probes/scale.js';
import { Child } from '../support/child.js';
import { median } from '../support/figures.js';
import { note } from '../support/note.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';

/** The cost of a request among so many sessions: medians over the rounds. */
export interface ScaleRow extends Cost {
  readonly where: 'redis' | 'journal';
  readonly sessions: number;
}

export interface ScaleResult {
  readonly rows: readonly ScaleRow[];
}

interface Lane {
  readonly where: ScaleRow['where'];
  readonly sessions: number;
  readonly redis: RedisServer;
  readonly child: Child;
  readonly costs: Cost[];
}

/** The journal's default cap holds some ten thousand; with more than these the collector is all that there is to see. */
const COUNTS = {
  redis: [1_000, 10_000, 100_000, 1_000_000],
  journal: [1_000, 10_000, 100_000],
} as const;
const HEAP = ['--max-old-space-size=12288'];

export async function scale({ quick }: Wishes): Promise<ScaleResult> {
  const rounds = quick ? 1 : 5;
  const times = quick ? 100 : 5_000;
  const rows: ScaleRow[] = [];
  for (const where of ['redis', 'journal'] as const) {
    const lanes: Lane[] = [];
    const counts = quick ? [100] : COUNTS[where];
    const mode = quick ? 'any' : where === 'redis' ? 'healthy' : 'degraded';
    try {
      for (const sessions of counts) lanes.push(await prepare(where, sessions));
      // The rounds alternate, so that a machine that slows down slows all down.
      for (let round = 0; round <= rounds; round += 1)
        for (const { child, costs } of lanes) costs.push(await child.ask<Cost>('measure', { times, mode }));
      rows.push(...lanes.map(rowOf));
    } finally {
      await Promise.all(lanes.flatMap(({ child, redis }) => [child.stop(), redis.stop()]));
    }
  }
  return { rows };
}

async function prepare(where: ScaleRow['where'], sessions: number): Promise<Lane> {
  note(`${sessions} sessions in the ${where}`);
  const redis = await startRedis();
  const child = await Child.start('probes/scale.js', { core: 'app', nodeArgs: HEAP });
  await child.ask('open', { url: redis.url });
  if (where === 'journal') {
    await redis.kill();
    await child.heard('store:degraded');
  }
  await child.ask('fill', { count: sessions });
  return { where, sessions, redis, child, costs: [] };
}

/** The first round warmed up. */
function rowOf({ where, sessions, costs }: Lane): ScaleRow {
  const of = (key: keyof Cost): number => median(costs.slice(1).map(cost => cost[key]));
  return {
    where,
    sessions,
    read: of('read'),
    write: of('write'),
    readCpu: of('readCpu'),
    writeCpu: of('writeCpu'),
  };
}
