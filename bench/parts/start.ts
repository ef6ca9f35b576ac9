import type { Start } from '../probes/start.js';
import { Child } from '../support/child.js';
import { median } from '../support/figures.js';
import { startRedis } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';

/** Medians of fresh processes: with 32 random bytes as the secret, and with a phrase, which is stretched first. */
export interface StartResult {
  readonly runs: number;
  readonly random: Start;
  readonly phrase: Start;
}

export async function start({ quick }: Wishes): Promise<StartResult> {
  const redis = await startRedis();
  const runs = quick ? 1 : 11;
  try {
    const random = await medians(redis.url, false, runs);
    return { runs, random, phrase: await medians(redis.url, true, runs) };
  } finally {
    await redis.stop();
  }
}

async function medians(url: string, phrase: boolean, runs: number): Promise<Start> {
  const found: Start[] = [];
  while (found.length < runs) {
    // Nothing else runs meanwhile: an app starts on all cores that there are.
    const child = await Child.start('probes/start.js', { core: 'any' });
    found.push(await child.ask<Start>('measure', { url, phrase }));
    await child.stop();
  }
  const of = (key: keyof Start): number => median(found.map(each => each[key]));
  return { koa: of('koa'), imported: of('imported'), constructed: of('constructed'), ready: of('ready') };
}
