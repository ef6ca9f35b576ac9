/** Why a store could not answer, in the words that events use. */
export type Reason =
  | 'refused'
  | 'timeout'
  | 'reset'
  | 'oom'
  | 'readonly'
  | 'loading'
  | 'auth'
  | 'misconf'
  | 'busy'
  | 'other';

/**
 * What a fault says of the operation: it was *not applied*; nobody knows (*ambiguous*: the stamp makes a retry
 * harmless); or the mistake is *ours* (a programming or script fault, which never counts against the store).
 */
export type FaultClass = 'not-applied' | 'ambiguous' | 'ours';

export type CircuitName = 'read' | 'write';

/** How each write that had to wait ended. Every journal item is counted exactly once. */
export interface Ledger {
  /** Records put as they were. */
  readonly migrated: number;
  /** Records merged with what others had written. */
  readonly merged: number;
  /** Records that ended on a tombstone, or of which nothing survived a later change. */
  readonly superseded: number;
  /** Logouts and regenerations put. */
  readonly tombstones: number;
  /** Past their deadline, or unconfirmed for longer than `maxOutage`. */
  readonly expired: number;
  /** Met something that could not be opened. */
  readonly quarantined: number;
  /** Refused for want of room, or gone with what an evicting store dropped. */
  readonly evicted: number;
}

export interface Outage {
  /** Wall-clock ms. */
  readonly at: number;
  readonly ms: number;
  readonly reason: Reason;
}

/** What the last canary saw. `at`: wall-clock ms; `ms`: how long it took. */
export interface CanaryReport {
  readonly at: number;
  readonly ms: number;
  readonly ok: boolean;
  /** A read was answered. */
  readonly connect: boolean;
  /** An entry was put, read back and ended. */
  readonly operate: boolean;
  /** What was read back opened. */
  readonly seal: boolean;
}

/** Which secrets are still needed. */
export interface SecretReport {
  /**
   * Every secret but the first can go: no instance has needed one for as long as a session can live. False where there is
   * only one, and while nobody can say.
   */
  readonly retirable: boolean;
  readonly keys: readonly {
    /** The key id, as hex: public, in every cookie and record. */
    readonly kid: string;
    /** It seals. */
    readonly leads: boolean;
    /** How often it opened a cookie, and a record, on this instance since the start. */
    readonly tokens: number;
    readonly records: number;
    /** When it did last, on any instance as far as is known: wall-clock ms; 0: never. */
    readonly lastUsed: number;
    readonly retirable: boolean;
  }[];
}

/** What can be read of the supervisor at any moment. Times are ms. */
export interface SupervisorSnapshot {
  readonly mode: 'healthy' | 'degraded' | 'recovering';
  readonly reads: boolean;
  readonly backlog: { readonly items: number; readonly bytes: number; readonly oldestMs: number };
  readonly journalFull: boolean;
  readonly shadow: { readonly items: number; readonly bytes: number };
  readonly lastOutage: Outage | undefined;
  readonly canary: CanaryReport | undefined;
  /** Since the start. */
  readonly ledger: Ledger;
  readonly closed: boolean;
}
