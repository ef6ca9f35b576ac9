interface Flight {
  /** Swaps of this key that are not answered yet. */
  swaps: number;
  puts: number;
  reports: number;
}

/**
 * Tells a change by others from the echo of one's own. A server that reports all changes follows each swap that put
 * something with one report of it, at the latest before it answers anything else. Where that leaves a doubt a report is
 * news: to ask once more harms nobody. So it is, too, from where a server has once kept an echo back, which the first
 * canary would show.
 */
export class Echoes {
  readonly #flights = new Map<string, Flight>();
  #due: string | undefined;
  #mute = false;

  /** A swap of `key` is sent. */
  depart(key: string): void {
    const flight = this.#flights.get(key) ?? { swaps: 0, puts: 0, reports: 0 };
    flight.swaps += 1;
    this.#flights.set(key, flight);
  }

  /** It was answered, or never will be. Returns whether others have changed `key` meanwhile. */
  arrive(key: string, put: boolean): boolean {
    this.answered();
    const flight = this.#flights.get(key);
    if (!flight) return false;
    flight.swaps -= 1;
    if (put) flight.puts += 1;
    // Which of several a report belongs to shows when all are answered.
    if (flight.swaps > 0) return false;
    this.#flights.delete(key);
    if (this.#mute) return flight.reports > 0;
    if (put && flight.reports < flight.puts) this.#due = key;
    return flight.reports > flight.puts;
  }

  /** Something was answered: an echo of what was answered before is here, or will never come. */
  answered(): void {
    this.#mute ||= this.#due !== undefined;
    this.#due = undefined;
  }

  /** What a report of `key` is; `unknown` until the swap under way is answered. */
  report(key: string): 'news' | 'echo' | 'unknown' {
    if (key === this.#due) {
      this.#due = undefined;
      return 'echo';
    }
    const flight = this.#flights.get(key);
    if (flight) flight.reports += 1;
    return flight ? 'unknown' : 'news';
  }
}
