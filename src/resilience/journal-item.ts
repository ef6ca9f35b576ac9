import type { Entry, Stamp } from '../store/entry.js';
import { compareVersions, pack, type Packed, PACKED_BYTES, unpack } from '../store/packed.js';
import type { Confirmation, Expected, Tier, WriteIntent } from '../store/store.js';

/** What is known of the session in the store at the time of the write. */
export type Origin = 'created' | 'based' | 'blind';

/** A write that the store has not acknowledged. */
export interface JournalItem {
  readonly key: string;
  entry: Entry;
  expected: Expected;
  origin: Origin;
  /** Decides who must make room, and for whom. Of a tombstone it means nothing. */
  readonly tier: Tier;
  /** Monotonic ms after which nobody wants it any more. */
  expires: number;
  /** How long it lives in the store from when it comes there, ms: a tombstone must outlive what may meet it there. */
  readonly life: number;
  /** Monotonic ms of the first write that waits here. */
  readonly added: number;
  confirmed: Confirmation | undefined;
  readonly intent: Pick<WriteIntent, 'merge' | 'weight' | 'awaited' | 'rest'> | undefined;
  /** The stamp that this write started from: later ones in the way are changes of others. */
  readonly since: Stamp | undefined;
  /** The key of a tombstone that goes first. */
  readonly after: string | undefined;
}

/** As measured: its fields, and what the heap leaves between many of them. */
const RESTING_BYTES = 132;
/** What a closure may hold beside as much as the entry, where nobody says. */
const HELD_BYTES = 4_000;
/** A stamp is a string of 32 digits. */
const STAMP_BYTES = 48;

/** An item as it waits: flat, its entry packed, and of its intent no more than can merge it. */
export class Resting {
  readonly added: number;
  readonly expires: number;
  readonly after: string | undefined;
  readonly #packed: Packed;
  readonly #expected: Expected;
  readonly #origin: Origin;
  readonly #tier: Tier;
  readonly #life: number;
  readonly #intent: JournalItem['intent'];
  readonly #since: Stamp | undefined;
  #at: number | undefined;
  #incarnation: string | undefined;

  constructor(item: JournalItem) {
    // What is no whole number needs memory of its own.
    this.added = Math.floor(item.added);
    this.expires = Math.floor(item.expires);
    this.after = item.after;
    this.#packed = pack(item.entry);
    this.#expected = item.expected;
    this.#origin = item.origin;
    this.#tier = item.tier;
    this.#life = item.life;
    this.#intent = item.intent?.rest?.() ?? item.intent;
    this.#since = item.since;
    this.confirm(item.confirmed);
  }

  /** Monotonic ms at which the store last answered for it, or else at which it came. */
  get known(): number {
    return this.#at ?? this.added;
  }

  get weight(): number {
    const { length } = this.#packed;
    const held = this.#intent?.weight ?? (this.#intent?.merge ? HELD_BYTES + length : 0);
    const stamp = this.#since === undefined ? 0 : STAMP_BYTES;
    return RESTING_BYTES + length + PACKED_BYTES + stamp + held;
  }

  /** Whether it is this very version. */
  is(entry: Entry): boolean {
    return compareVersions(this.#packed, entry) === 0;
  }

  confirm(confirmed: Confirmation | undefined): void {
    this.#at = confirmed && Math.floor(confirmed.at);
    this.#incarnation = confirmed?.incarnation;
  }

  item(key: string): JournalItem {
    // Changes since are not known of: what is served meanwhile is this item.
    const confirmed =
      this.#at === undefined ? undefined : { at: this.#at, incarnation: this.#incarnation, watch: undefined };
    return {
      key,
      entry: unpack(this.#packed),
      expected: this.#expected,
      origin: this.#origin,
      tier: this.#tier,
      expires: this.expires,
      life: this.#life,
      added: this.added,
      confirmed,
      intent: this.#intent,
      since: this.#since,
      after: this.after,
    };
  }
}
