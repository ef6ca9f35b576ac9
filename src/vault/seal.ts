import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { Clock } from '../clock.js';
import { bodyOf, type Entry, HEADER_BYTES, KIND_RECORD, type Stamp } from '../store/entry.js';
import type { Keyring, SecretKeys } from './keyring.js';

const FORMAT = 1;
const KID_BYTES = 3;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + KID_BYTES;
const ENVELOPE_BYTES = HEAD_BYTES + NONCE_BYTES + TAG_BYTES;
const STAMP_BYTES = HEADER_BYTES - 1;
const CONTEXT = Buffer.from('record\0');
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
  /** What follows the store key. */
  readonly #place: Buffer;
  readonly #keys = new WeakMap<Buffer, KeyObject>();

  constructor(keyring: Keyring, clock: Clock, prefix: string) {
    this.#keyring = keyring;
    this.#clock = clock;
    this.#place = Buffer.from(`\0${prefix}`);
  }

  /** The entry is a part of Node's pool: who keeps it for long keeps a copy. */
  seal(id: Buffer, storeKey: string, stamp: Stamp, text: string): Entry {
    const keys = this.#keyring.current;
    const entry = Buffer.allocUnsafe(HEADER_BYTES + ENVELOPE_BYTES + Buffer.byteLength(text));
    entry[0] = KIND_RECORD;
    entry.write(stamp, 1, 'hex');
    const body = bodyOf(entry);
    body[0] = FORMAT;
    keys.kid.copy(body, 1);
    const nonce = this.#clock.bytes(NONCE_BYTES);
    nonce.copy(body, HEAD_BYTES);
    const cipher = createCipheriv(CIPHER, this.#sealingKey(keys, id), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#context(entry, storeKey));
    cipher.update(text, 'utf8').copy(body, HEAD_BYTES + NONCE_BYTES);
    // In this mode there is nothing left to come, and not before this is the tag known.
    cipher.final();
    cipher.getAuthTag().copy(body, body.length - TAG_BYTES);
    return entry;
  }

  /** One answer for every way of not opening (ASVS 11.2.5); nothing is used before the tag is checked. */
  open(id: Buffer, storeKey: string, entry: Entry, counts = true): Opened {
    const body = bodyOf(entry);
    if (entry[0] !== KIND_RECORD || body.length < ENVELOPE_BYTES || body[0] !== FORMAT) return UNDECRYPTABLE;
    const keys = this.#keyring.find(body.subarray(1, HEAD_BYTES));
    if (!keys) return { opened: false, because: 'unknown-key' };
    const text = this.#decrypt(this.#keyFor(keys, id), body, this.#context(entry, storeKey));
    if (text === undefined) return UNDECRYPTABLE;
    if (counts) this.#keyring.count(keys, 'records', this.#clock.wall());
    return { opened: true, text, current: keys === this.#keyring.current };
  }

  #decrypt(key: KeyObject | Buffer, body: Buffer, context: Buffer): string | undefined {
    const nonce = body.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(context);
    decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
    const sealed = body.subarray(HEAD_BYTES + NONCE_BYTES, body.length - TAG_BYTES);
    try {
      const opened = decipher.update(sealed);
      decipher.final();
      return opened.toString('utf8');
    } catch {
      return undefined;
    }
  }

  /** Known where this session was sealed before. Whoever only reads leaves nothing behind: most never write. */
  #keyFor(keys: SecretKeys, id: Buffer): KeyObject | Buffer {
    const known = keys === this.#keyring.current ? this.#keys.get(id) : undefined;
    return known ?? sessionKey(keys, id);
  }

  /** Known again for as long as somebody holds this very id. */
  #sealingKey(keys: SecretKeys, id: Buffer): KeyObject {
    const known = this.#keys.get(id);
    if (known) return known;
    const key = createSecretKey(sessionKey(keys, id));
    this.#keys.set(id, key);
    return key;
  }

  /** `record ‖ 0 ‖ kind ‖ format ‖ kid ‖ stamp ‖ store key ‖ 0 ‖ prefix`: all but the last have a fixed length, so no two share their bytes. */
  #context(entry: Entry, storeKey: string): Buffer {
    const context = Buffer.allocUnsafe(
      CONTEXT.length + 1 + HEAD_BYTES + STAMP_BYTES + storeKey.length + this.#place.length,
    );
    let at = CONTEXT.copy(context);
    context[at] = KIND_RECORD;
    at += 1;
    at += entry.copy(context, at, HEADER_BYTES, HEADER_BYTES + HEAD_BYTES);
    at += entry.copy(context, at, 1, HEADER_BYTES);
    at += context.write(storeKey, at, 'latin1');
    this.#place.copy(context, at);
    return context;
  }
}

function sessionKey(keys: SecretKeys, id: Buffer): Buffer {
  return createHmac('sha256', keys.record).update('session').update(id).digest();
}
