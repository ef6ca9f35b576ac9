import type { Context, Middleware } from 'koa';
import { type Clock, keepAwake, systemClock, type Timer } from './clock.js';
import { SessionError } from './errors.js';
import { createHealthRoute, DEFAULT_HEALTH_PATH, type HealthRouteOptions } from './http/health-route.js';
import { createMiddleware } from './http/middleware.js';
import { UnderWay } from './http/under-way.js';
import { infoOf, type SessionInfo } from './http/slot.js';
import { type EventName, type EventPayloads, SessionEvents } from './observe/events.js';
import { detailsOf, type HealthDetails, healthOf, type HealthReport } from './observe/health.js';
import { logEvents, say } from './observe/log.js';
import { type Stats, StatsBook } from './observe/stats.js';
import { type Config, readOptions, type SessionOptions } from './options.js';
import { object, text, wrong } from './rules.js';
import type { Graveyard } from './resilience/graveyard.js';
import type { Journal } from './resilience/journal.js';
import type { CanaryResult, SealCheck } from './resilience/probe.js';
import type { Shadow } from './resilience/shadow.js';
import { type LeftBehind, Supervisor } from './resilience/supervisor.js';
import { Manager, recordLimits } from './session/manager.js';
import { publicManager, type SessionManager } from './session/public-manager.js';
import { indexLimit } from './session/user-index.js';
import { sessionUsers, type SessionUsers } from './session/users.js';
import { Stamps } from './store/entry.js';
import { GuardedStore } from './store/guard.js';
import { MemoryStore } from './store/memory.js';
import { RedisStore } from './store/redis.js';
import { connector, nodeRedisLoaded } from './store/redis-client.js';
import type { RedisConnection } from './store/redis-link.js';
import type { SessionStore } from './store/store.js';
import { pseudonymOf } from './vault/token.js';
import { Vault } from './vault/vault.js';

/** A Koa middleware that also carries everything else there is to know and do about its sessions. */
export interface Sessions extends Middleware {
  /** Typed events. A listener that throws reaches nobody else. */
  readonly events: SessionEvents;
  /** Sessions outside a request. */
  readonly manager: SessionManager;
  /** All sessions of a user: list them, end one, end all. */
  readonly users: SessionUsers;
  readonly cookieName: string;
  /** One frozen snapshot of counters, rates and latency quantiles. */
  stats(): Stats;
  /** The report that the health route serves. With a `ctx`, whether that app uses this middleware is looked up. */
  health(ctx?: Context): HealthReport;
  /** What the health route adds for callers that it admits. */
  healthDetails(): HealthDetails;
  /** What a request knows of its session; `undefined` before it was loaded. */
  info(ctx: Context): SessionInfo | undefined;
  /** Resolves once Redis answered a canary; rejects with `STORE_UNAVAILABLE` after 5 s. Optional to await. */
  ready(): Promise<void>;
  /** Ends: takes no new requests, lets those under way finish, drains the journal if Redis answers, never hangs. */
  close(): Promise<LeftBehind>;
}

/** Parts that a test or a simulator brings. `src` has no switches for tests: it is composed of other parts. */
export interface Parts {
  readonly clock?: Clock;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly store?: (usual: SessionStore) => SessionStore;
  /** Opens a connection to Redis: the transport. */
  readonly connect?: () => RedisConnection;
  readonly journal?: Journal;
  readonly graveyard?: Graveyard;
  readonly shadow?: Shadow;
}

const READY_WITHIN = 5_000;
const CLOSE_WITHIN = 2_000;
/** Of the deadline: what has to wait for the first connection gives up soon enough to say why. */
const FIRST_SHARE = 0.9;
const MEMORY_BYTES = 64 * 1024 * 1024;

