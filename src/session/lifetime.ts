import { ALLOWED_SKEW, type Clock } from '../clock.js';
import type { Stamp } from '../store/entry.js';
import type { Fields } from './fields.js';
import { loginTime, type SessionRecord, stampChanges } from './record.js';
import { type NewcomerOptions, Newcomers } from './newcomers.js';
import type { SessionState } from './state.js';

export interface LifetimeOptions {
  /** ms, or `false` for none. */
  readonly idleTimeout: number | false;
  readonly absoluteTimeout: number;
  readonly rolling: boolean;
  readonly maxOutage: number;
  readonly anonymous: NewcomerOptions;
}

/** A touch moves the idle deadline only when this share of the timeout has passed, or every request would write. */
const TOUCH_SHARE = 0.1;

/** When a session ends, wall-clock ms. Decided by what is sealed in its record, never by the store's TTL (ASVS 7.3.1, 7.3.2). */
export function deadlineOf(record: SessionRecord): number {
  return Math.min(record.idle ?? record.absolute, record.absolute);
}

/** A token tells the hour of birth alone: it may be younger by so much, ms. */
const BORN_WITHIN = 3_600_000;

/** How long sessions, and the ends of sessions, live. */
export class Lifetime {
  readonly #options: LifetimeOptions;
  readonly #clock: Clock;
  readonly #newcomers: Newcomers;

  constructor(options: LifetimeOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#newcomers = new Newcomers(options.anonymous, clock);
  }

  get idleTimeout(): number | undefined {
    return this.#options.idleTimeout || undefined;
  }

  isOver(record: SessionRecord): boolean {
    return deadlineOf(record) <= this.#clock.wall();
  }

  touchDue(state: SessionState, changed: boolean): boolean {
    const record = state.base?.record;
    const idleTimeout = this.#idleTimeoutOf(state);
    // It came back: from now on it lives as long as others do.
    if (record && isShort(record, idleTimeout)) return true;
    if (!record || idleTimeout === false || !(this.#options.rolling || changed)) return false;
    return this.#clock.wall() - record.used >= idleTimeout * TOUCH_SHARE;
  }

  /** The version of a session that has these data from now on. What changed takes `stamp`. */
  recordFor(state: SessionState, fields: Fields, stamp: Stamp, touch: boolean): SessionRecord {
    const now = Math.floor(this.#clock.wall());
    const base = state.base?.record;
    // A login begins anew: its time limits count from there (NIST SP 800-63B-4 §2.1.3).
    const goesOn = base !== undefined && loginTime(base) === loginTime(state);
    const absolute = goesOn ? base.absolute : now + this.#options.absoluteTimeout;
    const idleTimeout = state.brief ? this.#options.anonymous.idleTimeout : this.#idleTimeoutOf(state);
    const moves = !base || touch || base.maxAge !== state.maxAge;
    const idle = idleTimeout === false ? null : Math.min(now + idleTimeout, absolute);
    const forget = now - this.#options.maxOutage - ALLOWED_SKEW;
    return {
      created: base?.created ?? now,
      login: state.login,
      used: moves ? now : base.used,
      idle: moves ? idle : base.idle,
      absolute,
      maxAge: state.maxAge,
      stamps: stampChanges(base, { fields, maxAge: state.maxAge }, stamp, forget, state.blind),
      fields,
    };
  }

  /** Whether a session that is about to begin is one of too many, which live briefly until they come back. */
  isBrief({ base, login, orphan, maxAge, byApp }: SessionState): boolean {
    if (base || login || orphan || byApp || maxAge !== undefined) return false;
    const usual = this.#options.idleTimeout || this.#options.absoluteTimeout;
    return !this.#newcomers.admit() && this.#options.anonymous.idleTimeout < usual;
  }

  /** What is left of a record, with room for clocks that differ, ms. */
  ttlOf(record: SessionRecord): number {
    return Math.max(1, this.#left(record));
  }

  /** Monotonic ms at which {@link ttlOf} ends, or has ended. */
  expiryOf(record: SessionRecord): number {
    return this.#clock.monotonic() + this.#left(record);
  }

  /** A tombstone outlives every write that may still meet it. */
  tombstoneTtl({ base }: SessionState): number {
    const left = base ? base.record.absolute - this.#clock.wall() : Infinity;
    return Math.max(0, Math.min(left, this.#options.maxOutage)) + ALLOWED_SKEW;
  }

  /** Whether a session that was born in an outage may still be on its way to the store. */
  isAwaited(born: number): boolean {
    return born !== 0 && this.#clock.wall() - born <= this.#options.maxOutage + BORN_WITHIN;
  }

  #left(record: SessionRecord): number {
    return deadlineOf(record) - this.#clock.wall() + ALLOWED_SKEW;
  }

  #idleTimeoutOf(state: SessionState): number | false {
    return state.maxAge ?? this.#options.idleTimeout;
  }
}

/** Whether the idle deadline of a session that has never been used again is nearer than is usual. */
function isShort({ created, used, idle, absolute }: SessionRecord, idleTimeout: number | false): boolean {
  const usual = idleTimeout === false ? absolute : Math.min(used + idleTimeout, absolute);
  return used === created && idle !== null && idle < usual;
}
