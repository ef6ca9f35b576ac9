import type { Session } from '../../src/index.js';
import { sessionsAt, shopperOf } from '../apps/library.js';
import { shopper } from '../apps/shopper.js';
import { quantile } from '../support/figures.js';
import { obey } from '../support/orders.js';

/** Of one operation of `sessions.manager`, one after the other: ms. */
export interface Operation {
  readonly operation: 'create' | 'load' | 'save';
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
}

async function timed<T>(samples: number[], work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  samples.push(performance.now() - began);
  return result;
}

async function measure({
  url,
  bytes,
  times,
}: {
  url: string;
  bytes: number;
  times: number;
}): Promise<Operation[]> {
  const sessions = sessionsAt(url);
  await sessions.ready();
  const { manager } = sessions;
  const samples = { create: [] as number[], load: [] as number[], save: [] as number[] };
  for (let turn = -times / 10; turn < times; turn += 1) {
    if (turn === 0) Object.values(samples).forEach(each => each.splice(0));
    const { token } = await timed(samples.create, () => manager.create(shopper(turn, bytes)));
    const found = await timed(samples.load, () => manager.load(token));
    if (!found) throw new Error('a session is gone');
    change(found, turn);
    await timed(samples.save, () => manager.save(found));
  }
  await sessions.close();
  return (['create', 'load', 'save'] as const).map(operation => {
    const of = samples[operation];
    return { operation, bytes, p50: quantile(of, 0.5), p99: quantile(of, 0.99) };
  });
}

function change(session: Session, count: number): void {
  shopperOf(session).count = count + 1_000;
}

obey({ measure });
