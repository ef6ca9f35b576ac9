import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BENCH = join(ROOT, 'bench');

/** What is measured: compiled by tsc, as it is published, and run without a loader. */
export const DIST = join(BENCH, 'dist');

export function build(): void {
  rmSync(DIST, { recursive: true, force: true });
  run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(BENCH, 'tsconfig.json'), '--noCheck']);
}

/** The peers, from their lock file, where they are not there yet. */
export function installPeers(): void {
  if (existsSync(join(BENCH, 'node_modules/koa-session'))) return;
  run('npm', ['ci', '--prefix', BENCH, '--no-fund', '--no-audit']);
}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw error ?? new Error(`${command} failed`);
}
