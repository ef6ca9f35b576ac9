import type { SealedIdentity } from '../../src/vault/vault.js';
import { Vault } from '../../src/vault/vault.js';
import { pseudonymOf } from '../../src/vault/token.js';
import { decodeRecord, type SessionRecord } from '../../src/session/record.js';
import { Session } from '../../src/session/session.js';
import { type Entry, stampOf } from '../../src/store/entry.js';
import {
  type End,
  type Life,
  type Loss,
  type Operation,
  type Pledge,
  precedes,
  type Write,
} from './facts.js';
import type { History } from './history.js';
import type { Instance } from './instance.js';
import type { InstanceClock, Timeline } from './time.js';

export interface Bounds {
  readonly deadline: number;
  /** How far clocks may be apart without a promise being broken: the skew between instances. */
  readonly slack: number;
  readonly idleTimeout: number;
  readonly maxOutage: number;
  /** Redis reports changes to the instances. */
  readonly tracks: boolean;
  /** Instances have room for copies of all sessions. */
  readonly copies: boolean;
}

/** Nobody brings back what was deleted on purpose, evicted one by one, or overwritten by others. */
const FOR_GOOD = ['flushall', 'eviction', 'spoilt'];

/** A session as tests handle it: data are whatever was put there. */
export type AnySession = Session & Record<string, unknown>;

/** What is known of all sessions: who wrote, who ended, what was acknowledged and what was lost by documented faults. */
export class Book {
  readonly lives = new Map<string, Life>();
  readonly byPseudonym = new Map<string, Life>();
  readonly operations = new Set<Operation>();
  readonly timeline: Timeline;
  readonly history: History;
  readonly bounds: Bounds;
  readonly vault: Vault;
  /** Losses under keys that nobody has heard of yet: their session is being created. */
  readonly #early = new Map<string, Loss[]>();
  /** An instance has noticed that data may be lost. */
  suspected = false;
  onBorn: (life: Life) => void = () => undefined;
  #values = 0;
  #turns = 0;

