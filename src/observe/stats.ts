import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Clock } from '../clock.js';
import type { SecretReport, SupervisorSnapshot } from './snapshot.js';
import type { EventName, EventPayloads } from './events.js';

export interface LatencyMs {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** One frozen reading. Counters count since the start; rates look at the last minute. */
export interface Stats {
  /** How often each event occurred. */
  readonly counters: Readonly<Partial<Record<EventName, number>>>;
  /** How often each source answered a load: `source` of a session. */
  readonly sources: Readonly<Record<string, number>>;
  /** Per second. `errorRate`: faults of the store for each load and save, 0 to 1. */
  readonly rates: { readonly loads: number; readonly saves: number; readonly errorRate: number };
  /** What requests waited for a load, and for a save. */
  readonly latencyMs: { readonly load: LatencyMs; readonly save: LatencyMs };
  readonly store: Omit<SupervisorSnapshot, 'canary'>;
  readonly secrets: SecretReport;
}

const WINDOW_SECONDS = 60;
const MICROS = 1_000;

/** Events with `ms` that say how a load ended; all others with it are about saves. */
const LOADS: ReadonlySet<EventName> = new Set(['session:loaded', 'session:unavailable']);

type Kind = 'loads' | 'saves' | 'errors';

/** Counts by the second over the last minute. */
class Window {
  readonly #clock: Clock;
  readonly #seconds = new Map<number, Record<Kind, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(kind: Kind): void {
    const second = Math.floor(this.#clock.monotonic() / 1000);
    const bucket = this.#seconds.get(second) ?? { loads: 0, saves: 0, errors: 0 };
    bucket[kind] += 1;
    this.#seconds.set(second, bucket);
    for (const old of this.#seconds.keys()) {
      if (old > second - WINDOW_SECONDS) break;
      this.#seconds.delete(old);
    }
  }

  sum(kind: Kind): number {
    const from = Math.floor(this.#clock.monotonic() / 1000) - WINDOW_SECONDS;
    let sum = 0;
    for (const [second, bucket] of this.#seconds) if (second > from) sum += bucket[kind];
    return sum;
  }
}

/** Counters folded from events. */
export class StatsBook {
  readonly #counters: Partial<Record<EventName, number>> = {};
  readonly #sources: Record<string, number> = {};
  readonly #window: Window;
  readonly #load = createHistogram();
  readonly #save = createHistogram();

  constructor(clock: Clock) {
    this.#window = new Window(clock);
  }

  fold<Name extends EventName>(name: Name, payload: EventPayloads[Name]): void {
    this.#counters[name] = (this.#counters[name] ?? 0) + 1;
    if ('source' in payload) this.#sources[payload.source] = (this.#sources[payload.source] ?? 0) + 1;
    if (name === 'store:error') this.#window.add('errors');
    if (!('ms' in payload) || payload.ms === undefined) return;
    if (LOADS.has(name)) this.#timed('loads', this.#load, payload.ms);
    else this.#timed('saves', this.#save, payload.ms);
  }

  read(snapshot: SupervisorSnapshot, secrets: SecretReport): Stats {
    const { canary: _, ...store } = snapshot;
    const [loads, saves, errors] = [
      this.#window.sum('loads'),
      this.#window.sum('saves'),
      this.#window.sum('errors'),
    ];
    const errorRate = Math.min(1, errors / Math.max(1, loads + saves));
    return deepFreeze({
      counters: { ...this.#counters },
      sources: { ...this.#sources },
      rates: { loads: loads / WINDOW_SECONDS, saves: saves / WINDOW_SECONDS, errorRate },
      latencyMs: { load: quantiles(this.#load), save: quantiles(this.#save) },
      store: structuredClone(store),
      secrets,
    });
  }

  #timed(kind: 'loads' | 'saves', histogram: RecordableHistogram, ms: number): void {
    this.#window.add(kind);
    histogram.record(Math.max(1, Math.round(ms * MICROS)));
  }
}

function quantiles(histogram: RecordableHistogram): LatencyMs {
  if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 };
  const ms = (micros: number): number => micros / MICROS;
  return { p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)), max: ms(histogram.max) };
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value))
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}
