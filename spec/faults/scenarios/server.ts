import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from '../lab.js';
import type { Scenario } from '../scenario.js';

/** Nothing listens there: a replica of it never gets a master. */
const NOBODY = '1';

const config = (lab: Lab, name: string, value: string): Promise<unknown> =>
  lab.command('CONFIG', 'SET', name, value);

/** Every connection but the lab's own. */
const killClients = (lab: Lab): Promise<unknown> =>
  lab.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

/** So many keys of others, of 1 KB each. */
const fill = (lab: Lab, keys: number): Promise<unknown> =>
  lab.command('EVAL', FILL, '0', String(keys)).catch(() => undefined);

const FILL = "for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'others:' .. i, string.rep('x', 1000)) end";

const persistFails = (lab: Lab): string => join(lab.redis.dir, 'dump.rdb');

async function usedMemory(lab: Lab): Promise<number> {
  const info = String(await lab.command('INFO', 'memory'));
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}

/** A background save, and whether it then says that it went well. */
async function save(lab: Lab, status: 'ok' | 'err'): Promise<void> {
  await lab.command('BGSAVE');
  const done = await lab.until(async () => {
    const info = String(await lab.command('INFO', 'persistence'));
    return info.includes('rdb_bgsave_in_progress:0') && info.includes(`rdb_last_bgsave_status:${status}`);
  }, 5_000);
  if (!done) throw new Error(`the last save is not ${status}`);
}

const MEMORY: readonly Scenario[] = [
  {
    name: 'oom',
    fault: 'out of memory (maxmemory, noeviction)',
    begin: ({ lab }) => config(lab, 'maxmemory', '1'),
    end: ({ lab }) => config(lab, 'maxmemory', '0'),
  },
  {
    name: 'lru',
    fault: 'an evicting Redis (allkeys-lru) that others fill up',
    setup: { serverArgs: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] },
    begin: async ({ lab }) => {
      await config(lab, 'maxmemory', String((await usedMemory(lab)) + 100_000));
      await fill(lab, 5_000);
    },
    end: ({ lab }) => config(lab, 'maxmemory', '100mb'),
    documented: {
      errors: 'An evicting Redis',
      missed: 'An evicting Redis',
      lost: 'An evicting Redis',
      alive: 'An evicting Redis',
      disagree: 'An evicting Redis',
    },
  },
];

const REFUSALS: readonly Scenario[] = [
  {
    name: 'misconf',
    fault: 'MISCONF: it cannot save to disk and refuses writes',
    begin: async ({ lab }) => {
      await config(lab, 'save', '3600 1000000');
      // A directory in its place: a rename onto it fails, for root too.
      await mkdir(join(persistFails(lab), 'in-the-way'), { recursive: true });
      await save(lab, 'err');
    },
    end: async ({ lab }) => {
      await rm(persistFails(lab), { recursive: true });
      await save(lab, 'ok');
    },
  },
  {
    name: 'readonly',
    fault: 'READONLY: it was made a replica (REPLICAOF)',
    begin: ({ lab }) => lab.command('REPLICAOF', '127.0.0.1', NOBODY),
    end: ({ lab }) => lab.command('REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'masterdown',
    fault: 'MASTERDOWN: a replica that has lost its master and answers nothing',
    begin: async ({ lab }) => {
      await config(lab, 'replica-serve-stale-data', 'no');
      await lab.command('REPLICAOF', '127.0.0.1', NOBODY);
    },
    end: ({ lab }) => lab.command('REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'noreplicas',
    fault: 'NOREPLICAS: it wants a replica before it takes a write',
    begin: ({ lab }) => config(lab, 'min-replicas-to-write', '1'),
    end: ({ lab }) => config(lab, 'min-replicas-to-write', '0'),
  },
  {
    name: 'loading',
    fault: 'LOADING: restarted, and reading a large file for seconds',
    before: ({ lab }) => fill(lab, 700),
    begin: async ({ lab }) => {
      await lab.command('SHUTDOWN', 'SAVE').catch(() => undefined);
    },
    hold: 200,
    end: ({ lab }) =>
      lab.redis.restart(['--key-load-delay', '3000', '--loading-process-events-interval-bytes', '1024']),
  },
  {
    name: 'busy',
    fault: 'BUSY: somebody runs an endless script',
    begin: async ({ lab }) => {
      await config(lab, 'busy-reply-threshold', '50');
      lab.background('EVAL', 'while true do end', '0');
    },
    end: async ({ lab }) => {
      await lab.until(
        () =>
          lab.ask('SCRIPT', 'KILL').then(
            () => true,
            () => false,
          ),
        5_000,
      );
    },
  },
];

const CLIENTS: readonly Scenario[] = [
  {
    name: 'maxclients',
    fault: 'maxclients reached, and our connections lost',
    begin: async ({ lab }) => {
      await config(lab, 'maxclients', '1');
      await killClients(lab);
    },
    end: ({ lab }) => config(lab, 'maxclients', '1000'),
  },
  {
    name: 'requirepass',
    fault: 'requirepass changed, and all clients killed',
    begin: async ({ lab }) => {
      await config(lab, 'requirepass', 'another');
      await killClients(lab);
    },
    end: ({ lab }) => config(lab, 'requirepass', ''),
  },
  {
    name: 'acl',
    fault: 'our ACL user deleted',
    setup: { redisUser: 'lab' },
    begin: ({ lab }) => lab.command('ACL', 'DELUSER', 'lab'),
    end: ({ lab }) => lab.makeUser('lab'),
  },
  {
    name: 'client-kill',
    fault: 'CLIENT KILL of every connection, ten times a second',
    begin: ({ lab }) => lab.repeat(100, () => killClients(lab)),
    end: ({ lab }) => lab.stopRepeating(),
  },
  {
    name: 'script-flush',
    fault: 'SCRIPT FLUSH, twenty times a second',
    begin: ({ lab }) => lab.repeat(50, () => lab.command('SCRIPT', 'FLUSH')),
    end: ({ lab }) => lab.stopRepeating(),
  },
];

/** What a server that lives can answer. */
export const SERVER: readonly Scenario[] = [...MEMORY, ...REFUSALS, ...CLIENTS];
