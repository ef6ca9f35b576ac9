import type { Outcome } from './claim.js';

/** What became of all inputs of a claim. */
interface Row {
  tried: number;
  refused: number;
  wrong: number;
}

/** The sum of what all workers say. */
export class Results {
  readonly rows: ReadonlyMap<string, Row>;
  /** The first failure of each claim: the others mostly say the same. */
  readonly failures = new Map<string, string>();

  constructor(names: readonly string[]) {
    this.rows = new Map(names.map(name => [name, { tried: 0, refused: 0, wrong: 0 }]));
  }

  add({ name, tried, refused, wrong, failure }: Outcome): void {
    const row = this.rows.get(name);
    if (!row) return;
    row.tried += tried;
    row.refused += refused;
    row.wrong += wrong;
    if (failure !== undefined && !this.failures.has(name)) this.failures.set(name, failure);
  }

  /** A worker ended that should not have. */
  broke(last: { readonly name: string; readonly seed?: number } | undefined, code: number | null): void {
    const how = code === null ? 'took too long and was ended' : `ended with ${code}`;
    this.failures.set(last?.name ?? 'at start', `${how}, seed ${last?.seed ?? 'unknown'}`);
  }

  get failed(): boolean {
    return this.failures.size > 0;
  }
}

export function table({ rows }: Results): string {
  const width = Math.max(...[...rows.keys()].map(({ length }) => length));
  const line = (name: string, ...cells: readonly string[]): string =>
    [name.padEnd(width), ...cells.map(cell => cell.padStart(12))].join(' ');
  const lines = [...rows].map(([name, { tried, refused, wrong }]) =>
    line(name, ...[tried, refused, wrong].map(counted)),
  );
  return [line('', 'inputs', 'refused', 'wrong'), ...lines].join('\n');
}

export function failures({ failures }: Results): string {
  return [...failures]
    .map(([name, failure]) => `\nfails: ${name}\n${failure}\nagain: ${command(name, failure)}\n\n`)
    .join('');
}

export function closing({ rows }: Results): string {
  const sum = (of: keyof Row): string =>
    counted([...rows.values()].reduce((total, row) => total + row[of], 0));
  return `${sum('tried')} inputs tried, ${sum('refused')} refused, ${sum('wrong')} wrongly accepted`;
}

function command(name: string, failure: string): string {
  const seed = /\bseed (\d+)/.exec(failure)?.[1] ?? '1';
  return `npm run fuzz -- --runs 50 --seed ${seed} --only ${JSON.stringify(name)}`;
}

function counted(number: number): string {
  return number.toLocaleString('en-US');
}
