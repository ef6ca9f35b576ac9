import type { FaultClass, Reason } from '../observe/snapshot.js';

export type { FaultClass, Reason };

/** Faults that break writes and leave reads alone, so that only the write circuit opens. */
const WRITE_ONLY: ReadonlySet<Reason> = new Set(['oom', 'readonly', 'misconf']);

/** A store could not say. Carries no message of the server, which may quote keys or passwords. */
export class StoreFault extends Error {
  override readonly name = 'StoreFault';
  readonly class: FaultClass;
  readonly reason: Reason;

  constructor(faultClass: FaultClass, reason: Reason, detail?: string) {
    super(detail ?? `the store could not answer: ${reason} (${faultClass})`);
    this.class = faultClass;
    this.reason = reason;
  }

  get writeOnly(): boolean {
    return WRITE_ONLY.has(this.reason);
  }
}

/** Every throw of a store as a fault. What a store of the user's own throws counts as ambiguous. */
export function faultOf(error: unknown): StoreFault {
  return error instanceof StoreFault ? error : new StoreFault('ambiguous', 'other');
}
