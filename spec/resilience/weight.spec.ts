import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { createSessions, type Sessions } from '../../src/create.js';
import { StoreFault } from '../../src/store/fault.js';
import type { SessionStore } from '../../src/store/store.js';
import { ManualClock } from '../support/manual-clock.js';

const GiB = 2 ** 30;
const REHEARSALS = 3_000;
const SESSIONS = 10_000;
/** Of 300 bytes of data, and a little less than what is sealed then. */
const SEALED = 430;

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

function memory(): number {
  for (let turn = 0; turn < 4; turn += 1) if (typeof collect === 'function') collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Says yes to everything and keeps nothing: what is weighed is this library alone. */
const FORGETFUL: SessionStore = {
  read: () => Promise.resolve(undefined),
  swap: () => Promise.resolve({ done: true }),
};

const AWAY: SessionStore = {
  read: () => Promise.reject(new StoreFault('not-applied', 'refused')),
  swap: () => Promise.reject(new StoreFault('not-applied', 'refused')),
};

interface Kept {
  readonly items: number;
  readonly bytes: number;
}

describe('what a session weighs, with all that is needed to keep it', () => {
  const open = (store: SessionStore): Sessions =>
    createSessions(
      {
        secret: randomBytes(32).toString('hex'),
        store,
        logger: false,
        shadow: { maxBytes: GiB, maxStaleness: 0 },
        journal: { maxBytes: GiB },
      },
      { clock: new ManualClock(), env: {} },
    );

  const fill = async (sessions: Sessions, count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) await sessions.manager.create({ n, pad: 'x'.repeat(280) });
  };

  const weigh = async (
    store: SessionStore,
    kept: (sessions: Sessions) => Kept,
  ): Promise<{ readonly weight: number; readonly counted: number }> => {
    const sessions = open(store);
    await fill(sessions, REHEARSALS);
    const [before, there] = [memory(), kept(sessions)];
    await fill(sessions, SESSIONS);
    const [after, now] = [memory(), kept(sessions)];
    expect(now.items - there.items).to.equal(SESSIONS);
    return { weight: (after - before) / SESSIONS, counted: (now.bytes - there.bytes) / SESSIONS };
  };

  it('is for a warm copy no more than 250 bytes beside what is sealed, and as counted', async () => {
    const { weight, counted } = await weigh(FORGETFUL, sessions => sessions.stats().store.shadow);
    expect(weight).to.be.below(SEALED + 250);
    expect(counted).to.be.within(weight * 0.93, weight * 1.07);
  }).timeout(60_000);

  it('is for a write that waits no more than 500 bytes beside what is sealed, and as counted', async () => {
    const { weight, counted } = await weigh(AWAY, sessions => sessions.stats().store.backlog);
    expect(weight).to.be.below(SEALED + 500);
    expect(counted).to.be.within(weight * 0.93, weight * 1.07);
  }).timeout(60_000);
});
