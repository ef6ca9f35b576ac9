import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TombstoneReason } from '../../src/store/entry.js';
import type { BookFields, IndexFields, RecordFields, SecretKind } from './format-1.js';

interface Named {
  readonly name: string;
}

/** Bytes are hex; README.md says what each field is. */
export interface Vectors {
  readonly keys: Named & {
    readonly secret: string;
    readonly kind: SecretKind;
    readonly root: string;
    readonly kid: string;
    readonly token: string;
    readonly record: string;
    readonly index: string;
    readonly book: string;
  };
  readonly identities: Named & {
    readonly id: string;
    readonly storeKey: string;
    readonly pseudonym: string;
    readonly prefix: string;
    readonly redisKey: string;
  };
  readonly derived: Named & { readonly secret: string; readonly user: string | null; readonly id: string };
  readonly tokens: Named & {
    readonly secret: string;
    readonly cookieName: string;
    readonly id: string;
    readonly born: number;
    readonly bornHour: number;
    readonly token: string;
  };
  readonly envelopes: Named & {
    readonly secret: string;
    readonly prefix: string;
    readonly id: string;
    readonly storeKey: string;
    readonly stamp: string;
    readonly nonce: string;
    readonly text: string;
    readonly entry: string;
  };
  readonly tombstones: Named & {
    readonly stamp: string;
    readonly reason: TombstoneReason;
    readonly made: boolean;
    readonly entry: string;
  };
  readonly indexes: Named & IndexFields & { readonly text: string };
  readonly books: Named & BookFields & { readonly text: string };
  readonly records: Named & RecordFields & { readonly text: string };
}

export const FILES = [
  'keys',
  'identities',
  'derived',
  'tokens',
  'envelopes',
  'tombstones',
  'records',
  'indexes',
  'books',
] as const;

export function vectors<F extends keyof Vectors>(file: F): readonly Vectors[F][] {
  const text = readFileSync(new URL(`${file}.json`, import.meta.url), 'utf8');
  // What stands in these files is checked by every test that reads them.
  return JSON.parse(text) as readonly Vectors[F][];
}

/** Of what a vector says, however it is laid out. */
export function digestOf(vector: Named): string {
  return createHash('sha256').update(JSON.stringify(vector)).digest('hex').slice(0, 32);
}
