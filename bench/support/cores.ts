import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

/** The app has a core of its own. Redis shares the other with the load where there are two, and has its own from three on. */
export type Core = 'app' | 'load' | 'redis' | 'any';

const MANY = cpus().length > 2;
const NUMBERS: Readonly<Record<Exclude<Core, 'any'>, string>> = {
  app: '0',
  load: '1',
  redis: MANY ? '2' : '1',
};

export function has(command: string): boolean {
  return spawnSync('which', [command]).status === 0;
}

export const PINS = process.platform === 'linux' && cpus().length > 1 && has('taskset');

/** The command line that runs `command` on that core. */
export function pinned(core: Core, ...command: string[]): string[] {
  return PINS && core !== 'any' ? ['taskset', '-c', NUMBERS[core], ...command] : command;
}

/** Moves a process that runs already. */
export function pin(pid: number, core: Exclude<Core, 'any'>): void {
  if (PINS) spawnSync('taskset', ['-acp', NUMBERS[core], String(pid)]);
}
