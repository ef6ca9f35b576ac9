import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface AppOptions {
  /** The name of this instance. */
  readonly name: string;
  readonly redisUrl: string;
  readonly secret: string;
  readonly port?: string | undefined;
  readonly controlUrl?: string | undefined;
  readonly sabotage?: string | undefined;
  /** No log lines on the console. */
  readonly quiet?: boolean;
}

const SCRIPT = fileURLToPath(new URL('./app.ts', import.meta.url));
const START_LIMIT = 30_000;
const STOP_LIMIT = 6_000;

/** The app in a process of its own. */
export class AppProcess {
  readonly name: string;
  readonly port: number;
  readonly #child: ChildProcess;

  static async start(options: AppOptions): Promise<AppProcess> {
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), SCRIPT], {
      env: environment(options),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    try {
      const port = await Promise.race([portOf(child), failure(child, options.name), tooLate(options.name)]);
      return new AppProcess(options.name, port, child);
    } catch (error) {
      await end(child);
      throw error;
    }
  }

  private constructor(name: string, port: number, child: ChildProcess) {
    this.name = name;
    this.port = port;
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resolves with the exit code once the process is gone. */
  async gone(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }
}

const running = new Set<ChildProcess>();

/** Ends every app that this process started: asked first, then killed. */
export async function stopAllApps(): Promise<void> {
  await Promise.all([...running].map(end));
}

function environment(options: AppOptions): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NODE_ENV: 'development',
    INSTANCE: options.name,
    REDIS_URL: options.redisUrl,
    SESSION_SECRET_KEY: options.secret,
    PORT: options.port ?? '0',
    CONTROL_URL: options.controlUrl ?? '',
    SABOTAGE: options.sabotage ?? '',
    QUIET: options.quiet ? '1' : '',
  };
}

/** The app says its port, why it cannot start, and what it left, in lines of JSON; other lines are its log. */
function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    if (!child.stdout) return;
    createInterface(child.stdout).on('line', line => {
      const [, word, value = ''] = /^\{"(port|failed|left)":(.+)\}$/.exec(line) ?? [];
      if (word === 'port') resolve(Number(value));
      else if (word === 'failed') reject(new Error(String(JSON.parse(value))));
      else if (word === undefined) console.log(`        app: ${line}`);
    });
  });
}

function failure(child: ChildProcess, name: string): Promise<never> {
  return new Promise((_, reject) => {
    child.once('error', reject);
    // Its last words come first.
    child.once('close', code => reject(new Error(`app ${name} ended at its start (code ${code})`)));
  });
}

function tooLate(name: string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(
      () => reject(new Error(`app ${name} did not listen within ${START_LIMIT} ms`)),
      START_LIMIT,
    ).unref();
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT);
  await gone;
  clearTimeout(late);
}
