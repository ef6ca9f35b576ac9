import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../../src/clock.js';

interface Pending {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time that moves only when told. */
export class ManualClock implements Clock {
  #now = 1_000;
  #wall = 1_767_225_600_000;
  #order = 0;
  readonly #pending = new Set<Pending>();

  wall(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): Timer {
    const pending = { due: this.#now + ms, order: (this.#order += 1), callback };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  correct(ms: number): void {
    this.#wall += ms;
  }

  bytes(count: number): Buffer {
    return randomBytes(count);
  }

  /** Always the middle: what depends on chance would fail by chance. */
  fraction(): number {
    return 0.5;
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#pending.size;
  }

  jumpWall(ms: number): void {
    this.#wall += ms;
  }

  /** Runs what falls due within `ms`, in order, and lets promises settle before, between and after. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settled();
    for (let next = this.#next(until); next; next = this.#next(until)) {
      this.#pending.delete(next);
      this.#moveTo(Math.max(this.#now, next.due));
      next.callback();
      await settled();
    }
    this.#moveTo(until);
    await settled();
  }

  #next(until: number): Pending | undefined {
    const due = [...this.#pending].filter(pending => pending.due <= until);
    return due.sort((one, other) => one.due - other.due || one.order - other.order)[0];
  }

  #moveTo(now: number): void {
    this.#wall += now - this.#now;
    this.#now = now;
  }
}

/** Promise chains in this library are far shorter than this many turns. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise<void>(resolve => setImmediate(resolve));
}
