import { ALLOWED_SKEW } from '../clock.js';
import type { Emit } from '../observe/events.js';
import { type Entry, isEntry, isTombstone } from '../store/entry.js';
import { faultOf } from '../store/fault.js';
import type { Confirmation, Found, Lookup, Source } from '../store/store.js';
import type { Copy } from './copy.js';
import type { Budget } from './deadline.js';
import type { Graveyard } from './graveyard.js';
import type { Journal } from './journal.js';
import type { ModeSwitch } from './mode.js';
import type { Restoration } from './restoration.js';
import type { Serial } from './serial.js';
import type { Shadow } from './shadow.js';
import type { Witness } from './witness.js';
import type { Writer } from './writer.js';

export interface ReaderParts {
  readonly emit: Emit;
  readonly witness: Witness;
  readonly modes: ModeSwitch;
  readonly journal: Journal;
  readonly graveyard: Graveyard;
  readonly shadow: Shadow;
  readonly writer: Writer;
  readonly serial: Serial;
  readonly restoration: Restoration;
  readonly maxOutage: number;
}

/** Answers for one key from the first place that knows: graveyard, journal, store, warm copy. */
export class Reader {
  readonly #parts: ReaderParts;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  /** Never throws for a fault of the store. */
  async lookup(key: string, budget: Budget): Promise<Lookup> {
    const { graveyard, journal, modes, emit } = this.#parts;
    const grave = graveyard.get(key);
    if (grave) return { state: 'ended', tombstone: grave };
    if (journal.has(key)) {
      const waiting = await this.#fromJournal(key, budget);
      if (waiting) return waiting;
    }
    if (!modes.read.closed) return this.#fromShadow(key);
    try {
      return await this.#fromStore(key, budget);
    } catch (error) {
      const { class: faultClass, reason } = faultOf(error);
      emit('store:error', { operation: 'read', class: faultClass, code: reason });
      return this.#fromShadow(key);
    }
  }

  /** Asks the store alone, and keeps what it says. Resolves whether it answered. */
  async refresh(key: string, budget: Budget): Promise<boolean> {
    return this.#fromStore(key, budget).then(
      () => true,
      () => false,
    );
  }

  /** While the journal holds a key it is the truth, but a store that answers should have it first. */
  async #fromJournal(key: string, budget: Budget): Promise<Lookup | undefined> {
    const { journal, writer, serial } = this.#parts;
    const pending = journal.get(key);
    if (pending && writer.passable(pending.entry)) {
      await serial.run(key, () => writer.retry(key, budget)).catch(() => undefined);
    }
    return this.#waiting(key);
  }

  #waiting(key: string): Lookup | undefined {
    const { graveyard, journal } = this.#parts;
    const grave = graveyard.get(key);
    if (grave) return { state: 'ended', tombstone: grave };
    const item = journal.get(key);
    if (!item) return undefined;
    if (isTombstone(item.entry)) return { state: 'ended', tombstone: item.entry };
    const { entry, confirmed, origin } = item;
    const standing = origin === 'blind' ? 'blind' : 'seen';
    return { state: 'found', entry, source: 'journal', confirmed, standing };
  }

  /** A blind write that met nothing. `orphan`: nothing is there now, so it may live on under a new id. */
  #orphan(key: string, standing: 'blind' | 'orphan'): Lookup | undefined {
    const orphan = this.#parts.journal.orphaned(key);
    if (!orphan) return undefined;
    return { state: 'found', entry: orphan.entry, source: 'journal', confirmed: undefined, standing };
  }

  async #fromStore(key: string, budget: Budget): Promise<Lookup> {
    const { modes, witness } = this.#parts;
    const ask = (): Promise<Told> => witness.ask(key, store => store.read(key));
    const { answer: entry, confirmed } = await modes.read.run(ask, budget);
    // The answer is as old as the question: what happened here meanwhile outranks it.
    const waiting = this.#waiting(key);
    if (waiting) return waiting;
    if (entry === undefined) return this.#nothing(key, confirmed);
    if (!isEntry(entry)) return { state: 'foreign' };
    return isTombstone(entry) ? this.#ended(key, entry) : this.#found(key, entry, confirmed);
  }

  /** A store that may have lost data proves nothing by having nothing. */
  #nothing(key: string, confirmed: Confirmation): Lookup {
    const { shadow, restoration } = this.#parts;
    const copy = shadow.newest(key);
    if (copy && restoration.restores(copy, confirmed)) return seen('shadow', copy);
    if (restoration.doubtful) return this.#orphan(key, 'blind') ?? { state: 'unavailable' };
    shadow.drop(key);
    return this.#orphan(key, 'orphan') ?? { state: 'absent' };
  }

  #ended(key: string, tombstone: Entry): Lookup {
    const { graveyard, shadow, maxOutage } = this.#parts;
    graveyard.bury(key, tombstone, maxOutage + ALLOWED_SKEW);
    shadow.drop(key);
    return { state: 'ended', tombstone };
  }

  #found(key: string, entry: Entry, confirmed: Confirmation): Lookup {
    const { shadow, restoration, journal } = this.#parts;
    if (restoration.distrusts(entry)) return { state: 'absent' };
    const newest = shadow.newest(key);
    const found = seen('primary', { entry, confirmed });
    const age = newest?.compare(entry) ?? 0;
    if (newest && age !== 0) {
      // What is there may have been built on less than this instance has seen: only who can open both can merge them.
      if (restoration.completes(newest, confirmed)) return { ...found, other: newest.entry };
      if (age > 0) return seen('shadow', newest);
    }
    shadow.meet(key, entry, confirmed);
    const orphan = journal.orphaned(key);
    return orphan ? { ...found, other: orphan.entry, orphaned: true } : found;
  }

  #fromShadow(key: string): Lookup {
    const { shadow, witness, modes } = this.#parts;
    const waiting = this.#waiting(key);
    if (waiting) return waiting;
    const copy = shadow.warm(key, { watch: witness.watch, outage: modes.unreadSince });
    return copy ? seen('shadow', copy) : (this.#orphan(key, 'blind') ?? { state: 'unavailable' });
  }
}

function seen(source: Source, { entry, confirmed }: Pick<Copy, 'entry' | 'confirmed'>): Found {
  return { state: 'found', entry, source, confirmed, standing: 'seen' };
}

type Told = Awaited<ReturnType<typeof Witness.prototype.ask<Entry | undefined>>>;
