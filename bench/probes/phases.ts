import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/clock.js';
import { type Config, readOptions } from '../../src/options.js';
import { Supervisor } from '../../src/resilience/supervisor.js';
import { Fields } from '../../src/session/fields.js';
import { Nested, showLater } from '../../src/session/nested.js';
import {
  decodeRecord,
  encodeRecord,
  fieldsIn,
  type SessionRecord,
  stampChanges,
} from '../../src/session/record.js';
import { type Entry, Stamps, stampOf } from '../../src/store/entry.js';
import { RedisStore } from '../../src/store/redis.js';
import { connector } from '../../src/store/redis-client.js';
import type { SessionStore, WriteIntent } from '../../src/store/store.js';
import { type SealedIdentity, Vault } from '../../src/vault/vault.js';
import { pseudonymOf } from '../../src/vault/token.js';
import { shopper } from '../apps/shopper.js';
import { obey } from '../support/orders.js';
import { micros, microsAwaited, type Pace, use, used, wide } from './timing.js';

/** Each phase of a request alone, with the modules of the library: CPU µs of this process for each operation. */
export interface Phase {
  readonly phase: string;
  readonly what: string;
  readonly bytes: number;
  readonly micros: number;
}

const clock = systemClock();
const stamps = new Stamps(clock);
const config: Config = readOptions({ redis: false, secret: randomBytes(32).toString('hex'), logger: false });
const vault = new Vault(config, clock);
const WIDTH = 32;
const KEYS = 1_000;
const MINUTE = 60_000;

function recordOf(bytes: number): SessionRecord {
  const now = clock.wall();
  const text = JSON.stringify(shopper(1, bytes));
  const content = { fields: fieldsIn(text), maxAge: undefined };
  const [idle, absolute] = [now + MINUTE, now + MINUTE];
  const known = stampChanges(undefined, content, stamps.next(), 0);
  return {
    created: now,
    login: undefined,
    used: now,
    idle,
    absolute,
    maxAge: undefined,
    stamps: known,
    fields: fieldsIn(text),
  };
}

/** As a session shows them. */
function shown(fields: Fields): object {
  const target = {};
  for (const [key, field] of fields) {
    if (!(field instanceof Nested)) Reflect.set(target, key, field);
    else if (!showLater(target, key, field)) Reflect.set(target, key, JSON.parse(field.text));
  }
  return target;
}

/** What is done to every record, in the order in which a request does it. */
function sealed(bytes: number, pace: Pace): Phase[] {
  const record = recordOf(bytes);
  const text = encodeRecord(record);
  const identity = vault.newIdentity();
  const token = vault.issue(identity, 0);
  const entry = vault.seal(identity, stamps.next(), text);
  const session = shown(record.fields);
  const changed = Object.assign(shown(record.fields), { count: 1 });
  const stamp = stamps.next();
  const phase = (name: string, what: string, work: () => void): Phase => ({
    phase: name,
    what,
    bytes,
    micros: micros(work, pace),
  });
  return [
    phase('token', 'a cookie is verified', () => use(verified(token).key)),
    phase('open', 'an entry is opened', () => use(opened(identity, entry))),
    phase('parse', 'its text becomes data', () => use(parsed(text).fields.text)),
    phase('show', 'data become the properties of a session', () => use(Object.keys(shown(record.fields)))),
    phase('compare', 'the session is looked through, to see whether anything changed', () =>
      use(String(record.fields.fit(session))),
    ),
    phase('serialise', 'what changed is stamped, and the record written as text', () => {
      const fields = Fields.from(changed, record.fields, config.maxDataBytes);
      const known = stampChanges(record, { fields, maxAge: undefined }, stamp, 0);
      use(encodeRecord({ ...record, fields, stamps: known }));
    }),
    phase('seal', 'the text is sealed', () => use(vault.seal(identity, stamps.next(), text))),
  ];
}

function verified(token: string): SealedIdentity {
  const claims = vault.verify(token);
  if (typeof claims === 'string') throw new Error(claims);
  return claims.identity;
}

function opened(identity: SealedIdentity, entry: Entry): string {
  const found = vault.open(identity, entry);
  if (!found.opened) throw new Error(found.because);
  return found.text;
}

function parsed(text: string): SessionRecord {
  const record = decodeRecord(text);
  if (!record) throw new Error('no record');
  return record;
}

interface Kept {
  readonly identity: SealedIdentity;
  entry: Entry;
}

