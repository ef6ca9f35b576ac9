import { createCipheriv, createDecipheriv, createHash, createHmac, scryptSync } from 'node:crypto';

/**
 * Format 1 as README.md beside this file writes it down, made from nothing but that page and node:crypto: no line of src
 * is used here, so that a change there cannot change what it is compared with.
 */

export type SecretKind = 'hex' | 'base64' | 'passphrase';

export interface Keys {
  readonly root: Buffer;
  readonly kid: Buffer;
  readonly token: Buffer;
  readonly record: Buffer;
  readonly index: Buffer;
  readonly book: Buffer;
}

export interface Sealed {
  readonly id: Buffer;
  readonly storeKey: string;
  readonly prefix: string;
  /** 32 hex digits. */
  readonly stamp: string;
}

const LABEL = 'koa-resilient-session/1/';
const MS_IN_AN_HOUR = 3_600_000;
const REASON_BYTES: Readonly<Record<string, number>> = { destroyed: 1, regenerated: 2 };

export function keysOf(secret: string, kind: SecretKind): Keys {
  const root = kind === 'passphrase' ? stretched(secret) : extracted(Buffer.from(secret, kind));
  const derive = (purpose: string): Buffer => hmac(root, LABEL + purpose);
  return {
    root,
    kid: derive('key-id').subarray(0, 3),
    token: derive('token'),
    record: derive('record'),
    index: derive('index'),
    book: derive('book'),
  };
}

export function tokenOf(keys: Keys, cookieName: string, id: Buffer, born: number): string {
  const hour = Buffer.alloc(4);
  hour.writeUInt32BE(Math.min(0xff_ffff, Math.floor(born / MS_IN_AN_HOUR)));
  const claims = Buffer.concat([keys.kid, hour.subarray(1), id]);
  const tag = hmac(keys.token, Buffer.from(`token\0${cookieName}\0`), claims).subarray(0, 16);
  return Buffer.concat([claims, tag]).toString('base64url');
}

/** What a token says, or `undefined` if it is not one of these keys under this name. */
export function claimsOf(
  keys: Keys,
  cookieName: string,
  token: string,
): { id: Buffer; hour: number } | undefined {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== 54 || bytes.toString('base64url') !== token) return undefined;
  const claims = { id: bytes.subarray(6, 38), hour: bytes.readUIntBE(3, 3) };
  return tokenOf(keys, cookieName, claims.id, claims.hour * MS_IN_AN_HOUR) === token ? claims : undefined;
}

export function storeKeyOf(id: Buffer): string {
  return sha256(`${LABEL}store-key`, id).toString('base64url');
}

export function pseudonymOf(storeKey: string): string {
  return sha256(`${LABEL}pseudonym`, Buffer.from(storeKey)).toString('base64url').slice(0, 12);
}

export function indexIdOf(keys: Keys, user: string): Buffer {
  return hmac(keys.index, user);
}

export function bookIdOf(keys: Keys): Buffer {
  return hmac(keys.book, 'secrets');
}

/** `tagBytes` is 16 in format 1: anything less is for tests that it is refused. */
export function sealedEntry(keys: Keys, place: Sealed, nonce: Buffer, text: string, tagBytes = 16): Buffer {
  const cipher = createCipheriv('aes-256-gcm', sessionKey(keys, place.id), nonce, {
    authTagLength: tagBytes,
  });
  cipher.setAAD(contextOf(keys, place));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([
    Buffer.of(1),
    Buffer.from(place.stamp, 'hex'),
    Buffer.of(1),
    keys.kid,
    nonce,
    sealed,
    cipher.getAuthTag(),
  ]);
}

