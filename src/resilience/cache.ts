import type { Clock } from '../clock.js';
import type { Found, SessionStore } from '../store/store.js';
import type { Copy } from './copy.js';
import type { Graveyard } from './graveyard.js';
import type { Journal } from './journal.js';
import type { ModeSwitch } from './mode.js';
import type { Restoration } from './restoration.js';
import type { Shadow } from './shadow.js';
import type { Witness } from './witness.js';

export interface CacheParts {
  readonly clock: Clock;
  readonly store: SessionStore;
  readonly witness: Witness;
  readonly modes: ModeSwitch;
  readonly graveyard: Graveyard;
  readonly journal: Journal;
  readonly shadow: Shadow;
  readonly restoration: Restoration;
  /** How long an answer of the store vouches for the copies, from when it was asked for, ms. */
  readonly lease: number;
  /** Asks the store for the entry under `key`, and keeps the answer. Never rejects. */
  readonly read: (key: string) => Promise<unknown>;
}

/**
 * Answers from copies that are what the store holds: since they were confirmed nobody reported a change, and the store was
 * heard so lately that a change before that would have been reported. What is older than the lease is never served, however
 * the network fails. See docs/decisions/0023.
 */
export class Cache {
  readonly #parts: CacheParts;
  #renewing = false;

  constructor(parts: CacheParts) {
    this.#parts = parts;
  }

  /** What the store would say of `key`; `undefined`: only it can say. */
  known(key: string): Found | undefined {
    const { clock, witness, modes, lease } = this.#parts;
    const age = clock.monotonic() - witness.heard;
    if (age >= lease || !modes.read.closed || this.#outranked(key)) return undefined;
    const copy = this.#parts.shadow.newest(key);
    if (!copy || !this.#isCoherent(copy)) return undefined;
    if (age >= lease / 2) this.#renew(key);
    // That nobody reported a change confirms it anew.
    const confirmed = { ...copy.confirmed, at: witness.heard };
    return { state: 'found', entry: copy.entry, source: 'cache', confirmed, standing: 'seen' };
  }

  /** Something that this instance knows of the key stands above what the store holds. */
  #outranked(key: string): boolean {
    const { graveyard, journal, restoration } = this.#parts;
    const waits = journal.has(key) || journal.orphaned(key) !== undefined;
    return waits || graveyard.get(key) !== undefined || restoration.doubtful;
  }

  #isCoherent({ confirmed, stale }: Copy): boolean {
    const { store, witness } = this.#parts;
    const watched = confirmed.watch !== undefined && confirmed.watch === store.watching?.();
    if (stale || !watched || confirmed.at <= witness.unsettled) return false;
    return confirmed.incarnation === store.incarnation?.();
  }

  /** Before the lease is over, so that no user waits for the next one. */
  #renew(key: string): void {
    if (this.#renewing) return;
    this.#renewing = true;
    void this.#parts.read(key).finally(() => (this.#renewing = false));
  }
}
