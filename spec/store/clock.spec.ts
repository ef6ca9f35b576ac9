import { expect } from 'chai';
import { type Clock, systemClock } from '../../src/clock.js';
import { createSessions, type Sessions } from '../../src/create.js';
import { newSecret } from '../support/app.js';
import { RedisServer } from '../support/redis-server.js';

describe('the clock of an instance, beside that of Redis', () => {
  let server: RedisServer;
  let sessions: Sessions;
  before(async () => void (server = await RedisServer.start()));
  after(() => server.stop());
  afterEach(() => sessions.close());

  it('is measured with each canary, and corrected whenever it is found to be wrong', async () => {
    const real = systemClock();
    let jump = 0;
    const clock: Clock = { ...real, wall: () => real.wall() + jump };
    const options = { redis: server.url, secret: newSecret(), logger: false } as const;
    sessions = createSessions(options, { env: {}, clock });
    await sessions.ready();
    for (const ms of [2 * 3_600_000, -3_600_000]) {
      jump += ms;
      for (let n = 0; n < 3; n += 1) await sessions.manager.check();
      expect(clock.wall() - Date.now()).to.be.within(-1_000, 1_000);
    }
  });
});
