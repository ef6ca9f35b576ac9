import type { createClient, RedisClientOptions, RESP_TYPES } from 'redis';
import type { Clock } from '../clock.js';
import { StoreFault } from './fault.js';
import { inspect, isForbidden } from './redis-facts.js';
import { type RawClient, rawCommands } from './redis-commands.js';
import type { RedisCommands, RedisConnection, ServerFacts } from './redis-link.js';

/** A client, cluster or sentinel of node-redis that the app already has: duplicated, never taken over. */
export interface GivenClient {
  duplicate(overrides?: Record<string, unknown>): unknown;
}

export type RedisTarget =
  | { readonly kind: 'options'; readonly options: RedisClientOptions }
  | { readonly kind: 'given'; readonly client: GivenClient };

/** The parts of a node-redis client, cluster or sentinel that are used here. */
interface NodeRedis extends RedisCommands {
  connect(): Promise<unknown>;
  destroy(): void | Promise<void>;
  on(event: string, listener: (error: unknown) => void): unknown;
  readonly isOpen: boolean;
  readonly isReady?: boolean;
  incr(key: string): Promise<unknown>;
  withTypeMapping(mapping: Record<number, unknown>): RedisCommands & RawClient;
  sendCommand(args: readonly string[]): Promise<unknown>;
  sendCommand(firstKey: string, isReadonly: boolean, args: readonly string[]): Promise<unknown>;
}

interface NodeRedisPackage {
  readonly createClient: typeof createClient;
}

/** A dead connection is replaced by {@link RedisLink}, never revived: so nothing can wait in it for a later server. */
const NO_RECONNECT = false;

/** Settings without which a client hangs, queues or slows down. See docs/decisions/0003. */
const CLIENT_SETTINGS = {
  disableOfflineQueue: true,
  commandOptions: { timeout: 0 },
  maintNotifications: 'disabled',
} as const;

/** Only RESP3 lets a server report changes on the connection itself; node-redis reports them to one listener or its cache. */
const TRACKING_SETTINGS = { RESP: 3, emitInvalidate: true } as const;

/** Never rejects: what keeps node-redis from being loaded keeps each connection from being opened, and is said there. */
export async function nodeRedisLoaded(): Promise<void> {
  await loadNodeRedis().catch(() => undefined);
}

/** In RESP3: a string of bytes, which node-redis would make text. */
const BLOB_STRING: (typeof RESP_TYPES)['BLOB_STRING'] = 36;

/**
 * What opens connections to `target`: one after the other, each with a client of its own. `echoes`: they hear of their own
 * changes too. Without that a server is silent about what it forgets at a command of theirs, when its table or its memory
 * is full.
 */
export function connector(target: RedisTarget, clock: Clock, echoes = false): () => RedisConnection {
  const tracking = {
    refused: !single(target),
    command: ['CLIENT', 'TRACKING', 'ON', ...(echoes ? [] : ['NOLOOP'])],
  };
  return () => new NodeRedisConnection(target, clock, tracking);
}

/** `refused`: the server will not report changes, or must not be asked to. Remembered for the next connection. */
interface Tracking {
  refused: boolean;
  readonly command: readonly string[];
}

/** A client of its own, which is made when it connects: only then node-redis itself is loaded. */
class NodeRedisConnection implements RedisConnection {
  readonly several: boolean;
  readonly #target: RedisTarget;
  readonly #clock: Clock;
  readonly #tracking: Tracking;
  readonly #tracks: boolean;
  readonly #lost: ((error: unknown) => void)[] = [];
  readonly #invalidated: ((key: string | null) => void)[] = [];
  #opened: { readonly client: NodeRedis; readonly commands: RedisCommands } | undefined;
  #connected = false;
  #destroyed = false;

  constructor(target: RedisTarget, clock: Clock, tracking: Tracking) {
    this.#target = target;
    this.#clock = clock;
    this.#tracking = tracking;
    this.#tracks = !tracking.refused;
    this.several = !single(target);
  }

  get commands(): RedisCommands {
    return this.#open().commands;
  }