/** The composition root: options → store → supervisor → vault → manager → middleware. */
export function createSessions(options: SessionOptions | undefined, parts: Parts = {}): Sessions {
  const config = readOptions(options, parts.env);
  const clock = parts.clock ?? systemClock();
  const stamps = new Stamps(clock);
  const { events, stats, emit } = observe(config, clock);
  const vault = new Vault(config, clock);
  const usual = openStore(config, clock, parts.connect);
  const store = parts.store?.(usual) ?? usual;
  const opening = parts.connect ? undefined : openingOf(config);
  const { journal, graveyard, shadow } = parts;
  const replaced = {
    ...(journal && { journal }),
    ...(graveyard && { graveyard }),
    ...(shadow && { shadow }),
  };
  const shared = { clock, stamps, emit };
  const checks = { sealCheck: () => sealCheck(vault, stamps), pseudonymOf };
  const memory = config.store.kind === 'memory';
  const supervisor = new Supervisor(
    { ...config, ...(memory && { shadow: false }) },
    { ...shared, ...checks, store, ...(opening && { opening }), ...replaced },
  );
  const manager = new Manager(config, { ...shared, store: supervisor, vault });
  config.warnings.forEach(warning => say(config.logger, 'warn', {}, warning));
  return assemble(config, { clock, events, stats, emit, supervisor, manager, opening });
}

/** The route at `path` (default `/health/session`): see docs/operations.md for every field. */
export function healthRoutes(sessions: Sessions, options: HealthRouteOptions = {}): Middleware {
  const { path, authorize } = object('healthRoutes', options, ['path', 'authorize']);
  if (authorize !== undefined && typeof authorize !== 'function')
    throw wrong('healthRoutes.authorize', 'a function', typeof authorize);
  const checked = text(
    'healthRoutes.path',
    path,
    DEFAULT_HEALTH_PATH,
    /^\/[\w\-./~%]{0,255}$/,
    'a path that begins with / and has letters, digits and -._~% alone, at most 256 characters',
  );
  return createHealthRoute(sessions, checked, authorize);
}

interface Assembly {
  readonly clock: Clock;
  readonly events: SessionEvents;
  readonly stats: StatsBook;
  readonly emit: Emitter;
  readonly supervisor: Supervisor;
  readonly manager: Manager;
  /** Resolves once what this process has to load is loaded. */
  readonly opening: Promise<void> | undefined;
}

type Emitter = <N extends EventName>(name: N, payload: EventPayloads[N]) => void;

function assemble(config: Config, assembly: Assembly): Sessions {
  const { clock, events, stats, emit, supervisor, manager, opening } = assembly;
  const underWay = new UnderWay();
  const warnInsecure = once(() => say(config.logger, 'warn', {}, INSECURE));
  const middleware = createMiddleware(
    { ...config, attributes: config.cookieAttributes },
    { manager, clock, emit, underWay, warnInsecure },
  );
  const first = supervisor.start();
  const ready = once(() => keepAwake(becomeReady(first, { supervisor, clock, opening })));
  void reportStart(first, supervisor, config);
  const close = once(() => keepAwake(closeAll(manager, supervisor, underWay, clock)));
  const readStats = (): Stats => stats.read(supervisor.snapshot(), manager.rotation.report());
  const isInstalled = (ctx?: Context): boolean =>
    underWay.seen || (ctx?.app.middleware.includes(sessions) ?? false);
  const sessions: Sessions = Object.assign(middleware, {
    events,
    manager: publicManager(manager, supervisor),
    users: sessionUsers(manager),
    cookieName: config.cookieName,
    stats: readStats,
    health: (ctx?: Context) =>
      healthOf({
        snapshot: { ...supervisor.snapshot(), ...(manager.closed && { closed: true }) },
        installed: isInstalled(ctx),
        redis: config.store.kind !== 'memory',
        rejects: config.onUnavailable === 'reject',
      }),
    healthDetails: () => detailsOf(supervisor.snapshot(), readStats()),
    info: (ctx: Context) => infoOf(ctx, config.as),
    ready,
    close,
  });
  return sessions;
}

const INSECURE =
  'A Secure session cookie is set on a request that looks like plain HTTP. Behind a proxy that ends TLS set ' +
  'app.proxy = true; without TLS browsers drop this cookie (localhost excepted).';

const NOT_WATCHED =
  'Option "cache" is without effect: this store does not report changes (a cluster, a sentinel, or CLIENT TRACKING ' +
  'refused), so every read asks it.';

