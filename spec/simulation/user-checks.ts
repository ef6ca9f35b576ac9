import { SessionError } from '../../src/errors.js';
import type { AnySession, Book } from './book.js';
import { recordOf } from './book.js';
import { follows, type Life, type Operation } from './facts.js';
import type { Instance } from './instance.js';

export const KEYS = ['k0', 'k1', 'k2', 'k3'] as const;
/** Promises settle in no simulated time at all; timers are exact. */
const EPSILON = 1;

/** Judges what a user is told, at the moment of being told. */
export class UserChecks {
  readonly #book: Book;

  constructor(book: Book) {
    this.#book = book;
  }

  /** P5 and P6: in time, and with no errors but the documented ones. */
  settled(operation: Operation, instance: Instance, error: unknown, deadlines: number): void {
    const { history, bounds } = this.#book;
    const took = operation.settled - operation.started;
    if (took > deadlines * bounds.deadline + EPSILON)
      history.violated(`${operation.name} on ${instance.name} took ${took.toFixed(1)} ms (P5)`);
    if (error === undefined) return;
    const code = error instanceof SessionError ? error.code : String(error);
    const closed = code === 'CLOSED' && instance.closing;
    if (code !== 'SESSION_ENDED' && code !== 'STORE_UNAVAILABLE' && !closed)
      history.violated(`${operation.name} on ${instance.name} rejected with ${code} (P6)`);
  }

  loaded(life: Life, operation: Operation, instance: Instance, session: AnySession | undefined): void {
    if (!session) this.#missing(life, operation, instance);
    else this.#found(life, operation, instance, session);
  }

  /** Only what has ended, run out or been lost may be missing. */
  #missing(life: Life, operation: Operation, instance: Instance): void {
    if (this.mayBeMissing(life, operation)) return;
    this.#book.history.violated(`${life.name} is missing on ${instance.name} although it never ended`);
  }

  mayBeMissing(life: Life, operation: Operation): boolean {
    const { bounds, lives } = this.#book;
    if (life.ends.some(end => end.operation.started <= operation.settled)) return true;
    if (life.losses.length > 0 || life.birthExcused || life.reported.length > 0) return true;
    if (this.#book.endsWithAnother(life)) return true;
    return lives.size > 0 && operation.settled - life.birth.started >= bounds.idleTimeout - bounds.slack;
  }

  #found(life: Life, operation: Operation, instance: Instance, session: AnySession): void {
    const { history } = this.#book;
    const where = `${life.name} on ${instance.name}`;
    const record = recordOf(session);
    const data = session.toJSON();
    if (data['owner'] !== life.owner)
      history.violated(`${where}: the data are those of ${String(data['owner'])}`);
    if (record && (record.absolute !== life.absolute || record.created !== life.created))
      history.violated(`${where}: the absolute deadline moved`);
    this.#notEnded(life, operation, instance, session.source);
    for (const key of KEYS) this.#fresh(life, operation, instance, session, key, data[key]);
  }

  #notEnded(life: Life, operation: Operation, instance: Instance, source: string): void {
    const { history, bounds } = this.#book;
    const here = life.ends.find(
      ({ operation: end }) =>
        end.instance === instance.name && end.outcome === 'acknowledged' && follows(operation, end),
    );
    if (here) history.violated(`${life.name} is readable on ${instance.name} after its end there (P3)`);
    const { tombstone } = life.stored;
    // Redis reports changes in order with its answers: who has heard a later answer has heard of the end.
    const copied = source === 'shadow' || source === 'cache';
    if (copied && bounds.tracks && tombstone && tombstone.at < operation.heard)
      history.violated(
        `${life.name} is served from a copy on ${instance.name} that Redis has reported ended (P3)`,
      );
    const since = this.#statedBy(source, operation);
    if (since !== undefined && tombstone && tombstone.at < since)
      history.violated(
        `${life.name} is read from Redis (${source}) on ${instance.name} although it ended there (P3)`,
      );
  }

  /** What happened in Redis before this simulated ms an answer from there knows: the cache may be as old as its lease. */
  #statedBy(source: string, { started }: Operation): number | undefined {
    if (source === 'cache') return started - this.#book.bounds.deadline;
    return source === 'primary' ? started : undefined;
  }

  /** P1: what was acknowledged here, or by Redis where the answer came from Redis, is there, or something newer. */
  #fresh(
    life: Life,
    operation: Operation,
    instance: Instance,
    session: AnySession,
    key: string,
    value: unknown,
  ): void {
    const { history } = this.#book;
    const source = session.source;
    const since = this.#statedBy(source, operation);
    const due = life.pledges.filter(
      ({ operation: ack, excused }) =>
        !excused &&
        !life.reported.some(({ instance: reporter }) => reporter === ack.instance) &&
        ack.outcome === 'acknowledged' &&
        follows(operation, ack) &&
        (ack.instance === instance.name ||
          (since !== undefined && ack.settled <= since && ack.by === 'primary' && life.losses.length === 0)),
    );
    if (value !== undefined && !this.#book.find(life, key, value))
      history.violated(`${life.name}: ${key}=${String(value)} on ${instance.name} was written by nobody`);
    const forbids = this.#book.forbids(life, key, value, due);
    if (forbids)
      history.violated(
        `${life.name}: ${key}=${String(value)} on ${instance.name} (${source}) is older than ${forbids.write.value ?? 'its removal'} (P1)`,
      );
  }

  /** A write that was refused needs a reason; one that was kept must not have come after the end. */
  saved(life: Life, operation: Operation, instance: Instance): void {
    const { history } = this.#book;
    if (operation.outcome === 'refused' && !this.mayBeMissing(life, operation))
      history.violated(
        `${life.name}: a write on ${instance.name} was refused although the session never ended`,
      );
    if (operation.outcome !== 'acknowledged') return;
    const here = life.ends.find(
      ({ operation: end }) =>
        end.instance === instance.name && end.outcome === 'acknowledged' && follows(operation, end),
    );
    if (here)
      history.violated(`${life.name}: a write on ${instance.name} was acknowledged after the end (P3)`);
  }
}
