import type { Clock } from '../clock.js';
import type { SecretReport } from '../observe/snapshot.js';
import { type Entry, type Stamp, stampOf, type Stamps } from '../store/entry.js';
import type { Confirmation, ResilientStore } from '../store/store.js';
import type { SealedIdentity, Vault } from '../vault/vault.js';

export interface RotationParts {
  readonly store: ResilientStore;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly stamps: Stamps;
  /** The longest that a session sealed with an old secret can live, ms. */
  readonly absoluteTimeout: number;
}

/** Since when a secret is known, and when each other one was last needed on any instance: wall-clock ms, by key id. */
export interface Book {
  readonly since: number;
  readonly used: ReadonlyMap<string, number>;
}

interface ReadBook {
  readonly book: Book;
  readonly stamp: Stamp | null;
  readonly confirmed: Confirmation | undefined;
}

/** At most so often an instance tells the others, ms. */
const TELL_EVERY = 60_000;
/** A book that was read longer ago says nothing about now, ms. */
const STALE = 3_600_000;

/**
 * Says when an old secret can go: when no instance has needed it for as long as a session can live. All instances share
 * one sealed entry for each secret. Only where there are several secrets does it do anything.
 */
export class Rotation {
  readonly #parts: RotationParts;
  readonly #alone: boolean;
  #told = -Infinity;
  #read: { readonly book: Book; readonly at: number } | undefined;

  constructor(parts: RotationParts) {
    this.#parts = parts;
    this.#alone = parts.vault.secretUses().length === 1;
  }

  /** A session was opened. Never waits, never throws. */
  noticed(): void {
    if (this.#alone) return;
    const now = this.#parts.clock.monotonic();
    if (now - this.#told < TELL_EVERY) return;
    this.#told = now;
    // What fails is told a minute later.
    this.#share().catch(() => undefined);
  }

  report(): SecretReport {
    const keys = this.#parts.vault.secretUses().map(({ kid, tokens, records, at }, index) => {
      const lastUsed = Math.max(at, this.#read?.book.used.get(kid) ?? 0);
      const leads = index === 0;
      return { kid, leads, tokens, records, lastUsed, retirable: !leads && this.#isOver(lastUsed) };
    });
    const old = keys.filter(({ leads }) => !leads);
    return { retirable: old.length > 0 && old.every(({ retirable }) => retirable), keys };
  }

  #isOver(lastUsed: number): boolean {
    const { clock, absoluteTimeout } = this.#parts;
    if (!this.#read || clock.monotonic() - this.#read.at > STALE) return false;
    return clock.wall() - Math.max(lastUsed, this.#read.book.since) >= absoluteTimeout;
  }

  async #share(): Promise<void> {
    const { vault, clock } = this.#parts;
    for (const [index, { kid, identity }] of vault.bookIdentities().entries()) {
      const read = await this.#open(identity);
      if (!read) continue;
      const book = merged(read.book, this.#mine(kid));
      if (index === 0) this.#read = { book, at: clock.monotonic() };
      if (!isSame(book, read.book) || read.stamp === null) await this.#write(identity, book, read);
    }
  }

  /** What this instance knows of the others: the first is in use as long as it leads here. */
  #mine(own: string): Book {
    const now = Math.floor(this.#parts.clock.wall());
    const uses = this.#parts.vault
      .secretUses()
      .map(({ kid, at }, index) => [kid, index === 0 ? now : at] as const);
    return { since: now, used: new Map(uses.filter(([kid, at]) => kid !== own && at > 0)) };
  }

  /** `undefined`: nobody can say. */
  async #open(identity: SealedIdentity): Promise<ReadBook | undefined> {
    const { store, vault } = this.#parts;
    const found = await store.lookup(identity.key);
    if (found.state === 'absent')
      return { book: { since: Infinity, used: new Map() }, stamp: null, confirmed: undefined };
    if (found.state !== 'found' || found.source !== 'primary') return undefined;
    const opened = vault.openOwn(identity, found.entry);
    const book = opened.opened ? decodeBook(opened.text) : undefined;
    return book && { book, stamp: stampOf(found.entry), confirmed: found.confirmed };
  }

  async #write(identity: SealedIdentity, book: Book, { stamp, confirmed }: ReadBook): Promise<void> {
    const { store, vault, stamps, absoluteTimeout } = this.#parts;
    const next = stamps.next(stamp ?? undefined);
    const entry: Entry = vault.seal(identity, next, encodeBook(book));
    await store.swap(identity.key, entry, stamp, absoluteTimeout * 2, { tier: 'touched', confirmed });
  }
}

function merged(one: Book, other: Book): Book {
  const used = new Map(one.used);
  for (const [kid, at] of other.used) {
    // To the minute: each use would be another write.
    if (at - (used.get(kid) ?? 0) >= TELL_EVERY) used.set(kid, at);
  }
  return { since: Math.min(one.since, other.since), used };
}

function isSame(one: Book, other: Book): boolean {
  return one.since === other.since && [...one.used].every(([kid, at]) => other.used.get(kid) === at);
}

export function encodeBook({ since, used }: Book): string {
  return JSON.stringify({ s: since, u: Object.fromEntries(used) });
}

/** Takes text that was sealed: this library wrote it. */
export function decodeBook(text: string): Book | undefined {
  // Looked at just below.
  const { s, u } = JSON.parse(text) as { readonly s: unknown; readonly u: unknown };
  if (typeof s !== 'number' || typeof u !== 'object' || u === null) return undefined;
  const used = Object.entries(u).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return { since: s, used: new Map(used) };
}
