import { now } from '../protocol.js';
import type { Scenario, Stage } from '../scenario.js';
import { User } from '../user.js';

const HOUR = 3_600_000;
const persistent = { persistent: true } as const;
const DIES = 'A process that dies';
/** Enough, and through little enough, for the drain to take seconds. */
const MANY = 300;
const LARGE = 4_000;
const NARROW = 400_000;
/** Narrow, and yet wide enough for what waits to pass within the 2 s that close() takes for it. */
const NARROW_AT_THE_END = 900_000;

const kill = ({ lab }: Stage): Promise<void> => lab.redis.kill();
const restart = ({ lab }: Stage): Promise<void> => lab.redis.restart();

/** Sessions that are born in the outage, at A: each waits in its journal. */
async function flood({ lab, book }: Stage, padding: number): Promise<void> {
  const queue = Array.from({ length: MANY }, (_, index) => index).values();
  const arrive = async (): Promise<void> => {
    for (const index of queue) await new User(`many-${index}`, book, padding).write(lab.a.site);
  };
  await Promise.all(Array.from({ length: 8 }, arrive));
}

async function leaveAndFlood(stage: Stage): Promise<void> {
  await stage.traffic.leave();
  await flood(stage, LARGE);
}

/** Until A has brought some of what waits into Redis, and not all. */
async function midMigration({ lab }: Stage): Promise<void> {
  const { backlog: before } = await lab.a.app.status();
  const began = await lab.until(async () => (await lab.a.app.status()).backlog < before * 0.9, 15_000);
  const { backlog, mode } = await lab.a.app.status();
  if (!began || backlog === 0) throw new Error(`not in mid-migration: ${mode}, ${backlog} of ${before} wait`);
}

/** New visitors go elsewhere, and those under way are answered, before a process ends. */
async function drainSite({ lab }: Stage): Promise<void> {
  lab.a.site.drained = true;
  await lab.until(() => Promise.resolve(lab.a.site.idle), 5_000);
}

const CLOCKS: readonly Scenario[] = [
  {
    name: 'clock-ahead',
    fault: 'kill -9 of Redis, while the clock of A is an hour ahead',
    setup: { ...persistent, a: { clockShift: HOUR } },
    begin: kill,
    end: restart,
    libraryOnly: true,
  },
  {
    name: 'clock-jump',
    fault: 'kill -9 of Redis; meanwhile the clock of A is set an hour back, and that of B an hour forth',
    setup: persistent,
    begin: kill,
    during: async ({ lab, traffic }) => {
      await lab.a.app.order({ act: 'shift', ms: -HOUR });
      await lab.b.app.order({ act: 'shift', ms: HOUR });
      await traffic.leave();
    },
    end: restart,
    libraryOnly: true,
  },
];

const STARTS: readonly Scenario[] = [
  {
    name: 'down-at-start',
    fault: 'Redis is not there when both instances start',
    setup: { ...persistent, down: true },
    begin: () => undefined,
    end: restart,
  },
  {
    name: 'second-outage',
    fault: 'killed again in the middle of the migration',
    setup: { ...persistent, proxied: true },
    begin: kill,
    during: leaveAndFlood,
    end: async stage => {
      const { lab } = stage;
      for (const proxy of lab.proxies) proxy.rate = NARROW;
      await lab.redis.restart();
      await midMigration(stage);
      await lab.redis.kill();
      for (const proxy of lab.proxies) proxy.rate = Infinity;
      await lab.a.app.awaitEvent('store:degraded', 5_000, now() - 50);
      await lab.redis.restart();
    },
    libraryOnly: true,
  },
  {
    name: 'roaming',
    fault: 'sessions are born at A in an outage, and go on at B, which sees Redis again before A does',
    setup: { proxied: true },
    begin: ({ lab }) => lab.proxies.forEach(proxy => (proxy.mode = 'refuse')),
    during: async ({ lab, book, traffic }) => {
      await traffic.leave();
      const roamers = Array.from({ length: 8 }, (_, index) => new User(`roamer-${index}`, book));
      await Promise.all(roamers.map(user => user.write(lab.a.site)));
      await Promise.all(roamers.map(user => user.login(lab.a.site)));
      await Promise.all(roamers.map(user => user.write(lab.b.site)));
      lab.proxy('B').mode = 'pass';
      const healthy = async (): Promise<boolean> => (await lab.b.app.status()).settled;
      if (!(await lab.until(healthy, 10_000))) throw new Error('B does not come back');
      await Promise.all(roamers.map(user => user.read(lab.b.site)));
      await Promise.all(roamers.map(user => user.write(lab.b.site)));
    },
    end: ({ lab }) => {
      lab.proxy('A').mode = 'pass';
    },
  },
];

