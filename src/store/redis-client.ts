import { createClient, type RedisClientOptions, RESP_TYPES } from 'redis';
import type { Clock } from '../clock.js';
import { StoreFault } from './fault.js';
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
  withTypeMapping(mapping: Record<number, unknown>): RedisCommands;
  sendCommand(args: readonly string[]): Promise<unknown>;
  sendCommand(firstKey: string, isReadonly: boolean, args: readonly string[]): Promise<unknown>;
}

const OLDEST = [6, 2] as const;

/** A dead connection is replaced by {@link RedisLink}, never revived: so nothing can wait in it for a later server. */
const NO_RECONNECT = false;

/** Settings without which a client hangs, queues or slows down. See docs/decisions/0003. */
const CLIENT_SETTINGS = {
  disableOfflineQueue: true,
  commandOptions: { timeout: 0 },
  maintNotifications: 'disabled',
} as const;

export function openConnection(target: RedisTarget, clock: Clock): RedisConnection {
  const client = build(target);
  const commands = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const listeners: ((error: unknown) => void)[] = [];
  const lost = (error: unknown): void => listeners.splice(0).forEach(listener => listener(error));
  client.on('error', error => void (single(target) && lost(error)));
  client.on('terminated', lost);
  client.on('end', () => lost(new StoreFault('ambiguous', 'reset')));
  return {
    commands,
    async connect() {
      await client.connect();
      return facts(client, single(target), clock);
    },
    usable: () => client.isOpen && client.isReady !== false,
    onLost: listener => void listeners.push(listener),
    destroy: () => quietly(client),
  };
}

/** A cluster or sentinel reports errors of single nodes and goes on by itself. */
function single(target: RedisTarget): boolean {
  return target.kind === 'options' || !('_slots' in target.client || isSentinel(target.client));
}

function isSentinel(client: object): boolean {
  return 'getSentinelNode' in client;
}

function build(target: RedisTarget): NodeRedis {
  if (target.kind === 'options') {
    const { socket, ...rest } = target.options;
    const client = createClient({
      ...rest,
      ...CLIENT_SETTINGS,
      socket: { ...socket, reconnectStrategy: NO_RECONNECT },
    });
    return asNodeRedis(client);
  }
  return asNodeRedis(target.client.duplicate(overrides(target)));
}

function overrides(target: RedisTarget & { kind: 'given' }): Record<string, unknown> {
  const given: unknown = 'options' in target.client ? target.client.options : undefined;
  const socket = isObject(given) && isObject(given['socket']) ? given['socket'] : {};
  if (single(target)) return { ...CLIENT_SETTINGS, socket: { ...socket, reconnectStrategy: NO_RECONNECT } };
  // Replicas may not have seen a logout yet, so nothing is read from them.
  return { commandOptions: { timeout: 0 }, useReplicas: false, replicaPoolSize: 0 };
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

async function facts(client: NodeRedis, oneServer: boolean, clock: Clock): Promise<ServerFacts> {
  if (!oneServer)
    return { version: undefined, incarnation: undefined, mayEvict: false, clockOffset: undefined };
  const info = await answer(client, 'INFO');
  const version = field(info, 'redis_version');
  refuseOld(version);
  const policy = field(info, 'maxmemory_policy');
  return {
    version,
    incarnation: field(info, 'run_id'),
    mayEvict: policy !== undefined && policy !== 'noeviction' && field(info, 'maxmemory') !== '0',
    clockOffset: await offset(client, clock),
  };
}

/** Managed servers may forbid INFO or TIME: then those facts are unknown, and that is no reason to fail. */
async function answer(client: NodeRedis, command: string): Promise<unknown> {
  return client.sendCommand([command]).catch((error: unknown) => {
    if (error instanceof Error && /^(NOPERM|ERR unknown)/.test(error.message)) return undefined;
    throw error;
  });
}

function field(info: unknown, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(String(info))?.[1];
}

function refuseOld(version: string | undefined): void {
  if (version === undefined) return;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  if (old)
    throw new StoreFault(
      'ours',
      'other',
      `Redis ${version} is too old: ${OLDEST.join('.')} or later is needed`,
    );
}

async function offset(client: NodeRedis, clock: Clock): Promise<number | undefined> {
  const asked = clock.wall();
  const reply = await answer(client, 'TIME');
  if (!Array.isArray(reply)) return undefined;
  const [seconds, micros] = reply.map(Number);
  if (seconds === undefined || micros === undefined) return undefined;
  return seconds * 1000 + micros / 1000 - (asked + clock.wall()) / 2;
}
