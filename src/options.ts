import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import type { RedisClientOptions } from 'redis';
import { ConfigTypeError } from './errors.js';
import { type CookieAttributes, cookieProblem } from './http/cookie.js';
import { consoleLogger, type Logger, silentLogger } from './observe/log.js';
import type { BreakerOptions } from './resilience/circuit.js';
import type { ProbeOptions } from './resilience/probe.js';
import type { LossPolicy } from './resilience/restoration.js';
import type { ShadowOptions } from './resilience/shadow.js';
import type { UserSessionOptions } from './session/index-write.js';
import type { MergePolicy } from './session/merge.js';
import type { NewcomerOptions } from './session/newcomers.js';
import type { GivenClient, RedisTarget } from './store/redis-client.js';
import { targetOf } from './store/redis-target.js';
import { choice, flag, isObject, object, outOf, outOfTogether, text, whole, wrong } from './rules.js';
import type { SessionStore } from './store/store.js';

/** The cookie: its name, and attributes. Defaults: HttpOnly, SameSite=Lax, Path=/, Secure where that is certain. */
export interface CookieOptions extends CookieAttributes {
  readonly name?: string;
}

/** Everything is optional. Times are ms, sizes bytes. */
export interface SessionOptions {
  /** URL, node-redis options, or a client, cluster or sentinel to duplicate; `false`: memory alone. Default `REDIS_URL`. */
  readonly redis?: string | RedisClientOptions | GivenClient | false;
  /** At least 16 characters; the first seals, all open. Default `SESSION_SECRET_KEY`. */
  readonly secret?: string | readonly string[];
  /** A primary store of your own in place of Redis. */
  readonly store?: SessionStore;
  /** Redis key prefix. Default `sess:`. */
  readonly prefix?: string;
  /** Without use, or `false`. Default 24 h, or `SESSION_TIMEOUT_HOURS`. */
  readonly idleTimeout?: number | false;
  /** From creation, whatever the use. Default 30 d. */
  readonly absoluteTimeout?: number;
  /** Both at once, as NIST SP 800-63B-4 has them: `'aal1'` 30 d and no idle timeout, `'aal2'` 24 h and 1 h, `'aal3'` 12 h and 15 min. */
  readonly timeouts?: Assurance;
  /** How many anonymous sessions may begin in a second here (default 100); beyond that they last 10 min, until they come back. */
  readonly anonymous?: Partial<NewcomerOptions>;
  /** How many sessions one user may have at once (default 100): with one more the longest unused one ends. */
  readonly userSessions?: Partial<UserSessionOptions>;
  /** Use extends the idle deadline, in at most one write per tenth of it. Default true. */
  readonly rolling?: boolean;
  /** Load on `await ctx.loadSession()` instead of before the handler. Default false. */
  readonly lazy?: boolean;
  /** Name of the property on ctx. Default `session`. */
  readonly as?: string;
  readonly cookie?: CookieOptions | ((ctx: Context) => CookieAttributes);
  /** Longest wait for Redis in a load, and in a commit. Default 250. */
  readonly deadline?: number;
  readonly breaker?: Partial<BreakerOptions>;
  readonly probe?: Partial<ProbeOptions>;
  /** Cap on what waits for Redis. Default 64 MiB. */
  readonly journal?: { readonly maxBytes?: number };
  /** Longest wait in the journal; tombstones outlive it. Default 24 h. */
  readonly maxOutage?: number;
  /** Largest serialised session. Default 65,536. */
  readonly maxDataBytes?: number;
  /** Warm copies for outages. Default 32 MiB, 5 min. */
  readonly shadow?: Partial<ShadowOptions> | false;
  /**
   * A session that this instance has seen is read without asking Redis, which reports its changes: a logout elsewhere is
   * seen within the delay of the network, and within `deadline` in any case. Default false.
   */
  readonly cache?: boolean;
  /** A session that cannot be read now: empty (`'fresh'`, default), or 503 (`'reject'`). */
  readonly onUnavailable?: 'fresh' | 'reject';
  /** Default `'keys'`. */
  readonly merge?: MergePolicy;
  /**
   * When Redis may have lost data: `'restore'` offers it the warm copies of this instance; with `'relogin'` what was
   * stored before is trusted no more, and everybody logs in again. Default `'restore'`.
   */
  readonly afterDataLoss?: LossPolicy;
  /** pino-shaped; `false` silences. Default: console, transitions and faults only. */
  readonly logger?: Logger | false;
  /** `X-Session-Warning: fallback` on responses served from the fallback. Default true. */
  readonly warningHeader?: boolean;
}

