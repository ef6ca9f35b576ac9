import type { Clock } from '../clock.js';
import type { Budget } from './deadline.js';
import type { Journal } from './journal.js';
import type { Migration } from './migration.js';
import type { ModeSwitch } from './mode.js';
import { type ProbeParts, sendCanary } from './probe.js';
import type { Writer } from './writer.js';

export interface LastDrainParts {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly writer: Writer;
  readonly migration: Migration;
  readonly modes: ModeSwitch;
  readonly canary: ProbeParts;
}

/** Between two attempts, ms. */
const PAUSE = 50;

/** Brings home what the store takes within `budget`: there will be no other chance. Never rejects. */
export async function drainForGood(parts: LastDrainParts, budget: Budget): Promise<void> {
  const { journal, clock } = parts;
  while (journal.size > 0 && budget.left > 0) {
    const before = journal.size;
    await attempt(parts, budget);
    if (journal.size >= before && budget.left > 0)
      await new Promise<void>(resolve => clock.after(Math.min(PAUSE, budget.left), resolve));
  }
}

/** What fails is tried again, and a store that is away is asked whether it is back. */
async function attempt(
  { journal, writer, migration, modes, canary }: LastDrainParts,
  budget: Budget,
): Promise<void> {
  if (!writer.open) {
    const report = await budget.bound(() => sendCanary(canary)).catch(() => undefined);
    if (report?.ok) modes.restore(journal.size);
  }
  if (writer.open) await budget.bound(() => migration.drain()).catch(() => undefined);
}
