import type { Operation } from '../probes/manager.js';
import { Child } from '../support/child.js';
import { startRedis } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';

export interface ManagerResult {
  readonly operations: readonly Operation[];
}

export async function manager({ quick }: Wishes): Promise<ManagerResult> {
  const redis = await startRedis();
  const operations: Operation[] = [];
  try {
    for (const bytes of quick ? [300] : [300, 2_048]) {
      const child = await Child.start('probes/manager.js', { core: 'app' });
      const wish = { url: redis.url, bytes, times: quick ? 100 : 5_000 };
      operations.push(...(await child.ask<Operation[]>('measure', wish)));
      await child.stop();
    }
    return { operations };
  } finally {
    await redis.stop();
  }
}
