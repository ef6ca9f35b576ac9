import { writeFileSync } from 'node:fs';
import { at } from '../support/figures.js';
import type { Samples } from '../load/users.js';

/** What users saw in one second. Latencies are ms; of a second without an answer there are none. */
export interface Second {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Requests by the second in which they began, counted from `from` (wall-clock ms). */
export function secondsOf({ at: begun, ms }: Samples, from: number, count: number): Second[] {
  const buckets = Array.from({ length: count }, () => [] as number[]);
  begun.forEach((time, index) => buckets[Math.floor((time - from) / 1000)]?.push(ms[index] ?? 0));
  return buckets.map(bucket => {
    const sorted = bucket.toSorted((a, b) => a - b);
    const value = (share: number): number => (sorted.length > 0 ? at(sorted, share) : 0);
    return { count: sorted.length, p50: value(0.5), p99: value(0.99), p999: value(0.999), max: value(1) };
  });
}

/** The latencies of requests that began between two moments (wall-clock ms). */
export function between({ at: begun, ms }: Samples, from: number, to: number): number[] {
  return ms.filter((_, index) => {
    const time = begun[index] ?? 0;
    return time >= from && time < to;
  });
}

export function writeCookies(file: string, cookies: readonly string[]): void {
  writeFileSync(file, `${cookies.join('\n')}\n`);
}
