import { DisconnectsClientError, SimpleError, SocketClosedUnexpectedlyError } from 'redis';
import type { RedisCommands, RedisConnection, ServerFacts } from '../../src/store/redis-link.js';
import type { Cable, Pipe } from './network.js';
import type { Answer, Client, Command, RedisModel, ServerSays } from './redis-model.js';
import type { Script } from './swap-script.js';
import type { InstanceClock } from './time.js';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

interface ScriptCall {
  readonly keys: readonly (string | Buffer)[];
  readonly arguments: readonly (string | Buffer)[];
}

export interface ConnectionParts {
  readonly clock: InstanceClock;
  readonly now: () => number;
  readonly cable: Cable;
  readonly redis: RedisModel;
  /** The server reports changes, `echoes`: those of this connection too. */
  readonly tracks: boolean;
  readonly echoes: boolean;
  readonly onSend: (command: Command) => void;
  /** What the server answered at this simulated ms has arrived. */
  readonly onHeard: (command: Command, said: number) => void;
}

/** A connection of one instance, as node-redis would make it, over a cable to the model. */
export class SimulatedConnection implements RedisConnection {
  readonly several = false;
  readonly commands: RedisCommands;
  readonly up: Pipe;
  readonly down: Pipe;
  readonly #parts: ConnectionParts;
  readonly #client: Client;
  #waiting: Waiting[] = [];
  #listeners: ((error: unknown) => void)[] = [];
  readonly #invalidations: ((key: string | null) => void)[] = [];
  #ready = false;
  #open = true;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.up = parts.cable.pipe('up');
    this.down = parts.cable.pipe('down');
    this.#client = {
      echoes: parts.echoes,
      invalidated: key => this.#parts.tracks && this.down.send(() => this.#invalidated(key)),
      reset: () => this.down.send(() => this.#lose(new SocketClosedUnexpectedlyError())),
    };
    this.commands = {
      getRange: (key, _, end) => this.#send({ name: 'get', key: String(key), end }),
      exists: key => this.#send({ name: 'exists', key: String(key) }),
      evalSha: (_, script) => this.#send({ name: 'swap', script: this.#script(script, false), whole: false }),
      eval: (_, script) => this.#send({ name: 'swap', script: this.#script(script, true), whole: true }),
    };
  }

  async connect(): Promise<void> {
    await this.#greet();
    this.#ready = true;
  }

  async inspect(counter: string): Promise<ServerFacts> {
    const { clock, tracks } = this.#parts;
    const asked = clock.wall();
    const { wall, ...said } = (await this.#send({ name: 'inspect', counter })) as ServerSays;
    return { ...said, tracks, clockOffset: wall - (asked + clock.wall()) / 2 };
  }

  usable(): boolean {
    return this.#open && this.#ready;
  }

  onLost(listener: (error: unknown) => void): void {
    this.#listeners.push(listener);
  }

  onInvalidate(listener: (key: string | null) => void): void {
    this.#invalidations.push(listener);
  }

  destroy(): void {
    this.#listeners = [];
    this.#lose(new DisconnectsClientError());
  }

  /** Somewhere on the way the connection is cut. `lost`: with what was under way to the server. */
  break(lost: boolean): void {
    if (lost) this.up.cut();
    this.down.cut();
    this.#lose(new SocketClosedUnexpectedlyError());
  }

  /** The process of this client has ended: nothing is heard here any more, and what was sent is still on its way. */
  abandon(): void {
    this.#open = false;
    this.#waiting = [];
    this.#listeners = [];
  }

  get open(): boolean {
    return this.#open;
  }

  #greet(): Promise<unknown> {
    const { cable, redis } = this.#parts;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.up.send(() => {
        const accepted = !cable.refuses && redis.accept(this.#client);
        if (accepted) this.#serve({ name: 'hello' });
        else this.down.send(() => this.#lose(refused()));
      });
    });
  }

  #send(command: Command): Promise<unknown> {
    if (!this.#open) return Promise.reject(new DisconnectsClientError());
    this.#parts.onSend(command);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.up.send(() => this.#serve(command));
    });
  }

  #serve(command: Command): void {
    const { cable, redis } = this.#parts;
    redis.receive(this.#client, command, answer => {
      if (command.name === 'swap' && cable.loseReplies > 0) this.#loseReply();
      const said = this.#parts.now();
      this.down.send(() => this.#answered(command, answer, said));
    });
  }

  /** Replies come in order: where one is lost, no later one comes either. */
  #loseReply(): void {
    const { cable } = this.#parts;
    cable.loseReplies -= 1;
    this.down.cut();
    if (cable.chance(0.5)) this.#lose(new SocketClosedUnexpectedlyError());
  }

  #answered(command: Command, answer: Answer, said: number): void {
    if (!this.#open) return;
    this.#parts.onHeard(command, said);
    const waiting = this.#waiting.shift();
    if ('error' in answer) waiting?.reject(new SimpleError(answer.error));
    else waiting?.resolve(answer.value);
  }

  #invalidated(key: string | null): void {
    if (this.#open) for (const listener of this.#invalidations) listener(key);
  }

  #script({ keys: [key], arguments: [entry, expected, ttl] }: ScriptCall, again: boolean): Script {
    const [bytes, stamp] = [Buffer.from(entry ?? ''), Buffer.from(expected ?? '')];
    return {
      key: String(key),
      entry: bytes,
      expected: stamp,
      ttl: Number(ttl),
      sent: this.#parts.clock.wall(),
      again,
    };
  }

  #lose(error: Error): void {
    if (!this.#open) return;
    this.#open = false;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
    for (const listener of this.#listeners.splice(0)) listener(error);
    this.up.send(() => this.#parts.redis.drop(this.#client));
  }
}

function refused(): Error {
  return Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
}