export type StoreChoice =
  | { readonly kind: 'redis'; readonly target: RedisTarget }
  | { readonly kind: 'memory' }
  | { readonly kind: 'own'; readonly store: SessionStore };

/** Options, checked and complete. */
export interface Config {
  readonly store: StoreChoice;
  readonly secrets: readonly string[];
  readonly prefix: string;
  readonly idleTimeout: number | false;
  readonly absoluteTimeout: number;
  readonly anonymous: NewcomerOptions;
  readonly userSessions: UserSessionOptions;
  readonly rolling: boolean;
  readonly lazy: boolean;
  readonly as: string;
  readonly cookieName: string;
  readonly cookieAttributes: (ctx: Context) => CookieAttributes;
  readonly deadline: number;
  readonly breaker: BreakerOptions;
  readonly probe: ProbeOptions;
  readonly journal: { readonly maxBytes: number };
  readonly maxOutage: number;
  readonly maxDataBytes: number;
  readonly shadow: ShadowOptions | false;
  readonly cache: boolean;
  readonly onUnavailable: 'fresh' | 'reject';
  readonly merge: MergePolicy;
  readonly afterDataLoss: LossPolicy;
  readonly logger: Logger;
  readonly warningHeader: boolean;
  /** What to say once at start. */
  readonly warnings: readonly string[];
}

const MiB = 1024 * 1024;
const HOUR = 3_600_000;
const LONGEST = 400 * 24 * HOUR;
const PLATFORMS = ['RENDER', 'DYNO', 'FLY_APP_NAME'];

const DEFAULTS = {
  prefix: 'sess:',
  idleTimeout: 24 * HOUR,
  absoluteTimeout: 30 * 24 * HOUR,
  deadline: 250,
  breaker: { failures: 3, rate: 0.5, window: 10_000 },
  probe: { interval: 100, maxInterval: 1_000, successes: 3 },
  journal: { maxBytes: 64 * MiB },
  maxOutage: 24 * HOUR,
  maxDataBytes: 65_536,
  shadow: { maxBytes: 32 * MiB, maxStaleness: 5 * 60_000 },
  anonymous: { perSecond: 100, idleTimeout: 10 * 60_000 },
  userSessions: 100,
} as const;

export type Assurance = 'aal1' | 'aal2' | 'aal3';

/** NIST SP 800-63B-4 §2.1.3, §2.2.3, §2.3.3. */
const TIMEOUTS: Record<Assurance, Pick<Config, 'absoluteTimeout' | 'idleTimeout'>> = {
  aal1: { absoluteTimeout: 30 * 24 * HOUR, idleTimeout: false },
  aal2: { absoluteTimeout: 24 * HOUR, idleTimeout: HOUR },
  aal3: { absoluteTimeout: 12 * HOUR, idleTimeout: HOUR / 4 },
};

const KNOWN = [
  'redis',
  'secret',
  'store',
  'prefix',
  'idleTimeout',
  'absoluteTimeout',
  'timeouts',
  'anonymous',
  'userSessions',
  'rolling',
  'lazy',
  'as',
  'cookie',
  'deadline',
  'breaker',
  'probe',
  'journal',
  'maxOutage',
  'maxDataBytes',
  'shadow',
  'cache',
  'onUnavailable',
  'merge',
  'afterDataLoss',
  'logger',
  'warningHeader',
] as const;

type Env = Readonly<Record<string, string | undefined>>;

