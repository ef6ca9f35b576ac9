import type { Clock, Timer } from '../../src/clock.js';
import type { Random } from './random.js';

interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Simulated time: a heap of events. Between two events everything that promises make possible happens. */
export class Timeline {
  #now = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  get now(): number {
    return this.#now;
  }

  at(ms: number, run: () => void): Timer {
    const event: Event = { at: Math.max(this.#now, ms), order: (this.#order += 1), run };
    this.#push(event);
    return { cancel: () => (event.run = undefined) };
  }

  after(ms: number, run: () => void): Timer {
    return this.at(this.#now + ms, run);
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.after(ms, resolve));
  }

  /** Runs all events up to `until`. */
  async runTo(until: number): Promise<void> {
    await turn();
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.at > until) break;
      this.#pop();
      if (!next.run) continue;
      this.#now = next.at;
      next.run();
      await turn();
    }
    this.#now = until;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || before(above, event)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const child = this.#smallerChild(at);
      const below = heap[child];
      if (!below || !before(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }

  #smallerChild(at: number): number {
    const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
    return left && right && before(right, left) ? 2 * at + 2 : 2 * at + 1;
  }
}

function before(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** All microtasks run before an immediate does, however long the chain of promises is. */
function turn(): Promise<void> {
  return new Promise<void>(resolve => setImmediate(resolve));
}

export const EPOCH = 1_767_225_600_000;

/** The clock of one instance: it ends with the process that it belongs to. */
export class InstanceClock implements Clock {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #pending = new Set<object>();
  readonly #skew: number;
  #correction = 0;
  #alive = true;

  constructor(timeline: Timeline, random: Random, offset: number) {
    this.#timeline = timeline;
    this.#random = random;
    this.#skew = offset;
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#pending.size;
  }

  wall(): number {
    return EPOCH + Math.floor(this.#timeline.now + this.#skew) + this.#correction;
  }

  monotonic(): number {
    return 1_000 + this.#timeline.now;
  }

  after(ms: number, callback: () => void): Timer {
    const token = {};
    this.#pending.add(token);
    const timer = this.#timeline.after(ms, () => {
      if (this.#pending.delete(token) && this.#alive) callback();
    });
    return {
      cancel: () => {
        this.#pending.delete(token);
        timer.cancel();
      },
    };
  }

  correct(ms: number): void {
    this.#correction += ms;
  }

  bytes(count: number): Buffer {
    return this.#random.bytes(count);
  }

  fraction(): number {
    return this.#random.fraction();
  }

  /** Nothing of this process runs any more. */
  kill(): void {
    this.#alive = false;
    this.#pending.clear();
  }
}
