import { median } from '../support/figures.js';

/** What loops have computed: results that nobody used would be optimised away, and the work with them. */
let sink = 0;

export function use({ length }: { readonly length: number }): void {
  sink ^= length;
}

export function used(): number {
  return sink;
}

export interface Pace {
  readonly rounds: number;
  /** CPU time of each round. */
  readonly ms: number;
}

/** CPU time of this process, µs: unlike a clock it does not count what others do on this machine meanwhile. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Median CPU µs of one call of `work`, over rounds of some ms each, after one round to warm up. */
export function micros(work: (turn: number) => void, pace: Pace): number {
  let turn = 0;
  const round = (): number => {
    const [began, first] = [cpu(), turn];
    let now = began;
    while (now - began < pace.ms * 1000) {
      for (let more = 0; more < 100; more += 1) work(turn++);
      now = cpu();
    }
    return (now - began) / (turn - first);
  };
  round();
  return median(Array.from({ length: pace.rounds }, round));
}

/** As `micros`, for work that is awaited before the next begins. */
export async function microsAwaited(work: (turn: number) => Promise<unknown>, pace: Pace): Promise<number> {
  let turn = 0;
  const round = async (): Promise<number> => {
    const [began, first] = [cpu(), turn];
    let now = began;
    while (now - began < pace.ms * 1000) {
      for (let more = 0; more < 100; more += 1) await work(turn++);
      now = cpu();
    }
    return (now - began) / (turn - first);
  };
  await round();
  const rounds: number[] = [];
  while (rounds.length < pace.rounds) {
    rounds.push(await round());
    // Nothing of this may wait for anybody: without a pause no timer would ever run.
    await new Promise(resolve => setImmediate(resolve));
  }
  return median(rounds);
}

/** Runs `work` for 0 … `count` - 1, `width` at a time. */
export async function wide(
  count: number,
  width: number,
  work: (turn: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let turn = next++; turn < count; turn = next++) await work(turn);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