function openStore(config: Config, clock: Clock, connect: Parts['connect']): SessionStore {
  if (config.store.kind === 'own') return new GuardedStore(config.store.store);
  if (config.store.kind === 'memory') return new MemoryStore(MEMORY_BYTES, clock);
  const { target } = config.store;
  const open = connect ?? connector(target, clock, config.cache);
  const { prefix, deadline, maxDataBytes, userSessions, cache } = config;
  const maxEntryBytes = Math.max(recordLimits(maxDataBytes).entry, indexLimit(userSessions.max));
  const limits = { firstWait: deadline * FIRST_SHARE, maxEntryBytes };
  return new RedisStore({ prefix, ...limits, echoes: cache }, clock, open);
}

/** Only a client that is made here has to be loaded. */
function openingOf({ store }: Config): Promise<void> | undefined {
  return store.kind === 'redis' && store.target.kind === 'options' ? nodeRedisLoaded() : undefined;
}

function observe(config: Config, clock: Clock): { events: SessionEvents; stats: StatsBook; emit: Emitter } {
  const listenerFailed = (event: string): void =>
    say(config.logger, 'error', { event }, 'a session event listener threw');
  const events = new SessionEvents(listenerFailed);
  const stats = new StatsBook(clock);
  const log = logEvents(config.logger, clock);
  const send = events.emit.bind(events) as (name: EventName, payload: object) => boolean;
  const emit: Emitter = (name, payload) => {
    stats.fold(name, payload);
    log(name, payload);
    if (events.listenerCount(name) > 0) send(name, Object.freeze({ at: clock.wall(), ...payload }));
  };
  return { events, stats, emit };
}

function sealCheck(vault: Vault, stamps: Stamps): SealCheck {
  const identity = vault.newIdentity();
  const entry = vault.seal(identity, stamps.next(), 'canary');
  return {
    key: identity.key,
    entry,
    opens(found) {
      const opened = vault.openOwn(identity, found);
      return opened.opened && opened.text === 'canary';
    },
  };
}

/** One canary can fail because the app was busy starting. */
async function reportStart(
  first: Promise<CanaryResult>,
  supervisor: Supervisor,
  config: Config,
): Promise<void> {
  if (config.store.kind === 'memory') return;
  const early = await first;
  if (supervisor.snapshot().closed) return;
  const report = early.ok ? early : await supervisor.nextCanary(READY_WITHIN);
  if (report.ok && config.cache && supervisor.watching() === undefined)
    say(config.logger, 'warn', {}, NOT_WATCHED);
  if (report.ok) return;
  const fields = { reason: report.fault?.reason ?? 'other', detail: report.fault?.message };
  const message = 'Redis Session Middleware initialization failed: Redis session service not healthy';
  say(config.logger, 'error', fields, message);
}

async function becomeReady(
  first: Promise<CanaryResult>,
  { supervisor, clock, opening }: Pick<Assembly, 'supervisor' | 'clock' | 'opening'>,
): Promise<void> {
  await opening;
  const late = clock.monotonic() + READY_WITHIN;
  let report = await first;
  while (!report.ok && clock.monotonic() < late && !supervisor.snapshot().closed) {
    // Canaries of its own would open the circuits all the sooner.
    report = await supervisor.nextCanary(Math.max(0, late - clock.monotonic()));
  }
  if (report.ok) return;
  const code = report.fault?.reason ?? 'other';
  throw new SessionError('STORE_UNAVAILABLE', `Redis session service not healthy: ${code}`, {
    cause: report.fault,
  });
}

async function closeAll(
  manager: Manager,
  supervisor: Supervisor,
  underWay: UnderWay,
  clock: Clock,
): Promise<LeftBehind> {
  manager.close();
  let timer: Timer | undefined;
  const late = new Promise<void>(resolve => (timer = clock.after(CLOSE_WITHIN, resolve)));
  await Promise.race([underWay.none(), late]);
  timer?.cancel();
  await supervisor.close(CLOSE_WITHIN);
  return supervisor.left;
}

function once<T>(act: () => T): () => T {
  let done: { readonly result: T } | undefined;
  return () => (done ??= { result: act() }).result;
}
