import type { Clock } from '../clock.js';
import type { Emit } from '../observe/events.js';
import type { CircuitName, Outage, Reason } from '../observe/snapshot.js';
import type { StoreFault } from '../store/fault.js';
import { type BreakerOptions, Circuit } from './circuit.js';
import type { LedgerBook } from './ledger.js';

/** Times are monotonic ms. */
export type Mode =
  | { readonly state: 'healthy' }
  | {
      readonly state: 'degraded';
      readonly since: number;
      readonly reason: Reason;
      readonly circuit: CircuitName;
    }
  | { readonly state: 'recovering'; readonly since: number; readonly pending: number };

/** The two circuits and the state that they add up to. All transitions are here. */
export class ModeSwitch {
  readonly read: Circuit;
  readonly write: Circuit;
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #ledger: LedgerBook;
  readonly #onDegraded: () => void;
  #mode: Mode = { state: 'healthy' };
  #lastOutage: Outage | undefined;
  #firstReason: Reason = 'other';

  constructor(options: BreakerOptions, clock: Clock, emit: Emit, ledger: LedgerBook, onDegraded: () => void) {
    const onOpen = (circuit: Circuit, fault: StoreFault): void => this.#opened(circuit, fault);
    this.read = new Circuit('read', options, clock, onOpen);
    this.write = new Circuit('write', options, clock, onOpen);
    this.#clock = clock;
    this.#emit = emit;
    this.#ledger = ledger;
    this.#onDegraded = onDegraded;
  }

  get mode(): Mode {
    return this.#mode;
  }

  get lastOutage(): Outage | undefined {
    return this.#lastOutage;
  }

  /** Monotonic ms since which reads cannot be answered; now, where they can. */
  get unreadSince(): number {
    return this.read.since ?? this.#clock.monotonic();
  }

  /** Opens what `fault` breaks: both circuits, unless only writes are concerned. */
  trip(fault: StoreFault): void {
    this.#opened(fault.writeOnly ? this.write : this.read, fault);
  }

  /** Reads work again while writes do not. */
  restoreReads(): void {
    this.#close(this.read);
  }

  restore(pending: number): void {
    if (this.#mode.state !== 'degraded') return;
    this.#close(this.read);
    this.#close(this.write);
    this.#mode = { state: 'recovering', since: this.#mode.since, pending };
    this.#emit('store:recovering', { pending });
  }

  /** The journal is empty: the outage is over. */
  settled(): void {
    if (this.#mode.state !== 'recovering') return;
    const ms = this.#clock.monotonic() - this.#mode.since;
    this.#lastOutage = { at: this.#clock.wall() - ms, ms, reason: this.#firstReason };
    this.#mode = { state: 'healthy' };
    this.#emit('store:recovered', { outageMs: Math.round(ms), ...this.#ledger.close() });
  }

  /** The end: no timer stays behind. */
  release(): void {
    this.read.release();
    this.write.release();
  }

  #opened(circuit: Circuit, fault: StoreFault): void {
    const broken = fault.writeOnly ? [this.write] : [this.read, this.write];
    const news = new Set([circuit, ...broken]);
    for (const each of news) {
      const open = each.reason !== undefined && each !== circuit;
      each.open(fault);
      if (!open) this.#emit('circuit:open', { circuit: each.name, reason: fault.reason });
    }
    if (this.#mode.state !== 'degraded') this.#degrade(circuit, fault);
  }

  #degrade(circuit: Circuit, { reason }: StoreFault): void {
    const since = this.#mode.state === 'recovering' ? this.#mode.since : this.#clock.monotonic();
    if (this.#mode.state === 'healthy') {
      this.#firstReason = reason;
      // What single faults before had left, and the drain took, belongs to no outage.
      this.#ledger.close();
    }
    this.#mode = { state: 'degraded', since, reason, circuit: circuit.name };
    this.#emit('store:degraded', { reason, circuit: circuit.name });
    this.#onDegraded();
  }

  #close(circuit: Circuit): void {
    const reason = circuit.reason;
    if (reason === undefined) return;
    circuit.close();
    this.#emit('circuit:close', { circuit: circuit.name, reason });
  }
}