  constructor(timeline: Timeline, history: History, bounds: Bounds, secret: string, clock: InstanceClock) {
    this.timeline = timeline;
    this.history = history;
    this.bounds = bounds;
    this.vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, clock);
  }

  turn(): number {
    return (this.#turns += 1);
  }

  /** A value that occurs once. */
  value(): string {
    return `v${(this.#values += 1)}`;
  }

  open(identity: SealedIdentity, entry: Entry): SessionRecord | undefined {
    const opened = this.vault.open(identity, entry);
    return opened.opened ? decodeRecord(opened.text) : undefined;
  }

  born(token: string, session: Session, operation: Operation, from: Life | undefined, owner: string): Life {
    const claims = this.vault.verify(token);
    if (typeof claims === 'string') throw new Error(`a token that does not verify: ${claims}`);
    const record = recordOf(session);
    if (!record) throw new Error('a token without a session');
    const { identity } = claims;
    const life: Life = {
      owner,
      name: from ? `${from.name}+${1 + from.ends.length}` : owner,
      identity,
      token,
      absolute: record.absolute,
      created: record.created,
      birth: operation,
      birthExcused: false,
      from,
      pledges: [],
      writes: [],
      ends: [],
      losses: [...(this.#early.get(identity.key) ?? [])],
      reported: [],
      stored: { put: undefined, tombstone: undefined, replaced: undefined, stamps: new Map() },
    };
    this.lives.set(identity.key, life);
    this.byPseudonym.set(pseudonymOf(identity.key), life);
    this.onBorn(life);
    return life;
  }

  /** The write that put this value, here or in a session that this one came from. */
  find(life: Life, key: string, value: unknown): Write | undefined {
    for (let each: Life | undefined = life; each; each = each.from) {
      const found = each.writes.findLast(write => write.key === key && write.value === value);
      if (found) return found;
    }
    return undefined;
  }

  write(life: Life, operation: Operation, key: string, value: string | undefined, seen: unknown): Write {
    const saw = seen === undefined ? undefined : this.find(life, key, seen);
    const write: Write = { key, value, operation, saw };
    life.writes.push(write);
    return write;
  }

  pledge(life: Life, instance: Instance, operation: Operation, writes: readonly Write[]): void {
    const excused = this.#lostMeanwhile(life, instance, operation);
    for (const write of writes) life.pledges.push({ write, operation, excused });
  }

  ended(life: Life, instance: Instance, end: End): void {
    end.excused = this.#lostMeanwhile(life, instance, end.operation);
  }

  /** `dead`: an instance is gone that may have been the last to know. */
  lost(key: string, cause: string, holders: readonly Instance[]): void {
    const dead = holders.some(one => !one.alive);
    const restored = !FOR_GOOD.includes(cause) && !dead && this.bounds.copies;
    const loss: Loss = { at: this.timeline.now, cause, restored };
    const life = this.lives.get(key);
    if (!life) {
      this.#early.set(key, [...(this.#early.get(key) ?? []), loss]);
      return;
    }
    life.losses.push(loss);
    if (restored) return;
    // What Redis has put waits no longer: the news of it is on its way.
    const waits = ({ journal }: Instance): boolean => {
      const item = journal.get(key);
      return item !== undefined && stampOf(item.entry) !== life.stored.put;
    };
    const held = (operation: Operation): boolean =>
      holders.some(one => one.alive && one.name === operation.instance && waits(one));
    this.#excuse(life, operation => operation.outcome !== 'open' && !held(operation));
    // Who took a logout offers its tombstone again for as long as it lives.
    if (FOR_GOOD.includes(cause)) return;
    for (const end of life.ends)
      if (holders.some(one => one.alive && one.name === end.operation.instance)) end.excused = false;
  }

  /** What waited in this process for Redis has died with it. */
  buried(instance: Instance): void {
    for (const operation of this.operations) {
      if (operation.instance !== instance.name || operation.outcome !== 'open') continue;
      operation.outcome = 'unknown';
      operation.settled = this.timeline.now;
      operation.lastTurn = this.turn();
    }
    for (const [key, life] of this.lives) {
      if (instance.journal.get(key) !== undefined)
        this.#excuse(life, operation => operation.instance === instance.name);
      // It may have been the last to know what Redis had lost.
      const last = life.losses.at(-1);
      if (last) this.#excuse(life, operation => operation.started <= last.at);
    }
  }

  #excuse(life: Life, applies: (operation: Operation) => boolean): void {
    for (const pledge of life.pledges) if (applies(pledge.operation)) pledge.excused = true;
    for (const end of life.ends) if (applies(end.operation)) end.excused = true;
    if (applies(life.birth)) life.birthExcused = true;
  }

  #lostMeanwhile(life: Life, instance: Instance, operation: Operation): boolean {
    const meanwhile = life.losses.some(loss => loss.at >= operation.started && !loss.restored);
    return meanwhile && instance.journal.get(life.identity.key) === undefined;
  }

  /** The pledge that forbids this value under this key, if one does. */
  forbids(life: Life, key: string, value: unknown, pledges: readonly Pledge[]): Pledge | undefined {
    const { slack } = this.bounds;
    const candidates = this.#candidates(life, key, value);
    return pledges.find(
      ({ write }) =>
        write.key === key &&
        write.value !== value &&
        candidates.every(candidate => candidate === undefined || precedes(candidate, write, slack)),
    );
  }

  /** An earlier id of this session was destroyed elsewhere, or evicted, before it moved: then its successors end too. */
  endsWithAnother(life: Life): boolean {
    for (let each = life.from; each; each = each.from) {
      const lost = each.reported.some(({ reason }) => reason === 'evicted');
      if (lost || each.ends.some(({ kind }) => kind === 'destroyed')) return true;
    }
    return false;
  }

  /** Who can have put this value; `undefined` stands for nobody at all: the key was never there. */
  #candidates(life: Life, key: string, value: unknown): (Write | undefined)[] {
    if (value !== undefined) return [this.find(life, key, value)];
    const removals: Write[] = [];
    for (let each: Life | undefined = life; each; each = each.from)
      removals.push(...each.writes.filter(write => write.key === key && write.value === undefined));
    return [undefined, ...removals];
  }
}

export function recordOf(session: Session): SessionRecord | undefined {
  return Session.stateOf(session).base?.record;
}
