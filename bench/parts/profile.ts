import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONTESTANTS } from '../apps/contestants.js';
import { generatorFor, shoot } from '../load/shoot.js';
import { note } from '../support/note.js';
import type { Shares } from '../support/profiler.js';
import { startRedis } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';
import { CONNECTIONS, type Lane, MIXES, type Mix, prepare } from './http.js';

/** Whose code one contestant ran, µs for each request. */
export interface ProfileRow {
  readonly file: string;
  readonly label: string;
  readonly mix: Mix;
  readonly shares: Shares;
}

export interface ProfileResult {
  readonly sessions: number;
  readonly bytes: number;
  readonly rows: readonly ProfileRow[];
}

const FILES = ['floor', 'library', 'library-cache'];

/** V8's own profiler, over HTTP, once all is warm. It slows down what it looks at: the shares are what counts. */
export async function profile({ quick }: Wishes): Promise<ProfileResult> {
  const [sessions, bytes] = [quick ? 50 : 500, 300];
  const dir = mkdtempSync(join(tmpdir(), 'bench-'));
  const redis = await startRedis();
  const rows: ProfileRow[] = [];
  try {
    for (const contestant of CONTESTANTS.filter(({ file }) => FILES.includes(file))) {
      const lane = await prepare(contestant, redis.url, { sessions, bytes, dir });
      for (const mix of ['reads', 'writes'] as const) {
        note(`${contestant.label}: ${mix}`);
        const { file, label } = contestant;
        rows.push({ file, label, mix, shares: await sharesOf(lane, mix, quick ? 1 : 6) });
      }
      await lane.app.stop();
    }
  } finally {
    await redis.stop();
    rmSync(dir, { recursive: true, force: true });
  }
  return { sessions, bytes, rows };
}

async function sharesOf({ app, port, file }: Lane, mix: Mix, seconds: number): Promise<Shares> {
  const shot = { port, cookies: file, writing: MIXES[mix], seconds, connections: CONNECTIONS };
  const generator = generatorFor(false);
  await shoot(generator, shot);
  await app.ask('startProfile');
  const { requests } = await shoot(generator, shot);
  const shares = Object.entries(await app.ask<Shares>('stopProfile'));
  return Object.fromEntries(shares.map(([owner, micros]) => [owner, micros / requests]));
}
