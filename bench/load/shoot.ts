import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DIST } from '../support/build.js';
import { Child } from '../support/child.js';
import { has, pinned } from '../support/cores.js';
import { at } from '../support/figures.js';
import { isSeen, type Seen, type Shot } from './shot.js';
import type { Samples, Visit } from './users.js';

export type Generator = 'wrk' | 'autocannon' | 'bench/load/users.ts';

const SCRIPT = fileURLToPath(new URL('./cookies.lua', import.meta.url));

/** `peers`: whether `bench/node_modules` is there. */
export function generatorFor(peers: boolean): Generator {
  if (has('wrk')) return 'wrk';
  return peers ? 'autocannon' : 'bench/load/users.ts';
}

/** Throws where any request was not answered with 200: who answers fast and wrongly is not fast. */
export async function shoot(generator: Generator, shot: Shot): Promise<Seen> {
  const seen = await (generator === 'bench/load/users.ts' ? ask(shot) : run(commandOf(generator, shot)));
  if (seen.bad > 0) throw new Error(`${seen.bad} of ${seen.requests} requests were not answered with 200`);
  return seen;
}

function commandOf(generator: Generator, shot: Shot): string[] {
  const { port, cookies, writing, seconds, connections } = shot;
  if (generator === 'wrk') {
    const url = `http://127.0.0.1:${port}`;
    const how = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', SCRIPT, url];
    return ['wrk', ...how, '--', cookies, String(writing)];
  }
  const args = [port, cookies, writing, seconds, connections].map(String);
  return [process.execPath, join(DIST, 'bench/load/autocannon.js'), ...args];
}

async function run(command: readonly string[]): Promise<Seen> {
  const [program = '', ...args] = pinned('load', ...command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  const line = text.split('\n').find(each => each.startsWith('{')) ?? '';
  const seen: unknown = line === '' ? undefined : JSON.parse(line);
  if (!isSeen(seen)) throw new Error(`the load generator said:\n${text}`);
  return seen;
}

async function ask({ connections, ...shot }: Shot): Promise<Seen> {
  const { ms, bad } = await watch({ ...shot, users: connections, pause: 0 });
  const sorted = ms.toSorted((a, b) => a - b);
  return { requests: ms.length, seconds: shot.seconds, bad, p50: at(sorted, 0.5), p99: at(sorted, 0.99) };
}

/** Each answer that users have seen, one by one. */
export async function watch(visit: Visit): Promise<Samples> {
  const child = await Child.start('load/users.js', { core: 'load' });
  try {
    return await child.ask<Samples>('visit', visit);
  } finally {
    await child.stop();
  }
}
