import { parseArgs } from 'node:util';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const PARTS = [
  'http',
  'phases',
  'scale',
  'outage',
  'memory',
  'start',
  'migration',
  'manager',
] as const;
export type PartName = (typeof PARTS)[number];

/** What the command line asks for. */
export interface Wishes {
  readonly parts: readonly PartName[];
  /** A rehearsal, whose figures mean nothing: it shows that everything runs. */
  readonly quick: boolean;
  /** Where the results go, beside those of other parts that are there. */
  readonly json: string;
  /** Of `http`: the contestants by file; none: all. */
  readonly only: readonly string[];
}

export function readWishes(): Wishes {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: join(tmpdir(), 'koa-resilient-session-bench.json') },
      only: { type: 'string', default: '' },
    },
  });
  const { quick, json } = values;
  const only = values.only.split(',').filter(name => name !== '');
  return { parts: positionals.length > 0 ? positionals.map(partOf) : PARTS, quick, json, only };
}

function partOf(name: string): PartName {
  const part = PARTS.find(each => each === name);
  if (part === undefined) throw new RangeError(`there is no part ${name}: only ${PARTS.join(', ')}`);
  return part;
}
