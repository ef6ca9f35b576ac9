import type { RedisArgument } from 'redis';
import type { Clock, Timer } from '../clock.js';
import { Bag } from './bag.js';
import { type Reason, StoreFault } from './fault.js';
import { redisFault } from './redis-faults.js';

/** The few commands that the library sends. Client, cluster, sentinel and pool of node-redis all have them. */
export interface RedisCommands {
  getRange(key: string, start: number, end: number): Promise<unknown>;
  exists(key: string): Promise<unknown>;
  evalSha(sha: string, options: { keys: string[]; arguments: RedisArgument[] }): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: RedisArgument[] }): Promise<unknown>;
}

/** One connection's life: from `connect` to the first error. A link never reuses a client that has failed. */
export interface RedisConnection {
  readonly commands: RedisCommands;
  /** Several servers answer, so that one may be silent while others are not. */
  readonly several: boolean;
  /** Resolves once commands may be sent; may hang, so the caller brings a deadline. */
  connect(): Promise<void>;
  /** Asks the server about itself, and counts up `counter`, a key that nothing else uses. */
  inspect(counter: string): Promise<ServerFacts>;
  /** Whether the client itself says that it can send now. */
  usable(): boolean;
  /** Called at most once, when the connection is of no more use. */
  onLost(listener: (error: unknown) => void): void;
  /** Another connection changed what this one has read or put under `key`; `null`: all data were flushed. */
  onInvalidate(listener: (key: string | null) => void): void;
  /** Returns at once, whatever the server does. */
  destroy(): void;
}

/** What the server says of itself. `undefined`: it would not say. */
export interface ServerFacts {
  readonly version: string | undefined;
  readonly runId: string | undefined;
  readonly role: string | undefined;
  readonly replicationId: string | undefined;
  /** How often instances have counted up `counter`: less than before means that data were lost. */
  readonly generation: number | undefined;
  /** Whether the server tells this connection what others change. */
  readonly tracks: boolean;
  readonly mayEvict: boolean;
  readonly clockOffset: number | undefined;
}

type State =
  | { readonly is: 'connecting' }
  | { readonly is: 'ready'; readonly connection: RedisConnection; readonly tracks: boolean }
  | { readonly is: 'waiting'; readonly fault: StoreFault }
  | { readonly is: 'closed' };

/** What a link reports to its owner. */
export interface LinkListener {
  /** The server has said something of itself: at each new connection, and whenever it is inspected. */
  inspected(facts: ServerFacts): void;
  /** There is a new connection. */
  ready(): void;
  /** As {@link RedisConnection.onInvalidate}, from the connection in use. */
  invalidated(key: string | null): void;
}

export interface RedisLinkOptions {
  readonly open: () => RedisConnection;
  /** The key that counts generations. */
  readonly counter: string;
  /** How long an operation waits for the very first connection, ms: less than its deadline, to say what is wrong. */
  readonly firstWait: number;
}

const CONNECT_WITHIN = 1_000;
const BACKOFF = { first: 50, cap: 500 } as const;
/** Faults of a server that is about to come up. For the others no request needs to wait. */
const PASSING: ReadonlySet<Reason> = new Set(['refused', 'timeout', 'reset', 'loading']);
const WATCH_EVERY = 250;
const SILENCE_ALLOWED = 1_000;
const MAX_PENDING = 10_000;

/** Commands that were sent over one connection and are not answered yet. Times are monotonic ms. */
class Pending {
  /** When each was sent. */
  readonly #commands = new Bag<number>();
  #lastReply = 0;

  get size(): number {
    return this.#commands.size;
  }

  /** Returns the place to settle. */
  send(at: number): number {
    if (this.size === 0) this.#lastReply = at;
    return this.#commands.put(at);
  }

  settle(place: number, at: number): void {
    this.#commands.take(place);
    this.#lastReply = at;
  }

  /** One server answers in order: what counts is its last answer. Of several it is the command that waits longest. */
  silentSince(several: boolean): number {
    return several && this.size > 0 ? Math.min(...this.#commands) : this.#lastReply;
  }
}

/**
 * Keeps one working connection to Redis. It replaces a connection that was lost, or that owes replies and has been
 * silent for a second, because no option of node-redis bounds a command that was written to a frozen server.
 */
export class RedisLink {
  readonly #clock: Clock;
  readonly #options: RedisLinkOptions;
  readonly #listener: LinkListener;
  #state: State = { is: 'connecting' };
  #connections = 0;
  #attempts = 0;
  #traffic = new Pending();
  #watch: Timer | undefined;
  #retry: Timer | undefined;
  #current: RedisConnection | undefined;
  readonly #lost = new WeakMap<RedisConnection, StoreFault>();
  #wake: () => void = () => undefined;
  /** Settles with the first connection, or with the end. */
  readonly #first = new Promise<void>(resolve => (this.#wake = resolve));

  constructor(options: RedisLinkOptions, clock: Clock, listener: LinkListener) {
    this.#options = options;
    this.#clock = clock;
    this.#listener = listener;
    this.#connect();
  }

