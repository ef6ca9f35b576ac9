import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { systemClock } from './clock.js';
import { type Entry, isTombstone, recordEntry, Stamps, stampOf, tombstoneEntry } from './store/entry.js';
import type { SessionStore, Swapped } from './store/store.js';

/** A store under test. `close` is awaited after each test, whatever its outcome. */
export interface OpenedStore {
  readonly store: SessionStore;
  close(): Promise<void>;
}

export interface StoreContractOptions {
  /** Of the test framework: mocha, vitest, jest, node:test and others have it. */
  readonly describe: (title: string, body: () => void) => unknown;
  readonly it: (title: string, body: () => Promise<void>) => unknown;
  /** A store for one test. It need not be empty: the keys are new each time. */
  readonly create: () => Promise<OpenedStore>;
  /** Lets so many ms pass for the store. Default: waits for them. */
  readonly elapse?: (ms: number) => Promise<void>;
  /**
   * The store puts a record back where its predecessor is no longer there, instead of refusing it. For stores that stand
   * in front of another and know what it lost; a store of its own must refuse.
   */
  readonly putsBack?: boolean;
}

/** What one test works with. */
interface Bench {
  readonly store: SessionStore;
  readonly key: string;
  readonly elapse: (ms: number) => Promise<void>;
}

type Clause = readonly [title: string, check: (bench: Bench) => Promise<void>];

const LONG = 600_000;
const SHORT = 60;
/** Long enough for what lives `SHORT` to be over, on a busy machine too. */
const OVER = 300;
const RIVALS = 20;
const LARGE = 64 * 1024;

const stamps = new Stamps(systemClock());

/**
 * Checks every clause of {@link SessionStore}, as tests of the framework whose functions are given:
 *
 * ```ts
 * storeContract({ describe, it, create: async () => ({ store: new MyStore(), close: async () => undefined }) });
 * ```
 */
export function storeContract(options: StoreContractOptions): void {
  const elapse = options.elapse ?? (ms => new Promise<void>(resolve => setTimeout(resolve, ms)));
  const clauses = [...READING, ...RECORDS, ...TOMBSTONES, ...EXPIRY, ...RIVALRY];
  options.describe('store contract', () => {
    for (const [title, check] of options.putsBack ? clauses : [...clauses, ...ABSENCE]) {
      options.it(title, () => tried(options.create, elapse, check));
    }
  });
}

async function tried(
  create: StoreContractOptions['create'],
  elapse: Bench['elapse'],
  check: Clause[1],
): Promise<void> {
  const { store, close } = await create();
  try {
    await check({ store, key: newKey(), elapse });
  } finally {
    await close();
  }
}

const READING: readonly Clause[] = [
  [
    'reads what was never put as undefined',
    async ({ store, key }) => assert.equal(await store.read(key), undefined),
  ],
  [
    'reads a record exactly as it was put, in bytes of every value',
    async ({ store, key }) => {
      const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      await comesBack(store, key, record(everyByte));
    },
  ],
  [
    'reads a record of 64 KiB exactly as it was put',
    async ({ store, key }) => comesBack(store, key, record(randomBytes(LARGE))),
  ],
  ['reads a tombstone exactly as it was put', async ({ store, key }) => comesBack(store, key, tombstone())],
  [
    'keeps keys apart',
    async ({ store, key }) => {
      const [mine, other, otherKey] = [record(), record(), newKey()];
      await put(store, key, mine);
      assert.equal(await store.read(otherKey), undefined, 'another key reads what was put under this one');
      await put(store, otherKey, other);
      isDone(await store.swap(otherKey, tombstone(), 'any', LONG));
      isEntry(await store.read(key), mine);
    },
  ],
];

