import { ALLOWED_SKEW, type Clock } from '../clock.js';
import { SessionError } from '../errors.js';
import type { Emit } from '../observe/events.js';
import type { SupervisorSnapshot } from '../observe/snapshot.js';
import { type Entry, isTombstone, type Stamps } from '../store/entry.js';
import type {
  Expected,
  Found,
  Lookup,
  ResilientStore,
  SessionStore,
  Settled,
  WriteIntent,
} from '../store/store.js';
import { Cache } from './cache.js';
import type { BreakerOptions } from './circuit.js';
import { Budget } from './deadline.js';
import { Graveyard } from './graveyard.js';
import { Journal } from './journal.js';
import type { JournalItem } from './journal-item.js';
import { Judge } from './judge.js';
import { drainForGood, type LastDrainParts } from './last-drain.js';
import { type Fate, LedgerBook } from './ledger.js';
import { Migration } from './migration.js';
import { ModeSwitch } from './mode.js';
import { type CanaryResult, Probe, type ProbeOptions, type SealCheck } from './probe.js';
import { Reader } from './reader.js';
import { type LossPolicy, Restoration } from './restoration.js';
import { Serial } from './serial.js';
import type { World } from './settle.js';
import { Shadow, type ShadowOptions } from './shadow.js';
import { Traffic } from './traffic.js';
import { Warming } from './warming.js';
import { Witness } from './witness.js';
import { Writer } from './writer.js';

export interface SupervisorOptions {
  readonly deadline: number;
  readonly breaker: BreakerOptions;
  readonly probe: ProbeOptions;
  readonly journal: { readonly maxBytes: number };
  readonly shadow: ShadowOptions | false;
  /** Answer from copies that are known to be what the store holds. */
  readonly cache: boolean;
  readonly maxOutage: number;
  readonly afterDataLoss: LossPolicy;
  /** The longest that a session can live, ms. */
  readonly absoluteTimeout: number;
}

export interface SupervisorParts {
  readonly store: SessionStore;
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly emit: Emit;
  readonly sealCheck: () => SealCheck;
  readonly pseudonymOf: (key: string) => string;
  /** Until it resolves this process is busy with itself: nothing is asked, so that no budget is spent on that. */
  readonly opening?: Promise<void>;
  readonly journal?: Journal;
  readonly graveyard?: Graveyard;
  readonly shadow?: Shadow;
}

export interface LeftBehind {
  /** Writes that Redis has not acknowledged and that die with this process. */
  readonly items: number;
  readonly bytes: number;
}

/** Routes each operation by the state of the circuits, keeps what Redis has not acknowledged, and brings it back. */
export class Supervisor implements ResilientStore {
  readonly #options: SupervisorOptions;
  readonly #parts: SupervisorParts;
  readonly #modes: ModeSwitch;
  readonly #journal: Journal;
  readonly #graveyard: Graveyard;
  readonly #shadow: Shadow;
  readonly #writer: Writer;
  readonly #migration: Migration;
  readonly #probe: Probe;
  readonly #verdicts: Judge;
  readonly #reader: Reader;
  readonly #cache: Cache | undefined;
  readonly #restoration: Restoration;
  readonly #warming: Warming;
  readonly #serial = new Serial();
  readonly #traffic: Traffic;
  readonly #totals = new LedgerBook();
  #offset: number | undefined;
  readonly #lastDrain: LastDrainParts;
  #opening: Promise<unknown> | undefined;
  #closed = false;

