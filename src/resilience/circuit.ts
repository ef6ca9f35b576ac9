import { circuitBreaker, type CircuitBreakerPolicy, handleWhen, type IBreaker } from 'cockatiel';
import type { Clock } from '../clock.js';
import type { CircuitName, Reason } from '../observe/snapshot.js';
import { faultOf, StoreFault } from '../store/fault.js';
import { type Budget, Waits } from './deadline.js';

export interface BreakerOptions {
  /** Opens after so many failures in a row. */
  readonly failures: number;
  /** Opens at this share of failures, in (0, 1), over the window. */
  readonly rate: number;
  /** Length of the window, ms. */
  readonly window: number;
}

const BUCKETS = 10;
/** Fewer calls than this in a window say nothing about a rate. */
const MIN_CALLS = 20;
/** The probe decides when a circuit closes, never cockatiel's own half-open state. */
const NEVER_HALF_OPEN = 2 ** 31;

/**
 * Opens after some failures in a row, so that a quiet app notices, or at a rate, so that a store that fails every other
 * call is noticed too. Counts on the monotonic clock: cockatiel's own sampling breaker reads the wall clock.
 */
class EitherBreaker implements IBreaker {
  state: unknown = undefined;
  readonly #options: BreakerOptions;
  readonly #clock: Clock;
  #row = 0;
  #buckets: { slot: number; calls: number; failures: number }[] = [];

  constructor(options: BreakerOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  success(): void {
    this.#row = 0;
    this.#bucket().calls += 1;
  }

  failure(): boolean {
    this.#row += 1;
    const bucket = this.#bucket();
    bucket.calls += 1;
    bucket.failures += 1;
    return this.#row >= this.#options.failures || this.#rateExceeded();
  }

  reset(): void {
    this.#row = 0;
    this.#buckets = [];
  }

  #rateExceeded(): boolean {
    const calls = this.#buckets.reduce((sum, bucket) => sum + bucket.calls, 0);
    const failures = this.#buckets.reduce((sum, bucket) => sum + bucket.failures, 0);
    return calls >= MIN_CALLS && failures >= calls * this.#options.rate;
  }

  #bucket(): { slot: number; calls: number; failures: number } {
    const slot = Math.floor((this.#clock.monotonic() * BUCKETS) / this.#options.window);
    const last = this.#buckets.at(-1);
    if (last?.slot === slot) return last;
    const fresh = { slot, calls: 0, failures: 0 };
    this.#buckets = [...this.#buckets.filter(bucket => bucket.slot > slot - BUCKETS), fresh];
    return fresh;
  }
}

/** One cockatiel circuit. While it is open it is held open: no user request probes, so none is ever parked behind one. */
export class Circuit {
  readonly name: CircuitName;
  readonly #breaker: EitherBreaker;
  readonly #policy: CircuitBreakerPolicy;
  #hold: { dispose(): void } | undefined;
  #reason: Reason | undefined;
  readonly #waits: Waits;
  #since: number | undefined;
  readonly #clock: Clock;

  constructor(
    name: CircuitName,
    options: BreakerOptions,
    clock: Clock,
    onOpen: (circuit: Circuit, fault: StoreFault) => void,
  ) {
    this.name = name;
    this.#clock = clock;
    this.#waits = new Waits(clock);
    this.#breaker = new EitherBreaker(options, clock);
    const counts = handleWhen(error => error instanceof StoreFault && error.class !== 'ours');
    this.#policy = circuitBreaker(counts, { halfOpenAfter: NEVER_HALF_OPEN, breaker: this.#breaker });
    this.#policy.onBreak(reason => {
      if (!('error' in reason)) return;
      const fault = faultOf(reason.error);
      this.open(fault);
      onOpen(this, fault);
    });
  }

  get closed(): boolean {
    return this.#hold === undefined;
  }

  /** Why it is open; `undefined` while it is closed. */
  get reason(): Reason | undefined {
    return this.#reason;
  }

  /** Since when it is open, monotonic ms; `undefined` while it is closed. */
  get since(): number | undefined {
    return this.#since;
  }

  /** Runs `operation` within `budget` and counts how it ends. Throws nothing but `StoreFault`. */
  async run<T>(operation: () => Promise<T>, budget: Budget): Promise<T> {
    if (!this.closed) throw new StoreFault('not-applied', this.#reason ?? 'other');
    // Time that was spent waiting for one's turn says nothing about the store.
    if (budget.left <= 0) throw new StoreFault('not-applied', 'timeout');
    try {
      const answer = await this.#waits.bound(operation, budget);
      // All that cockatiel would do with it, at a tenth of the cost.
      this.#breaker.success();
      return answer;
    } catch (error) {
      const fault = faultOf(error);
      await this.#count(fault);
      throw fault;
    }
  }

  /** Holds the circuit open. */
  open(fault: StoreFault): void {
    if (this.#hold) return;
    this.#reason = fault.reason;
    this.#since = this.#clock.monotonic();
    this.#hold = this.#policy.isolate();
    // Nobody waits for a store that is known not to answer.
    this.#waits.abandon();
  }

  close(): void {
    if (!this.#hold) return;
    this.#reason = undefined;
    this.#since = undefined;
    this.#breaker.reset();
    this.#hold.dispose();
    this.#hold = undefined;
  }

  /** The end: no timer stays behind. */
  release(): void {
    this.#waits.close();
  }

  /**
   * Opens where this failure was one too many. While it is open nothing counts, and whatever was under way when it opened
   * was abandoned then: so no failure of before comes late and says something about now.
   */
  async #count(fault: StoreFault): Promise<void> {
    await this.#policy.execute(() => Promise.reject(fault)).catch(() => undefined);
  }
}
