/** Counts the requests that are being served, for whoever must not leave before they are done. */
export class UnderWay {
  #count = 0;
  #seen = false;
  readonly #waiting = new Set<() => void>();

  /** Whether there ever was one. */
  get seen(): boolean {
    return this.#seen;
  }

  enter(): void {
    this.#seen = true;
    this.#count += 1;
  }

  leave(): void {
    this.#count -= 1;
    if (this.#count > 0) return;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Resolves when there is none. */
  none(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise(resolve => this.#waiting.add(resolve));
  }
}
