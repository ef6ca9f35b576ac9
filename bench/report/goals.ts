import { median } from '../support/figures.js';
import type { OutageRun } from '../parts/outage.js';
import type { Second } from '../parts/timeline.js';
import type { Results } from '../support/results.js';
import { short, span, table, whole } from './format.js';
import { against, cellsOf } from './http.js';

interface Goal {
  readonly goal: string;
  readonly measured: string;
  readonly met: boolean;
}

function least(goal: string, values: readonly number[], bound: number): Goal {
  return { goal, measured: span(values), met: values.every(value => value >= bound) };
}

function most(goal: string, values: readonly number[], bound: number): Goal {
  return { goal, measured: span(values), met: values.every(value => value <= bound) };
}

/** Each goal, what was measured, over all cells from the worst to the best, and whether the worst meets it. */
export function goalsSection(results: Results): string | undefined {
  const goals = [
    ...httpGoals(results),
    ...outageGoals(results),
    ...phaseGoals(results),
    ...migrationGoals(results),
    ...memoryGoals(results),
    ...scaleGoals(results),
    ...startGoals(results),
  ];
  // What was not measured has met nothing, and missed nothing.
  const known = goals.filter(({ measured }) => /\d/.test(measured));
  if (known.length === 0) return undefined;
  const rows = known.map(({ goal, measured, met }) => [goal, measured, met ? 'met' : '**not met**']);
  return table(['Goal', 'Measured', 'Met'], rows);
}

function httpGoals({ http }: Results): Goal[] {
  if (!http) return [];
  const of = (theirs: string, mix: 'reads' | 'writes', mine = 'library'): number[] =>
    cellsOf(http.result)
      .map(cell => against(http.result, [mine, theirs], mix, cell))
      .filter(value => Number.isFinite(value));
  return [
    least('reads: at least 0.85 of the floor', of('floor', 'reads'), 0.85),
    least('reads: at least 1.4 of koa-session', of('koa-session', 'reads'), 1.4),
    least(
      'reads with the coherent cache on: at least 1.2 of the floor',
      of('floor', 'reads', 'library-cache'),
      1.2,
    ),
    least('writes: at least 0.80 of the floor', of('floor', 'writes'), 0.8),
    least('writes: at least 1.3 of koa-session', of('koa-session', 'writes'), 1.3),
  ];
}

/** The seconds of an outage; the one in which Redis freezes has requests that wait, which are counted for themselves. */
function calm({ seconds, states }: OutageRun, state: 'healthy' | 'killed' | 'frozen'): Second[] {
  return seconds.filter(
    (_, second) => states[second] === state && (state === 'healthy' || states[second - 1] === state),
  );
}

function outageGoals({ outage }: Results): Goal[] {
  const runs = outage?.result.runs ?? [];
  if (runs.length === 0) return [];
  const ratios = (key: 'count' | 'p99'): number[] =>
    runs.flatMap(run => {
      const of = (state: 'healthy' | 'killed' | 'frozen'): number =>
        median(calm(run, state).map(second => second[key]));
      return [of('killed') / of('healthy'), of('frozen') / of('healthy')];
    });
  const [after, before] = [runs.map(run => run.freeze.after), runs.map(run => run.freeze.before)];
  return [
    least('an outage: at least 1.0 of the throughput in health', ratios('count'), 1),
    most('an outage: p99 at most that of health', ratios('p99'), 1),
    {
      goal: 'Redis freezes: who comes once the circuits are open does not wait',
      measured: `${span(after, 0)} of them waited; ${span(before, 0)} who had come before`,
      met: after.every(count => count === 0),
    },
  ];
}

function phaseGoals({ phases }: Results): Goal[] {
  if (!phases) return [];
  const costs = phases.result.phases.filter(({ phase }) => phase.startsWith('supervised'));
  return [
    most(
      'supervisor and circuits: at most 2 µs for each operation',
      costs.map(({ micros }) => micros),
      2,
    ),
  ];
}

function migrationGoals({ migration }: Results): Goal[] {
  const runs = migration?.result.runs ?? [];
  const [alone, live] = [runs.filter(run => !run.live), runs.filter(run => run.live)];
  const rate = median((alone.length > 0 ? alone : runs).map(({ sessions, ms }) => (sessions * 1000) / ms));
  if (runs.length === 0) return [];
  return [
    { goal: 'migration: at least 20,000 sessions a second', measured: whole(rate), met: rate >= 20_000 },
    most(
      'migration: live p99 at most twice the usual',
      [median(live.map(run => run.during.p99 / run.usual.p99))],
      2,
    ),
  ];
}

function memoryGoals({ memory }: Results): Goal[] {
  if (!memory) return [];
  const { weights, caps } = memory.result;
  const beyond = (where: string): number[] =>
    weights.filter(each => each.where === where).map(each => each.weight / each.items - each.sealed);
  const bytes = (goal: string, values: readonly number[], bound: number): Goal => ({
    goal,
    measured: `${span(values, 0)} B`,
    met: values.every(value => value <= bound),
  });
  const held = caps.map(({ weight, cap }) => weight / cap);
  return [
    bytes('memory, shadow: at most 250 B beyond the sealed size', beyond('shadow'), 250),
    bytes('memory, journal: at most 500 B beyond the sealed size', beyond('journal'), 500),
    ...(held.length > 0 ? [most('caps hold within 5 %: memory at most 1.05 of the cap', held, 1.05)] : []),
  ];
}

/** What counts as flat, on CPU time: caches of the processor alone make a difference of some percent. */
const FLAT = 1.1;

function scaleGoals({ scale }: Results): Goal[] {
  const rows = (scale?.result.rows ?? []).filter(({ where }) => where === 'redis');
  const [first, last] = [rows[0], rows.at(-1)];
  if (!first || !last) return [];
  const growth = [last.readCpu / first.readCpu, last.writeCpu / first.writeCpu];
  const goal = `cost from ${whole(first.sessions)} to ${whole(last.sessions)} sessions in Redis: flat (at most ${FLAT} times)`;
  return [most(goal, growth, FLAT)];
}

function startGoals({ start }: Results): Goal[] {
  if (!start) return [];
  const { imported, constructed } = start.result.random;
  const ms = imported + constructed;
  return [{ goal: 'import and construction: at most 100 ms', measured: `${short(ms)} ms`, met: ms <= 100 }];
}
