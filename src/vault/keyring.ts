import { createHmac, createSecretKey, hkdfSync, type KeyObject, scryptSync } from 'node:crypto';
import { ConfigRangeError, ConfigTypeError } from '../errors.js';
import { isFamous, isRepeated } from './famous.js';

/** What one secret gives: keys for tokens, for records and for the indexes of users, and the public name of them all. */
export interface SecretKeys {
  /** 3 bytes, in the clear in every token and envelope. */
  readonly kid: Buffer;
  readonly token: KeyObject;
  readonly record: KeyObject;
  readonly index: KeyObject;
  readonly book: KeyObject;
}

/** How often a secret was needed here, and when last (wall-clock ms; 0: never). */
export interface SecretUse {
  /** Its key id, as hex: public, in every cookie and record. */
  readonly kid: string;
  readonly tokens: number;
  readonly records: number;
  readonly at: number;
}

const MIN_LENGTH = 16;
const MIN_DISTINCT = 8;
const LABEL = 'koa-resilient-session/1/';
/** OWASP Password Storage Cheat Sheet's scrypt parameters: about 0.4 s, once at start. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 } as const;

/** Keys for each secret: the first seals, all open, and a key id finds the one that fits. */
export class Keyring {
  /** The first is the current one. */
  readonly all: readonly [SecretKeys, ...SecretKeys[]];
  readonly current: SecretKeys;
  readonly #byKid = new Map<string, SecretKeys>();
  readonly #uses = new Map<SecretKeys, { tokens: number; records: number; at: number }>();

  /** Throws `ENCRYPTION_INIT`, in words that never repeat a secret (ASVS 11.4.4, 13.3.4). */
  constructor(secrets: readonly string[]) {
    const [first, ...others] = secrets.map(deriveChecked);
    if (!first) throw initError('a secret is needed, got none', 'type');
    for (const keys of [first, ...others]) {
      const kid = keys.kid.toString('hex');
      if (this.#byKid.has(kid)) throw initError('each secret may stand in the list once', 'range');
      this.#byKid.set(kid, keys);
    }
    this.all = [first, ...others];
    for (const keys of this.all) this.#uses.set(keys, { tokens: 0, records: 0, at: 0 });
    this.current = first;
  }

  /** Something of this secret has opened, at wall-clock ms. */
  count(keys: SecretKeys, what: 'tokens' | 'records', at: number): void {
    const uses = this.#uses.get(keys);
    if (!uses) return;
    uses[what] += 1;
    uses.at = at;
  }

  /** In the order of the list. */
  uses(): readonly SecretUse[] {
    return [...this.#uses].map(([{ kid }, uses]) => ({ kid: kid.toString('hex'), ...uses }));
  }

  /** The keys under this id, or `undefined`: exactly one key is ever tried. */
  find(kid: Buffer): SecretKeys | undefined {
    return this.#byKid.get(kid.toString('hex'));
  }
}

function deriveChecked(secret: string): SecretKeys {
  checkStrength(secret);
  const root = createSecretKey(rootOf(secret));
  return {
    kid: subkey(root, 'key-id', 3),
    token: key(root, 'token'),
    record: key(root, 'record'),
    index: key(root, 'index'),
    book: key(root, 'book'),
  };
}

function checkStrength(secret: unknown): void {
  if (typeof secret !== 'string') throw initError('a secret must be a string', 'type');
  if (secret.length < MIN_LENGTH)
    throw initError(`a secret needs at least ${MIN_LENGTH} characters`, 'range');
  if (new Set(secret).size < MIN_DISTINCT) {
    throw initError(`a secret needs at least ${MIN_DISTINCT} different characters`, 'range');
  }
  if (isRepeated(secret)) throw initError('a secret must not repeat a shorter one', 'range');
  if (isFamous(secret)) throw initError('this secret is in public examples', 'range');
}

/** 32 or more random bytes go through HKDF; anything else may be a passphrase and is stretched. */
function rootOf(secret: string): Buffer {
  const random = randomBytesIn(secret);
  if (random) return Buffer.from(hkdfSync('sha256', random, '', `${LABEL}root`, 32));
  return scryptSync(secret.normalize('NFKC'), `${LABEL}root`, 32, SCRYPT);
}

function randomBytesIn(secret: string): Buffer | undefined {
  if (/^[0-9a-f]{64,}$/i.test(secret) && secret.length % 2 === 0) return Buffer.from(secret, 'hex');
  const base64 = /^[A-Za-z0-9+/_-]{43,}={0,2}$/.test(secret);
  // A long passphrase fits the alphabet too, but has no digits, or only one case.
  const mixed =
    /[A-Z]/.test(secret) && /[a-z]/.test(secret) && /[0-9]/.test(secret) && new Set(secret).size >= 20;
  return base64 && mixed ? Buffer.from(secret, 'base64') : undefined;
}

function subkey(root: KeyObject, purpose: string, bytes: number): Buffer {
  return createHmac('sha256', root)
    .update(LABEL + purpose)
    .digest()
    .subarray(0, bytes);
}

function key(root: KeyObject, purpose: string): KeyObject {
  return createSecretKey(subkey(root, purpose, 32));
}

function initError(rule: string, kind: 'type' | 'range'): Error {
  const message = `Failed to initialize session encryption: ${rule}`;
  return kind === 'type'
    ? new ConfigTypeError(message, 'ENCRYPTION_INIT')
    : new ConfigRangeError(message, 'ENCRYPTION_INIT');
}
