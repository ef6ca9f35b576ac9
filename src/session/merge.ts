import { laterStamp, type Stamp, ZERO_STAMP } from '../store/entry.js';
import { persistent, serialise, type SessionJson } from './data.js';
import {
  dataOf,
  fieldsIn,
  type KeyStamps,
  loginTime,
  MAX_AGE_KEY,
  type SessionRecord,
  withinBounds,
} from './record.js';

/**
 * How two versions of a session become one: `'keys'`, for each top-level key the later change; `'latest'`, the version
 * with the latest change whole; or a function of (theirs, ours) that returns the data to keep.
 */
export type MergePolicy = 'keys' | 'latest' | ((theirs: SessionJson, ours: SessionJson) => SessionJson);

/** A policy, and what it must not exceed. */
export interface MergeRules {
  readonly policy: MergePolicy;
  readonly maxDataBytes: number;
  /** Names that no data can have. */
  readonly isReserved: (key: string) => boolean;
  /** The app's own policy threw, or returned what cannot be kept: the keys decide. */
  readonly onFailure: () => void;
}

/** What needs no app: the later change of each key. */
export const KEY_BY_KEY: MergeRules = {
  policy: 'keys',
  maxDataBytes: Infinity,
  isReserved: () => false,
  onFailure: () => undefined,
};

/**
 * Merges two versions of one session. Needs no common base, and merging twice changes nothing. Keys are never merged
 * inside. Versions of different logins do not merge: the later login wins whole.
 */
export function mergeRecords(
  theirs: SessionRecord,
  ours: SessionRecord,
  rules: MergeRules,
  stamp: Stamp,
): SessionRecord {
  if (loginTime(theirs) !== loginTime(ours)) return loginTime(theirs) > loginTime(ours) ? theirs : ours;
  const absolute = Math.min(theirs.absolute, ours.absolute);
  return {
    created: Math.min(theirs.created, ours.created),
    login: theirs.login,
    used: Math.max(theirs.used, ours.used),
    idle: laterIdle(theirs.idle, ours.idle, absolute),
    absolute,
    ...contentOf(theirs, ours, rules, stamp),
  };
}

/** How many keys both sides changed after `since`, the stamp that our side started from. */
export function conflictingKeys(theirs: SessionRecord, ours: SessionRecord, since: Stamp): number {
  let keys = 0;
  for (const [key, stamp] of ours.stamps) {
    const other = theirs.stamps.get(key);
    if (other && other !== stamp && stamp > since && other > since) keys += 1;
  }
  return keys;
}

type Versioned = Pick<SessionRecord, 'fields' | 'maxAge' | 'stamps'>;

function contentOf(
  theirs: SessionRecord,
  ours: SessionRecord,
  { policy, maxDataBytes, isReserved, onFailure }: MergeRules,
  stamp: Stamp,
): Versioned {
  if (policy === 'latest') {
    const { stamps, fields, maxAge } = lastChange(ours.stamps) > lastChange(theirs.stamps) ? ours : theirs;
    return { stamps, fields, maxAge };
  }
  const merged = byKey(theirs, ours);
  if (policy === 'keys') return merged;
  try {
    const data: unknown = policy(dataOf(theirs), dataOf(ours));
    if (!isPlain(data) || Object.keys(data).some(isReserved)) throw new TypeError('no session data');
    return decided(merged, serialise(persistent(data), maxDataBytes), stamp);
  } catch {
    onFailure();
    return merged;
  }
}

/** No promise, no array, nothing with a class of its own. */
function isPlain(data: unknown): data is SessionJson {
  if (typeof data !== 'object' || data === null) return false;
  const prototype: unknown = Object.getPrototypeOf(data);
  return prototype === Object.prototype || prototype === null;
}

function byKey(theirs: SessionRecord, ours: SessionRecord): Versioned {
  const stamps = new Map(theirs.stamps);
  const data = new Map(Object.entries(dataOf(theirs)));
  const mine = dataOf(ours);
  let { maxAge } = theirs;
  for (const [key, stamp] of ours.stamps) {
    if (stamp <= (stamps.get(key) ?? '')) continue;
    stamps.set(key, stamp);
    if (key === MAX_AGE_KEY) ({ maxAge } = ours);
    else if (Object.hasOwn(mine, key)) data.set(key, mine[key]);
    else data.delete(key);
  }
  const fields = fieldsIn(JSON.stringify(Object.fromEntries(data)));
  return { stamps: withinBounds(stamps, data), fields, maxAge };
}

/** What the app's own policy decided: keys that it left as the later change has them keep their stamps. */
function decided(merged: Versioned, text: string, stamp: Stamp): Versioned {
  const before = merged.fields;
  const after = fieldsIn(text);
  const stamps = new Map(merged.stamps);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (!before.agrees(after, key)) stamps.set(key, stamp);
  }
  return { ...merged, stamps: withinBounds(stamps, after), fields: after };
}

function lastChange(stamps: KeyStamps): Stamp {
  let last = ZERO_STAMP;
  for (const stamp of stamps.values()) last = laterStamp(last, stamp);
  return last;
}

function laterIdle(a: number | null, b: number | null, absolute: number): number | null {
  if (a === null || b === null) return null;
  return Math.min(Math.max(a, b), absolute);
}
