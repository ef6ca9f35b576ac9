import type { SessionOptions } from '../../src/options.js';

/** One instance that an app process is asked to serve. */
export interface InstanceConfig {
  readonly name: string;
  readonly redisUrl: string;
  /** The first seals, all open. */
  readonly secrets: readonly string[];
  /** Redis is known to be away: nobody waits for it. */
  readonly away?: boolean;
  /** ms by which this instance's wall clock is ahead. */
  readonly clockShift?: number;
  /** Every event has a listener that throws. */
  readonly listenersThrow?: boolean;
  readonly options?: Pick<SessionOptions, 'journal' | 'shadow'>;
}

/** What an instance says of itself. `settled`: it sees Redis, and nothing waits for Redis. */
export interface Status {
  readonly settled: boolean;
  readonly mode: string;
  readonly backlog: number;
  /** Losses that the library itself has counted. */
  readonly losses: number;
  readonly heapMb: number;
}

export type Order =
  | { readonly act: 'open'; readonly config: InstanceConfig }
  | { readonly act: 'close' }
  | { readonly act: 'status' }
  /** Moves the wall clock of the instance by so many ms. */
  | { readonly act: 'shift'; readonly ms: number }
  /** Blocks the event loop. */
  | { readonly act: 'stall'; readonly ms: number }
  /** Fills the heap with so many MiB that stay. */
  | { readonly act: 'ballast'; readonly mb: number };

export type Request = Order & { readonly id: number };

export interface Told {
  readonly name: string;
  /** Epoch ms by the machine's clock, whatever clock the instance was given. */
  readonly at: number;
}

export type Message =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly event: Told };

/** Epoch ms that no process of the lab can shift. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
