import { inspect } from 'node:util';
import { ALLOWED_SKEW } from '../clock.js';
import { SessionError } from '../errors.js';
import { persistent, type SessionJson } from './data.js';
import type { Field, Fields } from './fields.js';
import { Nested, showLater } from './nested.js';
import type { SessionRecord } from './record.js';
import type { SessionSource, SessionState } from './state.js';

/**
 * The data of a session, open to declaration merging:
 * `declare module 'koa-resilient-session' { interface SessionData { userId?: string } }`.
 */
// oxlint-disable-next-line typescript/no-empty-interface -- apps fill it by declaration merging
export interface SessionData {}

/** What a session asks of its owner: each acts at once and waits for the store within the deadline. */
export interface SessionActions {
  save(session: Session, force: boolean): Promise<boolean>;
  regenerate(session: Session): Promise<boolean>;
  login(session: Session, user: string, options: LoginOptions): Promise<boolean>;
  destroy(session: Session): Promise<void>;
  defaultMaxAge(): number | undefined;
  /** Wall-clock ms. */
  now(): number;
}

export interface LoginOptions {
  /**
   * What the user knows this session by in the list of all of them, such as a browser's name. 100 characters are kept, and a
   * control character becomes a space.
   */
  readonly label?: string;
}

const RESERVED = [
  'isNew',
  'populated',
  'length',
  'save',
  'regenerate',
  'manuallyCommit',
  'destroy',
  'toJSON',
  'login',
  'authenticatedAs',
  'authenticatedAt',
  'authenticatedWithin',
] as const;
const INTERFACE: ReadonlySet<string> = new Set([...RESERVED, 'maxAge']);
const READINGS = ['id', 'createdAt', 'expiresAt', 'source'] as const;

/**
 * The value behind `ctx.session`: its own enumerable properties are the data, everything else lives on the prototype
 * and cannot be overwritten (`RESERVED_KEY`). The four readings `id`, `createdAt`, `expiresAt` and `source` may be used as
 * data keys; there data wins.
 */
export class Session {
  readonly #state: SessionState;
  readonly #actions: SessionActions;

  constructor(state: SessionState, actions: SessionActions, fields: Fields) {
    this.#state = state;
    this.#actions = actions;
    for (const [key, field] of fields) {
      // What is stored is there already: a name that has become the interface's since must not lock anybody out.
      if (!isReserved(key)) show(this, key, field);
    }
  }

  /** @internal */
  static stateOf(session: Session): SessionState {
    return session.#state;
  }

  /** Whether no stored session stands behind this one yet. */
  get isNew(): boolean {
    return this.#state.base === undefined;
  }

  /** How many keys the data has. */
  get length(): number {
    return Object.keys(persistent(this)).length;
  }

  get populated(): boolean {
    return this.length > 0;
  }

  /** The idle timeout of this session in ms; `undefined`: none. Setting it saves the session. */
  get maxAge(): number | undefined {
    return this.#state.maxAge ?? this.#actions.defaultMaxAge();
  }

  set maxAge(ms: number | undefined) {
    if (ms !== undefined && !(Number.isInteger(ms) && ms > 0)) {
      // What is no number may be data: somebody's JSON names it.
      const got = typeof ms === 'number' ? ms : `a ${typeof ms}`;
      throw new RangeError(`session.maxAge must be a positive whole number of ms, got ${got}`);
    }
    this.#state.maxAge = ms;
    this.#state.force = true;
  }

  /** Saves now, changed or not. Resolves `false` if the session has ended meanwhile: then nothing is kept. */
  save(): Promise<boolean> {
    return this.#actions.save(this, true);
  }

  /** Saves now if anything changed. Resolves `false` if the session has ended meanwhile. */
  manuallyCommit(): Promise<boolean> {
    return this.#actions.save(this, false);
  }

  /**
   * Call it once a user has proved who they are, at a login and whenever they prove it again (ASVS 7.2.4): moves the
   * session to a new id, so that the old one is dead at once; binds it to `user`, 1 to 256 characters, for
   * `sessions.users`; notes the time, and lets the absolute timeout begin. The data come along, unless they were another
   * user's. Resolves `false`, and nobody is logged in, if the session had ended meanwhile or could be kept nowhere.
   * Throws `TOO_MANY_SESSIONS` where the app chose to refuse.
   */
  login(user: string, options: LoginOptions = {}): Promise<boolean> {
    return this.#actions.login(this, user, options);
  }

  /** The user of the last `login()`; `undefined`: nobody is logged in. */
  get authenticatedAs(): string | undefined {
    return this.#state.base?.record.login?.user;
  }

