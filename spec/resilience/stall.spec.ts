import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { createSessions, type Sessions } from '../../src/create.js';
import { newSecret, type Recorded, recordEvents } from '../support/app.js';
import { RedisServer } from '../support/redis-server.js';

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

const PING = `require('node:net').connect(process.argv[1], '127.0.0.1', function () {
  this.on('data', () => this.destroy()).write('PING\\r\\n');
});`;

/** The event loop stands still, as under a long computation; Redis meanwhile answers everything that it was sent before. */
function stall(ms: number, port: number): void {
  const until = performance.now() + ms;
  spawnSync(process.execPath, ['-e', PING, String(port)]);
  while (performance.now() < until);
}

describe('a stall of the event loop', () => {
  let redis: RedisServer;
  let sessions: Sessions;
  let events: Recorded[];

  beforeEach(async () => {
    redis = await RedisServer.start();
    sessions = createSessions({ redis: redis.url, secret: newSecret(), logger: false }, { env: {} });
    events = recordEvents(sessions);
    await sessions.ready();
  });

  afterEach(async () => {
    redis.thaw();
    await sessions.close();
    await redis.stop();
  });

  for (const ms of [400, 1_500]) {
    it(`is not taken for an outage where the replies came meanwhile: ${ms} ms`, async () => {
      redis.freeze();
      const writes = Array.from({ length: 5 }, (_, views) => sessions.manager.create({ views }));
      for (let turns = 0; turns < 10; turns += 1) await turn();
      redis.thaw();
      stall(ms, redis.port);
      await Promise.all(writes);
      const saved = events.filter(({ name }) => name === 'session:saved').map(({ event }) => event['by']);
      expect(saved).to.deep.equal(Array.from({ length: 5 }, () => 'primary'));
      // A canary takes several round trips, so one that was under way may fail; alone it changes nothing.
      const faults = events.filter(
        ({ name, event }) => name === 'store:error' && event['operation'] !== 'canary',
      );
      expect(faults).to.deep.equal([]);
      expect(events.map(({ name }) => name)).to.not.include('store:degraded');
    });
  }
});
