import type { ServerFacts } from './redis-link.js';

/** What made a loss of data likely. */
export type LossCause = 'run-id' | 'role' | 'replication-id' | 'generation';

const NAMES = { runId: 'run-id', role: 'role', replicationId: 'replication-id' } as const;

/**
 * Names the data set that a server holds: another name means that acknowledged data may be missing. A server that was
 * restarted, or replaced by a replica, shows it by its ids; one that came back from an older copy of itself by a counter
 * that all instances count up, and that is now lower than it was.
 */
export class Incarnation {
  readonly #seen: { runId?: string; role?: string; replicationId?: string } = {};
  #losses: number | undefined;
  #generation = 0;
  #cause: LossCause | undefined;

  /** `undefined` until the server has said anything. */
  get name(): string | undefined {
    return this.#losses?.toString();
  }

  /** Why the name changed last. */
  get cause(): LossCause | undefined {
    return this.#cause;
  }

  observe(facts: ServerFacts): void {
    const cause = this.#causeIn(facts);
    if (cause) this.#cause = cause;
    this.#losses = (this.#losses ?? 0) + (cause && this.#losses !== undefined ? 1 : 0);
  }

  /** Somebody has emptied the server on purpose: its counter begins anew, and nothing was lost. */
  flushed(): void {
    this.#generation = 0;
  }

  #causeIn(facts: ServerFacts): LossCause | undefined {
    let cause: LossCause | undefined;
    for (const key of ['replicationId', 'role', 'runId'] as const) {
      const now = facts[key];
      if (now === undefined) continue;
      if (this.#seen[key] !== undefined && this.#seen[key] !== now) cause = NAMES[key];
      this.#seen[key] = now;
    }
    const { generation } = facts;
    if (generation === undefined) return cause;
    if (generation <= this.#generation) cause ??= 'generation';
    this.#generation = generation;
    return cause;
  }
}
