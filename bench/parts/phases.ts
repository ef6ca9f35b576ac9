import type { Phase } from '../probes/phases.js';
import { Child } from '../support/child.js';
import { startRedis } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';

export interface PhasesResult {
  readonly phases: readonly Phase[];
}

export async function phases({ quick }: Wishes): Promise<PhasesResult> {
  const redis = await startRedis();
  const child = await Child.start('probes/phases.js', { core: 'app' });
  try {
    const sizes = quick ? [300] : [300, 2_048, 16_384];
    const pace = quick ? { rounds: 1, ms: 20 } : { rounds: 7, ms: 150 };
    return { phases: await child.ask<Phase[]>('measure', { url: redis.url, sizes, pace }) };
  } finally {
    await child.stop();
    await redis.stop();
  }
}
