import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Keyring, SecretKeys } from './keyring.js';

const ID_BYTES = 32;
const TAG_BYTES = 16;
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{72}$/;
const HOUR = 3_600_000;
const MAX_HOUR = 0xff_ffff;

/** What a verified token says. */
export interface TokenClaims {
  /** 32 random bytes; never leaves the process but inside a token. */
  readonly id: Buffer;
  /** Wall-clock ms (to the hour) of birth if Redis had not acknowledged the session then, else 0. */
  readonly born: number;
  /** Whether the first secret signed it. */
  readonly current: boolean;
}

export type TokenRefusal = 'malformed' | 'unknown-key' | 'forged';

/**
 * Cookie value ↔ id. A token is base64url of `kid(3) ‖ born(3) ‖ id(32) ‖ tag(16)`: 54 bytes fill 72 characters with no
 * spare bits, so each token has one spelling. A forged one dies after one HMAC.
 */
export class Tokens {
  readonly #keyring: Keyring;
  readonly #context: Buffer;
  readonly #now: () => number;

  constructor(keyring: Keyring, cookieName: string, now = Date.now) {
    this.#keyring = keyring;
    this.#now = now;
    this.#context = Buffer.from(`token\0${cookieName}\0`);
  }

  /** `born`: wall-clock ms, or 0 where the store has the session. */
  issue(id: Buffer, born: number): string {
    const keys = this.#keyring.current;
    const hour = Buffer.alloc(3);
    hour.writeUIntBE(Math.min(MAX_HOUR, Math.floor(born / HOUR)), 0, 3);
    const claims = Buffer.concat([keys.kid, hour, id]);
    return Buffer.concat([claims, this.#tag(keys, claims)]).toString('base64url');
  }

  verify(token: string): TokenClaims | TokenRefusal {
    if (!TOKEN_PATTERN.test(token)) return 'malformed';
    const bytes = Buffer.from(token, 'base64url');
    const keys = this.#keyring.find(bytes.subarray(0, 3));
    if (!keys) return 'unknown-key';
    const claims = bytes.subarray(0, 6 + ID_BYTES);
    if (!timingSafeEqual(this.#tag(keys, claims), bytes.subarray(claims.length))) return 'forged';
    this.#keyring.count(keys, 'tokens', this.#now());
    return {
      id: bytes.subarray(6, 6 + ID_BYTES),
      born: bytes.readUIntBE(3, 3) * HOUR,
      current: keys === this.#keyring.current,
    };
  }

  #tag(keys: SecretKeys, claims: Buffer): Buffer {
    return createHmac('sha256', keys.token)
      .update(this.#context)
      .update(claims)
      .digest()
      .subarray(0, TAG_BYTES);
  }
}

const STORE_KEY = Buffer.from('koa-resilient-session/1/store-key');

/** What stores know a session by: 43 characters from which nobody gets back to the id. */
export function storeKeyOf(id: Buffer): string {
  return hash('sha256', Buffer.concat([STORE_KEY, id]), 'base64url');
}

/** A name for logs and events: tells sessions apart, opens nothing, and is no key of any store. */
export function pseudonymOf(storeKey: string): string {
  return hash('sha256', `koa-resilient-session/1/pseudonym${storeKey}`, 'base64url').slice(0, 12);
}
