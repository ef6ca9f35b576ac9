import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Variant } from './app.js';

/** The app has a core of its own; the load and Redis share the other. */
const APP_CORE = '0';
const LOAD_CORE = '1';

export interface Second {
  readonly count: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function has(command: string): boolean {
  return spawnSync('which', [command]).status === 0;
}

const pins = process.platform === 'linux' && has('taskset');

export function pin(pid: number | undefined, core: string = LOAD_CORE): void {
  if (pins && pid !== undefined) spawnSync('taskset', ['-acp', core, String(pid)]);
}

function start(
  file: string,
  args: readonly string[],
  core: string,
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, args, { env: { ...process.env, ...env }, execArgv: ['--import', 'tsx'] });
  pin(child.pid, core);
  return child;
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    // Each child of this benchmark sends one kind of message; its receiver names it.
    child.once('message', value => {
      child.off('exit', ended);
      resolve(value as T);
    });
    const ended = (code: number | null): void =>
      reject(new Error(`a process of the benchmark ended with ${code}`));
    child.once('exit', ended);
  });
}

export interface App {
  readonly variant: Variant;
  readonly port: number;
  cpuMs(): Promise<number>;
  stop(): void;
}

export async function startApp(variant: Variant, env: NodeJS.ProcessEnv): Promise<App> {
  const child = start('./app.ts', [variant], APP_CORE, env);
  const { port } = await message<{ port: number }>(child);
  const cpuMs = async (): Promise<number> => {
    child.send('cpu');
    return (await message<{ cpuMs: number }>(child)).cpuMs;
  };
  return { variant, port, cpuMs, stop: () => void child.kill() };
}

/** Users who ask, wait for the answer, pause and ask again; what they saw, second by second. */
export function load(
  port: number,
  cookies: readonly string[],
  seconds: number,
  pause = 0,
): Promise<Second[]> {
  return message<Second[]>(
    start('./load.ts', [String(port), cookies.join(','), String(seconds), String(pause)], LOAD_CORE),
  );
}

/** Requests a second at saturation: with wrk where it is installed, else with `load`. */
export async function saturate(
  port: number,
  cookies: readonly string[],
  seconds: number,
  connections: number,
): Promise<number> {
  if (has('wrk')) return wrk(port, cookies, seconds, connections);
  const counts = await load(port, cookies.slice(0, connections), seconds);
  if (counts.some(second => second.failed > 0)) throw new Error('a request was not answered with 200 ok');
  return counts.reduce((sum, second) => sum + second.count, 0) / seconds;
}

async function wrk(
  port: number,
  cookies: readonly string[],
  seconds: number,
  connections: number,
): Promise<number> {
  const script = fileURLToPath(new URL('./cookies.lua', import.meta.url));
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '-s',
    script,
    `http://127.0.0.1:${port}/`,
    '--',
    cookies.join(','),
  ];
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  pin(child.pid);
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`wrk saw errors:\n${text}`);
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(text)?.[1];
  if (rate === undefined) throw new Error(`wrk gave no rate:\n${text}`);
  return Number(rate);
}
