import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { findRedis } from '../../spec/support/find-redis.js';
import { PINS } from './cores.js';

/** Where, when and of what a part was measured. */
export interface Machine {
  readonly day: string;
  readonly commit: string;
  readonly machine: string;
  readonly versions: string;
  readonly pinned: boolean;
}

const ROOT = new URL('../../', import.meta.url);

export async function machine(): Promise<Machine> {
  const all = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const packages = ['koa', 'redis', 'cockatiel'].map(name => versionOf(name, 'node_modules/'));
  const peers = Object.keys(peersOf()).map(name => versionOf(name, 'bench/node_modules/'));
  const versions = [`Node ${process.versions.node}`, `Redis ${await redisVersion()}`, ...packages, ...peers];
  return {
    day: new Date().toISOString().slice(0, 10),
    commit:
      git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'src', 'bench') ? '+' : ''),
    machine: `${all.length} × ${all[0]?.model.trim() ?? 'unknown'}, ${memory} GiB, ${process.platform} ${process.arch}`,
    versions: versions.filter(text => text !== undefined).join(', '),
    pinned: PINS,
  };
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
}

async function redisVersion(): Promise<string> {
  const text = execFileSync(await findRedis(), ['--version'], { encoding: 'utf8' });
  return /v=(\S+)/.exec(text)?.[1] ?? 'of unknown version';
}

function peersOf(): Readonly<Record<string, string>> {
  const { dependencies } = JSON.parse(readFileSync(new URL('bench/package.json', ROOT), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const { redis: _, '@fastify/cookie': __, ...peers } = dependencies;
  return peers;
}

/** `undefined`: it is not installed. */
function versionOf(name: string, folder: string): string | undefined {
  const file = new URL(`${folder}${name}/package.json`, ROOT);
  if (!existsSync(file)) return undefined;
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  return `${name} ${version}`;
}
