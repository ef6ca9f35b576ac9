import type { Timeline } from './time.js';

/** A string, or a value of another type that somebody else put there. */
export type Value = Buffer | 'list';

export interface Slot {
  readonly value: Value;
  /** Simulated ms. */
  readonly expires: number;
}

interface Change {
  readonly at: number;
  readonly key: string;
  readonly before: Slot | undefined;
}

/** Keys with a time to live, and the way back to what they were at any earlier moment. */
export class Keyspace {
  readonly #timeline: Timeline;
  readonly #slots = new Map<string, Slot>();
  readonly #changes: Change[] = [];
  onExpired: (key: string) => void = () => undefined;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  get(key: string): Slot | undefined {
    const slot = this.#slots.get(key);
    if (!slot || slot.expires > this.#timeline.now) return slot;
    this.set(key, undefined);
    this.onExpired(key);
    return undefined;
  }

  set(key: string, slot: Slot | undefined): void {
    this.#changes.push({ at: this.#timeline.now, key, before: this.#slots.get(key) });
    if (slot) this.#slots.set(key, slot);
    else this.#slots.delete(key);
  }

  keys(): string[] {
    return [...this.#slots.keys()].filter(key => this.get(key) !== undefined);
  }

  /** Back to what was there at `then`. Returns the keys that differ from before. */
  rollBack(then: number): Set<string> {
    const touched = new Set<string>();
    while ((this.#changes.at(-1)?.at ?? -1) > then) {
      const change = this.#changes.pop();
      if (!change) break;
      touched.add(change.key);
      if (change.before) this.#slots.set(change.key, change.before);
      else this.#slots.delete(change.key);
    }
    return touched;
  }

  clear(): Set<string> {
    const touched = new Set(this.#slots.keys());
    for (const key of touched) this.set(key, undefined);
    return touched;
  }
}