function keptOf(bytes: number): Kept[] {
  const text = encodeRecord(recordOf(bytes));
  return Array.from({ length: KEYS }, () => {
    const identity = vault.newIdentity();
    return { identity, entry: vault.seal(identity, stamps.next(), text) };
  });
}

/** The two operations of the store on a real Redis, 32 at a time: the round trip is shared, its work is not. */
async function stored(url: string, bytes: number, pace: Pace): Promise<Phase[]> {
  const limits = { prefix: 'bench:', firstWait: 1_000, maxEntryBytes: 200_000 };
  const store = new RedisStore(limits, clock, connector({ kind: 'options', options: { url } }, clock));
  const kept = keptOf(bytes);
  const of = (turn: number): Kept => kept[turn % KEYS] as Kept;
  await wide(KEYS, WIDTH, turn => store.swap(of(turn).identity.key, of(turn).entry, null, MINUTE));
  const next = kept.map(({ identity }) => vault.seal(identity, stamps.next(), 'x'.repeat(bytes)));
  const read = await microsAwaited(() => wide(WIDTH, WIDTH, turn => store.read(of(turn).identity.key)), pace);
  const swap = await microsAwaited(
    round =>
      wide(WIDTH, WIDTH, async turn => {
        const each = of(turn);
        // Two versions take turns, so that every swap meets what it expects.
        const [now, then] =
          round % 2 === 0 ? [next[turn] as Entry, each.entry] : [each.entry, next[turn] as Entry];
        const answer = await store.swap(each.identity.key, now, stampOf(then), MINUTE);
        if (!answer.done) throw new Error('a swap was refused');
      }),
    pace,
  );
  await store.close();
  return [
    { phase: 'read', what: `one read of Redis, ${WIDTH} at a time`, bytes, micros: read / WIDTH },
    { phase: 'swap', what: `one compare-and-swap in Redis, ${WIDTH} at a time`, bytes, micros: swap / WIDTH },
  ];
}

/** A store that answers at once, and agrees to everything. */
class Instant implements SessionStore {
  readonly #entries: ReadonlyMap<string, Promise<Entry>>;
  readonly #done = Promise.resolve({ done: true } as const);

  constructor(kept: readonly Kept[]) {
    this.#entries = new Map(kept.map(({ identity, entry }) => [identity.key, Promise.resolve(entry)]));
  }

  read(key: string): Promise<Entry | undefined> {
    return this.#entries.get(key) ?? Promise.resolve(undefined);
  }

  swap(): Promise<{ done: true }> {
    return this.#done;
  }
}

/** Supervisor and circuits: what they cost beyond a store that answers at once. */
async function supervised(bytes: number, pace: Pace): Promise<Phase[]> {
  const kept = keptOf(bytes);
  const store = new Instant(kept);
  const identity = vault.newIdentity();
  const sealCheck = { key: identity.key, entry: vault.seal(identity, stamps.next(), 'c'), opens: () => true };
  const parts = { store, clock, stamps, emit: () => undefined, sealCheck: () => sealCheck, pseudonymOf };
  const supervisor = new Supervisor(config, parts);
  const key = (turn: number): string => kept[turn % KEYS]?.identity.key ?? '';
  const entries = kept.map(({ entry }) => entry);
  const entry = (turn: number): Entry => entries[turn % KEYS] as Entry;
  const intent: WriteIntent = { tier: 'returning', merge: () => 'drop' };
  const expected = stamps.next();
  const alone = {
    read: await microsAwaited(turn => store.read(key(turn)), pace),
    swap: await microsAwaited(() => store.swap(), pace),
  };
  const whole = {
    read: await microsAwaited(turn => supervisor.lookup(key(turn)), pace),
    swap: await microsAwaited(
      turn => supervisor.swap(key(turn), entry(turn), expected, MINUTE, intent),
      pace,
    ),
  };
  await supervisor.close();
  const what = 'beyond a store that answers at once';
  return [
    { phase: 'supervised read', what, bytes, micros: whole.read - alone.read },
    { phase: 'supervised swap', what, bytes, micros: whole.swap - alone.swap },
  ];
}

async function measure({ url, sizes, pace }: { url: string; sizes: number[]; pace: Pace }): Promise<Phase[]> {
  const found: Phase[] = [];
  for (const bytes of sizes) {
    found.push(
      ...sealed(bytes, pace),
      ...(await stored(url, bytes, pace)),
      ...(await supervised(bytes, pace)),
    );
  }
  if (!Number.isInteger(used())) throw new Error('nothing was computed');
  return found;
}

obey({ measure });
