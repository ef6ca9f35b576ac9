import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONTESTANTS, type Contestant } from '../apps/contestants.js';
import { meet } from '../load/meet.js';
import { type Generator, generatorFor, shoot } from '../load/shoot.js';
import { installPeers } from '../support/build.js';
import { Child } from '../support/child.js';
import { note } from '../support/note.js';
import { startRedis, Witness } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';
import { audit, type Runner, verify } from './verify.js';

/** So many of ten requests write. */
export const MIXES = { reads: 0, writes: 10, '90/10': 1 } as const;
export type Mix = keyof typeof MIXES;

export interface HttpSample {
  /** Requests a second. */
  readonly rate: number;
  /** CPU time of the app for each request, µs. */
  readonly cpu: number;
  /** Share of its core that the app used. */
  readonly busy: number;
  readonly p50: number;
  readonly p99: number;
}

/** One contestant in one cell: a sample for each round. */
export interface HttpRow {
  readonly file: string;
  readonly label: string;
  readonly sessions: number;
  readonly bytes: number;
  readonly mix: Mix;
  readonly samples: readonly HttpSample[];
}

export interface HttpResult {
  readonly generator: Generator;
  readonly connections: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly rows: readonly HttpRow[];
}

interface Plan {
  readonly counts: readonly number[];
  readonly sizes: readonly number[];
  readonly mixes: readonly Mix[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUp: number;
  /** Redis must have seen every request. On a machine that is too busy even for Redis, a rehearsal is one all the same. */
  readonly strict: boolean;
}

export const CONNECTIONS = 32;

const FULL: Plan = {
  counts: [500, 100_000],
  sizes: [300, 2_048, 16_384],
  mixes: ['reads', 'writes', '90/10'],
  rounds: 3,
  seconds: 2,
  warmUp: 6,
  strict: true,
};

const REHEARSAL: Plan = {
  counts: [100],
  sizes: [300],
  mixes: ['90/10'],
  rounds: 1,
  seconds: 1,
  warmUp: 0,
  strict: false,
};

function planOf(wishes: Wishes): Plan & { readonly contestants: readonly Contestant[] } {
  const { quick, sessions, bytes } = wishes;
  const usual = quick ? REHEARSAL : FULL;
  const narrower = {
    ...(sessions.length > 0 && { counts: sessions }),
    ...(bytes.length > 0 && { sizes: bytes }),
  };
  return { ...usual, ...narrower, contestants: contestantsOf(wishes) };
}

function contestantsOf({ quick, only }: Wishes): Contestant[] {
  const wanted = ({ file, peer }: Contestant): boolean =>
    only.length > 0 ? only.includes(file) : !(quick && peer);
  return CONTESTANTS.filter(wanted);
}

export async function http(wishes: Wishes): Promise<HttpResult> {
  const plan = planOf(wishes);
  const peers = plan.contestants.some(({ peer }) => peer);
  if (peers) installPeers();
  const generator = generatorFor(peers);
  const rows: HttpRow[] = [];
  for (const count of plan.counts) {
    for (const bytes of plan.sizes) rows.push(...(await measureCells(plan, generator, count, bytes)));
  }
  const { rounds, seconds } = plan;
  return { generator, connections: CONNECTIONS, rounds, seconds, rows };
}

/** All contestants keep their sessions in one Redis at a time, and it must not swap. */
function affordable(count: number, bytes: number, contestants: number): number {
  const each = contestants * (bytes * 1.3 + 600);
  return Math.min(count, Math.floor((freemem() * 0.75) / each));
}

export interface Lane extends Runner {
  readonly app: Child;
  readonly file: string;
}

/** All mixes over so many sessions of this size. */
async function measureCells(
  plan: Plan & { readonly contestants: readonly Contestant[] },
  generator: Generator,
  count: number,
  bytes: number,
): Promise<HttpRow[]> {
  const sessions = affordable(count, bytes, plan.contestants.filter(({ stores }) => stores).length);
  const dir = mkdtempSync(join(tmpdir(), 'bench-'));
  const redis = await startRedis();
  const witness = new Witness(redis.url);
  await witness.open();
  const lanes: Lane[] = [];
  try {
    for (const contestant of plan.contestants)
      lanes.push(await prepare(contestant, redis.url, { sessions, bytes, dir }));
    const bench = { plan, generator, witness, lanes };
    // Both kinds of request at once, and for all mixes.
    if (plan.warmUp > 0) for (const lane of lanes) await sample(bench, lane, '90/10', plan.warmUp);
    const rows: HttpRow[] = [];
    for (const mix of plan.mixes) rows.push(...(await measure(bench, { sessions, bytes, mix })));
    for (const lane of lanes) await verify(lane);
    return rows;
  } finally {
    witness.close();
    await Promise.all(lanes.map(({ app }) => app.stop()));
    await redis.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function prepare(
  contestant: Contestant,
  url: string,
  { sessions, bytes, dir }: { sessions: number; bytes: number; dir: string },
): Promise<Lane> {
  note(`${contestant.label}: ${sessions} sessions of ${bytes} bytes`);
  const app = await Child.start('apps/host.js', { args: [contestant.file, url], core: 'app' });
  const port = await app.ask<number>('port');
  const cookies = await meet(port, sessions, bytes);
  const file = join(dir, contestant.file);
  writeFileSync(file, `${cookies.join('\n')}\n`);
  const lane = { contestant, port, cookies, app, file };
  await verify(lane);
  return lane;
}

interface Bench {
  readonly plan: Plan;
  readonly generator: Generator;
  readonly witness: Witness;
  readonly lanes: readonly Lane[];
}

/** Rounds alternate, and each begins with another contestant: a machine that slows down slows everybody down. */
async function measure(bench: Bench, cell: Omit<HttpRow, 'file' | 'label' | 'samples'>): Promise<HttpRow[]> {
  const { plan, lanes } = bench;
  note(`${cell.mix}, ${cell.sessions} sessions of ${cell.bytes} bytes`);
  const samples = new Map<Lane, HttpSample[]>(lanes.map(lane => [lane, []]));
  for (let round = 0; round < plan.rounds; round += 1) {
    for (let turn = 0; turn < lanes.length; turn += 1) {
      const lane = lanes[(turn + round) % lanes.length];
      if (lane) samples.get(lane)?.push(await sample(bench, lane, cell.mix, plan.seconds));
    }
  }
  return lanes.map(lane => {
    const { file, label } = lane.contestant;
    return { file, label, ...cell, samples: samples.get(lane) ?? [] };
  });
}

async function sample(
  { plan, generator, witness }: Bench,
  lane: Lane,
  mix: Mix,
  seconds: number,
): Promise<HttpSample> {
  const { app, port, file, contestant } = lane;
  const writing = MIXES[mix];
  const [before, cpuBefore, began] = [
    await witness.look(),
    await app.ask<number>('cpuMs'),
    performance.now(),
  ];
  const shot = { port, cookies: file, writing, seconds, connections: CONNECTIONS };
  const {
    requests,
    p50,
    p99,
    seconds: took,
  } = await shoot(generator, shot).catch((error: unknown) => {
    throw new Error(contestant.label, { cause: error });
  });
  const cpu = (await app.ask<number>('cpuMs')) - cpuBefore;
  const busy = cpu / (performance.now() - began);
  const after = await witness.look();
  if (plan.strict) audit(contestant, { before, after }, { requests, writes: (requests * writing) / 10 });
  return { rate: requests / took, cpu: (cpu * 1000) / requests, busy, p50, p99 };
}