/** Throws `TypeError` or `RangeError` (`code` `CONFIG_INVALID`) that names option and rule, and no value that may be a secret. */
export function readOptions(options: SessionOptions = {}, env: Env = process.env): Config {
  object('options', options, KNOWN);
  const warnings: string[] = [];
  const cookie = cookieOf(options.cookie, env);
  return Object.freeze({
    store: storeOf(options, env, warnings),
    secrets: secretsOf(options.secret, env, warnings),
    prefix: text(
      'prefix',
      options.prefix,
      DEFAULTS.prefix,
      /^[\x21-\x7e]{0,64}$/,
      '0 to 64 printable characters',
    ),
    ...timeoutsOf(options, env),
    anonymous: anonymousOf(options.anonymous),
    userSessions: userSessionsOf(options.userSessions),
    rolling: flag('rolling', options.rolling, true),
    lazy: flag('lazy', options.lazy, false),
    as: text(
      'as',
      options.as,
      'session',
      /^[A-Za-z_$][\w$]{0,63}$/,
      'a property name of at most 64 characters',
    ),
    cookieName: cookie.name,
    cookieAttributes: cookie.attributes,
    deadline: whole('deadline', options.deadline, DEFAULTS.deadline, 1, 60_000),
    breaker: breakerOf(options.breaker),
    probe: probeOf(options.probe),
    journal: journalOf(options.journal),
    maxOutage: whole('maxOutage', options.maxOutage, DEFAULTS.maxOutage, 1000, LONGEST),
    maxDataBytes: whole('maxDataBytes', options.maxDataBytes, DEFAULTS.maxDataBytes, 64, 16 * MiB),
    shadow: shadowOf(options.shadow),
    cache: cacheOf(options),
    onUnavailable: choice('onUnavailable', options.onUnavailable, ['fresh', 'reject']),
    merge:
      typeof options.merge === 'function'
        ? options.merge
        : choice('merge', options.merge, ['keys', 'latest']),
    afterDataLoss: choice('afterDataLoss', options.afterDataLoss, ['restore', 'relogin']),
    logger: loggerOf(options.logger),
    warningHeader: flag('warningHeader', options.warningHeader, true),
    warnings,
  });
}

function storeOf({ redis, store }: SessionOptions, env: Env, warnings: string[]): StoreChoice {
  if (store !== undefined) {
    if (redis !== undefined) throw new ConfigTypeError('options "store" and "redis" exclude each other');
    const whole = isObject(store) && typeof store.read === 'function' && typeof store.swap === 'function';
    // It may hold a password.
    if (!whole) throw wrong('store', 'an object with read() and swap()', typeof store);
    return { kind: 'own', store };
  }
  if (redis === false) return { kind: 'memory' };
  const target = redis === undefined ? env['REDIS_URL'] || undefined : redis;
  if (target !== undefined) return { kind: 'redis', target: targetOf(target) };
  if (env['NODE_ENV'] === 'production') {
    throw new ConfigTypeError(
      'option "redis" or REDIS_URL must be set in production; redis: false chooses memory alone',
    );
  }
  warnings.push(
    'No Redis is configured: sessions live in this process alone and end with it. Set REDIS_URL.',
  );
  return { kind: 'memory' };
}

function secretsOf(secret: SessionOptions['secret'], env: Env, warnings: string[]): readonly string[] {
  const given = secret === undefined ? env['SESSION_SECRET_KEY'] : secret;
  if (given !== undefined && given !== '')
    return Array.isArray(given) ? [...(given as readonly string[])] : [given as string];
  if (env['NODE_ENV'] === 'production') {
    throw new ConfigTypeError(
      'Failed to initialize session encryption: SESSION_SECRET_KEY or option "secret" must be set in production',
      'ENCRYPTION_INIT',
    );
  }
  warnings.push(
    'No secret is configured: this process made one, and sessions end with it. Set SESSION_SECRET_KEY.',
  );
  return [randomBytes(32).toString('hex')];
}

