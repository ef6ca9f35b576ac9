import { createClient } from 'redis';
import { RedisServer } from '../../spec/support/redis-server.js';
import { pin } from './cores.js';
import { median } from './figures.js';

export { RedisServer };

/** What a write costs here is no disk: nothing is kept. */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const server = await RedisServer.start({ args });
  pin(server.pid, 'redis');
  return server;
}

/** Every write is in the kernel before it is answered, so that a kill loses nothing. */
export const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'everysec'] as const;

export interface Counts {
  readonly keys: number;
  /** Of each command how often it was called, in scripts too. */
  readonly calls: Readonly<Record<string, number>>;
  readonly version: string;
}

/** What the server says that it did. */
export class Witness {
  readonly #client;

  constructor(url: string) {
    this.#client = createClient({ url });
    this.#client.on('error', () => undefined);
  }

  async open(): Promise<void> {
    await this.#client.connect();
  }

  async look(): Promise<Counts> {
    const [keys, stats, server] = await Promise.all([
      this.#client.dbSize(),
      this.#client.info('commandstats'),
      this.#client.info('server'),
    ]);
    const lines = stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
    const calls = Object.fromEntries([...lines].map(([, name = '', count]) => [name, Number(count)]));
    return { keys, calls, version: /redis_version:(\S+)/.exec(server)?.[1] ?? 'unknown' };
  }

  /** The median size of entries, of a sample. */
  async sealedSize(): Promise<number> {
    const sizes: number[] = [];
    while (sizes.length < 50) {
      const size = await this.#client.strLen(String(await this.#client.randomKey()));
      // What is smaller is the end of a session, or a count.
      if (size > 100) sizes.push(size);
    }
    return median(sizes);
  }

  close(): void {
    this.#client.destroy();
  }
}

/** How often any of these commands was called between two looks. */
export function callsBetween(before: Counts, after: Counts, names?: readonly string[]): number {
  const of = (counts: Counts): number =>
    Object.entries(counts.calls)
      .filter(([name]) => names?.includes(name) ?? !OWN.includes(name))
      .reduce((sum, [, count]) => sum + count, 0);
  return of(after) - of(before);
}

/** What the witness itself sends. */
const OWN = ['info', 'dbsize', 'client|setinfo', 'hello'];
