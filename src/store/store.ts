import type { Entry, Stamp } from './entry.js';

/**
 * What a `swap` expects under the key: an entry that carries this stamp; `null`, nothing; or `'any'`, whatever is there,
 * which is for tombstones only.
 */
export type Expected = Stamp | null | 'any';

/** `current` is what stood in the way; bytes that are no entry (see `isEntry`) are a foreign value. */
export type Swapped = { done: true } | { done: false; current: Entry | undefined };

/**
 * A place for sealed sessions. Two operations are all there is: destroying is swapping in a tombstone, touching is
 * swapping the same data with a later deadline. Keys are 43 characters of base64url; entries are opaque bytes after
 * `kind(1) ‖ stamp(16)`, and views on larger buffers: a store in memory keeps copies. A throw means
 * "the store cannot say", never "not there"; what is not a `StoreFault` counts as ambiguous. `koa-resilient-session/testing`
 * has the suite that checks all of this.
 */
export interface SessionStore {
  /** The live entry, tombstones included. Missing and expired are both `undefined`. */
  read(key: string): Promise<Entry | undefined>;

  /**
   * Atomically puts `entry` for `ttl` ms if what is there is as `expected`.
   *
   * - The entry there carries `entry`'s own stamp: `done`, so a write whose outcome is unknown can be retried for ever.
   * - A record never replaces a tombstone, whatever `expected`.
   * - A tombstone with `'any'` over a tombstone is `done`, and never shortens its life.
   * - A record with `'any'` is a `RangeError`: there are no blind writes.
   */
  swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped>;

  /** Releases what the store holds; must settle even if the server behind it hangs. */
  close?(): Promise<void>;

  /** Names the data set: changes when the store may have lost data. `undefined`: not known. */
  incarnation?(): string | undefined;

  /** In one word, why `incarnation` changed last. */
  lossCause?(): string | undefined;

  /** Called with each canary: the store looks at itself, so that what it says of itself is true now. */
  inspect?(): Promise<void>;

  /**
   * From now on `watcher` hears what others do to entries that were read or put here. `watching` numbers the unbroken
   * span in which that is so; `undefined`: nobody reports now. Within a span no answer overtakes a report: what was changed
   * before a question was asked has been reported when it is answered. Option `cache` rests on that.
   */
  watch?(watcher: StoreWatcher): void;
  watching?(): number | undefined;

  /** Whether the store may drop live entries under memory pressure. Default: false. */
  mayEvict?(): boolean;

  /** How far the store's clock is ahead of this machine's, in ms. `undefined`: not known. */
  clockOffset?(): number | undefined;
}

/** Hears at once what happens to a store: of a change by others once for a key, until it is read or put here again. */
export interface StoreWatcher {
  changed(key: string): void;
  /** Perhaps changed by others: `changed` follows if that turns out when a swap under way is answered. */
  doubted?(key: string): void;
  /** All data were deleted, on somebody's order. */
  flushed(): void;
  /** After a time in which nobody could be asked, the store can be asked again. */
  reached(): void;
}

/** When the store last answered for a key (the monotonic ms at which it was asked), and which data set answered. */
export interface Confirmation {
  readonly at: number;
  readonly incarnation: string | undefined;
  /** The span of watching in which it was asked and answered; `undefined`: changes since then are not reported. */
  readonly watch: number | undefined;
}

/**
 * Whose write it is, the least first: `blind`, who could not read what they write over; `touched`, nothing but a use; `new`,
 * a session that the store has never had; `returning`, one that it had, or that took the place of another; `authenticated`.
 */
export const TIERS = ['blind', 'touched', 'new', 'returning', 'authenticated'] as const;
export type Tier = (typeof TIERS)[number];

/** One write, as it is after it was merged with what stood in its way. `expires`: monotonic ms. */
export interface Merged {
  readonly entry: Entry;
  readonly expires: number;
}

/** What the supervisor may do with a write that meets something else, now or after an outage. */
export interface WriteIntent {
  /**
   * Merges this write into the record in the way. Returns what to put instead (new stamp), or `'drop'` when nothing of
   * this write survives. `since`: the stamp that the write started from; `own`: this write as it is now. A throw means that
   * the two cannot be merged. Without it, what is in the way stays.
   */
  merge?(current: Entry, since: Stamp | undefined, own: Entry): Merged | 'drop';
  /** The same for a write that waits: it lets go of what it can make again from `own`. Default: this one, as it is. */
  rest?(): Pick<WriteIntent, 'merge' | 'weight'>;
  /** When the store last answered for this key, if it ever did. */
  readonly confirmed?: Confirmation | undefined;
  /** What `merge` holds, in bytes. Default: as much as the entry, and 4,000. */
  readonly weight?: number;
  /** Default: `new`. */
  readonly tier?: Tier | undefined;
  /** The writer could not read what it writes over: where nothing is there, nothing may be created under this key. */
  readonly blind?: boolean;
  /** The session may be on its way to the store from another instance: that nothing is there proves nothing. */
  readonly awaited?: boolean;
  /** How long this commit has waited for the store in vain so far, ms: one deadline covers all of it. */
  readonly waited?: number;
  /** The key of a tombstone that must be in the store first; if that session was destroyed, this one ends too. */
  readonly after?: string | undefined;
}

/** `cache`: a copy that is known to be what the store holds. */
export type Source = 'primary' | 'cache' | 'journal' | 'shadow';

/** What the supervisor knows of a key. `unavailable` is not `absent`. */
export type Lookup =
  | {
      readonly state: 'found';
      readonly entry: Entry;
      readonly source: Source;
      readonly confirmed: Confirmation | undefined;
      /** `blind`: written without having seen what the store holds. `orphan`: and nothing was there, so it may only live on under a new id. */
      readonly standing: 'seen' | 'blind' | 'orphan';
      /**
       * Another version, whose changes may be missing in this one: acknowledged by a store that may have lost it since, or
       * an orphan.
       */
      readonly other?: Entry;
      readonly orphaned?: boolean;
    }
  | { readonly state: 'ended'; readonly tombstone: Entry }
  | { readonly state: 'absent' }
  | { readonly state: 'foreign' }
  | { readonly state: 'unavailable' };

export type Found = Lookup & { readonly state: 'found' };

/** `by`: who holds the entry now. */
export type Settled =
  | { readonly done: true; readonly by: 'primary' | 'journal'; readonly confirmed: Confirmation | undefined }
  | { readonly done: false; readonly current: Entry | undefined };

/** A store made of stores: never waits longer than its deadline, and says where an answer came from. */
export interface ResilientStore extends SessionStore {
  /** What the store would say now, where that is known without asking it; else `undefined`. */
  known(key: string): Found | undefined;
  /** Never throws for a fault of the store. `waited`: how long the request has waited for the store in vain so far, ms. */
  lookup(key: string, waited?: number): Promise<Lookup>;
  /** Throws `STORE_UNAVAILABLE` only where the entry can be kept nowhere. */
  swap(key: string, entry: Entry, expected: Expected, ttl: number, intent?: WriteIntent): Promise<Settled>;
  /** An orphan lives on, under a new id or in the version that came after all. */
  adopted(key: string): void;
  /** What this instance holds under `key` does not open: what the store holds is asked for again. */
  discard(key: string): void;
}