function timeoutsOf(
  { timeouts, idleTimeout, absoluteTimeout }: SessionOptions,
  env: Env,
): Pick<Config, 'absoluteTimeout' | 'idleTimeout'> {
  if (timeouts !== undefined) {
    if (idleTimeout !== undefined || absoluteTimeout !== undefined)
      throw new ConfigTypeError('option "timeouts" excludes "idleTimeout" and "absoluteTimeout"');
    return TIMEOUTS[choice('timeouts', timeouts, ['aal1', 'aal2', 'aal3'])];
  }
  return {
    idleTimeout: idleOf(idleTimeout, env),
    absoluteTimeout: whole('absoluteTimeout', absoluteTimeout, DEFAULTS.absoluteTimeout, 1000, LONGEST),
  };
}

function anonymousOf(anonymous: SessionOptions['anonymous']): NewcomerOptions {
  const given = object('anonymous', anonymous === undefined ? {} : anonymous, ['perSecond', 'idleTimeout']);
  const { perSecond, idleTimeout } = DEFAULTS.anonymous;
  return {
    perSecond: whole('anonymous.perSecond', given.perSecond, perSecond, 0, 1_000_000),
    idleTimeout: whole('anonymous.idleTimeout', given.idleTimeout, idleTimeout, 1000, LONGEST),
  };
}

function userSessionsOf(userSessions: SessionOptions['userSessions']): UserSessionOptions {
  const given = object('userSessions', userSessions === undefined ? {} : userSessions, ['max', 'beyond']);
  return {
    max: whole('userSessions.max', given.max, DEFAULTS.userSessions, 1, 1000),
    beyond: choice('userSessions.beyond', given.beyond, ['end-oldest', 'refuse']),
  };
}

function idleOf(idleTimeout: number | false | undefined, env: Env): number | false {
  if (idleTimeout === false) return false;
  if (idleTimeout !== undefined) return whole('idleTimeout', idleTimeout, 0, 1000, LONGEST);
  const hours = env['SESSION_TIMEOUT_HOURS'];
  if (hours === undefined || hours === '') return DEFAULTS.idleTimeout;
  const ms = Number(hours) * HOUR;
  if (!(ms >= 1000 && ms <= LONGEST))
    throw outOf('SESSION_TIMEOUT_HOURS', 'a number of hours up to 9600', hours);
  return Math.round(ms);
}

function breakerOf(breaker: SessionOptions['breaker']): BreakerOptions {
  const given = object('breaker', breaker === undefined ? {} : breaker, ['failures', 'rate', 'window']);
  const rate = given.rate === undefined ? DEFAULTS.breaker.rate : given.rate;
  if (typeof rate !== 'number') throw wrong('breaker.rate', 'a number', rate);
  if (!(rate > 0 && rate < 1)) throw outOf('breaker.rate', 'between 0 and 1, both excluded', rate);
  return {
    failures: whole('breaker.failures', given.failures, DEFAULTS.breaker.failures, 1, 1000),
    rate,
    window: whole('breaker.window', given.window, DEFAULTS.breaker.window, 100, HOUR),
  };
}

function probeOf(probe: SessionOptions['probe']): ProbeOptions {
  const given = object('probe', probe === undefined ? {} : probe, ['interval', 'maxInterval', 'successes']);
  const interval = whole('probe.interval', given.interval, DEFAULTS.probe.interval, 10, 60_000);
  const most = Math.max(interval, DEFAULTS.probe.maxInterval);
  return {
    interval,
    maxInterval: whole('probe.maxInterval', given.maxInterval, most, interval, 600_000),
    successes: whole('probe.successes', given.successes, DEFAULTS.probe.successes, 1, 100),
  };
}

function journalOf(journal: SessionOptions['journal']): Config['journal'] {
  const given = object('journal', journal === undefined ? {} : journal, ['maxBytes']);
  return {
    maxBytes: whole('journal.maxBytes', given.maxBytes, DEFAULTS.journal.maxBytes, 64 * 1024, 2 ** 40),
  };
}