  constructor(options: SupervisorOptions, parts: SupervisorParts) {
    const { clock, emit, store, stamps } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#journal = parts.journal ?? new Journal(options.journal.maxBytes);
    this.#graveyard = parts.graveyard ?? new Graveyard(clock);
    this.#shadow = parts.shadow ?? new Shadow(options.shadow);
    const outage = new LedgerBook();
    const count = (fate: Fate): void => [outage, this.#totals].forEach(book => book.count(fate));
    this.#modes = new ModeSwitch(options.breaker, clock, emit, outage, () => this.#degraded());
    const witness = new Witness(store, clock);
    const kept = { journal: this.#journal, graveyard: this.#graveyard, shadow: this.#shadow };
    this.#traffic = new Traffic(clock);
    const traffic = this.#traffic;
    const shared = { ...options, ...kept, traffic, store, clock, stamps, emit, witness, modes: this.#modes };
    const serial = this.#serial;
    this.#restoration = new Restoration({
      ...shared,
      serial,
      policy: options.afterDataLoss,
      longestLife: options.absoluteTimeout,
    });
    const { pseudonymOf } = parts;
    this.#writer = new Writer({
      ...shared,
      count,
      pseudonymOf,
      world: this.#world(),
      restoration: this.#restoration,
    });
    this.#reader = new Reader({ ...shared, serial, writer: this.#writer, restoration: this.#restoration });
    const lease = { lease: options.deadline, restoration: this.#restoration };
    if (options.cache) this.#cache = new Cache({ ...shared, ...lease, read: key => this.#refresh(key) });
    const onEmpty = (): void => this.#modes.settled();
    this.#migration = new Migration({ ...shared, serial, writer: this.#writer, onEmpty });
    const migration = this.#migration;
    this.#verdicts = new Judge({ ...shared, migration, goOn: () => this.#goOn() });
    this.#warming = new Warming({
      ...shared,
      watching: () => store.watching?.(),
      read: key => this.#refresh(key),
    });
    store.watch?.({
      changed: key => this.#changed(witness, key),
      doubted: key => this.#shadow.changed(key),
      flushed: () => this.#flushed(witness),
      reached: () => this.#reached(witness),
    });
    const troubled = (): boolean => this.#modes.mode.state === 'degraded';
    const canary = { ...shared, sealCheck: parts.sealCheck };
    this.#lastDrain = { ...shared, canary, writer: this.#writer, migration };
    this.#probe = new Probe(canary, options.probe, troubled, report => this.#judge(report));
    this.#opening = parts.opening?.then(() => (this.#opening = undefined));
  }

  /** Sends the first canary; the others follow by themselves. */
  start(): Promise<CanaryResult> {
    return this.check();
  }

  /** A canary now. Never rejects. */
  check(): Promise<CanaryResult> {
    return this.#opening ? this.#opening.then(() => this.#probe.now()) : this.#probe.now();
  }

  /** The next canary that is sent anyway, or the last one if none comes within `ms`. */
  nextCanary(ms: number): Promise<CanaryResult> {
    return this.#probe.next(ms);
  }

  known(key: string): Found | undefined {
    return this.#cache?.known(key);
  }

  lookup(key: string, waited = 0): Promise<Lookup> {
    if (this.#opening) return this.#opening.then(() => this.lookup(key, waited));
    const budget = new Budget(this.#parts.clock, Math.max(0, this.#options.deadline - waited));
    return this.#traffic.serve(() => this.#reader.lookup(key, budget));
  }

  async read(key: string): Promise<Entry | undefined> {
    const found = await this.lookup(key);
    if (found.state === 'ended') return found.tombstone;
    if (found.state === 'found') return found.entry;
    if (found.state === 'unavailable') throw new SessionError('STORE_UNAVAILABLE', 'the store cannot say');
    return undefined;
  }

  async swap(
    key: string,
    entry: Entry,
    expected: Expected,
    ttl: number,
    intent?: WriteIntent,
  ): Promise<Settled> {
    const { clock } = this.#parts;
    if (expected === 'any' && !isTombstone(entry))
      throw new RangeError("swap(): 'any' is for tombstones only");
    if (this.#closed) throw new SessionError('STORE_UNAVAILABLE', 'sessions are closed');
    if (expected === 'any') {
      this.#graveyard.bury(key, entry, ttl);
      this.#shadow.drop(key);
      this.#writer.adopted(key, 'superseded');
    }
    if (this.#opening) await this.#opening;
    const budget = new Budget(clock, Math.max(0, this.#options.deadline - (intent?.waited ?? 0)));
    const now = clock.monotonic();
    const item: JournalItem = {
      key,
      entry,
      expected,
      origin: intent?.blind ? 'blind' : expected === null ? 'created' : 'based',
      tier: intent?.tier ?? 'new',
      expires: now + ttl,
      life: ttl,
      added: now,
      confirmed: intent?.confirmed,
      intent,
      since: expected === null || expected === 'any' ? undefined : expected,
      after: intent?.after,
    };
    try {
      return await this.#traffic.serve(() => this.#serial.run(key, () => this.#writer.write(item, budget)));
    } finally {
      this.#migration.kick();
    }
  }

  adopted(key: string): void {
    this.#writer.adopted(key, 'migrated');
  }

  discard(key: string): void {
    this.#shadow.drop(key);
  }

  snapshot(): SupervisorSnapshot {
    const now = this.#parts.clock.monotonic();
    return {
      mode: this.#modes.mode.state,
      reads: this.#modes.read.closed,
      backlog: {
        items: this.#journal.size,
        bytes: this.#journal.bytes,
        oldestMs: Math.round(this.#journal.oldest(now)),
      },
      journalFull: this.#journal.full,
      shadow: { items: this.#shadow.size, bytes: this.#shadow.bytes },
      lastOutage: this.#modes.lastOutage,
      canary: this.#probe.last,
      ledger: this.#totals.ledger,
      closed: this.#closed,
    };
  }

  watching(): number | undefined {
    return this.#parts.store.watching?.();
  }

  mayEvict(): boolean {
    return this.#parts.store.mayEvict?.() ?? false;
  }

  /** Drains what the store takes within `bound` ms, then lets go of everything. Never hangs on a frozen server. */
  async close(bound = this.#options.deadline * 4): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#probe.close();
    this.#restoration.close();
    this.#warming.close();
    await drainForGood(this.#lastDrain, new Budget(this.#parts.clock, bound));
    this.#migration.close();
    await new Budget(this.#parts.clock, bound)
      .bound(async () => this.#parts.store.close?.())
      .catch(() => undefined);
    this.#modes.release();
  }

  get left(): LeftBehind {
    return { items: this.#journal.size + this.#journal.orphans, bytes: this.#journal.bytes };
  }

  #degraded(): void {
    this.#verdicts.beginAnew();
    this.#probe.hurry();
  }

  #judge(report: CanaryResult): void {
    this.#observeStore();
    this.#writer.sweep();
    this.#verdicts.judge(report);
  }

  /** Background work that waits for a store that answers. */
  #goOn(): void {
    this.#migration.kick();
    this.#restoration.kick();
    this.#warming.kick();
  }

  #refresh(key: string): Promise<boolean> {
    return this.#reader.refresh(key, new Budget(this.#parts.clock, this.#options.deadline));
  }

  /** An outage ends no sooner than a canary finds out. Without one, nobody has reported changes for a moment. */
  #reached(witness: Witness): void {
    if (this.#modes.mode.state === 'degraded') this.#probe.hurry();
    if (!this.#modes.read.closed) return;
    witness.renew();
    this.#warming.kick();
  }

  #changed(witness: Witness, key: string): void {
    witness.changed(key);
    this.#shadow.changed(key);
    this.#warming.changed(key);
  }

  #flushed(witness: Witness): void {
    witness.flushed();
    this.#shadow.clear();
  }

  #observeStore(): void {
    const { store, clock, emit } = this.#parts;
    this.#restoration.observe();
    const offset = store.clockOffset?.();
    // One measurement corrects once: it was taken by the clock as it was then.
    if (offset === undefined || offset === this.#offset || Math.abs(offset) <= ALLOWED_SKEW) return;
    this.#offset = offset;
    clock.correct(offset);
    emit('store:error', { operation: 'clock', class: 'ours', code: 'skew' });
  }

  #world(): World {
    const { store, clock } = this.#parts;
    return {
      now: () => clock.monotonic(),
      incarnation: () => {
        this.#restoration.observe();
        return store.incarnation?.();
      },
      incarnationSince: () => this.#restoration.since,
      mayEvict: () => store.mayEvict?.() ?? false,
      maxOutage: this.#options.maxOutage,
    };
  }
}
