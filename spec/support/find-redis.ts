import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Say = (line: string) => void;

/** One way to come by a server: its path, or undefined after saying why not. */
export type Step = (say: Say, env: NodeJS.ProcessEnv) => Promise<string | undefined>;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NAMES = ['redis-server', 'valkey-server'];
const DOWNLOAD_LIMIT = 120_000;
const APT_LIMIT = 300_000;
const GRACE = 3_000;
const MARK = 'redis-binary:';

const ADVICE =
  'No Redis server was found for the tests. Install one (Debian, Ubuntu: ' +
  '`apt-get install redis-server`; macOS: `brew install redis`), ' +
  'or set REDISMS_SYSTEM_BINARY to the path of a redis-server or valkey-server.';

// In a process of its own, because the package leaves a lock file, a socket or a running `make`
// behind when it fails. When the parent dies its stdin ends, and the whole group goes, make too.
const DOWNLOAD_SOURCE = `
process.stdin.on('end', () => process.kill(-process.pid, 'SIGKILL')).resume();
import('redis-memory-server')
  .then(({ RedisBinary }) => RedisBinary.getPath())
  .then(path => { console.log('${MARK}' + path); process.exit(0); })
  .catch(error => { console.log(String(error && error.message)); process.exit(1); });
`;

// A package that starts its service asks policy-rc.d first (with or without systemd). The script
// outlives this process, so that the policy is undone even when the tests are killed meanwhile.
const APT_SOURCE = `
policy=/usr/sbin/policy-rc.d
trap 'exit 143' HUP INT TERM
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy"
fi
apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=20 update ||
  echo 'apt-get update failed, trying the lists that are there'
apt-get -o DPkg::Lock::Timeout=60 install -y --no-install-recommends redis-server
`;

interface Outcome {
  ok: boolean;
  lines: string[];
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

/** Runs a command as the leader of its own group; past `limit` ms the whole group is ended. */
function runBounded(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  limit: number,
): Promise<Outcome> {
  const child = spawn(command, args, { cwd: ROOT, env, detached: true, stdio: 'pipe' });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const late = setTimeout(() => {
    output += `\ngave up after ${limit / 1000} s`;
    signalGroup(child, 'SIGTERM');
  }, limit);
  const tooLate = setTimeout(() => signalGroup(child, 'SIGKILL'), limit + GRACE);
  return new Promise(resolve => {
    const finish = (ok: boolean): void => {
      clearTimeout(late);
      clearTimeout(tooLate);
      resolve({ ok, lines: output.split(/[\r\n]+/).filter(line => line.trim() !== '') });
    };
    child.on('error', error => {
      output += `\n${error.message}`;
      finish(false);
    });
    child.on('close', code => finish(code === 0));
  });
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function onPath(names: readonly string[], env: NodeJS.ProcessEnv) {
  const folders = (env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '');
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (await isExecutable(path)) return path;
    }
  }
  return undefined;
}

const fromVariable: Step = async (say, env) => {
  const path = env['REDISMS_SYSTEM_BINARY'];
  if (path === undefined || path === '') return undefined;
  if (await isExecutable(path)) {
    say(`Redis: ${path} (REDISMS_SYSTEM_BINARY)`);
    return path;
  }
  say(`Redis: REDISMS_SYSTEM_BINARY is ${path}, which is not an executable file`);
  return undefined;
};

const fromPath: Step = async (say, env) => {
  const path = await onPath(NAMES, env);
  say(path === undefined ? `Redis: no ${NAMES.join(' or ')} on the PATH` : `Redis: ${path}`);
  return path;
};

function downloadEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const {
    REDISMS_SYSTEM_BINARY: _binary,
    NODE_OPTIONS: _options,
    NODE_V8_COVERAGE: _coverage,
    ...rest
  } = env;
  // The package checks certificates only when npm's strict-ssl is spelled out, and compiles on one
  // core unless make is told otherwise.
  return { npm_config_strict_ssl: 'true', MAKEFLAGS: `-j${availableParallelism()}`, ...rest };
}

const fromDownload: Step = async (say, env) => {
  say(`Redis: trying to download and compile one (at most ${DOWNLOAD_LIMIT / 1000} s)`);
  const args = ['-e', DOWNLOAD_SOURCE];
  const { ok, lines } = await runBounded(process.execPath, args, downloadEnv(env), DOWNLOAD_LIMIT);
  const path = lines.find(line => line.startsWith(MARK))?.slice(MARK.length);
  if (ok && path !== undefined && (await isExecutable(path))) {
    say(`Redis: ${path} (downloaded)`);
    return path;
  }
  say(`Redis: the download failed: ${lines.at(-1) ?? 'no output'}`);
  return undefined;
};

const fromApt: Step = async (say, env) => {
  if (process.getuid?.() !== 0 || (await onPath(['apt-get'], env)) === undefined) {
    say('Redis: not installing a package, which takes apt-get and root');
    return undefined;
  }
  say(`Redis: trying apt-get install redis-server (at most ${APT_LIMIT / 1000} s)`);
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const { lines } = await runBounded('/bin/sh', ['-c', APT_SOURCE], quiet, APT_LIMIT);
  const path = await onPath(NAMES, env);
  say(`Redis: ${path ?? `the installation failed: ${lines.at(-1) ?? 'no output'}`}`);
  return path;
};

const STEPS: readonly Step[] = [fromVariable, fromPath, fromDownload, fromApt];

/** Looks afresh each time. Tests of the search itself want this, everything else `findRedis`. */
export async function searchRedis(
  say: Say,
  env: NodeJS.ProcessEnv = process.env,
  steps: readonly Step[] = STEPS,
): Promise<string> {
  for (const step of steps) {
    const path = await step(say, env);
    if (path !== undefined) return path;
  }
  throw new Error(ADVICE);
}

let search: Promise<string> | undefined;

/**
 * The path of a Redis (or Valkey) server binary. Searched for once per process; a failure is kept
 * as well, so that not every test waits for a download that cannot work. May take minutes when
 * nothing is installed: call it where no test timeout applies.
 */
export function findRedis(say: Say = line => console.error(line)): Promise<string> {
  search ??= searchRedis(say);
  return search;
}
