import * as fc from './fast-check.js';

/** What became of the inputs of one property. */
export class Tally {
  tried = 0;
  refused = 0;
  /** Neither refused nor opened as it must be. */
  wrong = 0;

  /** `wasRefused` must be true: this input is nobody's. */
  refuses(wasRefused: boolean, what: string): void {
    this.tried += 1;
    if (wasRefused) this.refused += 1;
    else this.#fail(`wrongly accepted: ${what}`);
  }

  /** `isRight` must be true: this input is ours, or may be anybody's. */
  takes(isRight: boolean, what: string): void {
    this.tried += 1;
    if (!isRight) this.#fail(`not as it must be: ${what}`);
  }

  #fail(what: string): never {
    this.wrong += 1;
    throw new Error(what);
  }
}

/** A sentence that must hold for every input. */
export interface Claim {
  readonly name: string;
  /** So many are tried in the tests. */
  readonly runs: number;
  readonly property: (tally: Tally) => fc.IProperty<unknown>;
}

export function claim<Values extends [unknown, ...unknown[]]>(
  name: string,
  runs: number,
  inputs: { [At in keyof Values]: fc.Arbitrary<Values[At]> },
  check: (tally: Tally, ...values: Values) => void,
): Claim {
  return {
    name,
    runs,
    property: tally => fc.property(fc.tuple(...inputs), values => check(tally, ...(values as Values))),
  };
}

export interface Outcome {
  readonly name: string;
  readonly tried: number;
  readonly refused: number;
  readonly wrong: number;
  /** What failed, with the smallest input that does; `undefined`: nothing. */
  readonly failure: string | undefined;
}

/** Where the smallest counterexample is not found in so many ms, a small one will do. */
const LIMIT = 20_000;
/** Keys are many bytes, and say little. */
const LONGEST = 4_000;

/** The same inputs each time for the same seed. */
export function attempt({ name, property }: Claim, seed: number, runs: number): Outcome {
  const tally = new Tally();
  const details = fc.check(property(tally), { seed, numRuns: runs, interruptAfterTimeLimit: LIMIT });
  const { tried, refused, wrong } = tally;
  const failure = details.failed ? reportOf(details) : undefined;
  return { name, tried, refused, wrong: Math.max(wrong, details.failed ? 1 : 0), failure };
}

function reportOf({
  seed,
  counterexample,
  counterexamplePath,
  errorInstance,
}: fc.RunDetails<unknown>): string {
  const because =
    errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : errorInstance;
  const input = `seed ${seed}, path ${counterexamplePath}: ${fc.stringify(counterexample).slice(0, LONGEST)}`;
  return `${String(because)}\n${input}`;
}
