import type { Sessions } from '../../src/index.js';
import { sessionsAt, shopperOf } from '../apps/library.js';
import { shopper } from '../apps/shopper.js';
import { obey, tell } from '../support/orders.js';
import { wide } from './timing.js';

/** What a load, and a load with a save, costs among so many sessions: µs. */
export interface Cost {
  /** From the outside, at 16 in flight. */
  readonly read: number;
  readonly write: number;
  /** CPU time of this process. */
  readonly readCpu: number;
  readonly writeCpu: number;
}

const WIDTH = 16;
const BYTES = 300;
const ROOM = 16 * 2 ** 30;

let sessions: Sessions;
const tokens: string[] = [];

async function open({ url }: { url: string }): Promise<void> {
  // A machine that is busy must not pass for a Redis that is away.
  sessions = sessionsAt(url, { deadline: 10_000, journal: { maxBytes: ROOM } });
  sessions.events.on('store:degraded', () => tell('store:degraded'));
  await sessions.ready();
  await sessions.manager.create(shopper(0, BYTES));
}

async function fill({ count }: { count: number }): Promise<void> {
  await wide(count - tokens.length, 64, async turn => {
    const { token } = await sessions.manager.create(shopper(turn, BYTES));
    tokens.push(token);
    if (turn % 100 === 0) await new Promise(resolve => setImmediate(resolve));
  });
}

/** `mode`: what it must be in the end. */
async function measure({
  times,
  mode,
}: {
  times: number;
  mode: 'healthy' | 'degraded' | 'any';
}): Promise<Cost> {
  const read = await timed(times, async token => void (await loaded(token)));
  const write = await timed(times, async token => {
    const found = await loaded(token);
    shopperOf(found).count = Number(shopperOf(found).count) + 1;
    await sessions.manager.save(found);
  });
  if (mode !== 'any' && sessions.stats().store.mode !== mode)
    throw new Error(`it should have been ${mode} all the time`);
  return { read: read.wall, write: write.wall, readCpu: read.cpu, writeCpu: write.cpu };
}

async function loaded(
  token: string,
): Promise<object & Awaited<ReturnType<Sessions['manager']['create']>>['session']> {
  const found = await sessions.manager.load(token);
  if (!found) throw new Error('a session is gone');
  return found;
}

/** Tokens at random: with millions of sessions nobody comes back soon. */
async function timed(
  times: number,
  work: (token: string) => Promise<void>,
): Promise<{ wall: number; cpu: number }> {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await wide(times, WIDTH, async turn => {
    await work(tokens[Math.floor(Math.random() * tokens.length)] ?? '');
    if (turn % 100 === 0) await new Promise(resolve => setImmediate(resolve));
  });
  const { user, system } = process.cpuUsage(cpu);
  return { wall: ((performance.now() - began) * 1000) / times, cpu: (user + system) / times };
}

obey({ open, fill, measure });
