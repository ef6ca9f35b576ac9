import { SessionError } from '../errors.js';
import { type Entry, laterStamp, type Stamp, stampOf, type Stamps, ZERO_STAMP } from '../store/entry.js';
import { pack, type Packed, unpack } from '../store/packed.js';
import type { Merged } from '../store/store.js';
import type { SealedIdentity, Vault } from '../vault/vault.js';
import type { Lifetime } from './lifetime.js';
import { conflictingKeys, mergeRecords, type MergeRules } from './merge.js';
import { decodeRecord, encodeRecord, type SessionRecord } from './record.js';

export interface DraftParts {
  readonly vault: Vault;
  readonly stamps: Stamps;
  readonly lifetime: Lifetime;
  readonly rules: MergeRules;
  /** The largest data, and the largest record with all that belongs to it, in bytes of UTF-8. */
  readonly maxDataBytes: number;
  readonly maxRecordBytes: number;
  readonly onConflict: (pseudonym: string, keys: number, migrating: boolean) => void;
}

export interface DraftStart {
  readonly identity: SealedIdentity;
  readonly record: SessionRecord;
  readonly stamp: Stamp;
  /** The version that the record was made from. */
  readonly since: Stamp | undefined;
  /** Nothing but the idle deadline moves: whatever else is there says as much. */
  readonly touchOnly: boolean;
}

/**
 * One write of a session on its way: the record, sealed, and the closure that can merge it with whatever it meets. Where it
 * has to wait, a {@link RestingDraft} takes its place.
 */
export class Draft {
  readonly #parts: DraftParts;
  readonly #start: DraftStart;
  record: SessionRecord;
  stamp: Stamp;
  entry: Entry;
  /** What is there says all that this draft would: `record` and `stamp` are those. */
  yielded = false;
  /** It waits in the journal. */
  migrating = false;
  /** Why it could not be merged, where that is the data's fault. */
  failure: SessionError | undefined;

  /** `entry`: the record, where it is sealed already. Throws `DATA_TOO_LARGE`. */
  constructor(parts: DraftParts, start: DraftStart, entry?: Entry) {
    this.#parts = parts;
    this.#start = start;
    this.record = start.record;
    this.stamp = start.stamp;
    this.entry = entry ?? this.#seal(start.record, start.stamp);
  }

  /** For `WriteIntent.merge`. Throws for a record that does not open, and for two that are too large together. */
  readonly merge = (current: Entry, since = this.#start.since): Merged | 'drop' => {
    const theirs = this.#open(current);
    if (this.#start.touchOnly) return this.#yield(theirs, current);
    const { stamps, rules, onConflict } = this.#parts;
    const stamp = stamps.next(stampOf(current) > this.stamp ? stampOf(current) : this.stamp);
    const merged = mergeRecords(theirs, this.record, rules, stamp);
    const keys = conflictingKeys(theirs, this.record, since ?? ZERO_STAMP);
    if (keys > 0) onConflict(this.#start.identity.pseudonym, keys, this.migrating);
    if (same(merged, theirs)) return this.#yield(theirs, current);
    this.#become(merged, stamp);
    return { entry: this.entry, expires: this.#parts.lifetime.expiryOf(merged) };
  };

  /** What waits with it, where nothing takes its place, bytes. */
  get weight(): number {
    return LIVE_BYTES + this.entry.length * 2;
  }

  /** For `WriteIntent.rest`. */
  readonly rest = (): RestingDraft => new RestingDraft(this.#parts, this.#start);

  /** Folds a newer version of the session that this one was regenerated from into this draft. */
  fold(older: SessionRecord, seen: Stamp): void {
    const stamp = this.#parts.stamps.next(laterStamp(seen, this.stamp));
    this.#become(mergeRecords(older, this.record, this.#parts.rules, stamp), stamp);
  }

  #yield(theirs: SessionRecord, current: Entry): 'drop' {
    this.yielded = true;
    this.record = theirs;
    this.stamp = stampOf(current);
    return 'drop';
  }

  #become(record: SessionRecord, stamp: Stamp): void {
    try {
      this.entry = this.#seal(record, stamp);
    } catch (error) {
      if (error instanceof SessionError) this.failure = error;
      throw error;
    }
    this.record = record;
    this.stamp = stamp;
  }

  /** What is written here must be readable everywhere. */
  #seal(record: SessionRecord, stamp: Stamp): Entry {
    const { vault, maxDataBytes, maxRecordBytes } = this.#parts;
    const text = encodeRecord(record);
    if (exceeds(record.fields.text, maxDataBytes) || exceeds(text, maxRecordBytes)) {
      const rule = `maxDataBytes (${maxDataBytes} bytes), or as much again for when its keys changed`;
      throw new SessionError('DATA_TOO_LARGE', `session data exceeds ${rule}`);
    }
    return vault.seal(this.#start.identity, stamp, text);
  }

  #open(current: Entry): SessionRecord {
    return mustOpen(this.#parts.vault, this.#start.identity, current);
  }
}

/** Its fields, and the id. */
const RESTING_BYTES = 96;
/** As measured: the objects of a record, what it was made from, and its identity. */
const LIVE_BYTES = 4_000;

/**
 * A draft that waits. Holds this session's id until Redis has acknowledged the write, and nothing that its entry tells: an
 * outage is long, and a merge after it rare.
 */
class RestingDraft {
  readonly #parts: DraftParts;
  readonly #id: Packed;
  readonly #touchOnly: boolean;

  constructor(parts: DraftParts, { identity, touchOnly }: Pick<DraftStart, 'identity' | 'touchOnly'>) {
    this.#parts = parts;
    this.#id = pack(identity.id);
    this.#touchOnly = touchOnly;
  }

  get weight(): number {
    return RESTING_BYTES;
  }

  merge(current: Entry, since: Stamp | undefined, own: Entry): Merged | 'drop' {
    const identity = this.#parts.vault.identify(unpack(this.#id));
    const record = mustOpen(this.#parts.vault, identity, own);
    const start = { identity, record, stamp: stampOf(own), since, touchOnly: this.#touchOnly };
    const draft = new Draft(this.#parts, start, own);
    draft.migrating = true;
    return draft.merge(current, since);
  }
}

function mustOpen(vault: Vault, identity: SealedIdentity, entry: Entry): SessionRecord {
  const record = openRecord(vault, identity, entry);
  if (typeof record === 'string') throw new Error(record);
  return record;
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

/** UTF-8 needs at most three bytes for each unit of a string. */
function exceeds(text: string, bytes: number): boolean {
  return text.length > bytes || (text.length * 3 > bytes && Buffer.byteLength(text) > bytes);
}

function same(a: SessionRecord, b: SessionRecord): boolean {
  if (a === b) return true;
  const meta = a.idle === b.idle && a.used === b.used && a.absolute === b.absolute && a.maxAge === b.maxAge;
  if (!meta || a.fields.text !== b.fields.text || a.stamps.size !== b.stamps.size) return false;
  for (const [key, stamp] of a.stamps) if (b.stamps.get(key) !== stamp) return false;
  return true;
}
