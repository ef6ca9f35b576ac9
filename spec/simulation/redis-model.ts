import { Keyspace, type Slot } from './keyspace.js';
import type { Random } from './random.js';
import { runSwap, type Script } from './swap-script.js';
import type { Timeline } from './time.js';
import { EPOCH } from './time.js';

export type Command =
  | { readonly name: 'hello' }
  | { readonly name: 'inspect'; readonly counter: string }
  | { readonly name: 'get'; readonly key: string; readonly end: number }
  | { readonly name: 'exists'; readonly key: string }
  | { readonly name: 'swap'; readonly script: Script; readonly whole: boolean };

/** What a server says of itself, as `INFO`, `TIME` and the counter of generations have it. */
export interface ServerSays {
  readonly version: string;
  readonly runId: string;
  readonly role: string;
  readonly replicationId: string;
  readonly generation: number | undefined;
  readonly mayEvict: boolean;
  readonly wall: number;
}

export type Answer = { readonly value: unknown } | { readonly error: string };

/** The server's end of a connection. */
export interface Client {
  /** It hears of its own changes too, after the answer to what made them. */
  readonly echoes: boolean;
  /** Another client changed what this one has read; `null`: everything is gone. */
  invalidated(key: string | null): void;
  /** The server's process has ended. */
  reset(): void;
}

/** Why a server that runs does not do what it is asked. */
export type Mishap = 'OOM' | 'READONLY' | 'MISCONF' | 'LOADING' | 'NOAUTH' | 'BUSY';

/** What the checker sees of the data. */
export interface Observer {
  put(script: Script, before: Slot | undefined): void;
  expired(key: string): void;
  /** The data changed although nobody asked for it. */
  lost(keys: ReadonlySet<string>, cause: string): void;
}

const WRITE_REFUSED: Partial<Record<Mishap, string>> = {
  READONLY: "READONLY You can't write against a read only replica.",
  MISCONF: 'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist',
};

const ALL_REFUSED: Partial<Record<Mishap, string>> = {
  LOADING: 'LOADING Redis is loading the dataset in memory',
  NOAUTH: 'NOAUTH Authentication required.',
  BUSY: 'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
};

/** One Redis as clients see it: the process, its data, and whatever befalls them. */
export class RedisModel {
  readonly keyspace: Keyspace;
  readonly mayEvict: boolean;
  mishap: Mishap | undefined;
  up = true;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #observer: Observer;
  readonly #clients = new Set<Client>();
  readonly #tracked = new Map<string, Set<Client>>();
  #frozen = false;
  #inbox: (() => void)[] = [];
  readonly #echoes: string[] = [];
  #hasScript = false;
  #runId: string;
  #replicationId: string;

  constructor(timeline: Timeline, random: Random, observer: Observer, mayEvict: boolean) {
    this.#timeline = timeline;
    this.#random = random;
    this.#observer = observer;
    this.mayEvict = mayEvict;
    this.keyspace = new Keyspace(timeline);
    this.keyspace.onExpired = key => {
      this.#invalidate(key, undefined);
      observer.expired(key);
    };
    this.#runId = this.#name();
    this.#replicationId = this.#name();
  }

  /** False where no process listens. */
  accept(client: Client): boolean {
    if (this.up) this.#clients.add(client);
    return this.up;
  }

