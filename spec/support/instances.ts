import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import Koa, { type Context } from 'koa';
import { createSessions, type Sessions } from '../../src/create.js';
import type { EventName, SessionEvent } from '../../src/observe/events.js';
import type { SessionOptions } from '../../src/options.js';
import type { Session } from '../../src/session/session.js';
import { decodeIndex } from '../../src/session/user-index.js';
import { type Entry, HEADER_BYTES, stampOf } from '../../src/store/entry.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { Expected, SessionStore, Swapped } from '../../src/store/store.js';
import { storeKeyOf } from '../../src/vault/token.js';
import { Vault } from '../../src/vault/vault.js';
import { FaultyStore } from './faulty-store.js';
import { ManualClock } from './manual-clock.js';

declare module '../../src/session/session.js' {
  interface SessionData {
    [key: string]: unknown;
  }
}

/** Several instances of one app over one store, in time that moves only when told. */
export class Shop {
  readonly clock = new ManualClock();
  readonly behind = new ForgetfulStore(this.clock);
  readonly #secret = randomBytes(32).toString('hex');
  /** What an instance of this shop has inside. */
  readonly #vault = new Vault(
    { secrets: [this.#secret], cookieName: 'session', prefix: 'sess:' },
    this.clock,
  );

  async open(options: SessionOptions = {}): Promise<Instance> {
    const store = new FaultyStore(this.behind);
    const sessions = createSessions(
      { secret: this.#secret, store, logger: false, ...options },
      { clock: this.clock, env: {} },
    );
    const instance = new Instance(sessions, store, this.clock);
    await this.settle();
    return instance;
  }

  /** The store loses what is under `key`. */
  forget(key: string): void {
    this.behind.lose(key);
  }

  /** The key under which the store has the index of this user's sessions, with this secret. */
  indexKey(user: string, secret = this.#secret): string {
    return vaultOf(secret, this.clock).indexIdentities(user)[0].key;
  }

  /** The store keys of the sessions that the store has in the index of this user. */
  async indexed(user: string): Promise<string[]> {
    const [identity] = this.#vault.indexIdentities(user);
    const entry = await this.behind.read(identity.key);
    const opened = entry && this.#vault.open(identity, entry);
    return opened?.opened ? [...(decodeIndex(opened.text)?.sessions.keys() ?? [])] : [];
  }

  /** The store was restarted, and is empty. Instances learn that it is another data set when they reach it next. */
  loseEverything(...instances: Instance[]): void {
    this.behind.wipe();
    for (const { store } of instances) store.name = 'second';
  }

  /** Lets what is under way come to its end, background work included. */
  async settle(ms = 10_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) await this.clock.advance(250);
  }

  /** Runs `work` while time goes on: what waits for a deadline gets it. */
  async during<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const done = (): void => void (over = true);
    work.then(done, done);
    for (let turn = 0; turn < 400 && !over; turn += 1) await this.clock.advance(25);
    return work;
  }
}

/** A store that can lose an entry, as by eviction, or everything. */
class ForgetfulStore implements SessionStore {
  readonly #clock: ManualClock;
  readonly #lost = new Set<string>();
  readonly #put = new Set<string>();
  #kept: MemoryStore;

  constructor(clock: ManualClock) {
    this.#clock = clock;
    this.#kept = new MemoryStore(MAX_BYTES, clock);
  }

  lose(key: string): void {
    this.#lost.add(key);
  }

  /** Every key that was ever put, with what is there now. */
  async dump(): Promise<readonly { readonly key: string; readonly entry: Entry }[]> {
    const entries = await Promise.all(
      [...this.#put].map(async key => ({ key, entry: await this.read(key) })),
    );
    return entries.flatMap(({ key, entry }) => (entry ? [{ key, entry }] : []));
  }

  /** Somebody who can write to the store has changed a bit of the stamp and one of the seal under `key`. */
  async garble(key: string): Promise<void> {
    const entry = await this.#kept.read(key);
    if (!entry) throw new Error('there is nothing to garble');
    const expected = stampOf(entry);
    for (const at of [HEADER_BYTES - 1, entry.length - 1]) entry.writeUInt8(entry.readUInt8(at) ^ 1, at);
    await this.#kept.swap(key, entry, expected, DAY);
  }

  wipe(): void {
    this.#kept = new MemoryStore(MAX_BYTES, this.#clock);
  }

  async read(key: string): Promise<Entry | undefined> {
    return this.#lost.has(key) ? undefined : this.#kept.read(key);
  }

  async swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    this.#put.add(key);
    if (!this.#lost.has(key)) return this.#kept.swap(key, entry, expected, ttl);
    if (expected !== null && expected !== 'any') return { done: false, current: undefined };
    this.#lost.delete(key);
    const there = await this.#kept.read(key);
    return this.#kept.swap(key, entry, there ? stampOf(there) : null, ttl);
  }
}

/** What an instance with this secret has inside. */
function vaultOf(secret: string, clock: ManualClock): Vault {
  return new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, clock);
}

