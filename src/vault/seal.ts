import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { Clock } from '../clock.js';
import {
  bodyOf,
  type Entry,
  KIND_RECORD,
  recordEntry,
  type Stamp,
  stampBytes,
  stampOf,
} from '../store/entry.js';
import type { Keyring, SecretKeys } from './keyring.js';

const FORMAT = 1;
const KID_BYTES = 3;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ENVELOPE_BYTES = 1 + KID_BYTES + NONCE_BYTES + TAG_BYTES;
const CIPHER = 'aes-256-gcm';

export type Opened =
  | { readonly opened: true; readonly text: string; readonly current: boolean }
  | { readonly opened: false; readonly because: 'unknown-key' | 'undecryptable' };

const UNDECRYPTABLE: Opened = { opened: false, because: 'undecryptable' };

/**
 * Record text ↔ sealed entry. The body is `format(1) ‖ kid(3) ‖ nonce(12) ‖ ciphertext ‖ tag(16)` under a key of the
 * session's own, HMAC(record key, id): so random nonces never run out, and a dump of the store opens nothing without
 * the users' cookies. Prefix, store key, kind and stamp are additional data: an entry opens only where it was put.
 */
export class Sealer {
  readonly #keyring: Keyring;
  readonly #clock: Clock;
  readonly #prefix: string;

  constructor(keyring: Keyring, clock: Clock, prefix: string) {
    this.#keyring = keyring;
    this.#clock = clock;
    this.#prefix = prefix;
  }

  seal(id: Buffer, storeKey: string, stamp: Stamp, text: string): Entry {
    const keys = this.#keyring.current;
    const head = Buffer.concat([Buffer.of(FORMAT), keys.kid]);
    const nonce = this.#clock.bytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, sessionKey(keys, id), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#context(head, storeKey, stamp));
    const sealed = [cipher.update(text, 'utf8'), cipher.final()];
    return recordEntry(stamp, Buffer.concat([head, nonce, ...sealed, cipher.getAuthTag()]));
  }

  /** One answer for every way of not opening (ASVS 11.2.5); nothing is used before the tag is checked. */
  open(id: Buffer, storeKey: string, entry: Entry, counts = true): Opened {
    const body = bodyOf(entry);
    if (entry[0] !== KIND_RECORD || body.length < ENVELOPE_BYTES || body[0] !== FORMAT) return UNDECRYPTABLE;
    const head = body.subarray(0, 1 + KID_BYTES);
    const keys = this.#keyring.find(head.subarray(1));
    if (!keys) return { opened: false, because: 'unknown-key' };
    const text = this.#decrypt(sessionKey(keys, id), body, this.#context(head, storeKey, stampOf(entry)));
    if (text === undefined) return UNDECRYPTABLE;
    if (counts) this.#keyring.count(keys, 'records', this.#clock.wall());
    return { opened: true, text, current: keys === this.#keyring.current };
  }

  #decrypt(key: KeyObject, body: Buffer, context: Buffer): string | undefined {
    const nonce = body.subarray(1 + KID_BYTES, 1 + KID_BYTES + NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(context);
    decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
    const sealed = body.subarray(1 + KID_BYTES + NONCE_BYTES, body.length - TAG_BYTES);
    try {
      return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }

  /** Every part but the prefix has a fixed length, so no two contexts share their bytes. */
  #context(head: Buffer, storeKey: string, stamp: Stamp): Buffer {
    const fixed = Buffer.concat([Buffer.of(KIND_RECORD), head, stampBytes(stamp)]);
    return Buffer.concat([Buffer.from('record\0'), fixed, Buffer.from(`${storeKey}\0${this.#prefix}`)]);
  }
}

function sessionKey(keys: SecretKeys, id: Buffer): KeyObject {
  return createSecretKey(createHmac('sha256', keys.record).update('session').update(id).digest());
}
