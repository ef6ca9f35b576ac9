import type { Book, Count } from './book.js';
import type { Lab, Setup } from './lab.js';
import type { Traffic } from './traffic.js';

/** What a scenario works with. */
export interface Stage {
  readonly lab: Lab;
  readonly book: Book;
  readonly traffic: Traffic;
}

type Act = (stage: Stage) => unknown;

/** One fault, from its beginning to its end. */
export interface Scenario {
  readonly name: string;
  /** What happens, for the table. */
  readonly fault: string;
  readonly setup?: Setup;
  /** Under traffic, before the fault. */
  readonly before?: Act;
  readonly begin: Act;
  /** ms from the beginning to the end. */
  readonly hold?: number;
  /** Half-way through. Default: two users log out, one at each instance. */
  readonly during?: Act;
  /** Redis can be used once it resolves. */
  readonly end: Act;
  /** With both back, while the traffic goes on. */
  readonly after?: Act;
  /** Counts that may be more than 0, each with the heading under which docs/recovery.md says so. */
  readonly documented?: Partial<Record<Count, string>>;
  /** Too long for every day: `--long` alone plays it. */
  readonly long?: boolean;
  /** The fault is one of this library's own parts: nothing to compare. */
  readonly libraryOnly?: boolean;
  /** It is about the processor, too: nothing else is played meanwhile. */
  readonly alone?: boolean;
}
