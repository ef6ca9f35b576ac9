import { randomBytes } from 'node:crypto';
import { createClient, createCluster, createSentinel, type RedisClientOptions } from 'redis';
import { type Clock, systemClock } from '../../src/clock.js';
import { Supervisor } from '../../src/resilience/supervisor.js';
import { Stamps } from '../../src/store/entry.js';
import { MemoryStore } from '../../src/store/memory.js';
import { RedisStore } from '../../src/store/redis.js';
import { connector, type RedisTarget } from '../../src/store/redis-client.js';
import type { SessionStore } from '../../src/store/store.js';
import type { OpenedStore } from '../../src/testing.js';
import { pseudonymOf } from '../../src/vault/token.js';
import { Vault } from '../../src/vault/vault.js';
import { RedisServer } from './redis-server.js';

const BYTES = 16 * 1024 * 1024;
export const PREFIX = 'contract:';

export function memoryStore(clock: Clock): OpenedStore {
  return { store: new MemoryStore(BYTES, clock), close: () => Promise.resolve() };
}

/** A Redis store with a client of its own; `firstWait` as long as the tests can bear. */
export function redisStore(
  options: RedisClientOptions | { target: RedisTarget },
  echoes = false,
): RedisStore {
  const target: RedisTarget = 'target' in options ? options.target : { kind: 'options', options };
  const clock = systemClock();
  return new RedisStore(
    { prefix: PREFIX, firstWait: 10_000, maxEntryBytes: 1024 * 1024, echoes },
    clock,
    connector(target, clock, echoes),
  );
}

export function openedRedis(url: string): OpenedStore {
  const store = redisStore({ url });
  return { store, close: () => store.close() };
}

/** A Redis Cluster of one node that holds every slot. */
export async function startCluster(): Promise<RedisServer> {
  const server = await RedisServer.start({ args: ['--cluster-enabled', 'yes'] });
  const admin = await createClient({ url: server.url, socket: { reconnectStrategy: false } })
    .on('error', () => undefined)
    .connect();
  try {
    await admin.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
    while (!String(await admin.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_state:ok')) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  } finally {
    admin.destroy();
  }
  return server;
}

/** A store on a cluster client that the app has, connected or not: it is duplicated. */
export function openedCluster(url: string): OpenedStore {
  const client = createCluster({ rootNodes: [{ url }] });
  const store = redisStore({ target: { kind: 'given', client } });
  return { store, close: () => store.close() };
}

/** A store on a sentinel client that the app has: it is duplicated, and finds the master by the sentinel. */
export function openedSentinel(sentinel: RedisServer): OpenedStore {
  const sentinelRootNodes = [{ host: '127.0.0.1', port: sentinel.port }];
  const client = createSentinel({ name: 'shop', sentinelRootNodes });
  const store = redisStore({ target: { kind: 'given', client } });
  return { store, close: () => store.close() };
}

/** A supervisor as `session()` composes one. */
export function openedSupervisor(behind: SessionStore, clock: Clock): OpenedStore {
  const stamps = new Stamps(clock);
  const vault = new Vault(
    { secrets: [randomBytes(32).toString('hex')], cookieName: 'session', prefix: PREFIX },
    clock,
  );
  const sealCheck = () => {
    const identity = vault.newIdentity();
    return {
      key: identity.key,
      entry: vault.seal(identity, stamps.next(), 'canary'),
      opens: (found: Buffer) => vault.open(identity, found).opened,
    };
  };
  const options = {
    deadline: 5_000,
    breaker: { failures: 3, rate: 0.5, window: 10_000 },
    probe: { interval: 100, maxInterval: 1_000, successes: 3 },
    journal: { maxBytes: BYTES },
    shadow: { maxBytes: BYTES, maxStaleness: 60_000 },
    cache: false,
    maxOutage: 3_600_000,
    absoluteTimeout: 24 * 3_600_000,
    afterDataLoss: 'restore' as const,
  };
  const store = new Supervisor(options, {
    store: behind,
    clock,
    stamps,
    emit: () => undefined,
    sealCheck,
    pseudonymOf,
  });
  return { store, close: () => store.close(0) };
}