/** The text inside, or `undefined` if it does not open. */
export function openedText(keys: Keys, place: Sealed, entry: Buffer): string | undefined {
  const end = entry.length - 16;
  const decipher = createDecipheriv('aes-256-gcm', sessionKey(keys, place.id), entry.subarray(21, 33));
  decipher.setAAD(contextOf(keys, place));
  decipher.setAuthTag(entry.subarray(end));
  const text = decipher.update(entry.subarray(33, end));
  try {
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

export function tombstoneOf(stamp: string, reason: string): Buffer {
  return Buffer.concat([Buffer.of(2), Buffer.from(stamp, 'hex'), Buffer.of(REASON_BYTES[reason] ?? 0)]);
}

/** The meaning of a record: what the fields of records.json say. */
export interface RecordFields {
  readonly created: number;
  readonly login: { readonly at: number; readonly user: string; readonly label: string | null } | null;
  readonly used: number;
  readonly idle: number | null;
  readonly absolute: number;
  readonly maxAge: number | null;
  readonly stamps: readonly (readonly [key: string, stamp: string])[];
  readonly data: string;
}

/** Which stamp is the common one is the writer's choice; this one takes the most frequent, on a tie the first. */
export function recordTextOf(record: RecordFields): string {
  const { created, login, used, idle, absolute, maxAge, stamps, data } = record;
  const keys = Object.keys(JSON.parse(data) as object);
  const times = (stamp: string): number => stamps.filter(([, other]) => other === stamp).length;
  const [common] = stamps.map(([, stamp]) => stamp).toSorted((one, other) => times(other) - times(one));
  const others = stamps.filter(([key, stamp]) => stamp !== common || !keys.includes(key));
  const head = [
    `"c":${created},"a":${login?.at ?? 0},"u":${used},"i":${idle},"x":${absolute}`,
    ...(login ? [`"n":${JSON.stringify(login.user)}`] : []),
    ...(login && login.label !== null ? [`"l":${JSON.stringify(login.label)}`] : []),
    ...(maxAge === null ? [] : [`"m":${maxAge}`]),
    ...(common === undefined ? [] : [`"s":"${common}"`]),
    ...(others.length === 0 ? [] : [`"k":${JSON.stringify(Object.fromEntries(others))}`]),
  ];
  return `{${head.join(',')}}\n${data}`;
}

function contextOf(keys: Keys, { storeKey, prefix, stamp }: Sealed): Buffer {
  const fixed = Buffer.from(`0101${keys.kid.toString('hex')}${stamp}`, 'hex');
  return Buffer.concat([Buffer.from('record\0'), fixed, Buffer.from(`${storeKey}\0${prefix}`)]);
}

function sessionKey(keys: Keys, id: Buffer): Buffer {
  return hmac(keys.record, 'session', id);
}

/** HKDF-SHA256 (RFC 5869) with an empty salt; its first block is all that 32 bytes need. */
function extracted(bytes: Buffer): Buffer {
  return hmac(hmac(Buffer.alloc(32), bytes), `${LABEL}root`, Buffer.of(1));
}

function stretched(passphrase: string): Buffer {
  const cost = { N: 131_072, r: 8, p: 1, maxmem: 2 ** 28 };
  return scryptSync(Buffer.from(passphrase.normalize('NFKC')), `${LABEL}root`, 32, cost);
}

function hmac(key: Buffer, ...parts: readonly (Buffer | string)[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

function sha256(label: string, bytes: Buffer): Buffer {
  return createHash('sha256').update(label).update(bytes).digest();
}

export interface IndexFields {
  readonly sessions: readonly {
    readonly key: string;
    readonly created: number;
    readonly login: number;
    readonly used: number;
    readonly until: number;
    readonly label: string | null;
  }[];
  readonly at: number;
  readonly except: string | null;
  readonly before: number;
}

export function indexTextOf({ sessions, at, except, before }: IndexFields): string {
  const listed = sessions.map(({ key, created, login, used, until, label }) => {
    const times = `${created},${login},${used},${until}`;
    return `"${key}":[${times}${label === null ? '' : `,${JSON.stringify(label)}`}]`;
  });
  return `{"e":[${at},${JSON.stringify(except)},${before}],"s":{${listed.join(',')}}}`;
}

export interface BookFields {
  readonly since: number;
  readonly used: readonly (readonly [kid: string, at: number])[];
}

export function bookTextOf({ since, used }: BookFields): string {
  return `{"s":${since},"u":{${used.map(([kid, at]) => `"${kid}":${at}`).join(',')}}}`;
}
