import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { type Core, pinned } from './cores.js';
import { DIST } from './build.js';
import type { Order, Reply } from './orders.js';

export interface ChildOptions {
  readonly args?: readonly string[];
  readonly core: Core;
  /** Of node. */
  readonly nodeArgs?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** A process of the benchmark: compiled code without a loader, on a core of its own. */
export class Child {
  readonly #process: ChildProcess;
  readonly #answers = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #told = new EventEmitter();
  /** What it has told, and when (wall-clock ms). */
  readonly events: { readonly event: string; readonly at: number }[] = [];
  #asked = 0;
  #stopping = false;

  static async start(file: string, { args = [], core, nodeArgs = [], env }: ChildOptions): Promise<Child> {
    const [execPath = process.execPath, ...before] = pinned(core, process.execPath);
    const child = fork(join(DIST, 'bench', file), args, {
      execPath,
      execArgv: [...before, ...nodeArgs],
      env: { ...process.env, NODE_ENV: 'production', NODE_OPTIONS: '', ...env },
    });
    const started = new Child(child);
    await started.#until(() => started.#ready);
    return started;
  }

  #ready = false;
  #failure: Error | undefined;

  private constructor(child: ChildProcess) {
    this.#process = child;
    child.on('message', message => this.#receive(message as Reply));
    child.once('exit', code => this.#lost(code));
    child.once('error', error => this.#lost(null, error));
  }

  /** The answer has the type that the child's own act gives it. */
  ask<T>(order: string, arg?: unknown): Promise<T> {
    const id = ++this.#asked;
    return new Promise<T>((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#answers.set(id, { resolve: result => resolve(result as T), reject });
      this.#process.send({ id, order, arg } satisfies Order);
    });
  }

  /** Resolves with when it was, once an event of this name has come at or after `since`. */
  async heard(event: string, since = 0): Promise<number> {
    const find = (): number | undefined =>
      this.events.find(told => told.event === event && told.at >= since)?.at;
    await this.#until(() => find() !== undefined);
    return find() ?? 0;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill();
    await gone;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure) throw this.#failure;
      await once(this.#told, 'told');
    }
  }

  #receive(reply: Reply): void {
    if ('ready' in reply) this.#ready = true;
    else if ('event' in reply) this.events.push(reply);
    else {
      const waiting = this.#answers.get(reply.id);
      this.#answers.delete(reply.id);
      if ('error' in reply) waiting?.reject(new Error(reply.error));
      else waiting?.resolve(reply.result);
    }
    this.#told.emit('told');
  }

  #lost(code: number | null, error?: Error): void {
    this.#failure = error ?? new Error(`a process of the benchmark ended (${code ?? 'signal'})`);
    if (this.#stopping) this.#failure = new Error('stopped');
    for (const { reject } of this.#answers.values()) reject(this.#failure);
    this.#answers.clear();
    this.#told.emit('told');
  }
}
