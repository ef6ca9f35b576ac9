import { expect } from 'chai';
import { createSessions, healthRoutes } from '../../src/create.js';
import type { HealthRouteOptions } from '../../src/http/health-route.js';
import { type Config, readOptions, type SessionOptions } from '../../src/options.js';
import { MemoryStore } from '../../src/store/memory.js';
import { ManualClock } from '../support/manual-clock.js';

const SECRET = 'kT9-vQ2_xLr7Zw4m';

/** What `options` are refused with, in this environment. */
function refusal(options: unknown, env: Record<string, string> = {}): Error & { code?: unknown } {
  try {
    // Wrong on purpose: the types would not let it pass.
    readOptions({ redis: false, secret: SECRET, ...(options as SessionOptions) }, env);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('nothing was refused');
}

describe('options', () => {
  const wrong: readonly [option: string, options: object, kind: typeof TypeError | typeof RangeError][] = [
    ['idleTimeout', { idleTimeout: '1h' }, TypeError],
    ['idleTimeout', { idleTimeout: 0 }, RangeError],
    ['absoluteTimeout', { absoluteTimeout: NaN }, RangeError],
    ['absoluteTimeout', { absoluteTimeout: 401 * 86_400_000 }, RangeError],
    ['rolling', { rolling: 1 }, TypeError],
    ['lazy', { lazy: 'yes' }, TypeError],
    ['as', { as: 'a b' }, RangeError],
    ['prefix', { prefix: 'a\r\nb' }, RangeError],
    ['prefix', { prefix: 7 }, TypeError],
    ['deadline', { deadline: 0 }, RangeError],
    ['deadline', { deadline: 1.5 }, RangeError],
    ['deadline', { deadline: Infinity }, RangeError],
    ['breaker', { breaker: 3 }, TypeError],
    ['breaker.failures', { breaker: { failures: 0 } }, RangeError],
    ['breaker.rate', { breaker: { rate: 1 } }, RangeError],
    ['breaker.rate', { breaker: { rate: '0.5' } }, TypeError],
    ['probe.interval', { probe: { interval: 1 } }, RangeError],
    ['probe.maxInterval', { probe: { interval: 500, maxInterval: 100 } }, RangeError],
    ['journal.maxBytes', { journal: { maxBytes: 1 } }, RangeError],
    ['maxOutage', { maxOutage: -1 }, RangeError],
    ['maxDataBytes', { maxDataBytes: 1 }, RangeError],
    ['shadow', { shadow: true }, TypeError],
    ['shadow.maxStaleness', { shadow: { maxStaleness: -1 } }, RangeError],
    ['cache', { cache: 'yes' }, TypeError],
    ['cache', { redis: undefined, cache: true, shadow: false }, TypeError],
    ['cache', { cache: true }, TypeError],
    ['onUnavailable', { onUnavailable: 'explode' }, RangeError],
    ['merge', { merge: 'deep' }, RangeError],
    ['logger', { logger: {} }, TypeError],
    ['warningHeader', { warningHeader: null }, TypeError],
    ['store', { redis: undefined, store: { read: 1 } }, TypeError],
    ['redis', { redis: 5 }, TypeError],
    ['redis', { redis: '' }, TypeError],
    ['redis', { redis: { url: 'garbage' } }, TypeError],
    ['redis', { redis: { url: 'http://host' } }, TypeError],
    ['redis.socket', { redis: { socket: 'host' } }, TypeError],
    ['redis.socket.port', { redis: { socket: { port: '6379' } } }, TypeError],
    ['redis.socket.port', { redis: { socket: { port: 70_000 } } }, RangeError],
    ['redis.database', { redis: { database: 'x' } }, TypeError],
    ['cookie', { cookie: 'sid' }, TypeError],
    ['cookie.name', { cookie: { name: 7 } }, TypeError],
    ['cookie', { cookie: { name: 'a b' } }, RangeError],
    ['cookie', { cookie: { name: '__Host-x' } }, RangeError],
    ['cookie', { cookie: { name: '__Host-x', secure: true, domain: 'example.org' } }, RangeError],
    ['cookie', { cookie: { sameSite: 'none' } }, RangeError],
    ['cookie', { cookie: { partitioned: true } }, RangeError],
    ['cookie', { cookie: { path: '/a;b' } }, RangeError],
    ['cookie', { cookie: { domain: 'x\r\nSet-Cookie: y' } }, RangeError],
    ['timeouts', { timeouts: 'aal4' }, RangeError],
    ['anonymous.perSecond', { anonymous: { perSecond: -1 } }, RangeError],
    ['anonymous.idleTimeout', { anonymous: { idleTimeout: 1 } }, RangeError],
    ['userSessions.max', { userSessions: { max: 0 } }, RangeError],
    ['userSessions.beyond', { userSessions: { beyond: 'ask' } }, RangeError],
    ['afterDataLoss', { afterDataLoss: 'ignore' }, RangeError],
    ['cookie.sameSite', { cookie: { sameSite: 'loose' } }, RangeError],
    ['cookie.httpOnly', { cookie: { httpOnly: 'yes' } }, TypeError],
  ];

  for (const [option, options, kind] of wrong) {
    it(`refuse ${JSON.stringify(options)} in words that name ${option}`, () => {
      const error = refusal(options);
      expect(error).to.be.instanceOf(kind);
      expect(error).to.have.property('code', 'CONFIG_INVALID');
      expect(error.message).to.include(`"${option}"`);
    });
  }

  it('refuse what they do not know, at each depth, and what is not there yet', () => {
    for (const name of ['cipher', 'compression', 'secrets', 'maxAge']) {
      expect(refusal({ [name]: true }).message, name).to.include(`'${name}' is unknown`);
    }
    expect(refusal({ redis: { host: 'h', port: 1 } }).message).to.include("'redis.host' is unknown");
    expect(refusal({ breaker: { rates: 1 } }).message).to.include("'breaker.rates' is unknown");
    expect(refusal({ cookie: { maxAge: 1 } }).message).to.include("'cookie.maxAge' is unknown");
  });

  it('never repeat the password of a Redis', () => {
    for (const redis of ['http://:canary@host', 'canary', 'redis://:canary@ho st:99999999']) {
      expect(refusal({ redis }).message).to.not.include('canary');
    }
  });

  it('never repeat what stands in the wrong place: it may be a URL with a password, or a secret', () => {
    const misplaced = ['redis://:canary@host', 'canary-canary-canary'];
    const nested = { url: misplaced[0], password: misplaced[1], read: misplaced[1] };
    const places = ['store', 'cookie', 'breaker', 'probe', 'journal', 'shadow', 'logger'];
    for (const value of [...misplaced, nested]) {
      // What plain JavaScript may do.
      expect(() => createSessions(value as SessionOptions, { env: {} }))
        .to.throw(TypeError)
        .with.property('message')
        .that.does.not.include('canary');
      for (const place of places) {
        const error = refusal({ [place]: value, ...(place === 'store' && { redis: undefined }) });
        expect(error.message, place).to.not.include('canary');
      }
    }
    const socket = { port: 'canary' };
    expect(refusal({ redis: { socket } }).message).to.not.include('canary');
  });

  it('of the health route are checked, too', () => {
    const sessions = createSessions({ redis: false, secret: SECRET, logger: false }, { env: {} });
    for (const options of [
      { pth: '/x' },
      { authorize: 'yes' },
      { path: 5 },
      { path: 'x' },
      { path: '/(' },
      'canary',
      null,
    ]) {
      expect(() => healthRoutes(sessions, options as HealthRouteOptions), JSON.stringify(options))
        .to.throw()
        .with.property('code', 'CONFIG_INVALID');
      expect(() => healthRoutes(sessions, options as HealthRouteOptions)).to.not.throw(/canary/);
    }
  });

  it('come from the environment where none is given', () => {
    const env = {
      REDIS_URL: 'redis://127.0.0.1:6379',
      SESSION_SECRET_KEY: SECRET,
      SESSION_TIMEOUT_HOURS: '0.5',
    };
    const config = readOptions(undefined, env);
    expect(config).to.deep.include({ idleTimeout: 1_800_000, secrets: [SECRET], warnings: [] });
    expect(config.store).to.deep.equal({
      kind: 'redis',
      target: { kind: 'options', options: { url: env.REDIS_URL } },
    });
    expect(refusal({}, { SESSION_TIMEOUT_HOURS: 'soon' }).message).to.include('SESSION_TIMEOUT_HOURS');
  });

  it('set both timeouts as NIST SP 800-63B-4 has them (ASVS 7.3.1, 7.3.2)', () => {
    const hour = 3_600_000;
    const given = (timeouts: 'aal1' | 'aal2' | 'aal3'): Config =>
      readOptions({ redis: false, secret: SECRET, timeouts }, { SESSION_TIMEOUT_HOURS: '5' });
    expect(given('aal1')).to.include({ absoluteTimeout: 30 * 24 * hour, idleTimeout: false });
    expect(given('aal2')).to.include({ absoluteTimeout: 24 * hour, idleTimeout: hour });
    expect(given('aal3')).to.include({ absoluteTimeout: 12 * hour, idleTimeout: hour / 4 });
    for (const other of [{ idleTimeout: 5000 }, { absoluteTimeout: 5000 }, { idleTimeout: false }])
      expect(refusal({ timeouts: 'aal2', ...other }).message).to.include('excludes');
  });

  it('need a Redis and a secret in production', () => {
    const env = { NODE_ENV: 'production' };
    expect(() => readOptions({ secret: SECRET }, env)).to.throw(TypeError, 'REDIS_URL');
    expect(() => readOptions({ redis: false }, env))
      .to.throw(TypeError, 'SESSION_SECRET_KEY')
      .with.property('code', 'ENCRYPTION_INIT');
    expect(readOptions({ redis: false, secret: SECRET }, env).store.kind).to.equal('memory');
  });

  it('in development are content with nothing, and warn once for each thing that is missing', () => {
    const config = readOptions({}, {});
    expect(config.store.kind).to.equal('memory');
    expect(config.warnings).to.have.length(2);
    expect(readOptions({}, {}).secrets[0]).to.not.equal(config.secrets[0]);
  });

  it('name the cookie __Host- where Secure is certain and it stands on / without a domain (ASVS 3.3.1, 3.3.3)', () => {
    const name = (cookie: object, env: Record<string, string>): string =>
      readOptions({ redis: false, secret: SECRET, cookie }, env).cookieName;
    expect(name({}, {})).to.equal('session');
    for (const env of [
      { NODE_ENV: 'production' },
      { RENDER: 'true' },
      { DYNO: 'web.1' },
      { FLY_APP_NAME: 'x' },
    ]) {
      expect(name({}, env)).to.equal('__Host-session');
      expect(name({ domain: 'example.org' }, env)).to.equal('session');
      expect(name({ path: '/app' }, env)).to.equal('session');
      expect(name({ secure: false }, env)).to.equal('session');
    }
    expect(name({ secure: true }, {})).to.equal('__Host-session');
  });

  it('take one store or a Redis, not both, and no pool', () => {
    const store = new MemoryStore(65_536, new ManualClock());
    expect(refusal({ store }).message).to.include('exclude');
    expect(readOptions({ store, secret: SECRET }, {}).store).to.deep.equal({ kind: 'own', store });
    expect(refusal({ redis: { execute: () => undefined } }).message).to.include('pool');
  });

  it('are frozen once they are read', () => {
    expect(readOptions({ redis: false, secret: SECRET }, {})).to.be.frozen;
  });
});
