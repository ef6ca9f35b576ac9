import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { meet } from '../load/meet.js';
import { watch } from '../load/shoot.js';
import { Child } from '../support/child.js';
import { pin } from '../support/cores.js';
import { note } from '../support/note.js';
import { DURABLE, type RedisServer, startRedis } from '../support/redis.js';
import type { Wishes } from '../support/wishes.js';
import { type Second, secondsOf, writeCookies } from './timeline.js';

export const STATES = ['healthy', 'killed', 'restarted', 'frozen', 'thawed'] as const;
export type State = (typeof STATES)[number];

export interface OutageRun {
  /** So many of ten requests write. */
  readonly writing: number;
  readonly users: number;
  readonly seconds: readonly Second[];
  /** Second by second. */
  readonly states: readonly State[];
  /** Requests that were not answered with 200, or whose session was not there. */
  readonly bad: number;
  readonly freeze: Freeze;
}

/** Who waited when Redis froze. */
export interface Freeze {
  /** From the freeze until both circuits were open, ms. */
  readonly openedAfter: number;
  /** Requests that began before that, and waited. */
  readonly before: number;
  /** Requests that began after that, while Redis was frozen, and waited all the same. */
  readonly after: number;
  readonly longest: number;
}

export interface OutageResult {
  readonly runs: readonly OutageRun[];
}

const USERS = 32;
/** Of the deadline (250 ms). Who is let go when a circuit opens has waited for less, and a busy machine keeps people waiting too. */
const WAITING = { before: 125, after: 225 } as const;
const BYTES = 300;

export async function outage({ quick }: Wishes): Promise<OutageResult> {
  const runs: OutageRun[] = [];
  for (const writing of quick ? [1] : [1, 10]) runs.push(await story(writing, quick));
  return { runs };
}

async function story(writing: number, quick: boolean): Promise<OutageRun> {
  note(`${writing} of 10 requests write`);
  const dir = mkdtempSync(join(tmpdir(), 'bench-'));
  const redis = await startRedis(DURABLE);
  const app = await Child.start('probes/app.js', { core: 'app' });
  try {
    const port = await app.ask<number>('open', { url: redis.url, roomy: false });
    const cookies = join(dir, 'cookies');
    writeCookies(cookies, await meet(port, USERS, BYTES));
    const visit = { port, cookies, users: USERS, writing, pause: 0 };
    if (!quick) await watch({ ...visit, seconds: 5 });
    const phase = quick ? 1 : 8;
    const seen = watch({ ...visit, seconds: STATES.length * phase + 1 });
    const marks = await play(redis, phase);
    return judge(await seen, { app, marks, phase, writing });
  } finally {
    await app.stop();
    await redis.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** When each state began, wall-clock ms. */
type Marks = Readonly<Record<State, number>>;

async function play(redis: RedisServer, phase: number): Promise<Marks> {
  // Until the load has begun.
  await sleep(700);
  const acts: Readonly<Record<State, () => unknown>> = {
    healthy: () => undefined,
    killed: () => redis.kill(),
    restarted: async () => {
      await redis.restart();
      pin(redis.pid, 'redis');
    },
    frozen: () => redis.freeze(),
    thawed: () => redis.thaw(),
  };
  const marks = { healthy: 0, killed: 0, restarted: 0, frozen: 0, thawed: 0 };
  let due = Date.now();
  for (const state of STATES) {
    marks[state] = Date.now();
    await acts[state]();
    due += phase * 1000;
    await sleep(Math.max(0, due - Date.now()));
  }
  return marks;
}

interface Story {
  readonly app: Child;
  readonly marks: Marks;
  readonly phase: number;
  readonly writing: number;
}

function judge(samples: Awaited<ReturnType<typeof watch>>, { app, marks, phase, writing }: Story): OutageRun {
  const states = STATES.flatMap(state => Array.from({ length: phase }, () => state));
  // Reads and writes have a circuit each: what counts is when the last one opened.
  const openings = app.events.filter(
    ({ event, at }) => event === 'circuit:open' && at >= marks.frozen && at < marks.thawed,
  );
  const opened = openings.at(-1)?.at ?? marks.thawed;
  const waiting = samples.at
    .map((at, index) => ({ at, ms: samples.ms[index] ?? 0 }))
    .filter(({ at, ms }) => at + ms >= marks.frozen && at < marks.thawed)
    .filter(({ at, ms }) => ms >= (at < opened ? WAITING.before : WAITING.after));
  const freeze = {
    openedAfter: opened - marks.frozen,
    before: waiting.filter(({ at }) => at < opened).length,
    after: waiting.filter(({ at }) => at >= opened).length,
    longest: Math.max(0, ...waiting.map(({ ms }) => ms)),
  };
  const seconds = secondsOf(samples, marks.healthy, states.length);
  return { writing, users: USERS, seconds, states, bad: samples.bad, freeze };
}
