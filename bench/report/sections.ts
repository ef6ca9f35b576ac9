import { MIXES } from '../parts/http.js';
import type { OutageRun } from '../parts/outage.js';
import type { ProfileResult } from '../parts/profile.js';
import type { Phase } from '../probes/phases.js';
import type { Start } from '../probes/start.js';
import { median } from '../support/figures.js';
import type { Results } from '../support/results.js';
import { ratioOf, short, size, table, tenths, whole } from './format.js';
import { goalsSection } from './goals.js';
import { httpSection } from './http.js';

/** Parts of docs/benchmarks.md, each from what one part of the benchmark has found; none for what was not measured. */
export const SECTIONS: Readonly<Record<string, (results: Results) => string | undefined>> = {
  machine: machines,
  goals: goalsSection,
  http: ({ http }) => http && httpSection(http.result),
  profile: ({ profile }) => profile && profileTables(profile.result),
  phases: ({ phases }) => phases && phasesTable(phases.result.phases),
  scale: ({ scale }) =>
    scale &&
    table(
      ['Where', 'sessions', 'load µs', 'load and save µs', 'load, CPU µs', 'load and save, CPU µs'],
      scale.result.rows.map(({ where, sessions, read, write, readCpu, writeCpu }) => [
        where === 'redis' ? 'Redis' : 'journal',
        whole(sessions),
        ...[read, write, readCpu, writeCpu].map(short),
      ]),
    ),
  outage: ({ outage }) => outage?.result.runs.map(outageTable).join('\n\n'),
  memory: memorySection,
  start: ({ start }) =>
    start &&
    table(
      ['Secret', 'Koa ms', 'import ms', 'construction ms', 'until Redis has answered ms'],
      [startRow('32 random bytes', start.result.random), startRow('a phrase', start.result.phrase)],
    ),
  migration: ({ migration }) =>
    migration &&
    table(
      [
        'Sessions',
        'live requests',
        'sessions a second',
        'live p50 ms: usual, during',
        'live p99 ms: usual, during',
        'ratio',
      ],
      migration.result.runs.map(({ sessions, bytes, live, ms, usual, during }) => [
        `${whole(sessions)} of ${size(bytes)}`,
        live ? 'yes' : 'no',
        whole((sessions * 1000) / ms),
        live ? `${short(usual.p50)}, ${short(during.p50)}` : '–',
        live ? `${short(usual.p99)}, ${short(during.p99)}` : '–',
        live ? ratioOf(during.p99 / usual.p99) : '–',
      ]),
    ),
  manager: managerTable,
};

function machines(results: Results): string {
  const runs = Object.entries(results);
  const lines = runs.map(([part, { day, commit, seconds, quick, pinned, others }]) => {
    const doubts = [quick ? '**a rehearsal**' : '', pinned ? '' : 'on no core of their own'].filter(Boolean);
    const facts = [day, `commit ${commit}`, `${whole(seconds)} s`, busyness(others), ...doubts];
    return `- \`${part}\`: ${facts.join(', ')}`;
  });
  const { http } = results;
  const first = runs[0]?.[1];
  if (!first) return '';
  const load = http
    ? [
        `- Load: ${http.result.generator}, ${http.result.connections} connections, ${http.result.rounds} rounds of ${http.result.seconds} s`,
      ]
    : [];
  return [`- Machine: ${first.machine}`, `- Versions: ${first.versions}`, ...load, ...lines].join('\n');
}

/** A share of one core that others cannot but use: the kernel's own work, and what measures. */
const QUIET = 0.1;

function busyness(others: number | undefined): string {
  if (others === undefined) return 'while others may have worked on the machine';
  const cores = `${others.toFixed(2)} of a core`;
  return others > QUIET ? `**while others used ${cores}**` : `while others used ${cores}`;
}

function profileTables({ rows }: ProfileResult): string {
  const mixes = [...new Set(rows.map(({ mix }) => mix))];
  return mixes.map(mix => profileTable(rows.filter(row => row.mix === mix))).join('\n\n');
}

