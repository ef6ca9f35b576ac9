import { inspect } from 'node:util';
import * as fc from './fast-check.js';
import { persistent, serialise, type SessionJson } from '../../src/session/data.js';
import {
  dataOf,
  decodeRecord,
  encodeRecord,
  type SessionRecord,
  fieldsIn,
} from '../../src/session/record.js';
import { decodeIndex, encodeIndex } from '../../src/session/user-index.js';
import { isStamp, type Stamp } from '../../src/store/entry.js';
import { type RecordFields, recordTextOf } from '../vectors/format-1.js';
import { type Claim, claim } from './claim.js';
import { mostly, stamps } from './inputs.js';

const MAX_BYTES = 65_536;
// JSON has no -0.
const times = fc.double({ noNaN: true, noDefaultInfinity: true }).map(time => time + 0 || 0);
const keys = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'maxAge', '0', '17', '', '\n', 'имя'),
);
const data: fc.Arbitrary<SessionJson> = fc.dictionary(
  fc
    .string({ maxLength: 12 })
    .filter(key => !key.startsWith('_') && !['constructor', 'prototype'].includes(key)),
  fc
    .jsonValue({ maxDepth: 2 })
    .filter(value => !/"(__proto__|constructor|prototype)"/.test(JSON.stringify(value))),
  { maxKeys: 8 },
);
const logins = fc.option(
  fc.record({
    at: fc.integer({ min: 1, max: 2 ** 47 }),
    user: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
    label: fc.option(fc.string({ unit: 'grapheme', maxLength: 40 }), { nil: undefined }),
  }),
  { nil: undefined },
);
const records: fc.Arbitrary<SessionRecord> = fc
  .record({
    times: fc.tuple(times, times, times, fc.option(times), fc.option(times, { nil: undefined })),
    login: logins,
    data,
    stamps: fc.array(stamps, { minLength: 1, maxLength: 3 }),
    removed: fc.array(keys, { maxLength: 4 }),
    choices: fc.array(fc.nat(2), { minLength: 16, maxLength: 16 }),
  })
  .map(({ times: [created, used, absolute, idle, maxAge], login, data, stamps, removed, choices }) => {
    const names = [...Object.keys(data), ...removed];
    const stamped = names.map((key, at) => [key, stampAt(stamps, choices[at % choices.length])] as const);
    const text = serialise(data, MAX_BYTES);
    return { created, login, used, idle, absolute, maxAge, stamps: new Map(stamped), fields: fieldsIn(text) };
  });

/** Something that looks like the first line of a record, or did once. */
const json = fc.jsonValue({ maxDepth: 1 });
const metas = fc.record(
  {
    c: mostly(times, json),
    a: mostly(fc.oneof(fc.constant(0), times), json),
    u: mostly(times, json),
    i: mostly(fc.option(times), json),
    x: mostly(times, json),
    n: mostly(fc.string(), json),
    l: mostly(fc.string(), json),
    m: mostly(times, json),
    s: mostly(stamps, fc.oneof(fc.string(), json)),
    k: mostly(fc.dictionary(keys, mostly(stamps, json), { maxKeys: 3 }), json),
  },
  { requiredKeys: ['c', 'a', 'u', 'i', 'x'] },
);
const foreign = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.json({ maxDepth: 3 }),
  fc.tuple(fc.json({ maxDepth: 2 }), fc.json({ maxDepth: 2 })).map(lines => lines.join('\n')),
  fc
    .tuple(metas, fc.oneof(data, fc.jsonValue()))
    .map(([meta, value]) => `${JSON.stringify(meta)}\n${JSON.stringify(value)}`),
  fc.nat(3_000).map(depth => `{"c":${'['.repeat(depth)}\n{}`),
);
/** Something that looks like the index of a user, or did once. */
const indexes = fc
  .record({
    e: fc.tuple(times, fc.option(fc.string()), fc.oneof(times, fc.jsonValue({ maxDepth: 1 }))),
    s: fc.dictionary(
      keys,
      fc.oneof(
        fc.tuple(times, times, times, times),
        fc.tuple(times, times, times, times, fc.string()),
        fc.jsonValue({ maxDepth: 1 }),
      ),
      { maxKeys: 3 },
    ),
  })
  .map(index => JSON.stringify(index));
