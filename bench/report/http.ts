import { MIXES, type HttpResult, type HttpRow, type HttpSample, type Mix } from '../parts/http.js';
import { median, ratio } from '../support/figures.js';
import { percent, ratioOf, short, size, table, whole } from './format.js';

interface Cell {
  readonly sessions: number;
  readonly bytes: number;
}

export function cellsOf({ rows }: HttpResult): Cell[] {
  const cells = new Map(rows.map(({ sessions, bytes }) => [`${sessions}/${bytes}`, { sessions, bytes }]));
  return [...cells.values()];
}

export function find({ rows }: HttpResult, file: string, mix: Mix, cell: Cell): HttpRow | undefined {
  return rows.find(
    row => row.file === file && row.mix === mix && row.sessions === cell.sessions && row.bytes === cell.bytes,
  );
}

/** Requests a second of one contestant as a share of another's, round by round; NaN where one was not measured. */
export function against(
  result: HttpResult,
  [mine, theirs]: readonly [string, string],
  mix: Mix,
  cell: Cell,
): number {
  const rates = (file: string): number[] =>
    (find(result, file, mix, cell)?.samples ?? []).map(({ rate }) => rate);
  return ratio(rates(mine), rates(theirs));
}

function filesOf({ rows }: HttpResult): { file: string; label: string }[] {
  return [...new Map(rows.map(({ file, label }) => [file, { file, label }])).values()];
}

function mixesOf({ rows }: HttpResult): Mix[] {
  return (Object.keys(MIXES) as Mix[]).filter(mix => rows.some(row => row.mix === mix));
}

export function httpSection(result: HttpResult): string {
  const [first] = cellsOf(result);
  if (!first) return '';
  return mixesOf(result)
    .flatMap(mix => [`### HTTP: ${mix}`, ratios(result, mix), closer(result, mix, first)])
    .join('\n\n');
}

function named({ sessions, bytes }: Cell): string {
  return `${whole(sessions)} of ${size(bytes)}`;
}

function ratios(result: HttpResult, mix: Mix): string {
  const cells = cellsOf(result);
  const rows = filesOf(result).map(({ file, label }) => [
    label,
    ...cells.map(cell => ratioOf(against(result, [file, 'floor'], mix, cell))),
  ]);
  const beside = cells.map(cell => ratioOf(against(result, ['library', 'koa-session'], mix, cell)));
  return table(
    ['Requests a second, against the floor', ...cells.map(named)],
    [...rows, ['this library, against koa-session', ...beside]],
  );
}

function closer(result: HttpResult, mix: Mix, cell: Cell): string {
  const rows = filesOf(result).map(({ file, label }) => {
    const samples = find(result, file, mix, cell)?.samples ?? [];
    const of = (key: keyof HttpSample): number => median(samples.map(each => each[key]));
    return [
      label,
      whole(of('rate')),
      short(of('cpu')),
      percent(of('busy')),
      short(of('p50')),
      short(of('p99')),
    ];
  });
  const head = ['requests a second', 'CPU µs for each', "app's core busy", 'p50 ms', 'p99 ms'];
  return table([named(cell), ...head], rows);
}
