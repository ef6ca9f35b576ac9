import type { Clock, Timer } from '../clock.js';
import type { Emit } from '../observe/events.js';
import { Budget } from './deadline.js';
import type { Journal } from './journal.js';
import { type Pace, paced } from './pace.js';
import type { Serial } from './serial.js';
import type { Writer } from './writer.js';
import type { Traffic } from './traffic.js';

export interface MigrationParts {
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly writer: Writer;
  readonly serial: Serial;
  readonly emit: Emit;
  readonly deadline: number;
  /** The journal is empty. */
  readonly onEmpty: () => void;
}

/** Wide enough that a trip to the store carries many, and narrow enough that users get in between. */
const CONCURRENCY = 32;
const START_JITTER = 100;
const ROUND = { first: 50, cap: 1_000 } as const;

/**
 * Journal → store, in rounds, whenever something waits and writes can pass: tombstones first, then records in order.
 * Each item runs in its key's turn, so live traffic and the drain never meet over one session.
 */
export class Migration {
  readonly #parts: MigrationParts;
  readonly #pace: Pace;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #rounds = 0;
  #closed = false;

  constructor(parts: MigrationParts) {
    this.#parts = parts;
    this.#pace = { width: CONCURRENCY, traffic: parts.traffic };
  }

  /** Begins soon, unless it has begun. The jitter keeps many instances from starting at one instant. */
  kick(): void {
    const { clock, writer, journal } = this.#parts;
    if (this.#timer || this.#running || this.#closed || journal.size === 0 || !writer.open) return;
    const pause = this.#rounds === 0 ? START_JITTER * clock.fraction() : backoff(this.#rounds);
    this.#timer = clock.after(pause, () => {
      this.#timer = undefined;
      void this.drain();
    });
  }

  /** As `kick`, without the patience that failed rounds have taught it: the store has just come back. */
  restart(): void {
    this.#rounds = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#parts.journal.size === 0) this.#parts.onEmpty();
    else this.kick();
  }

  /** One round over all that waits. Never rejects. */
  drain(): Promise<void> {
    this.#running ??= this.#round().finally(() => {
      this.#running = undefined;
      this.#afterRound();
    });
    return this.#running;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    const { journal, emit } = this.#parts;
    const before = journal.size;
    for (const kind of ['tombstone', 'record'] as const)
      await paced(journal.keys(kind), this.#pace, key => this.#move(key));
    if (before > 0)
      emit('migration:progress', { done: Math.max(0, before - journal.size), left: journal.size });
  }

  /** False where going on makes no sense now. */
  async #move(key: string): Promise<boolean> {
    const { journal, writer, serial, clock, deadline } = this.#parts;
    const item = journal.get(key);
    if (!item) return true;
    if (!writer.passable(item.entry)) return false;
    // A throw means that a full journal refused the merged item: it was counted, and its turn is over.
    const budget = new Budget(clock, deadline);
    await serial.run(key, () => writer.retry(key, budget)).catch(() => undefined);
    return true;
  }

  #afterRound(): void {
    const { journal, onEmpty } = this.#parts;
    if (journal.size === 0) {
      this.#rounds = 0;
      onEmpty();
      return;
    }
    this.#rounds += 1;
    this.kick();
  }
}

function backoff(rounds: number): number {
  return Math.min(ROUND.cap, ROUND.first * 2 ** Math.min(rounds, 10));
}