/** The key under which a store has the session of this token. */
export function keyOf(token: string): string {
  return storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38));
}

const MAX_BYTES = 64 * 1024 * 1024;
const DAY = 86_400_000;

export class Instance {
  readonly sessions: Sessions;
  readonly store: FaultyStore;
  readonly events: { readonly name: EventName; readonly event: object }[] = [];
  readonly #clock: ManualClock;

  constructor(sessions: Sessions, store: FaultyStore, clock: ManualClock) {
    this.sessions = sessions;
    this.store = store;
    this.#clock = clock;
    for (const name of WATCHED) sessions.events.on(name, event => void this.events.push({ name, event }));
  }

  get mode(): string {
    return this.sessions.stats().store.mode;
  }

  get backlog(): number {
    return this.sessions.stats().store.backlog.items;
  }

  count(name: EventName): number {
    return this.events.filter(event => event.name === name).length;
  }

  last<Name extends (typeof WATCHED)[number]>(name: Name): SessionEvent<Name> | undefined {
    // Recorded under this very name above.
    return this.events.findLast(event => event.name === name)?.event as SessionEvent<Name> | undefined;
  }

  /** The store is out of reach, and this instance has noticed. */
  async cutOff(link: FaultyStore['link'] = 'refused'): Promise<void> {
    this.store.link = link;
    for (let turn = 0; turn < 200 && this.mode !== 'degraded'; turn += 1) await this.#clock.advance(250);
  }

  /** The store is back, and this instance has brought everything home. */
  async rejoin(): Promise<void> {
    this.store.link = 'ok';
    for (let turn = 0; turn < 200 && this.mode !== 'healthy'; turn += 1) await this.#clock.advance(250);
  }

  async load(token: string): Promise<(Session & Record<string, unknown>) | undefined> {
    const session = await this.sessions.manager.load(token);
    // Session data in these specs is whatever they put there.
    return session as (Session & Record<string, unknown>) | undefined;
  }

  /** One request: loads, changes, saves. */
  async change(token: string, changes: Record<string, unknown>): Promise<void> {
    const session = await this.load(token);
    if (!session) throw new Error('there is no such session');
    Object.assign(session, changes);
    await this.sessions.manager.save(session);
  }

  /** One request over HTTP, which also writes to a session that cannot be read. Resolves with a token, if one is set. */
  blindly(token: string, changes: Record<string, unknown>): Promise<string | undefined> {
    return this.visit(token, ctx => void Object.assign(ctx.session, changes));
  }

  /** One request over HTTP. Resolves with a token, if one is set. */
  async visit(token: string, handle: (ctx: Context) => unknown): Promise<string | undefined> {
    const app = new Koa().use(this.sessions).use(async ctx => {
      await handle(ctx);
      ctx.body = 'ok';
    });
    const server = app.listen(0);
    try {
      const { port } = server.address() as AddressInfo;
      const cookie = `${this.sessions.cookieName}=${token}`;
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { cookie, connection: 'close' } });
      if (response.status !== 200) throw new Error(`answered ${response.status}`);
      return /=([^;]*)/.exec(response.headers.get('set-cookie') ?? '')?.[1];
    } finally {
      server.close();
    }
  }

  /** What `work` rejects with: the code of the error, or `undefined` where it does not reject. */
  async refusal(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => undefined,
      (error: unknown) => Reflect.get(Object(error), 'code'),
    );
  }

  async data(token: string): Promise<Record<string, unknown> | undefined> {
    return (await this.load(token))?.toJSON();
  }
}

const WATCHED = [
  'store:degraded',
  'store:recovering',
  'store:recovered',
  'store:error',
  'store:data-loss',
  'circuit:open',
  'circuit:close',
  'journal:added',
  'journal:full',
  'journal:evicted',
  'migration:conflict',
  'migration:quarantined',
  'session:created',
  'session:saved',
  'session:touched',
  'session:gone',
  'session:conflict',
  'session:unavailable',
  'session:expired',
  'session:regenerated',
  'session:authenticated',
  'session:destroyed',
  'security:undecryptable',
  'security:unknown-key',
  'security:forged-token',
  'security:flood',
] as const;
