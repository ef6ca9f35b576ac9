import type { SessionOptions } from '../../src/index.js';
import type { Weighed } from '../probes/memory.js';
import { Child } from '../support/child.js';
import { note } from '../support/note.js';
import { DURABLE, type RedisServer, startRedis, Witness } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';

/** What one session weighs in this process, bytes. */
export interface Weight extends Weighed {
  readonly where: 'shadow' | 'journal';
  readonly bytes: number;
  /** The median entry in Redis. */
  readonly sealed: number;
}

/** What is there once far more has come than the cap allows. */
export interface Cap extends Weighed {
  readonly where: 'shadow' | 'journal';
  readonly bytes: number;
  readonly cap: number;
}

export interface MemoryResult {
  readonly weights: readonly Weight[];
  readonly caps: readonly Cap[];
}

const MIB = 2 ** 20;
const ROOMY: SessionOptions = { shadow: { maxBytes: 2_048 * MIB }, journal: { maxBytes: 2_048 * MIB } };

export async function memory({ quick }: Wishes): Promise<MemoryResult> {
  const weights: Weight[] = [];
  for (const bytes of quick ? [300] : [300, 2_048, 16_384]) {
    note(`sessions of ${bytes} bytes`);
    weights.push(...(await weigh(bytes, quick)));
  }
  // The defaults.
  const caps = quick ? [] : [await capOf('shadow', 32 * MIB), await capOf('journal', 64 * MIB)];
  return { weights, caps };
}

async function inProcess<T>(
  options: SessionOptions,
  act: (child: Child, redis: RedisServer) => Promise<T>,
): Promise<T> {
  const redis = await startRedis(DURABLE);
  const nodeArgs = ['--expose-gc', '--max-old-space-size=8192'];
  const child = await Child.start('probes/memory.js', { core: 'app', nodeArgs });
  try {
    await child.ask('open', { url: redis.url, options });
    return await act(child, redis);
  } finally {
    await child.stop();
    await redis.stop();
  }
}

/** In health, then in an outage in which each of the sessions changes. */
function weigh(bytes: number, quick: boolean): Promise<Weight[]> {
  const count = quick ? 100 : 10_000;
  return inProcess(ROOMY, async (child, redis) => {
    const shadow = await child.ask<Weighed>('shadow', { count, bytes, strict: !quick });
    const tokens = await child.ask<string[]>('fill', { count, bytes });
    const sealed = await sealedSize(redis.url);
    await cut(child, redis);
    const journal = await child.ask<Weighed>('journal', { tokens });
    await redis.restart();
    await child.heard('store:recovered');
    const changed = await sealedSize(redis.url);
    return [
      { where: 'shadow', bytes, sealed, ...shadow },
      { where: 'journal', bytes, sealed: changed, ...journal },
    ];
  });
}

async function cut(child: Child, redis: RedisServer): Promise<void> {
  const degraded = child.heard('store:degraded', Date.now());
  await redis.kill();
  await degraded;
}

/** Three times as many sessions as fit. */
function capOf(where: Cap['where'], cap: number): Promise<Cap> {
  const bytes = 300;
  const count = Math.ceil((cap / 700) * 3);
  const shadow = where === 'shadow' ? { maxBytes: cap } : { maxBytes: MIB };
  note(`${where}: a cap of ${cap / MIB} MiB`);
  return inProcess({ shadow, journal: { maxBytes: cap } }, async (child, redis) => {
    if (where === 'journal') await cut(child, redis);
    const order = where === 'shadow' ? 'shadow' : 'newcomers';
    return { where, bytes, cap, ...(await child.ask<Weighed>(order, { count, bytes, strict: true })) };
  });
}

async function sealedSize(url: string): Promise<number> {
  const witness = new Witness(url);
  await witness.open();
  const size = await witness.sealedSize();
  witness.close();
  return size;
}
