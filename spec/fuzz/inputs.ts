import { createHash } from 'node:crypto';
import * as fc from './fast-check.js';
import { systemClock } from '../../src/clock.js';
import { isStamp, type Stamp } from '../../src/store/entry.js';
import { Keyring } from '../../src/vault/keyring.js';
import { Sealer } from '../../src/vault/seal.js';
import { storeKeyOf, type TokenClaims, type TokenRefusal, Tokens } from '../../src/vault/token.js';
import { type Keys, keysOf } from '../vectors/format-1.js';

/** One secret, as the library has it and as the format says. */
export interface Ring {
  readonly secret: string;
  readonly keyring: Keyring;
  readonly keys: Keys;
}

export function ringOf(number: number): Ring {
  const secret = createHash('sha256').update(`secret ${number}`).digest('hex');
  return { secret, keyring: new Keyring([secret]), keys: keysOf(secret, 'hex') };
}

const RINGS = Array.from({ length: 16 }, (_, number) => ringOf(number));

/** Secrets are few and remembered, the rest is many. */
export const rings = fc.constantFrom(...RINGS);
export const twoRings = fc.tuple(rings, rings).filter(([one, other]) => one !== other);

export const ids = bytesOf(32);
export const stamps = bytesOf(16).map(bytes => asStamp(bytes.toString('hex')));
export const prefixes = fc.oneof(
  fc.constantFrom('', 'sess:'),
  fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map(code => String.fromCharCode(code)),
    maxLength: 64,
  }),
);
const NAME_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".split(
  '',
);
export const cookieNames = fc.oneof(
  fc.constantFrom('session', '__Host-session', 's'),
  fc.string({ unit: fc.constantFrom(...NAME_CHARACTERS), minLength: 1, maxLength: 40 }),
);
export const texts = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.json({ maxDepth: 3 }));
export const junk = fc.uint8Array({ maxLength: 120 }).map(bytes => Buffer.from(bytes));

export function bytesOf(length: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength: length, maxLength: length }).map(bytes => Buffer.from(bytes));
}

/** Where all are wrong, nothing behind the first check is ever tried. */
export function mostly<T, U>(right: fc.Arbitrary<T>, wrong: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 15, arbitrary: right }, { weight: 1, arbitrary: wrong });
}

/** Two of them that differ. */
export function pairs<T>(
  of: fc.Arbitrary<T>,
  isSame = Object.is as (one: T, other: T) => boolean,
): fc.Arbitrary<[T, T]> {
  return fc.tuple(of, of).filter(([one, other]) => !isSame(one, other));
}

export const idPairs = pairs(ids, (one, other) => one.equals(other));

/** Where an entry is put, and what opens it there. */
export interface Place {
  readonly keyring: Keyring;
  readonly id: Buffer;
  readonly storeKey: string;
  readonly prefix: string;
  readonly stamp: Stamp;
}

const clock = systemClock();

export function placeOf({ keyring }: Ring, id: Buffer, prefix: string, stamp: Stamp): Place {
  return { keyring, id, storeKey: storeKeyOf(id), prefix, stamp };
}

export function sealedIn({ keyring, id, storeKey, prefix, stamp }: Place, text: string): Buffer {
  return new Sealer(keyring, clock, prefix).seal(id, storeKey, stamp, text);
}

/** The text, or `undefined`. */
export function openedIn({ keyring, id, storeKey, prefix }: Place, entry: Buffer): string | undefined {
  const opened = new Sealer(keyring, clock, prefix).open(id, storeKey, entry);
  return opened.opened ? opened.text : undefined;
}

export function verified(
  { keyring }: Pick<Ring, 'keyring'>,
  cookieName: string,
  token: string,
): TokenClaims | TokenRefusal {
  return new Tokens(keyring, cookieName).verify(token);
}

export function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = bit >> 3;
  copy.writeUInt8(copy.readUInt8(at) ^ (0x80 >> (bit & 7)), at);
  return copy;
}

function asStamp(hex: string): Stamp {
  if (!isStamp(hex)) throw new RangeError(`no stamp: ${hex}`);
  return hex;
}
