import { SessionError } from '../../src/errors.js';
import { pseudonymOf } from '../../src/vault/token.js';
import type { AnySession, Book } from './book.js';
import type { End, Life, Operation, OutcomeKind, Write } from './facts.js';
import type { Instance } from './instance.js';
import { KEYS, type UserChecks } from './user-checks.js';

interface Settled<T> {
  readonly operation: Operation;
  readonly value: T | undefined;
}

export interface Loaded {
  readonly life: Life;
  readonly session: AnySession;
}

/** What users do, one call each: asks the manager of an instance, writes down what it said, and has it judged. */
export class Actions {
  readonly #book: Book;
  readonly #checks: UserChecks;

  constructor(book: Book, checks: UserChecks) {
    this.#book = book;
    this.#checks = checks;
  }

  async create(instance: Instance, owner: string, data: Record<string, string>): Promise<Life | undefined> {
    const { manager } = instance.sessions;
    const { operation, value } = await this.#run(instance, `create ${owner}`, 1, () =>
      manager.create({ ...data, owner }),
    );
    if (!value) return undefined;
    const life = this.#book.born(value.token, value.session, operation, undefined, owner);
    const writes = KEYS.filter(key => data[key] !== undefined).map(key =>
      this.#book.write(life, operation, key, data[key], undefined),
    );
    this.#acknowledge(life, instance, operation, writes);
    return life;
  }

  async load(instance: Instance, life: Life): Promise<Loaded | undefined> {
    const { operation, value } = await this.#run(instance, `load ${life.name}`, 1, async () => ({
      session: await instance.sessions.manager.load(life.token),
    }));
    if (!value) return undefined;
    const session = value.session as AnySession | undefined;
    this.#book.history.note(
      instance.name,
      `  ${session ? `${session.source} ${JSON.stringify(session)}` : 'nothing'}`,
    );
    this.#book.history.count(`load from ${session?.source ?? 'nowhere'}`);
    this.#checks.loaded(life, operation, instance, session);
    return session && { life, session };
  }

  /** Changes these keys of a session that was loaded some time ago, and saves it. */
  async save(
    instance: Instance,
    { life, session }: Loaded,
    keys: readonly string[],
    remove: boolean,
  ): Promise<boolean> {
    if (!instance.alive) return false;
    const operation = this.#begin(instance, `save ${life.name} ${keys.join(' ')}${remove ? ' removed' : ''}`);
    const writes = this.#change(life, session, operation, keys, remove);
    await this.#settle(operation, instance, 1, () => instance.sessions.manager.save(session));
    if (writes.length > 0) this.#checks.saved(life, operation, instance);
    if (operation.outcome === 'acknowledged') this.#acknowledge(life, instance, operation, writes);
    return operation.outcome === 'acknowledged';
  }

  async regenerate(
    instance: Instance,
    { life, session }: Loaded,
    keys: readonly string[],
  ): Promise<Life | undefined> {
    if (!instance.alive) return undefined;
    const operation = this.#begin(instance, `regenerate ${life.name} ${keys.join(' ')}`);
    const end: End = { kind: 'regenerated', operation, excused: false };
    life.ends.push(end);
    const changes = this.#change(life, session, operation, keys, false);
    const data = session.toJSON();
    const { value } = await this.#settle(operation, instance, 2, () =>
      instance.sessions.manager.regenerate(session),
    );
    if (value === undefined) return undefined;
    this.#book.ended(life, instance, end);
    const fresh = this.#book.born(value, session, operation, life, life.owner);
    const carried = KEYS.filter(key => data[key] !== undefined).map(key =>
      this.#book.find(life, key, data[key]),
    );
    const writes = new Set([...changes, ...carried.filter(write => write !== undefined)]);
    this.#acknowledge(fresh, instance, operation, [...writes]);
    return fresh;
  }

  async destroy(instance: Instance, life: Life, session?: AnySession): Promise<boolean> {
    if (!instance.alive) return false;
    const operation = this.#begin(instance, `destroy ${life.name}${session ? '' : ' by token'}`);
    const end: End = { kind: 'destroyed', operation, excused: false };
    life.ends.push(end);
    await this.#settle(operation, instance, 1, () =>
      instance.sessions.manager.destroy(session ?? life.token),
    );
    if (operation.outcome === 'acknowledged') this.#book.ended(life, instance, end);
    return operation.outcome === 'acknowledged';
  }

  #change(
    life: Life,
    session: AnySession,
    operation: Operation,
    keys: readonly string[],
    remove: boolean,
  ): Write[] {
    // Removing what is not there changes nothing.
    const changed = remove ? keys.filter(key => session[key] !== undefined) : keys;
    return changed.map(key => {
      const seen = session[key];
      const value = remove ? undefined : this.#book.value();
      if (remove) Reflect.deleteProperty(session, key);
      else Object.assign(session, { [key]: value });
      return this.#book.write(life, operation, key, value, seen);
    });
  }

  #acknowledge(life: Life, instance: Instance, operation: Operation, writes: readonly Write[]): void {
    operation.by = instance.savedBy.get(pseudonymOf(life.identity.key)) ?? 'primary';
    this.#book.history.note(instance.name, `  kept by ${operation.by}`);
    this.#book.pledge(life, instance, operation, writes);
    if (operation === life.birth)
      life.birthExcused = life.losses.length > 0 && instance.journal.get(life.identity.key) === undefined;
  }

  #run<T>(instance: Instance, name: string, deadlines: number, act: () => Promise<T>): Promise<Settled<T>> {
    return this.#settle(this.#begin(instance, name), instance, deadlines, act);
  }

  #begin(instance: Instance, name: string): Operation {
    const { timeline, history, operations } = this.#book;
    history.note(instance.name, name);
    const operation: Operation = {
      name,
      instance: instance.name,
      started: timeline.now,
      settled: Infinity,
      firstTurn: this.#book.turn(),
      heard: instance.heard,
      lastTurn: Infinity,
      outcome: 'open',
      by: undefined,
    };
    operations.add(operation);
    return operation;
  }

  async #settle<T>(
    operation: Operation,
    instance: Instance,
    deadlines: number,
    act: () => Promise<T>,
  ): Promise<Settled<T>> {
    const { timeline, history, operations } = this.#book;
    const ended = await Promise.race([instance.died, outcomeOf(act)]);
    operations.delete(operation);
    // Where the process died nobody heard how it ended.
    if (ended === 'died') return { operation, value: undefined };
    operation.settled = timeline.now;
    operation.lastTurn = this.#book.turn();
    operation.outcome = ended.outcome;
    history.note(instance.name, `  ${operation.name}: ${ended.outcome}`);
    history.count(`${operation.name.split(' ')[0] ?? ''} ${ended.outcome}`);
    this.#checks.settled(operation, instance, ended.error, deadlines);
    return { operation, value: ended.value };
  }
}

interface Outcome<T> {
  readonly outcome: OutcomeKind;
  readonly value?: T;
  readonly error?: unknown;
}

async function outcomeOf<T>(act: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { outcome: 'acknowledged', value: await act() };
  } catch (error) {
    const refused = error instanceof SessionError && error.code === 'SESSION_ENDED';
    return { outcome: refused ? 'refused' : 'unknown', error };
  }
}