  receive(client: Client, command: Command, answer: (answer: Answer) => void): void {
    if (!this.up || !this.#clients.has(client)) {
      client.reset();
      return;
    }
    const run = (): void => {
      answer(this.#execute(client, command));
      for (const key of this.#echoes.splice(0)) client.invalidated(key);
    };
    if (this.#frozen) this.#inbox.push(run);
    else run();
  }

  drop(client: Client): void {
    this.#clients.delete(client);
    for (const clients of this.#tracked.values()) clients.delete(client);
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** All that came meanwhile is done now, whoever still waits for it. */
  thaw(): void {
    this.#frozen = false;
    for (const run of this.#inbox.splice(0)) run();
  }

  crash(): void {
    this.up = false;
    this.#frozen = false;
    this.#inbox = [];
    this.#tracked.clear();
    for (const client of this.#clients) client.reset();
    this.#clients.clear();
  }

  /** With the data as they were at `then`: now for a perfect disk, -1 for none. */
  start(then: number, cause: string): void {
    const lost = this.keyspace.rollBack(then);
    this.up = true;
    this.#hasScript = false;
    this.#runId = this.#name();
    this.#replicationId = this.#name();
    this.#observer.lost(lost, cause);
  }

  /** The replica becomes the master with what it had got by `then`. */
  failOver(then: number): void {
    this.crash();
    this.start(then, 'failover');
  }

  flushAll(): void {
    this.#observer.lost(this.keyspace.clear(), 'flushall');
    this.#tracked.clear();
    for (const client of this.#clients) client.invalidated(null);
  }

  flushScripts(): void {
    this.#hasScript = false;
  }

  evict(keys: readonly string[]): void {
    for (const key of keys) {
      this.keyspace.set(key, undefined);
      this.#invalidate(key, undefined);
    }
    this.#observer.lost(new Set(keys), 'eviction');
  }

  /** Somebody else writes under one of our keys. */
  spoil(key: string, slot: Slot): void {
    this.keyspace.set(key, slot);
    this.#invalidate(key, undefined);
    this.#observer.lost(new Set([key]), 'spoilt');
  }

  #execute(client: Client, command: Command): Answer {
    const refused = this.mishap && ALL_REFUSED[this.mishap];
    if (refused && !(this.mishap !== 'NOAUTH' && command.name === 'hello')) return { error: refused };
    switch (command.name) {
      case 'hello':
        return { value: 'OK' };
      case 'inspect':
        return { value: this.#inspection(command.counter) };
      case 'get':
        return this.#get(client, command.key, command.end);
      case 'exists':
        this.#track(client, command.key);
        return { value: this.keyspace.get(command.key) ? 1 : 0 };
      default:
        return this.#swap(client, command);
    }
  }

  #get(client: Client, key: string, end: number): Answer {
    this.#track(client, key);
    const value = this.keyspace.get(key)?.value;
    if (value === 'list')
      return { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' };
    return { value: value?.subarray(0, end + 1) ?? Buffer.alloc(0) };
  }

  #swap(client: Client, { script, whole }: Command & { name: 'swap' }): Answer {
    if (!whole && !this.#hasScript) return { error: 'NOSCRIPT No matching script.' };
    this.#hasScript = true;
    return this.#guarded(() => {
      const { key, entry } = script;
      const before = this.keyspace.get(key);
      this.#track(client, key);
      const reply = runSwap(this.keyspace, script, this.#timeline.now, deletes => this.#refuseWrite(deletes));
      const after = this.keyspace.get(key);
      if (after !== before) this.#invalidate(key, client);
      this.#track(client, key);
      if (after && after !== before && after.value === entry) this.#observer.put(script, before);
      return reply;
    });
  }

  #guarded(run: () => unknown): Answer {
    try {
      return { value: run() };
    } catch (error) {
      if (error instanceof Refusal) return { error: error.message };
      throw error;
    }
  }

  #refuseWrite(deletesFirst: boolean): void {
    const refusal = this.mishap && WRITE_REFUSED[this.mishap];
    if (refusal) throw new Refusal(refusal);
    if (this.mishap === 'OOM' && !deletesFirst)
      throw new Refusal("OOM command not allowed when used memory > 'maxmemory'.");
  }

  #increase(key: string): number {
    this.#refuseWrite(false);
    const value = this.keyspace.get(key)?.value;
    const next = (Buffer.isBuffer(value) ? Number(value.toString()) : 0) + 1;
    this.keyspace.set(key, { value: Buffer.from(String(next)), expires: Infinity });
    return next;
  }

  #inspection(counter: string): ServerSays {
    const counted = this.#guarded(() => this.#increase(counter));
    return {
      version: '7.0.15',
      runId: this.#runId,
      role: this.mishap === 'READONLY' ? 'slave' : 'master',
      replicationId: this.#replicationId,
      generation: 'value' in counted ? Number(counted.value) : undefined,
      mayEvict: this.mayEvict,
      wall: EPOCH + this.#timeline.now,
    };
  }

  #track(client: Client, key: string): void {
    const clients = this.#tracked.get(key) ?? new Set();
    this.#tracked.set(key, clients.add(client));
  }

  #invalidate(key: string, by: Client | undefined): void {
    const clients = this.#tracked.get(key);
    if (!clients) return;
    this.#tracked.delete(key);
    for (const client of clients) {
      if (client !== by) client.invalidated(key);
      else if (client.echoes) this.#echoes.push(key);
    }
  }

  #name(): string {
    return this.#random.bytes(20).toString('hex');
  }
}

class Refusal extends Error {}
