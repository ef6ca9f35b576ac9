import * as fc from './fast-check.js';
import { SessionError } from '../../src/errors.js';
import { persistent, serialise, type SessionJson } from '../../src/session/data.js';
import { type Claim, claim, type Tally } from './claim.js';

const CANARY = 'canary-of-the-data';
const MAX_BYTES = 4_096;
const CODES = ['DATA_INVALID', 'DATA_TOO_LARGE'];

/** Values that look harmless until they are written. */
const traps = fc.constantFrom<() => unknown>(
  () => 10n,
  () => ({ toJSON: () => 10n }),
  () => ({
    toJSON: () => {
      throw new Error(CANARY);
    },
  }),
  () => ({
    toJSON: () => {
      throw new RangeError(CANARY);
    },
  }),
  () => ({ toJSON: () => undefined }),
  () => ({
    get trap() {
      throw new Error(CANARY);
    },
  }),
  () => new Date(NaN),
  () => Object.create(null) as unknown,
  () => JSON.parse(`{"__proto__":{"admin":"${CANARY}"}}`) as unknown,
  () => ({ constructor: { prototype: CANARY } }),
  () => `"__proto__": "${CANARY}"`,
  () => CANARY.repeat(300),
  () => '\u{1f511}'.repeat(2_000),
  () => Array.from({ length: 3 }),
  () => Symbol(CANARY),
);
const values = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.anything({
      maxDepth: 3,
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
    }),
  },
  { weight: 2, arbitrary: traps.map(make => make()) },
  { weight: 1, arbitrary: fc.nat(1_100).map(nested) },
  { weight: 1, arbitrary: fc.constant(undefined).map(cycle) },
);
const keys = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 10 }),
  fc.constantFrom('_private', '__proto__', 'constructor', 'prototype', 'toJSON', '0', ''),
);
const sources = fc.array(fc.tuple(keys, values), { maxLength: 6 }).map(pairs => Object.fromEntries(pairs));

function nested(depth: number): unknown {
  let value: unknown = CANARY;
  for (let level = 0; level < depth; level += 1) value = level % 2 ? [value] : { value };
  return value;
}

function cycle(): unknown {
  const one: Record<string, unknown> = { CANARY };
  one['one'] = [one];
  return one;
}

function written(source: object): { text: string } | { error: unknown } {
  try {
    return { text: serialise(persistent(source), MAX_BYTES) };
  } catch (error) {
    return { error };
  }
}

function refuses(tally: Tally, error: unknown): void {
  const isTyped = error instanceof SessionError && CODES.includes(error.code);
  tally.refuses(isTyped && !error.message.includes(CANARY), `without a code, or told: ${String(error)}`);
}

/** Nothing in it that should not be, and written again it is the same. */
function isClean(text: string): boolean {
  const data = JSON.parse(text) as SessionJson;
  const hostile = /"(__proto__|constructor|prototype)":/.test(text.replaceAll(/\\"/g, ''));
  const hidden = Object.keys(data).some(key => key.startsWith('_'));
  return !hostile && !hidden && Buffer.byteLength(text) <= MAX_BYTES && serialise(data, MAX_BYTES) === text;
}

export const DATA_CLAIMS: readonly Claim[] = [
  claim(
    'data of anybody are refused with a code and untold, or read as they were written',
    1_000,
    [sources],
    (tally, source) => {
      const outcome = written(source);
      if ('error' in outcome) return refuses(tally, outcome.error);
      tally.takes(isClean(outcome.text), outcome.text);
    },
  ),
];
