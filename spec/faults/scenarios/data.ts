import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer } from '../../support/redis-server.js';
import type { Lab } from '../lab.js';
import type { Scenario } from '../scenario.js';

/** Long enough for logins, writes and logouts that the copy does not have. */
const STALE = 500;

/** A replica that has everything, and then hears of nothing more. */
async function lagging(lab: Lab): Promise<RedisServer> {
  const link = await lab.addProxy(lab.redis.port);
  const replica = await lab.addServer(['--replicaof', '127.0.0.1', String(link.port)]);
  const synced = await lab.until(async () => {
    const info = String(await lab.command('INFO', 'replication'));
    return /slave0:.*state=online/.test(info);
  }, 5_000);
  if (!synced) throw new Error('the replica does not follow');
  link.mode = 'blackhole';
  await sleep(STALE);
  return replica;
}

const replicas = new WeakMap<Lab, RedisServer>();

/** Redis comes back, or goes on, with other data than it had acknowledged. */
export const DATA: readonly Scenario[] = [
  {
    name: 'flushall',
    fault: 'FLUSHALL on a live Redis: a wish',
    begin: ({ lab }) => lab.command('FLUSHALL'),
    end: () => undefined,
    documented: { missed: 'A live FLUSHALL', lost: 'A live FLUSHALL', disagree: 'A live FLUSHALL' },
  },
  {
    name: 'restart-empty',
    fault: 'killed, and restarted empty',
    begin: ({ lab }) => lab.redis.kill(),
    end: async ({ lab }) => {
      await lab.redis.wipe();
      await lab.redis.restart();
    },
  },
  {
    name: 'old-snapshot',
    fault: 'killed, and restarted from a snapshot that lacks the last writes and logouts',
    before: async ({ lab }) => {
      await lab.command('SAVE');
      await copyFile(join(lab.redis.dir, 'dump.rdb'), join(lab.redis.dir, 'old.rdb'));
      await sleep(STALE);
    },
    begin: ({ lab }) => lab.redis.kill(),
    end: ({ lab }) => lab.redis.restart(['--dbfilename', 'old.rdb']),
  },
  {
    name: 'lagging-replica',
    fault: 'the master dies, and a replica that lags behind is promoted',
    setup: { proxied: true, serverArgs: ['--repl-diskless-sync-delay', '0'] },
    before: async ({ lab }) => void replicas.set(lab, await lagging(lab)),
    begin: ({ lab }) => lab.redis.kill(),
    end: async ({ lab }) => {
      const replica = replicas.get(lab);
      if (!replica) throw new Error('no replica');
      await lab.askAt(replica.port, 'REPLICAOF', 'NO', 'ONE');
      for (const proxy of lab.proxies) proxy.retarget(replica.port);
    },
  },
  {
    name: 'wrong-server',
    fault: 'the name leads to another, empty Redis for a while, and then back',
    setup: { proxied: true },
    begin: async ({ lab }) => {
      const other = await lab.addServer([]);
      for (const proxy of lab.proxies) proxy.retarget(other.port);
    },
    end: ({ lab }) => {
      for (const proxy of lab.proxies) proxy.retarget(lab.redis.port);
    },
  },
];
