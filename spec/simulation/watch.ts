import type { Cluster } from './cluster.js';
import type { History } from './history.js';
import type { Instance } from './instance.js';
import type { Timeline } from './time.js';

const EVERY = 500;

/** P8: what is kept stays under its caps. */
export function watchMemory(timeline: Timeline, cluster: Cluster): void {
  timeline.after(EVERY, () => {
    for (const instance of cluster.open()) check(instance, cluster.book.history);
    watchMemory(timeline, cluster);
  });
}

function check(instance: Instance, history: History): void {
  const { backlog, shadow } = instance.sessions.stats().store;
  if (backlog.bytes > instance.maxJournal || backlog.bytes < 0)
    history.violated(`the journal of ${instance.name} holds ${backlog.bytes} bytes (P8)`);
  if (shadow.bytes > instance.maxShadow)
    history.violated(`the warm copies of ${instance.name} hold ${shadow.bytes} bytes (P8)`);
}

/** P9: every write that waited is in the ledger exactly once. */
export function balanceLedger(instance: Instance, history: History): void {
  const { ledger } = instance.sessions.stats().store;
  const counted = Object.values(ledger).reduce((sum: number, each: number) => sum + each, 0);
  const { left, refused } = instance.journal;
  if (counted !== left + refused)
    history.violated(
      `the ledger of ${instance.name} counts ${counted} for ${left} that left and ${refused} refused (P9)`,
    );
  for (const [fate, times] of Object.entries(ledger)) if (times > 0) history.count(`fate ${fate}`);
}

/** A promise that nobody handles would end the process. */
export function watchRejections(history: History): () => void {
  const listener = (reason: unknown): void => history.violated(`unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', listener);
  return () => void process.off('unhandledRejection', listener);
}
