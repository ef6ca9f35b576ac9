import { EventEmitter } from 'eventemitter3';
import type { CircuitName, FaultClass, Ledger, Reason } from './snapshot.js';

interface SessionPayload {
  /** The session's pseudonym. */
  readonly session?: string;
  readonly reason?: string;
}

interface JournalPayload {
  readonly items: number;
  readonly bytes: number;
  readonly kind: 'record' | 'tombstone';
}

/** Every event with its payload. `at` (wall-clock ms) is added to each; payloads are frozen. */
export interface EventPayloads {
  'store:degraded': { readonly reason: Reason; readonly circuit: CircuitName };
  'store:recovering': { readonly pending: number };
  'store:recovered': Ledger & { readonly outageMs: number };
  'store:error': { readonly operation: string; readonly class: FaultClass; readonly code: string };
  'store:data-loss': { readonly cause: string };
  'circuit:open': { readonly circuit: CircuitName; readonly reason: Reason };
  'circuit:close': { readonly circuit: CircuitName; readonly reason: Reason };
  'journal:added': JournalPayload;
  'journal:full': JournalPayload;
  'journal:evicted': JournalPayload;
  'migration:progress': { readonly done: number; readonly left: number };
  'migration:conflict': SessionPayload & { readonly keys: number };
  'migration:quarantined': SessionPayload;
  'session:created': SessionPayload;
  'session:loaded': SessionPayload & { readonly source: string; readonly ms: number };
  'session:saved': SessionPayload & { readonly by: 'primary' | 'journal'; readonly ms: number };
  'session:touched': SessionPayload & { readonly ms: number };
  'session:regenerated': SessionPayload;
  'session:authenticated': SessionPayload;
  'session:destroyed': SessionPayload & { readonly ms: number };
  'session:expired': SessionPayload;
  'session:gone': SessionPayload;
  'session:conflict': SessionPayload & { readonly keys: number };
  'session:unavailable': SessionPayload & { readonly ms?: number };
  'session:cookie-lost': SessionPayload;
  'security:forged-token': SessionPayload;
  'security:undecryptable': SessionPayload;
  'security:unknown-key': SessionPayload;
  'security:flood': SessionPayload;
}

export type EventName = keyof EventPayloads;
export type SessionEvent<Name extends EventName> = Readonly<EventPayloads[Name]> & { readonly at: number };
export type EventMap = { [Name in EventName]: (event: SessionEvent<Name>) => void };

/** How the layers below report: they know neither listeners nor stats. */
export type Emit = <Name extends EventName>(name: Name, payload: EventPayloads[Name]) => void;

type Listener = (...args: unknown[]) => unknown;

/**
 * The emitter that apps listen to. A listener that throws or rejects is reported to `onListenerError` with the event's
 * name alone, and reaches neither other listeners nor the library.
 */
export class SessionEvents extends EventEmitter<EventMap> {
  readonly #guarded = new WeakMap<Listener, Map<string, Listener>>();
  readonly #onListenerError: (event: string) => void;

  constructor(onListenerError: (event: string) => void) {
    super();
    this.#onListenerError = onListenerError;
    for (const name of ['on', 'once', 'addListener'] as const) this.#guardSubscriptions(name);
    for (const name of ['off', 'removeListener'] as const) this.#guardRemovals(name);
  }

  #guardSubscriptions(name: 'on' | 'once' | 'addListener'): void {
    const subscribe = EventEmitter.prototype[name] as (
      event: string,
      fn: Listener,
      context?: unknown,
    ) => unknown;
    const guarded = (event: string, fn: Listener, context?: unknown): this => {
      // The emitter has words of its own for what is no function.
      subscribe.call(this, event, typeof fn === 'function' ? this.#guard(event, fn) : fn, context);
      return this;
    };
    Object.defineProperty(this, name, { value: guarded });
  }

  #guardRemovals(name: 'off' | 'removeListener'): void {
    const remove = EventEmitter.prototype[name] as (
      event: string,
      fn?: Listener,
      ...rest: unknown[]
    ) => unknown;
    const guarded = (event: string, fn?: Listener, ...rest: unknown[]): this => {
      remove.call(this, event, fn && (this.#guarded.get(fn)?.get(event) ?? fn), ...rest);
      return this;
    };
    Object.defineProperty(this, name, { value: guarded });
  }

  #guard(event: string, listener: Listener): Listener {
    const mine = this.#guarded.get(listener) ?? new Map<string, Listener>();
    const known = mine.get(event);
    if (known) return known;
    const report = (): void => this.#onListenerError(event);
    const guarded: Listener = function (this: unknown, ...args) {
      try {
        const result = listener.apply(this, args);
        if (result instanceof Promise) result.catch(report);
      } catch {
        report();
      }
    };
    this.#guarded.set(listener, mine.set(event, guarded));
    return guarded;
  }
}