function shadowOf(shadow: SessionOptions['shadow']): ShadowOptions | false {
  if (shadow === false) return false;
  const given = object('shadow', shadow === undefined ? {} : shadow, ['maxBytes', 'maxStaleness']);
  return {
    maxBytes: whole('shadow.maxBytes', given.maxBytes, DEFAULTS.shadow.maxBytes, 64 * 1024, 2 ** 40),
    maxStaleness: whole('shadow.maxStaleness', given.maxStaleness, DEFAULTS.shadow.maxStaleness, 0, LONGEST),
  };
}

/** Where no Redis is configured, as in development, there is nothing to spare. */
function cacheOf({ cache, shadow, redis }: SessionOptions): boolean {
  const on = flag('cache', cache, false);
  if (on && shadow === false)
    throw new ConfigTypeError('option "cache" needs "shadow": it answers from the warm copies');
  if (on && redis === false)
    throw new ConfigTypeError('options "cache" and "redis: false" exclude each other');
  return on;
}

const ATTRIBUTES = ['domain', 'path', 'secure', 'sameSite', 'httpOnly', 'partitioned', 'priority'] as const;

function cookieOf(
  cookie: SessionOptions['cookie'],
  env: Env,
): { name: string; attributes: (ctx: Context) => CookieAttributes } {
  const certain = env['NODE_ENV'] === 'production' || PLATFORMS.some(name => (env[name] ?? '') !== '');
  if (typeof cookie === 'function') {
    const name = certain ? '__Host-session' : 'session';
    const attributes = (ctx: Context): CookieAttributes => {
      const { secure, ...others } = givenBy(cookie, ctx);
      return checkedCookie(name, { ...others, secure: flag('cookie.secure', secure, certain) });
    };
    return { name, attributes };
  }
  const { name: given, ...attributes } = object('cookie', cookie === undefined ? {} : cookie, [
    'name',
    ...ATTRIBUTES,
  ]);
  const secure = flag('cookie.secure', attributes.secure, certain);
  const host = secure && attributes.domain === undefined && (attributes.path ?? '/') === '/';
  const name = given === undefined ? (host ? '__Host-session' : 'session') : given;
  if (typeof name !== 'string') throw wrong('cookie.name', 'a string', name);
  const checked = Object.freeze(checkedCookie(name, { ...attributes, secure }));
  return { name, attributes: () => checked };
}

function givenBy(cookie: (ctx: Context) => CookieAttributes, ctx: Context): CookieAttributes {
  const given = cookie(ctx);
  if (isObject(given) && 'then' in given)
    throw wrong('cookie', 'a function that returns attributes, no promise', 'a promise');
  return object('cookie', given, ATTRIBUTES);
}

function checkAttributes({
  domain,
  path,
  secure,
  sameSite,
  httpOnly,
  partitioned,
  priority,
}: CookieAttributes): void {
  for (const [name, value] of Object.entries({ domain, path })) {
    if (value !== undefined && typeof value !== 'string') throw wrong(`cookie.${name}`, 'a string', value);
  }
  flag('cookie.secure', secure, false);
  flag('cookie.httpOnly', httpOnly, true);
  flag('cookie.partitioned', partitioned, false);
  choice('cookie.sameSite', sameSite, ['lax', 'strict', 'none']);
  choice('cookie.priority', priority, ['low', 'medium', 'high']);
}

function checkedCookie(name: string, attributes: CookieAttributes): CookieAttributes {
  checkAttributes(attributes);
  const problem = cookieProblem(name, attributes);
  if (problem !== undefined) throw outOfTogether('cookie', problem, { name, ...attributes });
  return attributes;
}

function loggerOf(logger: SessionOptions['logger']): Logger {
  if (logger === false) return silentLogger;
  if (logger === undefined) return consoleLogger;
  const given: unknown = logger;
  const whole =
    isObject(given) && ['info', 'warn', 'error'].every(level => typeof given[level] === 'function');
  if (!whole) throw wrong('logger', 'an object with info(), warn() and error(), or false', typeof logger);
  return logger;
}