/** What takes longest in the library comes first. */
function profileTable(rows: ProfileResult['rows']): string {
  const own = rows.find(({ file }) => file === 'library')?.shares ?? {};
  const owners = [...new Set(rows.flatMap(({ shares }) => Object.keys(shares)))];
  const sorted = owners.toSorted((one, other) => (own[other] ?? 0) - (own[one] ?? 0));
  const total = rows.map(({ shares }) => Object.values(shares).reduce((sum, micros) => sum + micros, 0));
  return table(
    [`µs for each of the ${rows[0]?.mix}`, ...rows.map(({ label }) => label)],
    [
      ...sorted.map(owner => [owner, ...rows.map(({ shares }) => shares[owner] ?? 0).map(tenths)]),
      ['all', ...total.map(tenths)],
    ],
  );
}

function phasesTable(phases: readonly Phase[]): string {
  const sizes = [...new Set(phases.map(({ bytes }) => bytes))];
  const names = new Map(phases.map(({ phase, what }) => [phase, what]));
  const cost = (phase: string, bytes: number): string =>
    short(phases.find(each => each.phase === phase && each.bytes === bytes)?.micros ?? Number.NaN);
  const rows = [...names].map(([phase, what]) => [
    `${phase}: ${what}`,
    ...sizes.map(bytes => cost(phase, bytes)),
  ]);
  return table(['CPU µs for each', ...sizes.map(size)], rows);
}

function outageTable({ writing, users, seconds, states, bad, freeze }: OutageRun): string {
  const mix = Object.entries(MIXES).find(([, each]) => each === writing)?.[0] ?? '';
  const rows = [...new Set(states)].map(state => {
    const those = seconds.filter((_, second) => states[second] === state);
    const of = (key: 'count' | 'p50' | 'p99' | 'p999'): number => median(those.map(second => second[key]));
    const max = Math.max(...those.map(second => second.max));
    return [state, whole(of('count')), ...[of('p50'), of('p99'), of('p999'), max].map(short)];
  });
  const head = [`${mix}, ${users} users`, 'requests a second', 'p50 ms', 'p99 ms', 'p99.9 ms', 'longest ms'];
  const tail =
    `Not answered with 200, or without the session: ${bad}. When Redis froze, the circuits were open after ` +
    `${whole(freeze.openedAfter)} ms; ${freeze.before} requests that had come before waited, up to ` +
    `${whole(freeze.longest)} ms, and ${freeze.after} that came later.`;
  return `${table(head, rows)}\n\n${tail}`;
}

function memorySection({ memory }: Results): string | undefined {
  if (!memory) return undefined;
  const { weights, caps } = memory.result;
  const rows = weights.map(({ where, bytes, sealed, items, counted, weight }) => [
    `${where}, ${size(bytes)}`,
    ...[sealed, counted / items, weight / items, weight / items - sealed].map(whole),
  ]);
  const head = ['Where, and data', 'sealed B', 'counted B', 'heap and buffers B', 'beyond the sealed size B'];
  const held = caps.map(({ where, cap, items, counted, weight }) => [
    where,
    size(cap),
    whole(items),
    ...[counted / cap, weight / cap].map(ratioOf),
  ]);
  const full = table(
    ['Full', 'cap', 'sessions', 'counted, of the cap', 'heap and buffers, of the cap'],
    held,
  );
  return [table(head, rows), ...(held.length > 0 ? [full] : [])].join('\n\n');
}

function startRow(secret: string, { koa, imported, constructed, ready }: Start): string[] {
  return [secret, ...[koa, imported, constructed, ready].map(short)];
}

/** Of the system that this one succeeds, as they were given: ms. */
const BEFORE = { create: '2 to 5', load: '1 to 3', save: '2 to 4' } as const;

function managerTable({ manager }: Results): string | undefined {
  if (!manager) return undefined;
  const rows = manager.result.operations.map(({ operation, bytes, p50, p99 }) => [
    `\`${operation}\`, ${size(bytes)}`,
    short(p50),
    short(p99),
    BEFORE[operation],
  ]);
  return table(['Operation', 'p50 ms', 'p99 ms', 'its predecessor, ms'], rows);
}