const SPOILED: readonly Scenario[] = [
  {
    name: 'listeners',
    fault: 'kill -9 of Redis, while every listener of the app throws',
    setup: { ...persistent, a: { listenersThrow: true }, b: { listenersThrow: true } },
    begin: kill,
    end: restart,
    libraryOnly: true,
  },
  {
    name: 'heap',
    fault: 'kill -9 of Redis, while A has a small heap, mostly full, and a journal of 10 MB',
    setup: {
      ...persistent,
      own: { nodeArgs: ['--max-old-space-size=128'] },
      a: { options: { journal: { maxBytes: 24 * 1024 * 1024 } } },
    },
    before: ({ lab }) => lab.a.app.order({ act: 'ballast', mb: 50 }),
    begin: kill,
    during: async stage => {
      await stage.traffic.leave();
      await flood(stage, 16_000);
    },
    end: restart,
    libraryOnly: true,
    alone: true,
  },
  {
    name: 'stall',
    fault: 'the event loop of A stands still for 1.5 s, with a healthy Redis',
    begin: ({ lab }) => lab.a.app.order({ act: 'stall', ms: 1_500 }),
    hold: 200,
    end: () => undefined,
    alone: true,
  },
  {
    name: 'stall-outage',
    fault: 'kill -9 of Redis; meanwhile the event loop of A stands still for 1 s',
    setup: persistent,
    begin: kill,
    during: async ({ lab, traffic }) => {
      await lab.a.app.order({ act: 'stall', ms: 1_000 });
      await traffic.leave();
    },
    end: restart,
    alone: true,
  },
];

const ENDS: readonly Scenario[] = [
  {
    name: 'sigterm-outage',
    fault: 'kill -9 of Redis; meanwhile A is ended by SIGTERM, and another takes its place',
    setup: { ...persistent, own: {} },
    begin: kill,
    during: async stage => {
      const { lab, traffic } = stage;
      await traffic.leave();
      await drainSite(stage);
      await lab.a.app.stop();
      await lab.replace('A', true);
    },
    end: restart,
    documented: { missed: DIES, lost: DIES, alive: DIES },
  },
  {
    name: 'rotation',
    fault:
      'kill -9 of Redis; meanwhile the secret is rotated: A is replaced by a process that seals with another',
    setup: { ...persistent, own: {} },
    begin: kill,
    during: async stage => {
      const { lab, traffic } = stage;
      await traffic.leave();
      await drainSite(stage);
      await lab.a.app.stop();
      lab.rotate();
      await lab.replace('A', true);
    },
    end: restart,
    documented: { missed: DIES, lost: DIES, alive: DIES },
  },
  {
    name: 'sigterm-migration',
    fault: 'A is ended by SIGTERM in the middle of the migration',
    setup: { ...persistent, proxied: true, own: {} },
    begin: kill,
    during: leaveAndFlood,
    end: async stage => {
      const { lab } = stage;
      for (const proxy of lab.proxies) proxy.rate = NARROW_AT_THE_END;
      await lab.redis.restart();
      await midMigration(stage);
      await drainSite(stage);
      await lab.a.app.stop();
      for (const proxy of lab.proxies) proxy.rate = Infinity;
      await lab.replace('A');
    },
    libraryOnly: true,
  },
  {
    name: 'app-killed',
    fault: 'kill -9 of Redis, and then of A; another takes its place',
    setup: { ...persistent, own: {} },
    begin: kill,
    during: async ({ lab, traffic }) => {
      await traffic.leave();
      lab.a.site.drained = true;
      await lab.a.app.kill();
      await lab.replace('A', true);
    },
    end: restart,
    documented: { missed: DIES, lost: DIES, alive: DIES },
  },
];

/** What can become of the instances themselves, mostly while Redis is away. */
export const INSTANCES: readonly Scenario[] = [...STARTS, ...CLOCKS, ...SPOILED, ...ENDS];