const RECORDS: readonly Clause[] = [
  [
    'puts a record that expects nothing only where nothing is',
    async ({ store, key }) => {
      const first = record();
      isDone(await store.swap(key, first, null, LONG));
      isRefused(await store.swap(key, record(), null, LONG), first);
      isEntry(await store.read(key), first);
    },
  ],
  [
    'puts a record in place of the one whose stamp it expects',
    async ({ store, key }) => {
      const [first, second] = [record(), record()];
      await put(store, key, first);
      isDone(await store.swap(key, second, stampOf(first), LONG));
      isEntry(await store.read(key), second);
    },
  ],
  [
    'refuses a record that expects a stamp which is not there, and returns the entry in the way',
    async ({ store, key }) => {
      const there = record();
      await put(store, key, there);
      isRefused(await store.swap(key, record(), stampOf(record()), LONG), there);
      isEntry(await store.read(key), there);
    },
  ],
  [
    'answers done to the same swap again, and keeps one entry',
    async ({ store, key }) => {
      const [first, second] = [record(), record()];
      for (const _ of [1, 2, 3]) isDone(await store.swap(key, first, null, LONG));
      for (const _ of [1, 2, 3]) isDone(await store.swap(key, second, stampOf(first), LONG));
      isEntry(await store.read(key), second);
    },
  ],
  [
    'refuses a swap that comes late, after another has replaced its entry',
    async ({ store, key }) => {
      const [late, newer] = [record(), record()];
      await put(store, key, late);
      isDone(await store.swap(key, newer, stampOf(late), LONG));
      isRefused(await store.swap(key, late, null, LONG), newer);
      isEntry(await store.read(key), newer);
    },
  ],
  [
    "rejects a record that expects 'any' with a RangeError, and changes nothing",
    async ({ store, key }) => {
      await assert.rejects(async () => store.swap(key, record(), 'any', LONG), RangeError);
      assert.equal(await store.read(key), undefined);
      const there = record();
      await put(store, key, there);
      await assert.rejects(async () => store.swap(key, record(), 'any', LONG), RangeError);
      isEntry(await store.read(key), there);
    },
  ],
];

const TOMBSTONES: readonly Clause[] = [
  [
    "puts a tombstone that expects 'any' where nothing is",
    async ({ store, key }) => {
      const end = tombstone();
      isDone(await store.swap(key, end, 'any', LONG));
      isEntry(await store.read(key), end);
    },
  ],
  [
    "puts a tombstone that expects 'any' over any record",
    async ({ store, key }) => {
      const end = tombstone();
      await put(store, key, record());
      isDone(await store.swap(key, end, 'any', LONG));
      isEntry(await store.read(key), end);
    },
  ],
  [
    'puts a tombstone over the record whose stamp it expects, and over no other',
    async ({ store, key }) => {
      const [first, end] = [record(), tombstone()];
      await put(store, key, first);
      isRefused(await store.swap(key, tombstone(), stampOf(record()), LONG), first);
      isRefused(await store.swap(key, tombstone(), null, LONG), first);
      isDone(await store.swap(key, end, stampOf(first), LONG));
      isEntry(await store.read(key), end);
    },
  ],
  [
    'answers done to the same tombstone again, whatever it expects',
    async ({ store, key }) => {
      const [first, end] = [record(), tombstone()];
      await put(store, key, first);
      for (const _ of [1, 2]) isDone(await store.swap(key, end, stampOf(first), LONG));
      isDone(await store.swap(key, end, 'any', LONG));
      isEntry(await store.read(key), end);
    },
  ],
  [
    'never puts a record over a tombstone, whatever the record expects',
    async ({ store, key }) => {
      const [first, end] = [record(), tombstone()];
      await put(store, key, first);
      isDone(await store.swap(key, end, 'any', LONG));
      for (const expected of [null, stampOf(first), stampOf(end)]) {
        isRefused(await store.swap(key, record(), expected, LONG), end);
      }
      isRefused(await store.swap(key, first, null, LONG), end);
      isEntry(await store.read(key), end);
    },
  ],
  [
    "answers done to a tombstone that expects 'any' over a tombstone",
    async ({ store, key }) => {
      isDone(await store.swap(key, tombstone(), 'any', LONG));
      isDone(await store.swap(key, tombstone(), 'any', LONG));
      isEnded(await store.read(key));
    },
  ],
];

const EXPIRY: readonly Clause[] = [
  [
    'lets a record go when its ttl is over, and the key be used again',
    async ({ store, key, elapse }) => {
      const next = record();
      isDone(await store.swap(key, record(), null, SHORT));
      await elapse(OVER);
      assert.equal(await store.read(key), undefined);
      isDone(await store.swap(key, next, null, LONG));
      isEntry(await store.read(key), next);
    },
  ],
  [
    'gives each entry its own ttl, not that of the one before',
    async ({ store, key, elapse }) => {
      const first = record();
      await put(store, key, first);
      isDone(await store.swap(key, record(), stampOf(first), SHORT));
      await elapse(OVER);
      assert.equal(await store.read(key), undefined);
    },
  ],
  [
    'keeps an entry until its ttl is over',
    async ({ store, key, elapse }) => {
      const there = record();
      await put(store, key, there);
      await elapse(OVER);
      isEntry(await store.read(key), there);
    },
  ],
  [
    'lets a tombstone go when its ttl is over',
    async ({ store, key, elapse }) => {
      isDone(await store.swap(key, tombstone(), 'any', SHORT));
      await elapse(OVER);
      assert.equal(await store.read(key), undefined);
    },
  ],
  [
    'never shortens the life of a tombstone by another',
    async ({ store, key, elapse }) => {
      isDone(await store.swap(key, tombstone(), 'any', LONG));
      isDone(await store.swap(key, tombstone(), 'any', SHORT));
      await elapse(OVER);
      isEnded(await store.read(key));
    },
  ],
  [
    'lengthens the life of a tombstone by a later one that lives longer',
    async ({ store, key, elapse }) => {
      isDone(await store.swap(key, tombstone(), 'any', SHORT));
      isDone(await store.swap(key, tombstone(), 'any', LONG));
      await elapse(OVER);
      isEnded(await store.read(key));
    },
  ],
];

