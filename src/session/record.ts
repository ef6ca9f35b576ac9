import type { SessionJson } from './data.js';
import { Fields } from './fields.js';
import { isStamp, type Stamp, stampTime, ZERO_STAMP } from '../store/entry.js';

/** When each top-level key last changed. A removed key keeps its stamp, so that a merge cannot bring it back. */
export type KeyStamps = ReadonlyMap<string, Stamp>;

/** What is sealed: the data, and everything that decides about it. Times are wall-clock ms. */
export interface SessionRecord {
  readonly created: number;
  /** Versions that differ here never merge. */
  readonly login: Login | undefined;
  readonly used: number;
  /** `null`: no idle limit. */
  readonly idle: number | null;
  readonly absolute: number;
  /** The session's own idle timeout in ms, where the app set `maxAge`. */
  readonly maxAge: number | undefined;
  readonly stamps: KeyStamps;
  readonly fields: Fields;
}

/** Who is logged in, as the app has said. */
export interface Login {
  /** Wall-clock ms. */
  readonly at: number;
  readonly user: string;
  /** What the user knows this session by in a list of all of them. */
  readonly label: string | undefined;
}

interface Meta {
  c: number;
  /** The login: when, or 0; whose; its label. */
  a: number;
  n?: string;
  l?: string;
  u: number;
  i: number | null;
  x: number;
  m?: number;
  /** The stamp that most keys share; `k` holds the others. */
  s?: Stamp;
  k?: Record<string, Stamp>;
}

/** JSON text holds no raw line break, so the first one parts the two. */
const SEPARATOR = '\n';

export function encodeRecord(record: SessionRecord): string {
  const { created: c, login, used: u, idle: i, absolute: x, maxAge, stamps, fields } = record;
  const common = mostFrequent(stamps);
  const others: [string, Stamp][] = [];
  for (const [key, stamp] of stamps) if (stamp !== common || !fields.has(key)) others.push([key, stamp]);
  const meta: Meta = { c, a: loginTime(record), u, i, x };
  if (login) meta.n = login.user;
  if (login?.label !== undefined) meta.l = login.label;
  if (maxAge !== undefined) meta.m = maxAge;
  if (common) meta.s = common;
  if (others.length > 0) meta.k = Object.fromEntries(others);
  return JSON.stringify(meta) + SEPARATOR + fields.text;
}

/** `undefined` for text that this library did not write. */
export function decodeRecord(plain: string): SessionRecord | undefined {
  const cut = plain.indexOf(SEPARATOR);
  const meta = cut < 0 ? undefined : parse(plain.slice(0, cut));
  const text = plain.slice(cut + 1);
  const data = parse(text);
  if (!isMeta(meta) || !isObject(data)) return undefined;
  const stamps = new Map<string, Stamp>();
  if (meta.s) for (const key of Object.keys(data)) stamps.set(key, meta.s);
  for (const [key, stamp] of Object.entries(meta.k ?? {})) stamps.set(key, stamp);
  return {
    created: meta.c,
    login: meta.n === undefined ? undefined : { at: meta.a, user: meta.n, label: meta.l },
    used: meta.u,
    idle: meta.i,
    absolute: meta.x,
    maxAge: meta.m,
    stamps,
    fields: Fields.of(data, text),
  };
}

/** When somebody logged in, wall-clock ms; 0: nobody has. */
export function loginTime({ login }: Pick<SessionRecord, 'login'>): number {
  return login?.at ?? 0;
}

/** The data of a record, its keys inert: `__proto__` is nothing but a name. */
export function dataOf(record: SessionRecord): SessionJson {
  const data = parse(record.fields.text);
  return isObject(data) ? data : {};
}

/** The data that are written as `text`; none, where that is no JSON of an object. */
export function fieldsIn(text: string): Fields {
  const data = parse(text);
  return isObject(data) ? Fields.of(data, text) : Fields.none;
}

/** What the app can change of a session. */
export type Content = Pick<SessionRecord, 'fields' | 'maxAge'>;

/** The key under which the change of `maxAge` is stamped. It is reserved, so no data can have it. */
export const MAX_AGE_KEY = 'maxAge';

/**
 * Stamps for `content`: what differs from `base` takes `stamp`; what was removed before `forget` (wall-clock ms) is
 * dropped. A blind write gives the zero stamp, but for keys of which a stored version was seen after all: their stamps only
 * grow.
 */
export function stampChanges(
  base: SessionRecord | undefined,
  content: Content,
  stamp: Stamp,
  forget: number,
  blind = false,
): KeyStamps {
  const before = base?.fields ?? Fields.none;
  const after = content.fields;
  const stamps = new Map<string, Stamp>();
  const change = (key: string): void => {
    const unseen = blind && (base?.stamps.get(key) ?? ZERO_STAMP) === ZERO_STAMP;
    stamps.set(key, unseen ? ZERO_STAMP : stamp);
  };
  for (const [key, known] of base?.stamps ?? []) {
    if (before.has(key) || stampTime(known) >= forget) stamps.set(key, known);
  }
  for (const key of after.keys()) if (!before.agrees(after, key) || !stamps.has(key)) change(key);
  for (const key of before.keys()) if (!after.has(key)) change(key);
  if (base?.maxAge !== content.maxAge) change(MAX_AGE_KEY);
  return withinBounds(stamps, after);
}

/** An app that makes up a key for each request would fill its record with the stamps of those that it has removed. */
const MAX_REMOVED_BYTES = 4_096;

/** The stamps without those of the keys removed longest ago, as far as these are too many. */
export function withinBounds(stamps: Map<string, Stamp>, present: { has(key: string): boolean }): KeyStamps {
  let bytes = 0;
  const removed: [string, Stamp][] = [];
  for (const [key, stamp] of stamps) {
    if (key === MAX_AGE_KEY || present.has(key)) continue;
    removed.push([key, stamp]);
    bytes += key.length + stamp.length;
  }
  if (bytes <= MAX_REMOVED_BYTES) return stamps;
  for (const [key, stamp] of removed.toSorted(([, one], [, other]) => (one < other ? -1 : 1))) {
    if (bytes <= MAX_REMOVED_BYTES) break;
    bytes -= key.length + stamp.length;
    stamps.delete(key);
  }
  return stamps;
}

function mostFrequent(stamps: KeyStamps): Stamp | undefined {
  const counts = new Map<Stamp, number>();
  for (const stamp of stamps.values()) counts.set(stamp, (counts.get(stamp) ?? 0) + 1);
  let best: Stamp | undefined;
  for (const [stamp, count] of counts) if (!best || count > (counts.get(best) ?? 0)) best = stamp;
  return best;
}

/** Never throws: the message of a JSON error quotes its input. */
function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is SessionJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isMeta(value: unknown): value is Meta {
  if (!isObject(value)) return false;
  const { c, a, n, l, u, i, x, m, s, k } = value;
  const times = [c, a, u, x].every(time => Number.isFinite(time)) && (i === null || Number.isFinite(i));
  const login = a === 0 ? n === undefined && l === undefined : typeof n === 'string' && isLabel(l);
  const optional = (m === undefined || Number.isFinite(m)) && (s === undefined || isStamp(s));
  return times && login && optional && (k === undefined || (isObject(k) && Object.values(k).every(isStamp)));
}

function isLabel(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}