  /** Numbers the connection whose server reports changes; `undefined`: none does now. */
  get watch(): number | undefined {
    const state = this.#state;
    return state.is === 'ready' && state.tracks ? this.#connections : undefined;
  }

  send<T>(operation: (commands: RedisCommands) => Promise<T>): Promise<T> {
    return this.#exchange(({ commands }) => operation(commands));
  }

  async inspect(): Promise<void> {
    const facts = await this.#exchange(connection => connection.inspect(this.#options.counter));
    this.#listener.inspected(facts);
  }

  /** Through the current connection. Nothing is ever queued for a later one. */
  async #exchange<T>(operation: (connection: RedisConnection) => Promise<T>): Promise<T> {
    if (this.#connections === 0 && this.#state.is !== 'closed') await this.#awaitFirst();
    const connection = this.#usable();
    const traffic = this.#traffic;
    const sent = traffic.send(this.#clock.monotonic());
    this.#guard();
    try {
      return await operation(connection);
    } catch (error) {
      // What was under way when the connection was given up fails for that reason, not for having been given up.
      throw this.#lost.get(connection) ?? error;
    } finally {
      traffic.settle(sent, this.#clock.monotonic());
    }
  }

  close(): void {
    this.#state = { is: 'closed' };
    this.#retry?.cancel();
    this.#watch?.cancel();
    this.#current?.destroy();
    this.#current = undefined;
    this.#wake();
  }

  #usable(): RedisConnection {
    const state = this.#state;
    if (state.is === 'waiting') throw state.fault;
    if (state.is !== 'ready') throw new StoreFault('not-applied', 'refused');
    if (!state.connection.usable()) throw new StoreFault('not-applied', 'reset');
    if (this.#traffic.size >= MAX_PENDING) throw new StoreFault('not-applied', 'busy');
    return state.connection;
  }

  /** A deploy must not log users out: until there was a connection requests wait for it, within their budget. */
  async #awaitFirst(): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>(resolve => (timer = this.#clock.after(this.#options.firstWait, resolve)));
    await Promise.race([this.#first, late]);
    timer?.cancel();
  }

  #connect(): void {
    const connection = this.#openGuarded();
    if (!connection) return;
    this.#current = connection;
    let settled = false;
    const once = (act: () => void): void => {
      if (settled || this.#current !== connection) return;
      settled = true;
      timer.cancel();
      act();
    };
    const fail = (error: unknown): void => once(() => this.#lose(connection, redisFault(error)));
    const timer = this.#clock.after(CONNECT_WITHIN, () => fail(new StoreFault('not-applied', 'timeout')));
    connection.onLost(error => (settled ? this.#lose(connection, redisFault(error)) : fail(error)));
    connection.onInvalidate(key => {
      if (this.#current === connection) this.#listener.invalidated(key);
    });
    const greeted = connection.connect().then(() => connection.inspect(this.#options.counter));
    greeted.then(facts => once(() => this.#ready(connection, facts)), fail);
  }

  #openGuarded(): RedisConnection | undefined {
    try {
      return this.#options.open();
    } catch (error) {
      this.#again(redisFault(error));
      return undefined;
    }
  }

  #ready(connection: RedisConnection, facts: ServerFacts): void {
    this.#connections += 1;
    this.#attempts = 0;
    this.#traffic = new Pending();
    this.#state = { is: 'ready', connection, tracks: facts.tracks };
    this.#listener.inspected(facts);
    this.#listener.ready();
    this.#wake();
  }

  #lose(connection: RedisConnection, fault: StoreFault): void {
    if (this.#current !== connection) return;
    this.#current = undefined;
    this.#lost.set(connection, fault);
    connection.destroy();
    this.#again(fault);
  }

  #again(fault: StoreFault): void {
    if (this.#state.is === 'closed') return;
    // What is refused from now on was never sent, whatever became of that which was.
    const refusal = fault.class === 'ambiguous' ? new StoreFault('not-applied', fault.reason) : fault;
    this.#state = { is: 'waiting', fault: refusal };
    if (!PASSING.has(fault.reason)) this.#wake();
    const backoff = Math.min(BACKOFF.cap, BACKOFF.first * 2 ** this.#attempts);
    this.#attempts += 1;
    this.#retry = this.#clock.after(backoff * (0.5 + this.#clock.fraction() / 2), () => this.#connect());
  }

  /** One timer watches all commands in flight, and stops when none is. */
  #guard(): void {
    const due = this.#clock.monotonic() + WATCH_EVERY;
    this.#watch ??= this.#clock.after(WATCH_EVERY, () => {
      this.#watch = undefined;
      if (this.#traffic.size === 0 || this.#state.is !== 'ready') return;
      const now = this.#clock.monotonic();
      const since = this.#traffic.silentSince(this.#state.connection.several);
      // A watchman who slept has not heard what arrived meanwhile.
      const silent = now - due < WATCH_EVERY && now - since > SILENCE_ALLOWED;
      if (silent) this.#lose(this.#state.connection, new StoreFault('ambiguous', 'timeout'));
      else this.#guard();
    });
  }
}
