import type { Clock } from '../clock.js';
import type { Confirmation, SessionStore } from '../store/store.js';

/** An answer of the store, and how far it can be trusted from now on. */
export interface Testimony<T> {
  readonly answer: T;
  readonly confirmed: Confirmation;
}

interface Flight {
  questions: number;
  changes: number;
}

/**
 * Asks the store, and notes of each answer when it was asked, of which data set, and whether others changed the entry
 * while the answer was on its way: such an answer is true of then, and not of now.
 */
export class Witness {
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #flights = new Map<string, Flight>();
  #watch: number | undefined;

  constructor(store: SessionStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The span of watching in which the store last answered; `undefined`: it does not report changes. */
  get watch(): number | undefined {
    return this.#watch;
  }

  /** A new span has begun, and the store is known to answer: what was learnt in the one before is not kept up to date. */
  renew(): void {
    this.#watch = this.#store.watching?.();
  }

  async ask<T>(key: string, question: (store: SessionStore) => Promise<T>): Promise<Testimony<T>> {
    const at = this.#clock.monotonic();
    const watch = this.#store.watching?.();
    const flight = this.#depart(key);
    const { changes } = flight;
    try {
      const answer = await question(this.#store);
      this.#watch = this.#store.watching?.();
      const undisturbed = flight.changes === changes && this.#watch === watch;
      const incarnation = this.#store.incarnation?.();
      return { answer, confirmed: { at, incarnation, watch: undisturbed ? watch : undefined } };
    } finally {
      this.#arrive(key, flight);
    }
  }

  /** Others changed this entry: what is on its way from the store may be older than that. */
  changed(key: string): void {
    const flight = this.#flights.get(key);
    if (flight) flight.changes += 1;
  }

  flushed(): void {
    for (const flight of this.#flights.values()) flight.changes += 1;
  }

  #depart(key: string): Flight {
    const flight = this.#flights.get(key) ?? { questions: 0, changes: 0 };
    flight.questions += 1;
    this.#flights.set(key, flight);
    return flight;
  }

  #arrive(key: string, flight: Flight): void {
    flight.questions -= 1;
    if (flight.questions === 0) this.#flights.delete(key);
  }
}
