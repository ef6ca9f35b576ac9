import type { Clock } from '../clock.js';
import { Bag } from '../store/bag.js';
import type { Confirmation, SessionStore } from '../store/store.js';

/** An answer of the store, and how far it can be trusted from now on. */
export interface Testimony<T> {
  readonly answer: T;
  readonly confirmed: Confirmation;
}

interface Flight {
  readonly key: string;
  /** Others have changed the entry since it was asked for. */
  disturbed: boolean;
}

/**
 * Asks the store, and notes of each answer when it was asked, of which data set, and whether others changed the entry
 * while the answer was on its way: such an answer is true of then, and not of now.
 */
export class Witness {
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #flights = new Bag<Flight>();
  #watch: number | undefined;
  #heard = -Infinity;
  #unsettled = -Infinity;

  constructor(store: SessionStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The span of watching in which the store last answered; `undefined`: it does not report changes. */
  get watch(): number | undefined {
    return this.#watch;
  }

  /** All that others changed before this moment, monotonic ms, has been reported. */
  get heard(): number {
    return this.#heard;
  }

  /** When the outcome of a write of this instance was last given up on, monotonic ms. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /**
   * Nobody will hear how a write ended. The store reports no change to whoever made it, so what was learnt before now may
   * be older than what it holds; whoever asks from now on asks after that write.
   */
  unsettle(): void {
    this.#unsettled = this.#clock.monotonic();
  }

  /** A new span has begun, and the store is known to answer: what was learnt in the one before is not kept up to date. */
  renew(): void {
    this.#watch = this.#store.watching?.();
  }

  async ask<T>(key: string, question: (store: SessionStore) => Promise<T>): Promise<Testimony<T>> {
    const at = this.#clock.monotonic();
    const watch = this.#store.watching?.();
    const flight: Flight = { key, disturbed: false };
    const place = this.#flights.put(flight);
    try {
      const answer = await question(this.#store);
      this.#watch = this.#store.watching?.();
      const unbroken = this.#watch === watch;
      if (unbroken && watch !== undefined) this.#heard = Math.max(this.#heard, at);
      const undisturbed = !flight.disturbed && unbroken;
      const incarnation = this.#store.incarnation?.();
      return { answer, confirmed: { at, incarnation, watch: undisturbed ? watch : undefined } };
    } finally {
      this.#flights.take(place);
    }
  }

  /** Others changed this entry: what is on its way from the store may be older than that. */
  changed(key: string): void {
    for (const flight of this.#flights) if (flight.key === key) flight.disturbed = true;
  }

  flushed(): void {
    for (const flight of this.#flights) flight.disturbed = true;
  }
}
