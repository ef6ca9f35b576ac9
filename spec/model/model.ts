import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One space of states: what may happen in it, and how often. */
export interface Configuration {
  readonly name: string;
  /** What is in the space, in words. */
  readonly bounds: string;
  readonly defines: readonly string[];
}

export interface Result {
  readonly states: number;
  readonly depth: number;
  /** Bytes. */
  readonly vector: number;
  /** The assertion that does not hold; `undefined`: all hold in every state. */
  readonly violated: string | undefined;
  readonly seconds: number;
  /** How it comes to that, step by step. */
  readonly history: readonly string[];
}

export const MODEL = fileURLToPath(new URL('protocol.pml', import.meta.url));

const MOVE = ['REGENERATE', 'WRITES=2', 'QUICK_READS'];
const EVERY_FAULT = ['LOST=1', 'LATE=1', 'CRASHES=1', 'EVICTIONS=1'];

export const CONFIGURATIONS: readonly Configuration[] = [
  {
    name: 'every fault',
    bounds:
      'three writes, a logout; one each of cut, lost reply, late packet, crash of an instance, eviction; both instances have a copy',
    defines: ['CUTS=1', ...EVERY_FAULT, 'QUICK_READS', 'WARM'],
  },
  {
    name: 'a partition',
    bounds:
      'three writes, a logout; two cuts, a lost reply, a late packet; with copies, with one, or with none',
    defines: ['CUTS=2', 'LOST=1', 'LATE=1', 'QUICK_READS'],
  },
  {
    name: 'slow reads',
    bounds:
      'three writes, a logout; two cuts, a lost reply; anything may happen between a read and its answer',
    defines: ['CUTS=2', 'LOST=1'],
  },
  {
    name: 'a restart without data',
    bounds: 'three writes, a logout; two cuts, a lost reply, Redis comes back empty once',
    defines: ['CUTS=2', 'LOST=1', 'RESTARTS=1', 'QUICK_READS'],
  },
  {
    name: 'a move, cut off',
    bounds: 'two writes, a regenerate, a logout of either id; two cuts, a lost reply',
    defines: ['CUTS=2', 'LOST=1', ...MOVE],
  },
  {
    name: 'a move, and a crash',
    bounds:
      'two writes, a regenerate, a logout of either id; one each of cut, late packet and crash; both instances have a copy',
    defines: ['CUTS=1', 'LATE=1', 'CRASHES=1', 'WARM', ...MOVE],
  },
  {
    name: 'a move, and an eviction',
    bounds: 'two writes, a regenerate, a logout of either id; one each of cut and eviction of a record',
    defines: ['CUTS=1', 'EVICTIONS=1', ...MOVE],
  },
];

const HERE = ['WRITES=2', 'CUTS=2', 'LOST=1', 'LATE=1', 'QUICK_READS'];
const THREE = ['CUTS=2', 'LOST=1', 'QUICK_READS'];
const MOVING = ['CUTS=2', 'LOST=1', ...MOVE];

function broken(name: string, define: string, defines: readonly string[] = HERE): Configuration {
  return { name, bounds: define, defines: [...defines, define] };
}

/** Rules taken away one by one. */
export const VARIANTS: readonly Configuration[] = [
  broken('a logout deletes, and leaves no tombstone', 'NO_TOMBSTONES'),
  broken('no graveyard', 'NO_GRAVEYARD'),
  broken('a blind SET in place of the swap', 'BLIND_SET'),
  broken('a merge against a base in place of key stamps', 'MERGE_BASE'),
  broken("'any' in a regenerate", 'REGENERATE_ANY', MOVING),
  broken('a drain only while recovering', 'DRAIN_ONLY_RECOVERING'),
  broken('an unacknowledged item is forgotten', 'FORGET_UNACKED'),
  broken('a tombstone that does not outlive the writes that wait', 'TOMBSTONE_SHORT'),
  broken('an answer outranks what happened here since the question', 'NO_WAITING', ['CUTS=2']),
  broken('what an evicting Redis dropped is put back', 'EVICTED_PUT_BACK', [...HERE, 'EVICTIONS=1']),
  broken('a write in the journal hides what was acknowledged before it', 'JOURNAL_IGNORES_COPY', THREE),
  broken('a write that yields leaves an old copy', 'YIELD_KEEPS_OLD_COPY', THREE),
  broken('a blind write stays blind after it has met a record', 'BLIND_STAYS_BLIND'),
  broken('a second write forgets what the first must wait for', 'ABSORB_FORGETS_ORDER', MOVING),
];

/** What is not promised, and does happen: see docs/protocol.md. */
export const LIMITS: readonly Configuration[] = [
  broken('Redis evicts the tombstone of a session that is being moved', 'EVICTED_TOMBSTONES', [
    'CUTS=1',
    'EVICTIONS=1',
    ...MOVE,
  ]),
  broken('Redis restarts without what it had acknowledged', 'RESTARTS=1', [
    'CUTS=1',
    'QUICK_READS',
    'STRICT',
  ]),
];

