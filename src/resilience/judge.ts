import type { Emit } from '../observe/events.js';
import { StoreFault } from '../store/fault.js';
import type { BreakerOptions } from './circuit.js';
import type { Journal } from './journal.js';
import type { Migration } from './migration.js';
import type { ModeSwitch } from './mode.js';
import type { CanaryResult, ProbeOptions } from './probe.js';

export interface JudgeParts {
  readonly breaker: BreakerOptions;
  readonly probe: ProbeOptions;
  readonly modes: ModeSwitch;
  readonly journal: Journal;
  readonly migration: Migration;
  readonly emit: Emit;
  /** The store answers: what waited for that goes on. */
  readonly goOn: () => void;
}

const NONE = { passed: 0, read: 0, failed: 0 };

/** Canaries decide when circuits close; in health, several failing ones open them, so that a quiet app notices too. */
export class Judge {
  readonly #parts: JudgeParts;
  #row = NONE;
  #proved = false;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
  }

  /** An outage has begun: what came before it proves nothing. */
  beginAnew(): void {
    this.#row = NONE;
  }

  judge(report: CanaryResult): void {
    const { modes, breaker, emit, goOn } = this.#parts;
    const proved = this.#proved;
    this.#proved ||= report.ok;
    this.#count(report);
    const fault = report.fault ?? new StoreFault('ambiguous', 'other');
    if (!report.ok) emit('store:error', { operation: 'canary', class: fault.class, code: fault.reason });
    if (modes.mode.state === 'degraded') this.#recover(proved, fault);
    else if (this.#row.failed >= breaker.failures) modes.trip(fault);
    else goOn();
  }

  #count({ ok, connect, fault }: CanaryResult): void {
    const { passed, read, failed } = this.#row;
    this.#row = {
      passed: ok ? passed + 1 : 0,
      read: connect ? read + 1 : 0,
      failed: ok || fault?.class === 'ours' ? 0 : failed + 1,
    };
  }

  #recover(proved: boolean, fault: StoreFault): void {
    const { modes, probe, journal, migration, goOn } = this.#parts;
    // Before the first success there was no outage to come back from, only a start.
    const successes = proved ? probe.successes : 1;
    if (this.#row.passed >= successes) {
      modes.restore(journal.size);
      migration.restart();
      goOn();
    } else if (this.#row.read >= successes && fault.writeOnly) modes.restoreReads();
  }
}
