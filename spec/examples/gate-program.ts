import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';

const APP = fileURLToPath(new URL('../../examples/password-gate/app.ts', import.meta.url));
const LEASH = new URL('./leash.ts', import.meta.url).href;

export type Environment = Readonly<Record<string, string>>;

/** The example as whoever tries it runs it: a process of its own. */
export class GateProgram {
  readonly #child: ChildProcess;
  readonly #gone: Promise<number | null>;
  readonly #told = new EventEmitter();
  #output = '';
  url = '';

  static async start(env: Environment): Promise<GateProgram> {
    const program = new GateProgram(env);
    const [, url = ''] = await program.says(/listening at (http:\S+)\//);
    program.url = url.replace('localhost', '127.0.0.1');
    return program;
  }

  /** Runs one that is expected to end by itself. */
  static async run(env: Environment): Promise<{ readonly code: number | null; readonly output: string }> {
    const program = new GateProgram(env);
    return { code: await program.#gone, output: program.#output };
  }

  private constructor(env: Environment) {
    const loaders = ['--import=tsx', `--import=${LEASH}`];
    this.#child = spawn(process.execPath, [...loaders, APP], {
      env: { PATH: process.env['PATH'], PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    // `close` comes when all of its output has come.
    this.#gone = once(this.#child, 'close').then(() => this.#child.exitCode);
  }

  get output(): string {
    return this.#output;
  }

  /** Resolves once its output has what is looked for, after the first `since` characters. */
  async says(what: RegExp, since = 0): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null;
    while (!(found = what.exec(this.#output.slice(since))))
      await Promise.race([once(this.#told, 'more'), this.#untimelyEnd()]);
    return found;
  }

  /** Asks it to end, and resolves with its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.#gone;
  }

  #hear(text: string): void {
    this.#output += text;
    this.#told.emit('more');
  }

  async #untimelyEnd(): Promise<never> {
    const code = await this.#gone;
    throw new Error(`the gate ended with ${code}:\n${this.#output}`);
  }
}
