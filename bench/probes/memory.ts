import { type SessionOptions, type Sessions } from '../../src/index.js';
import { sessionsAt, shopperOf } from '../apps/library.js';
import { shopper } from '../apps/shopper.js';
import { obey, tell } from '../support/orders.js';
import { wide } from './timing.js';

/** What sessions cost in this process while Redis answers (shadow) and while it does not (journal): bytes. */
export interface Weighed {
  readonly items: number;
  /** What the library counts. */
  readonly counted: number;
  /** Heap and external memory after a collection, beyond what was there before. */
  readonly weight: number;
}

const WIDTH = 16;
/** In a process that has not done the like before, code and caches would count as sessions. */
const REHEARSALS = 2_000;
const SETTLING = 500;

interface Fill {
  readonly count: number;
  readonly bytes: number;
}

let sessions: Sessions;
let before = 0;

function memory(): number {
  for (let turn = 0; turn < 4; turn += 1) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function open({ url, options }: { url: string; options: SessionOptions }): Promise<void> {
  // A machine that is busy must not pass for a Redis that is away.
  sessions = sessionsAt(url, { deadline: 10_000, ...options });
  for (const event of ['store:degraded', 'store:recovered'] as const)
    sessions.events.on(event, () => tell(event));
  await sessions.ready();
  await sessions.manager.create(shopper(0, 300));
}

/** Sessions are made, and all but what the library keeps of them is let go. */
async function fill({ count, bytes }: Fill): Promise<string[]> {
  const tokens: string[] = [];
  await wide(count, WIDTH, async turn => {
    const { token } = await sessions.manager.create(shopper(turn, bytes)).catch(() => ({ token: '' }));
    if (token !== '') tokens.push(token);
    if (turn % 100 === 0) await new Promise(resolve => setImmediate(resolve));
  });
  return tokens;
}

/** Of the shadow: the copies that `create` leaves. */
async function shadow({ count, bytes, strict }: Fill & { strict: boolean }): Promise<Weighed> {
  await rehearse(Math.min(REHEARSALS, count), bytes);
  const already = sessions.stats().store.shadow;
  before = memory();
  await fill({ count, bytes });
  const weight = (await settled()) - before;
  if (strict && sessions.stats().store.mode !== 'healthy')
    throw new Error('there was an outage that nobody had ordered');
  const { items, bytes: counted } = sessions.stats().store.shadow;
  return { items: items - already.items, counted: counted - already.bytes, weight };
}

/** Of the journal, once Redis is gone: a change to each of these sessions, as users make them. */
async function journal({ tokens }: { tokens: readonly string[] }): Promise<Weighed> {
  before = memory();
  await wide(tokens.length, WIDTH, async turn => {
    const found = await sessions.manager.load(tokens[turn] ?? '').catch(() => undefined);
    if (!found) return;
    shopperOf(found).count = 1;
    await sessions.manager.save(found).catch(() => undefined);
    if (turn % 100 === 0) await new Promise(resolve => setImmediate(resolve));
  });
  const weight = (await settled()) - before;
  const { items, bytes: counted } = sessions.stats().store.backlog;
  return { items, counted, weight };
}

/** Of the journal, with sessions that begin in the outage: also far more than its cap holds. */
async function newcomers({ count, bytes }: Fill): Promise<Weighed> {
  before = memory();
  await fill({ count, bytes });
  const weight = (await settled()) - before;
  const { items, bytes: counted } = sessions.stats().store.backlog;
  return { items, counted, weight };
}

async function rehearse(count: number, bytes: number): Promise<void> {
  const tokens = await fill({ count, bytes });
  await wide(tokens.length, WIDTH, turn => sessions.manager.destroy(tokens[turn] ?? ''));
  await settled();
}

async function settled(): Promise<number> {
  await new Promise(resolve => setTimeout(resolve, SETTLING));
  return memory();
}

obey({ open, fill, shadow, journal, newcomers });
