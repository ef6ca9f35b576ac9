import type { Clock, Timer } from '../clock.js';
import type { CanaryReport } from '../observe/snapshot.js';
import { type Entry, type Stamps, stampOf, tombstoneEntry } from '../store/entry.js';
import { faultOf, type StoreFault } from '../store/fault.js';
import type { SessionStore } from '../store/store.js';
import { Budget } from './deadline.js';

/** A sealed entry under a fresh key, and whether bytes read back still open to what was sealed. */
export interface SealCheck {
  readonly key: string;
  readonly entry: Entry;
  opens(entry: Entry): boolean;
}

/** What a canary saw, and the fault that stopped it. */
export interface CanaryResult extends CanaryReport {
  readonly fault: StoreFault | undefined;
}

export interface ProbeOptions {
  readonly interval: number;
  readonly maxInterval: number;
  readonly successes: number;
}

export interface ProbeParts {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly deadline: number;
  readonly sealCheck: () => SealCheck;
}

const CANARY_TTL = 10_000;
const HEALTHY_INTERVAL = 5_000;

/** One canary: read, swap, read back, open, end, on a key that nobody else uses. Never throws. */
export async function sendCanary(parts: ProbeParts): Promise<CanaryResult> {
  const { clock } = parts;
  const began = clock.monotonic();
  const passed = { connect: false, operate: false, seal: false };
  let fault: StoreFault | undefined;
  try {
    await operate(parts, passed);
  } catch (error) {
    fault = faultOf(error);
  }
  const ok = passed.connect && passed.operate && passed.seal;
  return Object.freeze({ at: clock.wall(), ms: clock.monotonic() - began, ok, ...passed, fault });
}

async function operate(
  parts: ProbeParts,
  passed: { connect: boolean; operate: boolean; seal: boolean },
): Promise<void> {
  const { store, clock, stamps, deadline } = parts;
  const { key, entry, opens } = parts.sealCheck();
  const bounded = <T>(operation: () => Promise<T>): Promise<T> =>
    new Budget(clock, deadline).bound(operation);
  passed.connect = (await bounded(() => store.read(key))) === undefined;
  await bounded(async () => store.inspect?.());
  const put = await bounded(() => store.swap(key, entry, null, CANARY_TTL));
  const found = await bounded(() => store.read(key));
  passed.seal = found !== undefined && opens(found);
  const tombstone = tombstoneEntry(stamps.next(stampOf(entry)), 'destroyed');
  const ended = await bounded(() => store.swap(key, tombstone, 'any', CANARY_TTL));
  passed.operate = put.done && found !== undefined && ended.done;
}

/**
 * Sends canaries in the background for as long as it lives: every few seconds in health, and in trouble with jittered
 * exponential backoff between `interval` and `maxInterval`.
 */
export class Probe {
  readonly #parts: ProbeParts;
  readonly #options: ProbeOptions;
  readonly #onReport: (report: CanaryResult) => void;
  readonly #troubled: () => boolean;
  #timer: Timer | undefined;
  #running: Promise<CanaryResult> | undefined;
  #failures = 0;
  #last: CanaryResult | undefined;
  readonly #waiting: (() => void)[] = [];
  #closed = false;

  constructor(
    parts: ProbeParts,
    options: ProbeOptions,
    troubled: () => boolean,
    onReport: (report: CanaryResult) => void,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#troubled = troubled;
    this.#onReport = onReport;
  }

  get last(): CanaryResult | undefined {
    return this.#last;
  }

  /** A canary now, or the one that is under way. Never rejects. */
  now(): Promise<CanaryResult> {
    this.#timer?.cancel();
    this.#running ??= sendCanary(this.#parts).then(report => this.#done(report));
    return this.#running;
  }

  /** Settles with the next report, or after `ms` with the last one. */
  async next(ms: number): Promise<CanaryResult> {
    let timer: Timer | undefined;
    const late = new Promise<void>(resolve => (timer = this.#parts.clock.after(ms, resolve)));
    const report = new Promise<void>(resolve => void this.#waiting.push(resolve));
    await Promise.race([report, late]);
    timer?.cancel();
    return this.#last ?? this.now();
  }

  /** The next canary comes at the pace of trouble. */
  hurry(): void {
    this.#failures = 0;
    if (!this.#running) this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    // No report will come: who waits for one shall not wait for the end of its patience.
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #done(report: CanaryResult): CanaryResult {
    this.#running = undefined;
    this.#last = report;
    this.#failures = report.ok ? 0 : this.#failures + 1;
    try {
      if (!this.#closed) this.#onReport(report);
    } finally {
      for (const wake of this.#waiting.splice(0)) wake();
      this.#schedule();
    }
    return report;
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#timer = this.#parts.clock.after(this.#pause(), () => void this.now());
  }

  #pause(): number {
    const { interval, maxInterval } = this.#options;
    const calm = !this.#troubled() && this.#failures === 0;
    const pause = calm
      ? HEALTHY_INTERVAL
      : Math.min(maxInterval, interval * 2 ** Math.min(this.#failures, 16));
    return pause * (0.75 + this.#parts.clock.fraction() / 2);
  }
}
