import { type ChildProcess, spawn } from 'node:child_process';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { guard } from './guard.js';
import { freePort } from './redis-server.js';

const HOST = '127.0.0.1';
const READY_LIMIT = 10_000;
const POLL = 20;

/** Where distributions put it, for users whose PATH has no sbin. */
const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

/** The path of an nginx; `undefined`: there is none. */
export async function findNginx(): Promise<string | undefined> {
  for (const folder of FOLDERS.filter(each => each !== '')) {
    const path = join(folder, 'nginx');
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/**
 * A shared cache that keeps all it can: every status, for a minute where no header says otherwise, Set-Cookie and all, which
 * nginx by itself would not keep. HEAD and conditional requests reach the app as they are.
 */
function configuration(port: number, target: string): string {
  return `
    daemon off;
    master_process off;
    pid nginx.pid;
    error_log error.log warn;
    events { worker_connections 256; }
    http {
      access_log off;
      client_body_temp_path body;
      proxy_temp_path temp;
      fastcgi_temp_path fastcgi;
      scgi_temp_path scgi;
      uwsgi_temp_path uwsgi;
      proxy_cache_path cache keys_zone=all:1m use_temp_path=off;
      server {
        listen ${HOST}:${port};
        location / {
          proxy_pass ${target};
          proxy_http_version 1.1;
          proxy_cache all;
          proxy_cache_key $request_method$request_uri;
          proxy_cache_convert_head off;
          proxy_cache_valid any 1m;
          proxy_ignore_headers Set-Cookie;
          proxy_set_header If-None-Match $http_if_none_match;
          add_header X-Cache $upstream_cache_status always;
        }
      }
    }`;
}

/** An nginx of the test's own that caches what `target` answers. */
export class CachingProxy {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #dir: string;
  readonly #gone: Promise<void>;

  /** Rejects if it does not run; `binary` is what {@link findNginx} found. */
  static async start(binary: string, target: string): Promise<CachingProxy> {
    const port = await freePort();
    const dir = await mkdtemp(join(tmpdir(), 'caching-proxy-'));
    guard.hold(dir);
    await writeFile(join(dir, 'nginx.conf'), configuration(port, target));
    const proxy = new CachingProxy(binary, dir, port);
    try {
      await proxy.#answers(port);
      return proxy;
    } catch (error) {
      await proxy.stop();
      throw error;
    }
  }

  private constructor(binary: string, dir: string, port: number) {
    this.url = `http://${HOST}:${port}`;
    this.#dir = dir;
    const args = ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')];
    // In its own session, so that Ctrl-C in a terminal reaches the tests only.
    this.#process = spawn(binary, args, { cwd: dir, detached: true, stdio: 'ignore' });
    if (this.#process.pid !== undefined) guard.hold(String(this.#process.pid));
    this.#gone = new Promise(resolve =>
      this.#process.once('close', () => resolve()).once('error', () => resolve()),
    );
  }

  /** Ends it, and removes its directory. */
  async stop(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#gone;
    guard.release(String(this.#process.pid));
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 5 });
    guard.release(this.#dir);
  }

  async #answers(port: number): Promise<void> {
    const deadline = performance.now() + READY_LIMIT;
    while (!(await accepts(port))) {
      if (this.#process.exitCode !== null || performance.now() > deadline)
        throw new Error(`nginx does not answer:\n${await this.#log()}`);
      await sleep(POLL);
    }
  }

  #log(): Promise<string> {
    return readFile(join(this.#dir, 'error.log'), 'utf8').catch(() => '');
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, HOST, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
