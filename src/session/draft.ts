import { type Entry, type Stamp, stampOf, type Stamps, ZERO_STAMP } from '../store/entry.js';
import type { SealedIdentity, Vault } from '../vault/vault.js';
import { conflictingKeys, type MergePolicy, mergeRecords } from './merge.js';
import { decodeRecord, encodeRecord, type SessionRecord } from './record.js';

export interface DraftParts {
  readonly vault: Vault;
  readonly stamps: Stamps;
  readonly policy: MergePolicy;
  readonly onConflict: (pseudonym: string, keys: number, migrating: boolean) => void;
}

/**
 * One write of a session on its way: the record, sealed, and the closure that can merge it with whatever it meets, now
 * or after an outage. Holds this session's identity until Redis has acknowledged the write.
 */
export class Draft {
  readonly #parts: DraftParts;
  readonly #identity: SealedIdentity;
  readonly #since: Stamp;
  readonly #touchOnly: boolean;
  record: SessionRecord;
  stamp: Stamp;
  entry: Entry;
  /** What is there says all that this draft would: `record` and `stamp` are those. */
  yielded = false;
  /** It waits in the journal. */
  migrating = false;

  constructor(
    parts: DraftParts,
    identity: SealedIdentity,
    record: SessionRecord,
    stamp: Stamp,
    since: Stamp | undefined,
    touchOnly: boolean,
  ) {
    this.#parts = parts;
    this.#identity = identity;
    this.#since = since ?? ZERO_STAMP;
    this.#touchOnly = touchOnly;
    this.record = record;
    this.stamp = stamp;
    this.entry = parts.vault.seal(identity, stamp, encodeRecord(record));
  }

  /** For `WriteIntent.merge`. Throws for a record that does not open. */
  readonly merge = (current: Entry): Entry | 'drop' => {
    const theirs = this.#open(current);
    if (this.#touchOnly) return this.#yield(theirs, current);
    const { stamps, policy, onConflict } = this.#parts;
    const stamp = stamps.next(stampOf(current) > this.stamp ? stampOf(current) : this.stamp);
    const merged = mergeRecords(theirs, this.record, policy, stamp);
    const keys = conflictingKeys(theirs, this.record, this.#since);
    if (keys > 0) onConflict(this.#identity.pseudonym, keys, this.migrating);
    if (same(merged, theirs)) return this.#yield(theirs, current);
    this.#become(merged, stamp);
    return this.entry;
  };

  /** Folds a newer version of the session that this one was regenerated from into this draft. */
  fold(older: SessionRecord): void {
    const stamp = this.#parts.stamps.next(this.stamp);
    const merged = mergeRecords(older, this.record, this.#parts.policy, stamp);
    this.#become(merged, stamp);
  }

  #yield(theirs: SessionRecord, current: Entry): 'drop' {
    this.yielded = true;
    this.record = theirs;
    this.stamp = stampOf(current);
    return 'drop';
  }

  #become(record: SessionRecord, stamp: Stamp): void {
    this.record = record;
    this.stamp = stamp;
    this.entry = this.#parts.vault.seal(this.#identity, stamp, encodeRecord(record));
  }

  #open(current: Entry): SessionRecord {
    const record = openRecord(this.#parts.vault, this.#identity, current);
    if (typeof record === 'string') throw new Error(record);
    return record;
  }
}

export type OpenFailure = 'unknown-key' | 'undecryptable';

export function openRecord(
  vault: Vault,
  identity: SealedIdentity,
  entry: Entry,
): SessionRecord | OpenFailure {
  const opened = vault.open(identity, entry);
  if (!opened.opened) return opened.because;
  return decodeRecord(opened.text) ?? 'undecryptable';
}

function same(a: SessionRecord, b: SessionRecord): boolean {
  if (a === b) return true;
  const meta = a.idle === b.idle && a.used === b.used && a.absolute === b.absolute && a.maxAge === b.maxAge;
  if (!meta || a.text !== b.text || a.stamps.size !== b.stamps.size) return false;
  for (const [key, stamp] of a.stamps) if (b.stamps.get(key) !== stamp) return false;
  return true;
}
