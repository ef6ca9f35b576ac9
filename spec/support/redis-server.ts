import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findRedis } from './find-redis.js';
import { guard } from './guard.js';

export interface RedisServerOptions {
  /** Default: a free one. */
  port?: number;
  /** Every write is on disk before it is answered, so that `kill` loses nothing. */
  persistent?: boolean;
  /** Further arguments of the server, as on its command line. */
  args?: readonly string[];
  /** It is a sentinel, which watches this server under the name `shop`. */
  sentinelOf?: { readonly port: number };
}

const HOST = '127.0.0.1';
const READY_LIMIT = 10_000;
const PING_LIMIT = 1_000;
const POLL = 20;
const LOG_FILE = 'server.log';
const SENTINEL_FILE = 'sentinel.conf';
const LOG_LINES = 15;

// Below the range that kernels pick a client's port from: a client that keeps connecting to a dead
// server's port in that range can connect to itself, and then the restarted server cannot bind.
const FIRST_PORT = 20_000;
const PORT_COUNT = 12_000;

const servers = new Set<RedisServer>();

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, HOST, () => probe.close(() => resolve(true)));
  });
}

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error('found no free port');
}

/** The first line that the server answers to PING; rejects when there is none. */
function ping(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, HOST, () => socket.write('PING\r\n'));
    let text = '';
    socket.setEncoding('utf8').setTimeout(PING_LIMIT, () => socket.destroy());
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (!text.includes('\r\n')) return;
      resolve(text);
      socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('no answer')));
  });
}

/** One run of the server process. */
class Run {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly gone: Promise<void>;
  alive: boolean;
  failure: Error | undefined;

  constructor(binary: string, dir: string, args: readonly string[]) {
    const log = openSync(join(dir, LOG_FILE), 'w');
    // In its own session, so that Ctrl-C in a terminal reaches the tests only.
    const stdio = ['ignore' as const, log, log];
    this.child = spawn(binary, args, { cwd: dir, detached: true, stdio });
    closeSync(log);
    this.child.unref();
    this.pid = this.child.pid ?? 0;
    this.alive = this.pid !== 0;
    if (this.alive) guard.hold(String(this.pid));
    this.gone = new Promise(resolve => {
      this.child.once('exit', () => resolve(this.#ended()));
      this.child.once('error', error => {
        this.failure = error;
        if (!this.alive) resolve();
      });
    });
  }

  #ended(): void {
    this.alive = false;
    guard.release(String(this.pid));
  }

  signal(name: NodeJS.Signals): boolean {
    return this.alive && this.child.kill(name);
  }

  async kill(): Promise<void> {
    if (!this.alive) return;
    this.child.ref();
    this.signal('SIGKILL');
    await this.gone;
  }
}

/** A Redis server on loopback that a test can kill, freeze and restart. */
export class RedisServer {
  readonly port: number;
  readonly url: string;
  readonly dir: string;
  readonly #binary: string;
  readonly #persistent: boolean;
  readonly #watched: { readonly port: number } | undefined;
  #args: readonly string[];
  #run: Run | undefined;
  #stopped = false;

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const binary = await findRedis();
    const port = options.port ?? (await freePort());
    const dir = await mkdtemp(join(tmpdir(), 'redis-server-'));
    guard.hold(dir);
    const server = new RedisServer(binary, port, dir, options);
    servers.add(server);
    try {
      await server.#launch();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  private constructor(binary: string, port: number, dir: string, options: RedisServerOptions) {
    this.#binary = binary;
    this.port = port;
    this.url = `redis://${HOST}:${port}`;
    this.dir = dir;
    this.#persistent = options.persistent ?? false;
    this.#watched = options.sentinelOf;
    this.#args = options.args ?? [];
  }

  /** Of the running process; of the last one while there is none. */
  get pid(): number {
    return this.#run?.pid ?? 0;
  }