/** A record in which something was put, cut out or doubled. */
const damaged = fc
  .tuple(
    records.map(encodeRecord),
    fc.nat(),
    fc.nat(40),
    fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('\n', '{}', 'null', '"', '1e999', ',"__proto__":1'),
    ),
  )
  .map(([text, at, length, put]) => {
    const from = at % (text.length + 1);
    return [
      text.slice(0, from) + put + text.slice(from + length),
      text.slice(0, from + length) + put + text.slice(from),
      text.slice(0, from),
    ];
  });

function stampAt(from: readonly Stamp[], choice = 0): Stamp {
  const [first] = from;
  const stamp = from[choice] ?? first;
  if (!stamp) throw new RangeError('no stamp to choose from');
  return stamp;
}

/** All of a record, in one order. JSON has no -0. */
function plain({ stamps, ...record }: SessionRecord): string {
  const sorted = [...stamps].toSorted(([one], [other]) => (one < other ? -1 : 1));
  const same: unknown = JSON.parse(JSON.stringify([record, sorted]));
  return inspect(same, { depth: 5, sorted: true, maxArrayLength: null, maxStringLength: null });
}

function fieldsOf({ login, maxAge, stamps, fields, ...times }: SessionRecord): RecordFields {
  const named = login ? { ...login, label: login.label ?? null } : null;
  return { ...times, login: named, maxAge: maxAge ?? null, stamps: [...stamps], data: fields.text };
}

/** All that the layers above rely on. */
function isSane(record: SessionRecord): boolean {
  const { created, used, idle, absolute, maxAge, login, stamps } = record;
  const numbers = [created, used, absolute, idle ?? 0, maxAge ?? 0, login?.at ?? 0];
  const words = login ? [login.user, login.label ?? ''] : [];
  return (
    numbers.every(Number.isFinite) &&
    words.every(word => typeof word === 'string') &&
    login?.at !== 0 &&
    [...stamps.values()].every(isStamp) &&
    Object.getPrototypeOf(dataOf(record)) === Object.prototype &&
    isStable(record)
  );
}

/** Read again, it is the same. A key without any stamp, which no writer leaves, gets one. */
function isStable(record: SessionRecord): boolean {
  const stamped = Object.keys(dataOf(record)).every(key => record.stamps.has(key));
  const again = decodeRecord(encodeRecord(record));
  return again !== undefined && (!stamped || plain(again) === plain(record));
}

export const RECORD_CLAIMS: readonly Claim[] = [
  claim(
    'a record is read as it was written, and written as the format says',
    300,
    [records],
    (tally, record) => {
      const text = encodeRecord(record);
      const again = decodeRecord(text);
      const right = again !== undefined && plain(again) === plain(record);
      tally.takes(right && recordTextOf(fieldsOf(record)) === text, text);
    },
  ),
  claim(
    'text of anybody is no record, or one with nothing strange in it',
    600,
    [
      fc.oneof(
        foreign.map(text => [text]),
        damaged,
      ),
    ],
    (tally, candidates) => {
      for (const text of candidates) {
        const record = decodeRecord(text);
        if (record) tally.takes(isSane(record), text);
        else tally.refuses(true, text);
      }
    },
  ),
  claim(
    'text of anybody is no index, or one that reads the same again',
    400,
    [fc.oneof(foreign, indexes)],
    (tally, text) => {
      const index = decodeIndex(text);
      if (!index) return tally.refuses(true, text);
      const written = encodeIndex(index);
      const again = decodeIndex(written);
      tally.takes(again !== undefined && encodeIndex(again) === written, text);
    },
  ),
  claim(
    'keys of data stay what they are',
    200,
    [fc.dictionary(keys, fc.jsonValue({ maxDepth: 1 }))],
    (tally, source) => {
      const kept = persistent(source);
      tally.takes(
        Object.getPrototypeOf(kept) === Object.prototype &&
          Object.keys(kept).every(key => Object.hasOwn(source, key)),
        'a key',
      );
    },
  ),
];
