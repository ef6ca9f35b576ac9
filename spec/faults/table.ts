import { breaches, exceptions, type Row } from './play.js';

const HEAD = [
  'Fault',
  'requests',
  'errors',
  'slowest ms',
  'missed',
  'lost',
  'in ledger',
  'alive',
  'unavailable',
  'detect ms',
  'recover ms',
  'agree',
  'verdict',
];

function verdictOf(row: Row): string {
  if (breaches(row).length > 0) return 'FAILED';
  const named = exceptions(row);
  return named.length > 0 ? `documented: ${named.join('; ')}` : 'held';
}

function cellsOf(row: Row): string[] {
  const { scenario, counts } = row;
  const numbers = [counts.errors, row.slowest, counts.missed, counts.lost, row.ledger, counts.alive];
  const times = [row.detected, row.recovered].map(time => (time === undefined ? '–' : String(time)));
  return [
    `\`${scenario.name}\``,
    String(row.requests),
    ...numbers.map(String),
    String(row.unavailable),
    ...times,
    counts.disagree === 0 ? 'yes' : 'no',
    verdictOf(row),
  ];
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The table of docs/reliability.md. */
export function table(rows: readonly Row[]): string {
  const rule = HEAD.map((_, column) => (column === 0 || column >= HEAD.length - 2 ? '---' : '--:'));
  return [line(HEAD), line(rule), ...rows.map(row => line(cellsOf(row)))].join('\n');
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
