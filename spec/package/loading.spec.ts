import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createClient } from 'redis';
import { systemClock } from '../../src/clock.js';
import { StoreFault } from '../../src/store/fault.js';
import { connector } from '../../src/store/redis-client.js';
import { RedisServer } from '../support/redis-server.js';

const PROGRAM = fileURLToPath(new URL('../support/fixtures/loading.ts', import.meta.url));

interface Told {
  readonly code: number | null;
  readonly found: unknown;
  /** Whether node-redis was loaded in the end. */
  readonly loaded: boolean;
}

describe('node-redis', () => {
  let server: RedisServer;
  before(async () => (server = await RedisServer.start()));
  after(() => server.stop());

  const inFreshProcess = async (what: string): Promise<Told> => {
    const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, what, server.url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const code = await new Promise<number | null>(resolve => child.once('close', resolve));
    const told = JSON.parse(text) as Omit<Told, 'code'>;
    return { code, ...told };
  };

  it('is loaded by who connects to Redis, and not by importing the package', async () => {
    expect(await inFreshProcess('ready')).to.deep.equal({ code: 0, found: { before: false }, loaded: true });
  });

  it('is never loaded where there is no Redis', async () => {
    expect(await inFreshProcess('memory')).to.deep.equal({ code: 0, found: {}, loaded: false });
  });

  it('takes no time from the deadline of who asks at once, however long it loads', async () => {
    const { code, found } = await inFreshProcess('slow');
    expect([code, found]).to.deep.equal([0, { waiting: 0, mode: 'healthy', theme: 'dark' }]);
  });

  it('is missed in words, and ends no process', async () => {
    const { code, found } = await inFreshProcess('missing');
    const because = 'the package "redis" (node-redis) could not be loaded';
    expect([code, found]).to.deep.equal([0, { ok: false, because }]);
  });

  it('connects nobody who was closed while it was loaded', async () => {
    const admin = await createClient({ url: server.url }).connect();
    const received = async (): Promise<string | undefined> =>
      /total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1];
    const before = await received();
    const connection = connector({ kind: 'options', options: { url: server.url } }, systemClock())();
    const connecting = connection.connect().catch((error: unknown) => error);
    connection.destroy();
    expect(await connecting).to.be.instanceOf(StoreFault);
    expect(await received()).to.equal(before);
    admin.destroy();
  });
});