  /** When `login()` was called last. */
  get authenticatedAt(): Date | undefined {
    return date(this.#state.base?.record.login?.at);
  }

  /** Whether the user proved who they are within the last `ms`: ask it before what needs a fresh proof (ASVS 7.5.3). */
  authenticatedWithin(ms: number): boolean {
    const at = this.#state.base?.record.login?.at;
    if (at === undefined || this.#state.mark !== 'live') return false;
    const age = this.#actions.now() - at;
    return age <= ms && age >= -ALLOWED_SKEW;
  }

  /**
   * Moves the data to a new id; the old one is dead at once (ASVS 7.2.4). Resolves `false` if the session had ended
   * meanwhile: then nothing was created. `login()` does it for you.
   */
  regenerate(): Promise<boolean> {
    return this.#actions.regenerate(this);
  }

  /** Ends the session now. Rejects with `STORE_UNAVAILABLE` if the end can be kept nowhere. */
  destroy(): Promise<void> {
    return this.#actions.destroy(this);
  }

  /** A pseudonym for logs, never the token; `undefined` before the first save. */
  get id(): string | undefined {
    return this.#state.identity?.pseudonym;
  }

  get createdAt(): Date | undefined {
    return date(this.#state.base?.record.created);
  }

  /** When it ends if nobody uses it again. */
  get expiresAt(): Date | undefined {
    const record = this.#state.base?.record;
    return record && date(Math.min(record.idle ?? record.absolute, record.absolute));
  }

  get source(): SessionSource {
    return this.#state.source;
  }

  /** The data, without what is never saved: keys that begin with `_`, and functions. */
  toJSON(): SessionJson {
    return persistent(this);
  }

  /** Sessions end up in logs: this shows that there is one, not what is in it (ASVS 16.2.5). */
  [inspect.custom](): string {
    return `Session { id: ${this.#state.identity?.pseudonym ?? 'none'}, keys: ${this.length} }`;
  }
}

for (const name of RESERVED) {
  const existing = Object.getOwnPropertyDescriptor(Session.prototype, name);
  const method: unknown = existing?.value;
  Object.defineProperty(Session.prototype, name, {
    configurable: true,
    get: existing?.get ?? ((): unknown => method),
    set: () => refuseKey(name),
  });
}

/** Data from outside may name it (ASVS 15.3.6): as a plain assignment it would swap the session for something else. */
Object.defineProperty(Session.prototype, '__proto__', {
  get: () => Session.prototype,
  set: () => {
    throw new SessionError('DATA_INVALID', 'session data must not have a key "__proto__"');
  },
});

for (const name of READINGS) {
  const get = Object.getOwnPropertyDescriptor(Session.prototype, name)?.get;
  Object.defineProperty(Session.prototype, name, {
    configurable: true,
    ...(get && { get }),
    set(this: Session, value: unknown) {
      Object.defineProperty(this, name, { value, enumerable: true, writable: true, configurable: true });
    },
  });
}

/** Puts data onto a session, each key as its own property. Throws `RESERVED_KEY` for names of the interface. */
export function assignData(session: Session, data: object): void {
  for (const [key, value] of checkedEntries(data)) put(session, key, value);
}

/** Makes the data of `session` exactly `data`. */
export function replaceData(session: Session, data: object): void {
  // Read before anything is let go of: reading may throw.
  const entries = checkedEntries(data);
  for (const key of Object.keys(session)) Reflect.deleteProperty(session, key);
  for (const [key, value] of entries) put(session, key, value);
}

function checkedEntries(data: object): [string, unknown][] {
  const entries = Object.entries(data);
  for (const [key] of entries) if (isReserved(key)) refuseKey(key);
  return entries;
}

function show(session: Session, key: string, field: Field): void {
  if (!(field instanceof Nested)) put(session, key, field);
  else if (!showLater(session, key, field)) put(session, key, JSON.parse(field.text));
}

function put(session: Session, key: string, value: unknown): void {
  // By far the most names are nobody else's: a plain assignment costs a tenth. Cast, because Reflect.set costs four times that.
  if (!(key in session)) {
    (session as unknown as SessionJson)[key] = value;
    return;
  }
  Object.defineProperty(session, key, { value, enumerable: true, writable: true, configurable: true });
}

/** Whether `key` belongs to the session's interface, so that no data can have it. */
export function isReserved(key: string): boolean {
  return INTERFACE.has(key);
}

/** After a merge: the session shows what others changed, and keeps what was changed here since `committed`. */
export function rebase(session: Session, committed: Fields, merged: SessionRecord): void {
  const fresh = merged.fields;
  if (fresh === committed || fresh.text === committed.text) return;
  for (const key of new Set([...committed.keys(), ...fresh.keys()])) {
    if (fresh.agrees(committed, key) || !committed.shownBy(session, key)) continue;
    const field = fresh.get(key);
    if (field === undefined) Reflect.deleteProperty(session, key);
    else if (!isReserved(key)) show(session, key, field);
  }
}

function refuseKey(key: string): never {
  throw new SessionError(
    'RESERVED_KEY',
    `"${key}" belongs to the session's interface and cannot be a data key`,
  );
}

function date(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}
