import type { Scenario } from '../scenario.js';

const persistent = { persistent: true } as const;

function frozen(seconds: number): Scenario {
  return {
    name: `stop-${seconds}`,
    fault: `SIGSTOP for ${seconds} s; what was sent meanwhile is applied after SIGCONT`,
    begin: ({ lab }) => lab.redis.freeze(),
    hold: seconds * 1_000,
    end: ({ lab }) => lab.redis.thaw(),
    long: seconds >= 10,
  };
}

/** What can become of the process of Redis. */
export const PROCESSES: readonly Scenario[] = [
  { name: 'none', fault: 'none, to compare', begin: () => undefined, end: () => undefined },
  {
    name: 'kill',
    fault: 'kill -9 of Redis, restarted with all its data',
    setup: persistent,
    begin: ({ lab }) => lab.redis.kill(),
    end: ({ lab }) => lab.redis.restart(),
  },
  ...[0.1, 1, 10, 30].map(frozen),
];
