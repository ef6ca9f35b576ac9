import { createClient, type RedisClientOptions, RESP_TYPES } from 'redis';
import type { Clock } from '../clock.js';
import { StoreFault } from './fault.js';
import { inspect, isForbidden } from './redis-facts.js';
import type { RedisCommands, RedisConnection } from './redis-link.js';

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
  withTypeMapping(mapping: Record<number, unknown>): RedisCommands;
  sendCommand(args: readonly string[]): Promise<unknown>;
  sendCommand(firstKey: string, isReadonly: boolean, args: readonly string[]): Promise<unknown>;
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

/** What opens connections to `target`: one after the other, each with a client of its own. */
export function connector(target: RedisTarget, clock: Clock): () => RedisConnection {
  const refused = { tracking: !single(target) };
  return () => openConnection(target, clock, refused);
}

/** `refused.tracking`: the server will not report changes, or must not be asked to. Remembered for the next connection. */
function openConnection(target: RedisTarget, clock: Clock, refused: { tracking: boolean }): RedisConnection {
  const tracks = !refused.tracking;
  const client = build(target, tracks);
  const namespace = namespaceOf(target);
  const commands = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  let connected = false;
  client.on('connect', () => (connected = true));
  const listeners: ((error: unknown) => void)[] = [];
  const lost = (error: unknown): void => listeners.splice(0).forEach(listener => listener(error));
  client.on('error', error => void (single(target) && lost(error)));
  client.on('terminated', lost);
  client.on('end', () => lost(new StoreFault('ambiguous', 'reset')));
  return {
    commands,
    several: !single(target),
    async connect() {
      try {
        await client.connect();
        // Of its own changes this connection knows, and what it would be told of them could overtake what it learns.
        if (tracks) await client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'NOLOOP']);
      } catch (error) {
        if (tracks && isForbidden(error)) refused.tracking = true;
        throw error;
      }
    },
    inspect: counter => inspect(client, { counter, tracks, clock, whole: single(target) }),
    usable: () => client.isOpen && client.isReady !== false,
    onLost: listener => void listeners.push(listener),
    onInvalidate: listener =>
      void client.on('invalidate', key => listener(Buffer.isBuffer(key) ? unprefixed(key, namespace) : null)),
    destroy: () => {
      // Before it is connected a client only forgets that it was to connect, and does so all the same.
      if (!connected) client.on('connect', () => quietly(client));
      quietly(client);
    },
  };
}

/** A cluster or sentinel reports errors of single nodes and goes on by itself. */
function single(target: RedisTarget): boolean {
  return target.kind === 'options' || !('_slots' in target.client || isSentinel(target.client));
}

function isSentinel(client: object): boolean {
  return 'getSentinelNode' in client;
}

function build(target: RedisTarget, tracks: boolean): NodeRedis {
  const settings = { ...CLIENT_SETTINGS, ...(tracks && TRACKING_SETTINGS) };
  if (target.kind === 'options') {
    const { socket, clientSideCache: _, ...rest } = target.options;
    const client = createClient({
      ...rest,
      ...settings,
      socket: { ...socket, reconnectStrategy: NO_RECONNECT },
    });
    return asNodeRedis(client);
  }
  return asNodeRedis(target.client.duplicate(overrides(target, settings)));
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
  const options: unknown = target.kind === 'options' ? target.options : Reflect.get(target.client, 'options');
  const prefix = isObject(options) ? options['keyPrefix'] : undefined;
  return typeof prefix === 'string' || Buffer.isBuffer(prefix) ? prefix.toString() : '';
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