const RIVALRY: readonly Clause[] = [
  [
    `lets exactly one of ${RIVALS} first records win, and shows it to the others`,
    async ({ store, key }) => winsAlone(store, key, null),
  ],
  [
    `lets exactly one of ${RIVALS} successors of one record win, and shows it to the others`,
    async ({ store, key }) => {
      const first = record();
      await put(store, key, first);
      await winsAlone(store, key, stampOf(first));
    },
  ],
  [
    'lets a tombstone win over records that are swapped at the same time',
    async ({ store, key }) => {
      const first = record();
      await put(store, key, first);
      const rivals = Array.from({ length: RIVALS }, () => store.swap(key, record(), stampOf(first), LONG));
      const [ended] = await Promise.all([store.swap(key, tombstone(), 'any', LONG), ...rivals]);
      isDone(ended);
      isEnded(await store.read(key));
    },
  ],
];

const ABSENCE: readonly Clause[] = [
  [
    'refuses a swap that expects a stamp where nothing is, and says that nothing is there',
    async ({ store, key }) => {
      isRefused(await store.swap(key, record(), stampOf(record()), LONG), undefined);
      isRefused(await store.swap(key, tombstone(), stampOf(record()), LONG), undefined);
      assert.equal(await store.read(key), undefined);
    },
  ],
  [
    'refuses a swap that expects the stamp of an entry whose ttl is over',
    async ({ store, key, elapse }) => {
      const first = record();
      isDone(await store.swap(key, first, null, SHORT));
      await elapse(OVER);
      isRefused(await store.swap(key, record(), stampOf(first), LONG), undefined);
      assert.equal(await store.read(key), undefined);
    },
  ],
];

async function winsAlone(
  store: SessionStore,
  key: string,
  expected: Parameters<SessionStore['swap']>[2],
): Promise<void> {
  const rivals = Array.from({ length: RIVALS }, () => record());
  const answers = await Promise.all(rivals.map(rival => store.swap(key, rival, expected, LONG)));
  const winners = rivals.filter((_, index) => answers[index]?.done);
  const [winner] = winners;
  assert.equal(winners.length, 1, `${winners.length} of ${RIVALS} swaps that exclude each other were done`);
  assert.ok(winner);
  isEntry(await store.read(key), winner);
  for (const answer of answers) if (!answer.done) isRefused(answer, winner);
}

async function comesBack(store: SessionStore, key: string, entry: Entry): Promise<void> {
  await put(store, key, entry);
  isEntry(await store.read(key), entry);
  isRefused(await store.swap(key, record(), null, LONG), entry);
}

async function put(store: SessionStore, key: string, entry: Entry): Promise<void> {
  isDone(await store.swap(key, entry, null, LONG));
}

function newKey(): string {
  return randomBytes(32).toString('base64url');
}

function record(body: Buffer = randomBytes(48)): Entry {
  return recordEntry(stamps.next(), body);
}

function tombstone(): Entry {
  return tombstoneEntry(stamps.next(), 'destroyed');
}

function isDone(answer: Swapped): void {
  assert.equal(answer.done, true, 'the swap was refused');
}

function isRefused(answer: Swapped, current: Entry | undefined): void {
  assert.ok(!answer.done, 'the swap was done, and should have been refused');
  if (current) isEntry(answer.current, current);
  else assert.equal(answer.current, undefined, 'something stood in the way where nothing is');
}

function isEntry(found: Entry | undefined, put: Entry): void {
  assert.ok(Buffer.isBuffer(found), 'there is no entry');
  assert.ok(found.equals(put), 'the entry is not the one that was put, byte for byte');
}

function isEnded(found: Entry | undefined): void {
  assert.ok(found && isTombstone(found), 'there is no tombstone');
}
