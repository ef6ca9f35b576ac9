/** The lab's app: a process of its own, which serves what its parent orders. */
import Koa from 'koa';
import { type Clock, systemClock } from '../../src/clock.js';
import { createSessions, type Sessions } from '../../src/create.js';
import type { EventName } from '../../src/index.js';
import { Host, type Opened } from './host.js';
import type { InstanceConfig, Status } from './protocol.js';
import { routes } from './routes.js';

/** What the lab measures times by. */
const TOLD: readonly EventName[] = [
  'store:degraded',
  'store:recovering',
  'store:recovered',
  'store:data-loss',
  'migration:progress',
  'journal:full',
];
const THROWING: readonly EventName[] = [
  ...TOLD,
  'store:error',
  'circuit:open',
  'circuit:close',
  'journal:added',
  'session:created',
  'session:loaded',
  'session:saved',
  'session:regenerated',
  'session:destroyed',
  'session:conflict',
  'session:gone',
  'session:unavailable',
];

class ShiftedClock implements Clock {
  readonly #real = systemClock();
  #shift: number;
  readonly monotonic = this.#real.monotonic;
  readonly after = this.#real.after;
  readonly correct = this.#real.correct;
  readonly bytes = this.#real.bytes;
  readonly fraction = this.#real.fraction;

  constructor(shift: number) {
    this.#shift = shift;
  }

  wall(): number {
    return this.#real.wall() + this.#shift;
  }

  shift(ms: number): void {
    this.#shift += ms;
  }
}

function statusOf(sessions: Sessions): Status {
  const { mode, backlog, canary } = sessions.healthDetails();
  const { ledger } = sessions.stats().store;
  const settled = mode === 'healthy' && backlog.items === 0 && canary?.ok === true;
  const losses = ledger.expired + ledger.quarantined + ledger.evicted;
  const heapMb = Math.round(process.memoryUsage().heapUsed / 2 ** 20);
  return { settled, mode, backlog: backlog.items, losses, heapMb };
}

function listen(sessions: Sessions, tell: (name: string) => void, throwing: boolean): void {
  const fail = (): never => {
    throw new Error('a listener of the lab');
  };
  if (throwing) for (const name of THROWING) sessions.events.on(name, fail);
  for (const name of TOLD) sessions.events.on(name, () => tell(name));
}

async function open(config: InstanceConfig, tell: (name: string) => void): Promise<Opened> {
  const clock = new ShiftedClock(config.clockShift ?? 0);
  const { redisUrl: redis, secrets: secret, options } = config;
  const cookie = { name: 'session', secure: false };
  const sessions = createSessions({ ...options, redis, secret, cookie, logger: false }, { clock, env: {} });
  listen(sessions, tell, config.listenersThrow ?? false);
  if (config.away !== true) await sessions.ready();
  const koa = new Koa();
  koa.use(sessions);
  koa.use(routes(ctx => sessions.info(ctx)?.source ?? null));
  return {
    koa,
    status: () => statusOf(sessions),
    shift: ms => clock.shift(ms),
    close: async () => (await sessions.close()).items,
  };
}

new Host(open);
