import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './markdown.js';

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

const PATHS = {
  'koa-resilient-session': [join(ROOT, 'src/index.ts')],
  'koa-resilient-session/testing': [join(ROOT, 'src/testing.ts')],
};

/** A project of its own, as a reader would have it: the package by its name, everything else from node_modules. */
export function createProject(): string {
  const dir = mkdtempSync(join(tmpdir(), 'docs-'));
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'), 'dir');
  const compilerOptions = {
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
    paths: PATHS,
    allowJs: true,
  };
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.mts', '*.mjs'] };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
  return dir;
}

function run(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Outcome> {
  const [program = '', ...args] = command;
  const { NODE_OPTIONS: _options, NODE_ENV: _env, ...inherited } = process.env;
  const child = spawn(program, args, {
    cwd,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += String(chunk)));
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', code => resolve({ code, output }));
  });
}

/** Runs a file of the project to its end, against a Redis and with a secret that nobody knows. */
export function runProgram(
  dir: string,
  file: string,
  redisUrl: string,
  endsItself: boolean,
): Promise<Outcome> {
  const loader = ['--import', join(ROOT, 'node_modules/tsx/dist/loader.mjs')];
  const runner = [
    join(ROOT, 'spec/docs/run-block.ts'),
    join(dir, file),
    ...(endsItself ? ['--ends-itself'] : []),
  ];
  const env = { REDIS_URL: redisUrl, SESSION_SECRET_KEY: randomBytes(32).toString('hex') };
  const paths = { TSX_TSCONFIG_PATH: join(dir, 'tsconfig.json') };
  return run([process.execPath, ...loader, ...runner], dir, { ...env, ...paths });
}

export function checkTypes(dir: string): Promise<Outcome> {
  return run([join(ROOT, 'node_modules/.bin/tsc'), '-p', dir], dir, {});
}
