import { ALLOWED_SKEW, type Clock } from '../clock.js';
import { type Entry, laterStamp, type Stamp, stampOf, type Stamps } from '../store/entry.js';
import type { Confirmation, Merged } from '../store/store.js';
import type { SealedIdentity, Vault } from '../vault/vault.js';
import {
  changed,
  decodeIndex,
  EMPTY_INDEX,
  encodeIndex,
  type IndexChange,
  mergeIndexes,
  settled,
  type UserIndex,
} from './user-index.js';

export interface UserSessionOptions {
  /** The most that one user may have. */
  readonly max: number;
  /** With one more: the longest unused one ends, or the login is refused. */
  readonly beyond: 'end-oldest' | 'refuse';
}

export interface IndexWriteParts {
  readonly vault: Vault;
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly maxOutage: number;
  readonly userSessions: UserSessionOptions;
}

/** What could be read of a user's index. */
export interface FoundIndex {
  /** Where it is written: the others are what older secrets left. */
  readonly identity: SealedIdentity;
  readonly index: UserIndex;
  readonly stamp: Stamp | null;
  readonly confirmed: Confirmation | undefined;
  /** `unknown`: nobody could say; `blocked`: something is in its place that is no index. */
  readonly state: 'known' | 'unknown' | 'blocked';
}

/** One write of an index on its way. Whoever merges it ends what falls by it: here at once, or after an outage. */
export class IndexWrite {
  readonly #parts: IndexWriteParts;
  readonly #found: FoundIndex;
  readonly #change: IndexChange;
  readonly #end: (key: string) => Promise<void>;
  readonly ends: Promise<void>[] = [];
  readonly fallen: string[] = [];
  acknowledged = false;
  index: UserIndex = EMPTY_INDEX;
  stamp: Stamp;
  entry: Entry;

  constructor(
    parts: IndexWriteParts,
    found: FoundIndex,
    change: IndexChange,
    end: (key: string) => Promise<void>,
  ) {
    this.#parts = parts;
    this.#found = found;
    this.#change = change;
    this.#end = end;
    this.stamp = parts.stamps.next(found.stamp ?? undefined);
    this.entry = this.#become(found.index);
  }

  readonly merge = (current: Entry): Merged | 'drop' => {
    const { vault, stamps } = this.#parts;
    const theirs = openIndex(vault, this.#found.identity, current);
    if (!theirs) throw new Error('undecryptable');
    this.stamp = stamps.next(laterStamp(stampOf(current), this.stamp));
    this.entry = this.#become(mergeIndexes(theirs, this.index));
    return { entry: this.entry, expires: this.expires };
  };

  /** Monotonic ms. An ending outlives whatever may come to be listed later. */
  get expires(): number {
    const { clock, maxOutage } = this.#parts;
    let last = this.index.ending.at + maxOutage + ALLOWED_SKEW;
    for (const { until } of this.index.sessions.values()) last = Math.max(last, until);
    return clock.monotonic() + Math.max(1, last - clock.wall());
  }

  #become(from: UserIndex): Entry {
    const { vault, clock, userSessions } = this.#parts;
    const { index, fallen } = settled(changed(from, this.#change), clock.wall(), userSessions.max);
    for (const key of fallen) this.#fell(key);
    this.index = index;
    return vault.seal(this.#found.identity, this.stamp, encodeIndex(index));
  }

  #fell(key: string): void {
    if (this.fallen.includes(key)) return;
    this.fallen.push(key);
    // Where it can be kept nowhere the supervisor has counted and reported it.
    this.ends.push(this.#end(key).catch(() => undefined));
  }
}

/** `undefined`: this is no index, or it was sealed with a secret that is not held here. */
export function openIndex(vault: Vault, identity: SealedIdentity, entry: Entry): UserIndex | undefined {
  const opened = vault.openOwn(identity, entry);
  return opened.opened ? decodeIndex(opened.text) : undefined;
}
