import { createSessions, type Sessions } from '../../src/create.js';
import type { Parts } from '../../src/create.js';
import type { SessionOptions } from '../../src/options.js';
import { SimulatedConnection } from './connection.js';
import type { History } from './history.js';
import { Cable } from './network.js';
import { Random } from './random.js';
import type { Command, RedisModel } from './redis-model.js';
import { InstanceClock, type Timeline } from './time.js';
import { WatchedJournal } from './watched-journal.js';

export interface InstanceParts {
  readonly timeline: Timeline;
  readonly history: History;
  readonly redis: RedisModel;
  readonly seed: string;
  readonly options: SessionOptions;
  readonly tracks: boolean;
  /** How far its clock is off, ms. */
  readonly offset: number;
  /** Makes a broken variant of it. */
  readonly twist: ((parts: Parts, instance: Instance) => Parts) | undefined;
  readonly onReported: (instance: Instance, pseudonym: string, reason: string) => void;
  readonly onSuspicion: () => void;
  readonly onProbed: (instance: Instance, key: string) => boolean;
}

const MODES = {
  'store:degraded': 'degraded',
  'store:recovering': 'recovering',
  'store:recovered': 'healthy',
};
const WATCHED = [
  'store:data-loss',
  'circuit:open',
  'circuit:close',
  'store:error',
  'session:gone',
  'session:conflict',
] as const;

/** One process of the app, the real thing but for its clock and its network. */
export class Instance {
  readonly name: string;
  readonly clock: InstanceClock;
  readonly cable: Cable;
  journal: WatchedJournal;
  readonly sessions: Sessions;
  readonly maxJournal: number;
  readonly maxShadow: number;
  connections: SimulatedConnection[] = [];
  alive = true;
  closing = false;
  /** What Redis said up to this simulated ms has been heard here. */
  heard = -1;
  /** When each circuit opened; `undefined`: it is closed. */
  readonly opened: { read: number | undefined; write: number | undefined } = {
    read: undefined,
    write: undefined,
  };
  writeReason: string | undefined;
  /** By whom the last write of each session was acknowledged, by pseudonym. */
  readonly savedBy = new Map<string, 'primary' | 'journal'>();
  readonly died: Promise<'died'>;
  #die: () => void = () => undefined;
  #mode = 'healthy';
  /** Reads by key that were answered by nothing, and look into it. */
  readonly #halfRead = new Map<string, number>();
  #firstAsked: number | undefined;
  readonly #parts: InstanceParts;

  constructor(name: string, cable: Cable | undefined, parts: InstanceParts) {
    const { timeline, seed, options } = parts;
    this.name = name;
    this.#parts = parts;
    this.clock = new InstanceClock(timeline, new Random(`${seed}/${name}/clock`), parts.offset);
    this.cable = cable ?? new Cable(timeline, new Random(`${seed}/${name}/cable`));
    this.maxJournal = options.journal?.maxBytes ?? Infinity;
    this.maxShadow = options.shadow ? (options.shadow.maxBytes ?? Infinity) : Infinity;
    this.journal = new WatchedJournal(Math.min(this.maxJournal, 2 ** 30));
    this.died = new Promise(resolve => (this.#die = () => resolve('died')));
    const usual: Parts = {
      clock: this.clock,
      env: {},
      connect: () => this.#connect(),
      journal: this.journal,
    };
    const twisted = parts.twist?.(usual, this) ?? usual;
    if (twisted.journal instanceof WatchedJournal) this.journal = twisted.journal;
    this.sessions = createSessions(options, twisted);
    this.#watch();
  }

  get mode(): string {
    return this.#mode;
  }

  /** As kill -9. What was sent is on its way. */
  kill(): void {
    this.alive = false;
    this.clock.kill();
    for (const connection of this.connections) connection.abandon();
    this.#die();
  }

  #connect(): SimulatedConnection {
    const { redis, tracks, timeline, options } = this.#parts;
    const connection = new SimulatedConnection({
      clock: this.clock,
      cable: this.cable,
      redis,
      tracks,
      echoes: options.cache ?? false,
      now: () => timeline.now,
      onSend: command => this.#sends(command),
      onHeard: (command, said) => this.#hears(command, said),
    });
    this.connections = [...this.connections.filter(other => other.open), connection];
    return connection;
  }

  /** Canaries and inspections answer no user: only what a user asked counts as heard. */
  #hears(command: Command, said: number): void {
    if (this.opened.read !== undefined) return;
    const key = command.name === 'get' ? command.key : command.name === 'swap' ? command.script.key : '';
    if (this.#parts.onProbed(this, key)) this.heard = Math.max(this.heard, said);
  }

  /** Whether any such read is under way. */
  #looksInto(key: string, change: 1 | -1): boolean {
    const before = this.#halfRead.get(key) ?? 0;
    this.#halfRead.set(key, Math.max(0, before + change));
    return before > 0;
  }

  /** While a circuit is open only canaries and the drain may ask, each in its own way. */
  #sends(command: Command): void {
    const { timeline, history, onProbed } = this.#parts;
    if (command.name === 'exists') this.#looksInto(command.key, 1);
    const read = command.name === 'get';
    if (!read && command.name !== 'swap') return;
    const key = read ? command.key : command.script.key;
    const since = read ? this.opened.read : this.opened.write;
    // The script is sent whole where the server has forgotten it, and an empty answer is looked into: one question still.
    const again = read ? this.#looksInto(key, -1) : command.whole;
    if (!onProbed(this, key)) return;
    // What waited for the very first connection goes out with it, whether anybody still waits for the answer or not.
    const first = (this.#firstAsked ??= timeline.now) === timeline.now;
    if (since === undefined || since === timeline.now || again || first) return;
    const passes = !read && this.writeReason === 'oom' && command.script.entry[0] === 2;
    if (!passes) history.violated(`${this.name} asks Redis for a session although its circuit is open`);
  }

  #watch(): void {
    const { events } = this.sessions;
    const { history, onReported, onSuspicion, timeline } = this.#parts;
    for (const [name, mode] of Object.entries(MODES))
      events.on(name as keyof typeof MODES, event => this.#moved(mode, JSON.stringify(event)));
    for (const name of WATCHED)
      events.on(name, event => history.note(this.name, `${name} ${JSON.stringify(event)}`));
    events.on('circuit:open', ({ circuit, reason }) => {
      this.opened[circuit] = timeline.now;
      if (circuit === 'write') this.writeReason = reason;
      history.count(`circuit ${circuit} opens: ${reason}`);
    });
    events.on('store:data-loss', ({ cause }) => {
      history.count(`data loss noticed: ${cause}`);
      onSuspicion();
    });
    events.on('circuit:close', ({ circuit }) => void (this.opened[circuit] = undefined));
    events.on('session:saved', ({ session, by }) => {
      this.savedBy.set(session ?? '', by);
    });
    events.on('session:gone', ({ session, reason }) => onReported(this, session ?? '', reason ?? ''));
    events.on('migration:quarantined', ({ session }) => onReported(this, session ?? '', 'quarantined'));
  }

  #moved(mode: string, event: string): void {
    const { history } = this.#parts;
    history.count(`${this.#mode} → ${mode}`);
    history.note(this.name, `${this.#mode} → ${mode} ${event}`);
    this.#mode = mode;
  }
}
