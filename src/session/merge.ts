import { laterStamp, type Stamp, ZERO_STAMP } from '../store/entry.js';
import { dataOf, type KeyStamps, type SessionJson, type SessionRecord, valuesOf } from './record.js';

/**
 * How two versions of a session become one: `'keys'`, for each top-level key the later change; `'latest'`, the version
 * with the latest change whole; or a function of (theirs, ours) that returns the data to keep.
 */
export type MergePolicy = 'keys' | 'latest' | ((theirs: SessionJson, ours: SessionJson) => SessionJson);

/**
 * Merges two versions of one session. Needs no common base, and merging twice changes nothing. Keys are never merged
 * inside. Versions whose `authenticated` marks differ do not merge: the later mark wins whole.
 */
export function mergeRecords(
  theirs: SessionRecord,
  ours: SessionRecord,
  policy: MergePolicy,
  stamp: Stamp,
): SessionRecord {
  if (theirs.authenticated !== ours.authenticated)
    return theirs.authenticated > ours.authenticated ? theirs : ours;
  const content = contentOf(theirs, ours, policy, stamp);
  const absolute = Math.min(theirs.absolute, ours.absolute);
  const later = theirs.used > ours.used ? theirs : ours;
  return {
    created: Math.min(theirs.created, ours.created),
    authenticated: theirs.authenticated,
    used: later.used,
    idle: laterIdle(theirs.idle, ours.idle, absolute),
    absolute,
    maxAge: later.maxAge,
    ...content,
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

type Content = Pick<SessionRecord, 'stamps' | 'text'>;

function contentOf(theirs: SessionRecord, ours: SessionRecord, policy: MergePolicy, stamp: Stamp): Content {
  if (policy === 'keys') return byKey(theirs, ours);
  if (policy === 'latest') return lastChange(ours.stamps) > lastChange(theirs.stamps) ? ours : theirs;
  return decided(byKey(theirs, ours), JSON.stringify(policy(dataOf(theirs), dataOf(ours))), stamp);
}

function byKey(theirs: SessionRecord, ours: SessionRecord): Content {
  const stamps = new Map(theirs.stamps);
  const data = new Map(Object.entries(dataOf(theirs)));
  const mine = dataOf(ours);
  for (const [key, stamp] of ours.stamps) {
    if (stamp <= (stamps.get(key) ?? '')) continue;
    stamps.set(key, stamp);
    if (Object.hasOwn(mine, key)) data.set(key, mine[key]);
    else data.delete(key);
  }
  return { stamps, text: JSON.stringify(Object.fromEntries(data)) };
}

/** What the app's own policy decided: keys that it left as the later change has them keep their stamps. */
function decided(merged: Content, text: string, stamp: Stamp): Content {
  const before = valuesOf(merged.text);
  const after = valuesOf(text);
  const stamps = new Map(merged.stamps);
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(key) !== after.get(key)) stamps.set(key, stamp);
  }
  return { stamps, text };
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
