import { readFileSync } from 'node:fs';

/** CPU time so far, in ticks of the kernel. */
interface Ticks {
  /** Of the whole machine; what a host took away counts too. */
  readonly all: number;
  /** Of this process, and of the children that have ended. */
  readonly own: number;
}

const TICKS_PER_SECOND = 100;

function look(): Ticks | undefined {
  try {
    const [, user = 0, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] = numbers(
      '/proc/stat',
      /^cpu .*$/m,
    );
    // After the name: the state is the first field, and the times are the 12th to the 15th.
    const own = numbers('/proc/self/stat', /(?<=\) ).*/).slice(11, 15);
    return { all: user + nice + system + irq + soft + steal, own: own.reduce((sum, each) => sum + each, 0) };
  } catch {
    return undefined;
  }
}

function numbers(file: string, line: RegExp): number[] {
  return (line.exec(readFileSync(file, 'utf8'))?.[0] ?? '').split(/ +/).map(Number);
}

/**
 * Begins to count what others do on this machine. Resolves with how many cores they used since; `undefined` where the
 * kernel does not say. Every child that was started meanwhile must have ended by then.
 */
export function countOthers(): () => number | undefined {
  const [before, began] = [look(), performance.now()];
  return () => {
    const after = look();
    if (!before || !after) return undefined;
    const ticks = after.all - before.all - (after.own - before.own);
    return Math.max(0, ticks / TICKS_PER_SECOND / ((performance.now() - began) / 1000));
  };
}
