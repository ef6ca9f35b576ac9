import type { Traffic } from './traffic.js';

export interface Pace {
  readonly width: number;
  readonly traffic: Traffic;
}

/**
 * Runs `task` over `items`, `width` at a time, and lets users go first before each. Ends early once a task resolves false;
 * resolves whether all were done.
 */
export async function paced<T>(
  items: Iterable<T>,
  { width, traffic }: Pace,
  task: (item: T) => Promise<boolean>,
): Promise<boolean> {
  const next = items[Symbol.iterator]();
  let going = true;
  const worker = async (): Promise<void> => {
    for (let item = next.next(); going && item.done !== true; item = next.next()) {
      await traffic.giveWay();
      if (!going || !(await task(item.value))) going = false;
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return going;
}