  /** SIGKILL. Resolves once the process is gone; harmless if it is already. */
  async kill(): Promise<void> {
    await this.#run?.kill();
  }

  /** SIGSTOP: connections stay open, new ones are accepted by the kernel, nothing is answered. */
  freeze(): void {
    if (this.#run?.signal('SIGSTOP') !== true) throw new Error('cannot freeze a dead server');
  }

  /** SIGCONT. Harmless if the process is gone. */
  thaw(): void {
    this.#run?.signal('SIGCONT');
  }

  /**
   * Same port, same directory; resolves once commands are accepted. `args` replace those that the
   * server was started with, for the restarts after this one too.
   */
  async restart(args?: readonly string[]): Promise<void> {
    if (this.#stopped) throw new Error('cannot restart a stopped server');
    await this.kill();
    this.#args = args ?? this.#args;
    await this.#launch();
  }

  /** Deletes what the server kept on disk, for a restart that comes back empty. */
  async wipe(): Promise<void> {
    if (this.#run?.alive === true) throw new Error('cannot wipe under a running server');
    const names = await readdir(this.dir);
    await Promise.all(names.map(name => rm(join(this.dir, name), { recursive: true })));
  }

  /** Kills the process and removes its directory. Harmless if that was done before. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.kill();
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
    guard.release(this.dir);
    servers.delete(this);
  }

  async #launch(): Promise<void> {
    await this.#configure();
    const deadline = performance.now() + READY_LIMIT;
    while (!(await this.#attempt(deadline))) {
      if (performance.now() > deadline) throw new Error(`port ${this.port} stays in use`);
      await sleep(POLL);
    }
  }

  /** False when another process has the port, which may be for a moment only. */
  async #attempt(deadline: number): Promise<boolean> {
    // Asked first, because whoever has the port may well answer a PING.
    if (!(await isFree(this.port))) return false;
    if (this.#stopped) throw new Error('stopped while starting');
    const run = new Run(this.#binary, this.dir, this.#commandLine());
    this.#run = run;
    if (await this.#answers(run, deadline)) return true;
    const exited = !run.alive;
    await run.kill();
    const log = await this.#log();
    if (exited && /address already in use/i.test(log)) return false;
    const how = exited ? 'ended at once' : `did not answer within ${READY_LIMIT} ms`;
    throw new Error(`The Redis server ${how}:\n${run.failure?.message ?? log}`);
  }

  async #answers(run: Run, deadline: number): Promise<boolean> {
    while (run.alive && performance.now() < deadline) {
      const answer = await ping(this.port).catch(() => '');
      // A server with a password refuses the PING, but then it is up.
      if (run.alive && /^(\+PONG|-NOAUTH)/.test(answer)) return true;
      await Promise.race([sleep(POLL), run.gone]);
    }
    return false;
  }

  /** A sentinel keeps what it knows in its configuration file, and does not start without one. */
  async #configure(): Promise<void> {
    if (!this.#watched) return;
    const lines = [`sentinel monitor shop ${HOST} ${this.#watched.port} 1`, ''];
    await writeFile(join(this.dir, SENTINEL_FILE), lines.join('\n'));
  }

  #commandLine(): string[] {
    const durability = this.#persistent
      ? ['--appendonly', 'yes', '--appendfsync', 'always']
      : ['--appendonly', 'no'];
    const place = ['--bind', HOST, '--port', String(this.port), '--dir', this.dir];
    if (this.#watched) return [join(this.dir, SENTINEL_FILE), '--sentinel', ...place, ...this.#args];
    return [...place, '--daemonize', 'no', '--save', '', ...durability, ...this.#args];
  }

  async #log(): Promise<string> {
    const text = await readFile(join(this.dir, LOG_FILE), 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
  }
}

/** Stops every server that this process started. */
export async function stopAllServers(): Promise<void> {
  await Promise.all([...servers].map(server => server.stop()));
}
