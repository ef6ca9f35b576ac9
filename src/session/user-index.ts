import type { SessionJson } from './data.js';

/** One session in the index of its user. Times are wall-clock ms. */
export interface Listed {
  readonly created: number;
  readonly login: number;
  readonly used: number;
  /** When it ends if nobody uses it again. */
  readonly until: number;
  readonly label: string | undefined;
}

/**
 * Whoever logged in before `at` is logged out; the session under the store key `except` only if it logged in before
 * `before`, which is when an ending last did not except it.
 */
export interface Ending {
  readonly at: number;
  readonly except: string | undefined;
  readonly before: number;
}

/** The sessions of one user by store key. What it says may be late: each session's own record decides about it. */
export interface UserIndex {
  readonly sessions: ReadonlyMap<string, Listed>;
  readonly ending: Ending;
}

/** What is written to an index, in the terms of the version that is there. */
export interface IndexChange {
  readonly put?: readonly [key: string, listed: Listed];
  /** The key that `put` had before. */
  readonly movedFrom?: string | undefined;
  readonly remove?: readonly string[];
  readonly ending?: Ending;
}

export const EMPTY_INDEX: UserIndex = {
  sessions: new Map(),
  ending: { at: 0, except: undefined, before: 0 },
};

/** The most that one session takes in an index, in bytes: its key, its times, and a label of escaped characters. */
const LISTED_BYTES = 800;

/** The largest index of so many sessions, in bytes. */
export function indexLimit(sessions: number): number {
  return LISTED_BYTES * sessions + 1024;
}

export function encodeIndex({ sessions, ending }: UserIndex): string {
  const listed = [...sessions].map(([key, { created, login, used, until, label }]) => [
    key,
    [created, login, used, until, ...(label === undefined ? [] : [label])],
  ]);
  return JSON.stringify({
    e: [ending.at, ending.except ?? null, ending.before],
    s: Object.fromEntries(listed) as unknown,
  });
}

/** `undefined` for text that this library did not write. */
export function decodeIndex(text: string): UserIndex | undefined {
  const plain = parse(text);
  const { e, s } = plain ?? {};
  const [at, except, before] = Array.isArray(e) ? (e as unknown[]) : [];
  if (typeof at !== 'number' || typeof before !== 'number' || typeof s !== 'object' || s === null)
    return undefined;
  const sessions = new Map<string, Listed>();
  for (const [key, listed] of Object.entries(s)) {
    const decoded = decodeListed(listed);
    if (!decoded) return undefined;
    sessions.set(key, decoded);
  }
  return { sessions, ending: { at, except: typeof except === 'string' ? except : undefined, before } };
}

export function changed({ sessions, ending }: UserIndex, change: IndexChange): UserIndex {
  const { put, movedFrom, remove = [] } = change;
  const after = new Map(sessions);
  for (const key of [...remove, movedFrom]) if (key !== undefined) after.delete(key);
  if (put) after.set(...put);
  // Who was excepted stays so under a new id.
  const moved = put && movedFrom !== undefined && ending.except === movedFrom;
  const kept = moved ? { ...ending, except: put[0] } : ending;
  return { sessions: after, ending: laterEnding(kept, change.ending ?? kept) };
}

/** Both versions: of each session what was noted later, and the later ending. Needs no order, and twice is once. */
export function mergeIndexes(one: UserIndex, other: UserIndex): UserIndex {
  const sessions = new Map(one.sessions);
  for (const [key, listed] of other.sessions) {
    const known = sessions.get(key);
    if (!known || isLater(listed, known)) sessions.set(key, listed);
  }
  return { sessions, ending: laterEnding(one.ending, other.ending) };
}

/** The index without what is over, and the keys of those that end by it: by an ending, or as the longest unused of too many. */
export function settled(index: UserIndex, now: number, max: number): { index: UserIndex; fallen: string[] } {
  const { sessions, ending } = index;
  const alive = [...sessions].filter(([, { until }]) => until > now);
  const isEnded = ([key, { login }]: readonly [string, Listed]): boolean => ends(ending, key, login);
  const kept = alive.filter(each => !isEnded(each)).toSorted(([, one], [, other]) => other.used - one.used);
  const fallen = [...alive.filter(isEnded), ...kept.slice(max)].map(([key]) => key);
  return { index: { sessions: new Map(kept.slice(0, max)), ending }, fallen };
}

/** Whether this is the end of a session that logged in at `login`. */
export function ends(ending: Ending, key: string, login: number): boolean {
  return login < (key === ending.except ? ending.before : ending.at);
}

function laterEnding(one: Ending, other: Ending): Ending {
  const [later, earlier] = isAfter(one, other) ? [one, other] : [other, one];
  const unexcepted = earlier.except === later.except ? earlier.before : earlier.at;
  return { ...later, before: Math.max(later.before, unexcepted) };
}

function isAfter(one: Ending, other: Ending): boolean {
  return one.at === other.at ? (one.except ?? '') > (other.except ?? '') : one.at > other.at;
}

function isLater(one: Listed, other: Listed): boolean {
  if (one.used !== other.used) return one.used > other.used;
  return one.until > other.until;
}

function decodeListed(value: unknown): Listed | undefined {
  if (!Array.isArray(value)) return undefined;
  const [created, login, used, until, label] = value as unknown[];
  const times = [created, login, used, until];
  if (!times.every(time => Number.isFinite(time))) return undefined;
  if (label !== undefined && typeof label !== 'string') return undefined;
  // Checked just above.
  return { created, login, used, until, label } as Listed;
}

/** Never throws: the message of a JSON error quotes its input. */
function parse(text: string): SessionJson | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as SessionJson) : undefined;
  } catch {
    return undefined;
  }
}
