import type { Clock } from '../clock.js';

export interface NewcomerOptions {
  /** So many anonymous sessions may begin on this instance in a second, on average. */
  readonly perSecond: number;
  /** Beyond that they begin with this idle timeout, ms, until they come back. */
  readonly idleTimeout: number;
}

/** Seconds of silence that a burst may make up for. */
const BURST = 10;

/** A budget for anonymous sessions: bots that keep no cookie would fill the store with sessions that nobody comes back to. */
export class Newcomers {
  readonly #perSecond: number;
  readonly #clock: Clock;
  #left: number;
  #at: number;

  constructor({ perSecond }: NewcomerOptions, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#left = perSecond * BURST;
    this.#at = clock.monotonic();
  }

  /** Counts one more. False: it is one too many. */
  admit(): boolean {
    const now = this.#clock.monotonic();
    const gained = ((now - this.#at) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#perSecond * BURST, this.#left + gained);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
