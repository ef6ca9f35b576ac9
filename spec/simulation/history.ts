/** What happened, in order: for whoever has to understand a failing seed, and to compare two runs of one. */
export class History {
  readonly lines: string[] = [];
  readonly violations: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  note(who: string, what: string): void {
    this.lines.push(`${this.#now().toFixed(1).padStart(9)} ${who.padEnd(6)} ${what}`);
  }

  /** A promise was broken. */
  violated(what: string): void {
    this.violations.push(what);
    this.note('!', what);
  }

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}
