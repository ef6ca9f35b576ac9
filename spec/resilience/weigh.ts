/**
 * `node --expose-gc --import tsx spec/resilience/weigh.ts shadow` (or `backlog`): what sessions weigh that are kept there, as
 * JSON. In a process of its own, since in one that others have used their leavings go meanwhile, and would count.
 */
import { randomBytes } from 'node:crypto';
import { createSessions, type Sessions } from '../../src/create.js';
import { StoreFault } from '../../src/store/fault.js';
import type { SessionStore } from '../../src/store/store.js';
import { ManualClock } from '../support/manual-clock.js';

/** Bytes of the heap for each session, and what the library counts. */
export interface Weighed {
  readonly weight: number;
  readonly counted: number;
}

const GiB = 2 ** 30;
const REHEARSALS = 3_000;
const SESSIONS = 10_000;

/** Says yes to everything and keeps nothing: what is weighed is this library alone. */
const FORGETFUL: SessionStore = {
  read: () => Promise.resolve(undefined),
  swap: () => Promise.resolve({ done: true }),
};

const AWAY: SessionStore = {
  read: () => Promise.reject(new StoreFault('not-applied', 'refused')),
  swap: () => Promise.reject(new StoreFault('not-applied', 'refused')),
};

function memory(): number {
  if (!globalThis.gc) throw new Error('node needs --expose-gc');
  for (let turn = 0; turn < 4; turn += 1) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function open(store: SessionStore): Sessions {
  const secret = randomBytes(32).toString('hex');
  const shadow = { maxBytes: GiB, maxStaleness: 0 };
  const options = { secret, store, logger: false, shadow, journal: { maxBytes: GiB } } as const;
  return createSessions(options, { clock: new ManualClock(), env: {} });
}

async function fill(sessions: Sessions, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await sessions.manager.create({ n, pad: 'x'.repeat(280) });
}

async function weigh(where: 'shadow' | 'backlog'): Promise<Weighed> {
  const sessions = open(where === 'shadow' ? FORGETFUL : AWAY);
  await fill(sessions, REHEARSALS);
  const [before, there] = [memory(), sessions.stats().store[where]];
  await fill(sessions, SESSIONS);
  const [after, now] = [memory(), sessions.stats().store[where]];
  if (now.items - there.items !== SESSIONS) throw new Error('they are not all kept');
  return { weight: (after - before) / SESSIONS, counted: (now.bytes - there.bytes) / SESSIONS };
}

process.stdout.write(JSON.stringify(await weigh(process.argv[2] === 'shadow' ? 'shadow' : 'backlog')));
process.exit(0);
