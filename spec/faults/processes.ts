import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { InstanceConfig, Message, Order, Status, Told } from './protocol.js';

const START_LIMIT = 30_000;
const STOP_LIMIT = 8_000;

/** Which library the app processes run. */
export type Subject = 'library' | 'peer';

const SCRIPTS: Readonly<Record<Subject, string>> = {
  library: fileURLToPath(new URL('./app.ts', import.meta.url)),
  peer: fileURLToPath(new URL('./peer/app.ts', import.meta.url)),
};

const running = new Set<ChildProcess>();

/** An app process, which serves one instance at a time. */
export class AppProcess {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (message: Message) => void>();
  readonly #told = new EventEmitter();
  #events: Told[] = [];
  #asked = 0;

  static async start(subject: Subject, nodeArgs: readonly string[] = []): Promise<AppProcess> {
    const child = fork(SCRIPTS[subject], [], {
      execArgv: ['--import', import.meta.resolve('tsx'), ...nodeArgs],
      env: { ...process.env, NODE_ENV: 'development' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const app = new AppProcess(child);
    if (await app.awaitEvent('host:ready', START_LIMIT)) return app;
    await app.stop();
    throw new Error('an app process did not start');
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', message => this.#receive(message as Message));
    child.once('exit', code => this.#lost(code));
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What the present instance has told. */
  get events(): readonly Told[] {
    return this.#events;
  }

  /** Resolves with the port. */
  open(config: InstanceConfig): Promise<number> {
    this.#events = [];
    return this.order({ act: 'open', config }) as Promise<number>;
  }

  status(): Promise<Status> {
    return this.order({ act: 'status' }) as Promise<Status>;
  }

  order(order: Order): Promise<unknown> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, message => {
        if ('error' in message) reject(new Error(message.error));
        else resolve('result' in message ? message.result : undefined);
      });
      if (!this.#child.send({ ...order, id }) && !this.alive) this.#lost(this.#child.exitCode);
    });
  }

  /** Whether an event of this name comes within `limit` ms, or has come since `since`. */
  async awaitEvent(name: string, limit: number, since = 0): Promise<boolean> {
    const signal = AbortSignal.timeout(limit);
    while (!this.#events.some(event => event.name === name && event.at >= since)) {
      if (signal.aborted || !this.alive) return false;
      await once(this.#told, 'event', { signal }).catch(() => undefined);
    }
    return true;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; SIGKILL after a while. */
  async stop(): Promise<void> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT);
    await this.#end('SIGTERM');
    clearTimeout(late);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.alive) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    await gone;
  }

  #receive(message: Message): void {
    if ('event' in message) {
      this.#events.push(message.event);
      this.#told.emit('event');
      return;
    }
    this.#answers.get(message.id)?.(message);
    this.#answers.delete(message.id);
  }

  #lost(code: number | null): void {
    for (const [id, answer] of this.#answers) answer({ id, error: `an app process ended (code ${code})` });
    this.#answers.clear();
    this.#told.emit('event');
  }
}

/** Ends every app process that this one started. */
export async function stopAllApps(): Promise<void> {
  await Promise.all(
    [...running].map(async child => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }),
  );
}
