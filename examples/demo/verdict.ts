const PROMISES = {
  P1: 'read-your-writes',
  P2: 'nothing lost',
  P3: 'logout sticks',
  P4: 'no lost update',
  P5: 'never waits',
  P6: 'never fails',
  P9: 'honest',
} as const;

export type PromiseName = keyof typeof PROMISES;

const SHOWN = 3;

/** What was checked of each promise, and what was found broken. */
export class Verdict {
  readonly #checks = new Map<PromiseName, number>();
  readonly #breaches = new Map<PromiseName, string[]>();

  /** Counts one check; `breach` says what is wrong if it does not hold. */
  check(promise: PromiseName, holds: boolean, breach: string): void {
    this.#checks.set(promise, (this.#checks.get(promise) ?? 0) + 1);
    if (!holds) this.#breaches.set(promise, [...this.#of(promise), breach]);
  }

  /** A promise that nobody checked is not held. */
  held(promise: PromiseName): boolean {
    return this.#of(promise).length === 0 && (this.#checks.get(promise) ?? 0) > 0;
  }

  get allHeld(): boolean {
    return names().every(name => this.held(name));
  }

  /** A line for each promise, followed by the first things that broke it. */
  lines(): string[] {
    return names().flatMap(name => [
      this.#line(name),
      ...this.#of(name)
        .slice(0, SHOWN)
        .map(breach => `     ${breach}`),
    ]);
  }

  #line(name: PromiseName): string {
    const checks = this.#checks.get(name) ?? 0;
    const { length } = this.#of(name);
    const word = this.held(name) ? 'held  ' : 'BROKEN';
    const count = length > 0 ? `${length} of ${checks} checks failed` : `${checks} checks`;
    return `${name} ${PROMISES[name].padEnd(18)} ${word}  ${count}`;
  }

  #of(name: PromiseName): string[] {
    return this.#breaches.get(name) ?? [];
  }
}

function names(): PromiseName[] {
  // Object.keys forgets the type of the keys.
  return Object.keys(PROMISES) as PromiseName[];
}
