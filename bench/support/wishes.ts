import { parseArgs } from 'node:util';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const PARTS = [
  'http',
  'profile',
  'phases',
  'scale',
  'outage',
  'memory',
  'start',
  'migration',
  'manager',
] as const;
export type PartName = (typeof PARTS)[number];

const DEFAULT_JSON = join(tmpdir(), 'koa-resilient-session-bench.json');

/** What the command line asks for. */
export interface Wishes {
  readonly parts: readonly PartName[];
  /** A rehearsal, whose figures mean nothing: it shows that everything runs. */
  readonly quick: boolean;
  /** Where the results go, beside those of other parts that are there. */
  readonly json: string;
  /** Of `http`: the contestants by file; none: all. */
  readonly only: readonly string[];
  /** Of `http`: these numbers of sessions, and these sizes; none: the usual ones. */
  readonly sessions: readonly number[];
  readonly bytes: readonly number[];
}

export function readWishes(): Wishes {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: DEFAULT_JSON },
      only: { type: 'string', default: '' },
      sessions: { type: 'string', default: '' },
      bytes: { type: 'string', default: '' },
    },
  });
  const { quick, json, only, sessions, bytes } = values;
  const parts = positionals.length > 0 ? positionals.map(partOf) : PARTS;
  const numbers = { sessions: listOf(sessions).map(Number), bytes: listOf(bytes).map(Number) };
  return { parts, quick, json, only: listOf(only), ...numbers };
}

function listOf(text: string): string[] {
  return text.split(',').filter(each => each !== '');
}

function partOf(name: string): PartName {
  const part = PARTS.find(each => each === name);
  if (part === undefined) throw new RangeError(`there is no part ${name}: only ${PARTS.join(', ')}`);
  return part;
}