  async connect(): Promise<void> {
    const client = await build(this.#target, this.#tracks);
    // Given up meanwhile: what does not connect leaves nothing behind.
    if (this.#destroyed) throw new StoreFault('not-applied', 'refused');
    this.#opened = { client, commands: this.#commandsOf(client) };
    this.#listen(client);
    try {
      await client.connect();
      if (this.#tracks) await client.sendCommand(this.#tracking.command);
    } catch (error) {
      if (this.#tracks && isForbidden(error)) this.#tracking.refused = true;
      throw error;
    }
  }

  #commandsOf(client: NodeRedis): RedisCommands {
    const commands = client.withTypeMapping({ [BLOB_STRING]: Buffer });
    // Only node-redis knows which of several servers a key belongs to.
    const raw = !this.several && !Buffer.isBuffer(keyPrefixOf(this.#target));
    return raw ? rawCommands(commands, namespaceOf(this.#target)) : commands;
  }

  async inspect(counter: string): Promise<ServerFacts> {
    const how = { counter, tracks: this.#tracks, clock: this.#clock, whole: !this.several };
    return inspect(this.#open().client, how);
  }

  usable(): boolean {
    const client = this.#opened?.client;
    return client?.isOpen === true && client.isReady !== false;
  }

  onLost(listener: (error: unknown) => void): void {
    this.#lost.push(listener);
  }

  onInvalidate(listener: (key: string | null) => void): void {
    this.#invalidated.push(listener);
  }

  destroy(): void {
    this.#destroyed = true;
    const client = this.#opened?.client;
    if (!client) return;
    // Before it is connected a client only forgets that it was to connect, and does so all the same.
    if (!this.#connected) client.on('connect', () => quietly(client));
    quietly(client);
  }

  #listen(client: NodeRedis): void {
    const namespace = namespaceOf(this.#target);
    const lost = (error: unknown): void => this.#lost.splice(0).forEach(listener => listener(error));
    client.on('connect', () => (this.#connected = true));
    client.on('error', error => void (!this.several && lost(error)));
    client.on('terminated', lost);
    client.on('end', () => lost(new StoreFault('ambiguous', 'reset')));
    client.on('invalidate', key => {
      const name = Buffer.isBuffer(key) ? unprefixed(key, namespace) : null;
      this.#invalidated.forEach(listener => listener(name));
    });
  }

  #open(): { readonly client: NodeRedis; readonly commands: RedisCommands } {
    if (!this.#opened) throw new StoreFault('not-applied', 'refused');
    return this.#opened;
  }
}

/** A cluster or sentinel reports errors of single nodes and goes on by itself. */
function single(target: RedisTarget): boolean {
  return target.kind === 'options' || !('_slots' in target.client || isSentinel(target.client));
}

function isSentinel(client: object): boolean {
  return 'getSentinelNode' in client;
}

async function build(target: RedisTarget, tracks: boolean): Promise<NodeRedis> {
  const settings = { ...CLIENT_SETTINGS, ...(tracks && TRACKING_SETTINGS) };
  if (target.kind === 'options') {
    const { socket, clientSideCache: _, ...rest } = target.options;
    const { createClient: create } = await loadNodeRedis();
    const client = create({
      ...rest,
      ...settings,
      socket: { ...socket, reconnectStrategy: NO_RECONNECT },
    });
    return asNodeRedis(client);
  }
  return asNodeRedis(target.client.duplicate(overrides(target, settings)));
}

let loading: Promise<NodeRedisPackage> | undefined;

/** It takes longer to load than all else that an app needs at its start, so it is loaded beside that (docs/decisions/0025). */
function loadNodeRedis(): Promise<NodeRedisPackage> {
  loading ??= import('redis').catch(() => {
    loading = undefined;
    throw new StoreFault('not-applied', 'other', 'the package "redis" (node-redis) could not be loaded');
  });
  return loading;
}

function overrides(target: RedisTarget & { kind: 'given' }, settings: object): Record<string, unknown> {
  const given: unknown = 'options' in target.client ? target.client.options : undefined;
  const socket = isObject(given) && isObject(given['socket']) ? given['socket'] : {};
  if (single(target))
    return {
      ...settings,
      clientSideCache: undefined,
      socket: { ...socket, reconnectStrategy: NO_RECONNECT },
    };
  // Replicas may not have seen a logout yet, so nothing is read from them.
  return { commandOptions: { timeout: 0 }, useReplicas: false, replicaPoolSize: 0 };
}

/** What node-redis itself puts before each key that is sent. It reports changes under the names that the server knows. */
function namespaceOf(target: RedisTarget): string {
  const prefix = keyPrefixOf(target);
  return typeof prefix === 'string' || Buffer.isBuffer(prefix) ? prefix.toString() : '';
}

function keyPrefixOf(target: RedisTarget): unknown {
  const options: unknown = target.kind === 'options' ? target.options : Reflect.get(target.client, 'options');
  return isObject(options) ? options['keyPrefix'] : undefined;
}

function unprefixed(key: Buffer, namespace: string): string {
  const name = key.toString();
  return name.startsWith(namespace) ? name.slice(namespace.length) : '';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function asNodeRedis(client: unknown): NodeRedis {
  // node-redis types its client, cluster and sentinel apart; options.ts has checked for these methods.
  return client as NodeRedis;
}

/** Never waits: a cluster's `destroy` may return a promise that nobody needs. */
function quietly(client: NodeRedis): void {
  try {
    void Promise.resolve(client.destroy()).catch(() => undefined);
  } catch {
    // An already closed client throws, and closed is what is wanted.
  }
}
