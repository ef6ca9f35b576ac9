import type { SessionRecord } from '../../src/session/record.js';
import type { Stamp } from '../../src/store/entry.js';
import type { SealedIdentity } from '../../src/vault/vault.js';

/** Who holds what was acknowledged. */
export type Holder = 'primary' | 'journal';

/** `unknown`: nobody heard how it ended, so it may be in force or not. */
export type OutcomeKind = 'open' | 'acknowledged' | 'refused' | 'unknown';

/** One operation of a user, as the user sees it. Times are simulated ms. */
export interface Operation {
  readonly name: string;
  readonly instance: string;
  readonly started: number;
  settled: number;
  /** Turns of the whole run, because much can happen in one moment of simulated time. */
  readonly firstTurn: number;
  /** Up to this simulated ms its instance had heard Redis when it began. */
  readonly heard: number;
  lastTurn: number;
  outcome: OutcomeKind;
  by: Holder | undefined;
}

/** One change of one key. Its value occurs nowhere else. */
export interface Write {
  readonly key: string;
  /** `undefined`: the key was removed. */
  readonly value: string | undefined;
  readonly operation: Operation;
  /** What its writer saw under this key. */
  readonly saw: Write | undefined;
}

/** An acknowledged operation answers for this write: it must not be lost. */
export interface Pledge {
  readonly write: Write;
  readonly operation: Operation;
  /** The process that held it is dead, or Redis lost it: documented in docs/recovery.md. */
  excused: boolean;
}

export interface End {
  readonly kind: 'destroyed' | 'regenerated';
  readonly operation: Operation;
  excused: boolean;
}

/** Redis lost, or somebody spoilt, what stood under this session's key. */
export interface Loss {
  readonly at: number;
  readonly cause: string;
  /** Living instances put it back, as docs/recovery.md says: a restart or a failover, not somebody's wish. */
  readonly restored: boolean;
}

/** All that is known of one session. */
export interface Life {
  /** Stands in the data of this session and of no other. */
  readonly owner: string;
  /** The owner, with a mark for each regenerate. */
  readonly name: string;
  readonly identity: SealedIdentity;
  readonly token: string;
  readonly absolute: number;
  readonly created: number;
  readonly birth: Operation;
  birthExcused: boolean;
  /** The session that this one was regenerated from. */
  readonly from: Life | undefined;
  readonly pledges: Pledge[];
  readonly writes: Write[];
  readonly ends: End[];
  readonly losses: Loss[];
  /** What an instance itself reported lost. */
  readonly reported: { readonly instance: string; readonly reason: string }[];
  /** As Redis has it. */
  readonly stored: {
    /** The stamp of what was put last. */
    put: Stamp | undefined;
    tombstone: { readonly at: number; readonly reason: string } | undefined;
    /** What the tombstone of a regenerate replaced. */
    replaced: SessionRecord | undefined;
    stamps: Map<string, string>;
  };
}

/** Whether `later` must win over `earlier` wherever the two meet; `slack`: how far clocks may be apart. */
export function precedes(earlier: Write, later: Write, slack: number): boolean {
  if (later.saw && (later.saw === earlier || precedes(earlier, later.saw, slack))) return true;
  const [before, after] = [earlier.operation, later.operation];
  if (before === after || !follows(after, before)) return false;
  return before.instance === after.instance || after.started - before.settled > slack;
}

/** Whether `later` began after `earlier` was over. */
export function follows(later: Operation, earlier: Operation): boolean {
  return earlier.lastTurn < later.firstTurn;
}