/** Says what to install where `spin` or `gcc` is missing. */
export function requireTools(): void {
  for (const [tool, arg] of [
    ['spin', '-V'],
    ['gcc', '--version'],
  ] as const) {
    if (spawnSync(tool, [arg]).status === 0) continue;
    throw new Error(`${tool} is missing: apt-get install -y spin gcc libc6-dev, or see https://spinroot.com`);
  }
}

/** Visits every state of one configuration. Rejects where the search was not exhaustive. */
export async function explore(configuration: Configuration): Promise<Result> {
  const { defines } = configuration;
  const dir = mkdtempSync(join(tmpdir(), 'model-'));
  const flags = defines.map(define => `-D${define}`);
  try {
    copyFileSync(MODEL, join(dir, 'protocol.pml'));
    await run(dir, 'spin', [...flags, '-a', 'protocol.pml']);
    await run(dir, 'gcc', [levelFor(configuration), '-w', ...PAN, '-o', 'pan', 'pan.c']);
    const began = performance.now();
    const output = await run(dir, './pan', ['-m10000', '-w25']);
    const result = resultOf(output, (performance.now() - began) / 1000);
    const trail =
      result.violated === undefined ? '' : await run(dir, 'spin', [...flags, '-t', 'protocol.pml']);
    return { ...result, history: historyOf(trail) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Safety alone, exact (no bitstate, no hash compaction), at most 3 GB. */
const PAN = ['-DSAFETY', '-DNOREDUCE', '-DNOFAIR', '-DVECTORSZ=256', '-DMEMLIM=3000'];

/** A violation is found at once, so what compiles fastest ends first; -O2 takes four times as long as -O1 and wins nothing. */
function levelFor(configuration: Configuration): string {
  return CONFIGURATIONS.includes(configuration) ? '-O1' : '-O0';
}

const TRUNCATED =
  /max search depth too small|out of memory|MEMLIM bound|bit statespace|search not completed/i;

/** Reads what `pan` says of a search; throws where it neither found a violation nor saw every state. */
export function resultOf(output: string, seconds: number): Result {
  const [, vector, depth, errors] =
    /State-vector (\d+) byte, depth reached (\d+), errors: (\d+)/.exec(output) ?? [];
  const states = /(\d+) states, stored/.exec(output)?.[1];
  const violated = /^pan:\d+: (.*?) \(at depth \d+\)/m.exec(output)?.[1];
  const truncated = TRUNCATED.exec(output)?.[0];
  if (violated === undefined && truncated) throw new Error(`the search was not exhaustive: ${truncated}`);
  if (states === undefined || Number(errors) > 0 !== (violated !== undefined))
    throw new Error(`pan failed:\n${output}`);
  const figures = { states: Number(states), depth: Number(depth), vector: Number(vector) };
  return { ...figures, violated, seconds, history: [] };
}

/** What the model itself prints along the way. */
function historyOf(trail: string): string[] {
  return [...trail.matchAll(/^ *> (.*)$/gm)].map(([, line = '']) => line);
}

function run(cwd: string, program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += String(chunk)));
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', code => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${code}:\n${output}`));
    });
  });
}

/** Two at a time, in order: a search takes one core and up to 1.2 GB. */
export function exploreAll(list: readonly Configuration[]): Map<Configuration, Promise<Result>> {
  const waiting: (() => void)[] = [];
  let free = 2;
  const inTurn = async (configuration: Configuration): Promise<Result> => {
    if (free > 0) free -= 1;
    else await new Promise<void>(resolve => void waiting.push(resolve));
    try {
      return await explore(configuration);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
  return new Map(list.map(configuration => [configuration, inTurn(configuration)]));
}

async function main(): Promise<void> {
  requireTools();
  const results = exploreAll([...CONFIGURATIONS, ...VARIANTS, ...LIMITS]);
  for (const [configuration, explored] of results) {
    const result = await explored;
    const asExpected = CONFIGURATIONS.includes(configuration) === (result.violated === undefined);
    if (!asExpected) process.exitCode = 1;
    console.log(row(configuration, result));
    for (const line of asExpected ? [] : result.history) console.log(`    ${line}`);
  }
}

function row({ name, defines }: Configuration, { states, violated, seconds }: Result): string {
  const outcome = violated === undefined ? 'holds' : 'violated';
  const figures = `${states.toLocaleString('en').padStart(12)} states  ${outcome.padEnd(8)} ${seconds.toFixed(1).padStart(6)} s`;
  return `${name.padEnd(62)}${figures}  ${defines.join(' ')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
