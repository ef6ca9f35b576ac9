import { breaches, exceptions, type Row } from './play.js';
import type { Subject } from './processes.js';

type Column = readonly [head: string, cell: (row: Row) => string | number];

const time = (ms: number | undefined): string => (ms === undefined ? '–' : String(ms));

const SEEN_BY_USERS: readonly Column[] = [
  ['Fault', ({ scenario }) => `\`${scenario.name}\``],
  ['requests', row => row.requests],
  ['errors', row => row.counts.errors],
  ['slowest ms', row => row.slowest],
  ['missed', row => row.counts.missed],
  ['lost', row => row.counts.lost],
  ['alive', row => row.counts.alive],
];

/** What only this library says of itself. */
const TOLD: readonly Column[] = [
  ['in ledger', row => row.ledger],
  ['unavailable', row => row.unavailable],
  ['blind lost', row => row.blindLost],
  ['detect ms', row => time(row.detected)],
  ['recover ms', row => time(row.recovered)],
];

const AGREE: Column = ['agree', ({ counts }) => (counts.disagree === 0 ? 'yes' : 'no')];

const COLUMNS: Readonly<Record<Subject, readonly Column[]>> = {
  library: [...SEEN_BY_USERS, ...TOLD, AGREE, ['verdict', row => verdictOf(row)]],
  // Nobody has promised anything there.
  peer: [...SEEN_BY_USERS, AGREE],
};

function verdictOf(row: Row): string {
  if (breaches(row).length > 0) return 'FAILED';
  const named = exceptions(row);
  return named.length > 0 ? `documented: ${named.join('; ')}` : 'held';
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const WORDS = ['Fault', 'agree', 'verdict'];

/** The table of docs/reliability.md. */
export function table(rows: readonly Row[], subject: Subject): string {
  const columns = COLUMNS[subject];
  const heads = columns.map(([head]) => head);
  const rule = heads.map(head => (WORDS.includes(head) ? '---' : '--:'));
  return [
    line(heads),
    line(rule),
    ...rows.map(row => line(columns.map(([, cell]) => String(cell(row))))),
  ].join('\n');
}

/** What each name in the table stands for. */
export function legend(rows: readonly Row[]): string {
  return rows.map(({ scenario }) => `- \`${scenario.name}\`: ${scenario.fault}`).join('\n');
}

/** One line while the lab goes on. */
export function summary(row: Row): string {
  const { counts } = row;
  const seen = [
    `${row.requests} requests`,
    `slowest ${row.slowest} ms`,
    `errors ${counts.errors}, missed ${counts.missed}, lost ${counts.lost} (ledger ${row.ledger}), alive ${counts.alive}`,
    `disagree ${counts.disagree}, unavailable ${row.unavailable}, blind lost ${row.blindLost}`,
    `detected ${row.detected ?? '–'}, recovered ${row.recovered ?? '–'} ms`,
  ];
  return `${row.scenario.name.padEnd(20)} ${verdictOf(row)}: ${seen.join('; ')}`;
}
