import { inspect } from 'node:util';
import { expect } from 'chai';
import type { Context } from 'koa';
import { createClient, createClientPool } from 'redis';
import { createSessions } from '../../src/create.js';
import { readOptions, type SessionOptions } from '../../src/options.js';
import { newSecret, openSite } from '../support/app.js';

type Env = Record<string, string>;

/** What plain JavaScript may pass, and types would not let pass. */
const loose = (options: unknown): SessionOptions => options as SessionOptions;

/** These functions do not look at it. */
const NO_CONTEXT = {} as Context;

function refusal(options: unknown, env: Env = {}): Error {
  try {
    readOptions(loose(options), env);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error(`these options were taken: ${inspect(options)}`);
}

describe('the rules of options', () => {
  it('leave what is not given to the documented defaults', () => {
    expect(readOptions(undefined, {})).to.deep.include({
      store: { kind: 'memory' },
      prefix: 'sess:',
      idleTimeout: 24 * 3_600_000,
      absoluteTimeout: 30 * 24 * 3_600_000,
      rolling: true,
      lazy: false,
      as: 'session',
      cookieName: 'session',
      deadline: 250,
      breaker: { failures: 3, rate: 0.5, window: 10_000 },
      probe: { interval: 100, maxInterval: 1_000, successes: 3 },
      journal: { maxBytes: 64 * 1024 * 1024 },
      maxOutage: 24 * 3_600_000,
      maxDataBytes: 65_536,
      shadow: { maxBytes: 32 * 1024 * 1024, maxStaleness: 300_000 },
      onUnavailable: 'fresh',
      merge: 'keys',
      warningHeader: true,
    });
  });

  it('take undefined as not given, at each depth', () => {
    const gaps = {
      deadline: undefined,
      redis: undefined,
      cookie: undefined,
      breaker: { failures: undefined, rate: 0.9 },
    };
    expect(readOptions(loose(gaps), {})).to.deep.include({
      deadline: 250,
      breaker: { failures: 3, rate: 0.9, window: 10_000 },
    });
  });

  it('leave the app’s own options as they are', () => {
    const breaker = Object.freeze({ failures: 5 });
    const given = Object.freeze({
      redis: false,
      secret: newSecret(),
      breaker,
      cookie: Object.freeze({ path: '/' }),
    });
    expect(readOptions(given as SessionOptions, {}).breaker.failures).to.equal(5);
  });

  const spoken: readonly [options: object, rule: string, value: string][] = [
    [{ idleTimeout: '1h' }, 'a number', "'1h'"],
    [{ deadline: 60_001 }, 'a whole number from 1 to 60000', '60001'],
    [{ deadline: NaN }, 'a whole number from 1 to 60000', 'NaN'],
    [{ breaker: { rate: 1 } }, 'between 0 and 1, both excluded', '1'],
    [{ probe: { interval: 500, maxInterval: 499 } }, 'a whole number from 500 to', '499'],
    [{ rolling: 'yes' }, 'true or false', "'yes'"],
    [{ onUnavailable: 'ignore' }, 'fresh, reject', "'ignore'"],
    [{ cookie: { sameSite: 'Lax' } }, 'lax, strict, none', "'Lax'"],
    [{ cookie: { priority: 'urgent' } }, 'low, medium, high', "'urgent'"],
    [{ prefix: 'p'.repeat(65) }, '0 to 64 printable characters', 'a string of 65 characters'],
    [{ as: '1st' }, 'a property name', "'1st'"],
  ];
  for (const [options, rule, value] of spoken) {
    it(`say what is wrong with ${inspect(options)}: rule and value`, () => {
      expect(refusal(options).message).to.include(rule).and.include(value);
    });
  }

  it('never repeat what is as long as a secret, nor what is inside of something, in any place (ASVS 13.3.4)', () => {
    const misplaced = ['canary, as long as a secret', ['canary'], { password: 'canary' }, Symbol('canary')];
    const places = ['deadline', 'rolling', 'as', 'merge', 'onUnavailable', 'timeouts', 'warningHeader'];
    for (const value of misplaced) {
      for (const place of places) expect(refusal({ [place]: value }).message, place).not.to.include('canary');
      for (const inner of ['name', 'domain', 'sameSite', 'secure'])
        expect(refusal({ cookie: { [inner]: value } }).message, inner).not.to.include('canary');
    }
    const hours = { SESSION_TIMEOUT_HOURS: 'canary, as long as a secret' };
    expect(refusal({}, hours).message).to.include('got a string of 27 characters');
  });

  it('say of a cookie what was given, each attribute by its name', () => {
    const { message } = refusal({ cookie: { sameSite: 'none', path: '/a' } });
    expect(message).to.include("name: 'session', sameSite: 'none', path: '/a', secure: false");
  });

  it('refuse null, which is not the same as not given', () => {
    const env = { REDIS_URL: 'redis://h:1', SESSION_SECRET_KEY: newSecret() };
    for (const option of [
      'redis',
      'secret',
      'store',
      'prefix',
      'cookie',
      'breaker',
      'probe',
      'journal',
      'shadow',
      'merge',
      'logger',
    ]) {
      const error =
        option === 'secret'
          ? failureToCreate({ redis: false, secret: null })
          : refusal({ [option]: null }, env);
      expect(error, option).to.satisfy(
        (each: Error) => each instanceof TypeError || each instanceof RangeError,
      );
      expect(error.message, option).to.include(option);
    }
  });

  it('refuse null within a group, too', () => {
    for (const options of [{ breaker: { rate: null } }, { cookie: { name: null } }])
      expect(refusal(options), inspect(options)).to.be.instanceOf(TypeError);
  });

  it('refuse options that are no object', () => {
    for (const options of [null, 5, 'redis://localhost', []])
      expect(refusal(options)).to.be.instanceOf(TypeError);
  });

  it('never repeat the value of an unknown option: it may be a misspelt secret', () => {
    const secret = newSecret();
    expect(inspect(refusal({ secert: secret }), { showHidden: true })).not.to.include(secret);
  });

  it('never repeat a Redis password, from either place', () => {
    const urls = [
      'http://u:hunter2canary@h',
      'redis//:hunter2canary@h',
      'redis://u:hunter2canary@h:port',
      ' redis://:hunter2canary@h',
    ];
    for (const url of urls) {
      for (const error of [refusal({ redis: url }), refusal({}, { REDIS_URL: url })]) {
        expect(error).to.be.instanceOf(TypeError);
        expect(error.message).to.include('"redis"').and.include('rediss:');
        expect(inspect(error, { showHidden: true })).not.to.include('hunter2canary');
      }
    }
    const redis = { url: 'redis://h', password: 'hunter2canary' };
    const error = refusal({ redis, store: { read: () => undefined, swap: () => undefined } });
    expect(inspect(error, { showHidden: true })).not.to.include('hunter2canary');
  });

  it('never repeat a secret in the place of another option', () => {
    // With a letter first it would be a property name, and taken.
    const secret = `7${newSecret().slice(1)}`;
    const places = [
      'prefix',
      'as',
      'idleTimeout',
      'deadline',
      'rolling',
      'merge',
      'timeouts',
      'onUnavailable',
    ];
    for (const each of [secret, `redis://:${secret}@h`, [secret], { secret }, Symbol(secret), () => secret]) {
      for (const place of places.filter(name => name !== 'merge' || typeof each !== 'function')) {
        if (place === 'prefix' && each === secret) continue;
        expect(refusal({ [place]: each }).message, place).not.to.include(secret.slice(0, 8));
      }
    }
    const swapped = refusal({}, { SESSION_TIMEOUT_HOURS: secret, SESSION_SECRET_KEY: '24' });
    expect(swapped.message).to.include('SESSION_TIMEOUT_HOURS').and.not.include(secret.slice(0, 8));
    const cookie = { path: `redis://:${secret}@h` };
    expect(refusal({ cookie }).message).to.include('path: a string of').and.not.include(secret.slice(0, 8));
  });

  it('are spoken of in one way, whatever a value says of itself', () => {
    const loud = {
      [inspect.custom]() {
        throw new Error('not for you');
      },
    };
    expect(refusal({ as: loud })).to.have.property('code', 'CONFIG_INVALID');
    expect(refusal({ as: loud }).message).to.include('got an object');
  });

  it('take a URL, options of node-redis, or a client to duplicate', () => {
    const kindOf = (redis: unknown): unknown => {
      const { store } = readOptions(loose({ redis }), {});
      return store.kind === 'redis' && store.target.kind;
    };
    for (const url of ['redis://h:1', 'rediss://u:p@h', 'unix:/run/redis.sock'])
      expect(kindOf(url)).to.equal('options');
    expect(kindOf({ socket: { port: 1 } })).to.equal('options');
    expect(kindOf(createClient())).to.equal('given');
    expect(refusal({ redis: createClientPool() }).message).to.include('pool');
  });

  it('let an option outrank the environment', () => {
    const env = { REDIS_URL: 'redis://env:1', SESSION_SECRET_KEY: newSecret(), SESSION_TIMEOUT_HOURS: '2' };
    const secret = [newSecret(), newSecret()];
    expect(readOptions({ redis: false, secret, idleTimeout: 5_000 }, env)).to.deep.include({
      store: { kind: 'memory' },
      secrets: secret,
      idleTimeout: 5_000,
    });
    expect(readOptions({ idleTimeout: false }, env).idleTimeout).to.equal(false);
  });

  it('take an empty variable as not set, and in production as missing', () => {
    const empty = { REDIS_URL: '', SESSION_SECRET_KEY: '', SESSION_TIMEOUT_HOURS: '', RENDER: '' };
    const config = readOptions({}, empty);
    expect(config).to.include({ idleTimeout: 86_400_000, cookieName: 'session' });
    expect(config.warnings).to.have.length(2);
    const production = { ...empty, NODE_ENV: 'production' };
    expect(refusal({ secret: newSecret() }, production)).to.have.property('code', 'CONFIG_INVALID');
    expect(refusal({ redis: false }, production)).to.have.property('code', 'ENCRYPTION_INIT');
  });

  it('refuse a SESSION_TIMEOUT_HOURS that is no number of hours', () => {
    for (const hours of ['0', '-1', 'two', '1h', '9601', 'Infinity']) {
      const error = refusal({}, { SESSION_TIMEOUT_HOURS: hours });
      expect(error).to.be.instanceOf(RangeError);
      expect(error.message).to.include('SESSION_TIMEOUT_HOURS').and.include(hours);
    }
  });

  it('never show the secret that a process made for itself', () => {
    const { warnings, secrets } = readOptions({}, {});
    expect(secrets[0]).to.match(/^[0-9a-f]{64}$/);
    expect(warnings.join(' ')).not.to.include(secrets[0]);
  });

  it('refuse a weak secret before anything is opened', () => {
    const error = failureToCreate({ redis: false, secret: 'keyboard cat keyboard' });
    expect(error).to.be.instanceOf(RangeError).and.have.property('code', 'ENCRYPTION_INIT');
    expect(inspect(error, { showHidden: true })).not.to.include('keyboard cat');
  });

  it('refuse what a cookie function gives if it is no attributes, as any other option', () => {
    for (const given of [
      undefined,
      null,
      'secure',
      [],
      async () => ({}),
      { secure: 'false' },
      Promise.resolve({}),
    ]) {
      const { cookieAttributes } = readOptions(loose({ redis: false, cookie: () => given }), {});
      expect(() => cookieAttributes(NO_CONTEXT), inspect(given))
        .to.throw(TypeError)
        .with.property('code', 'CONFIG_INVALID');
    }
  });

  it('take secure: undefined from a cookie function as not given', () => {
    const cookie = () => ({ secure: undefined });
    const { cookieAttributes } = readOptions(loose({ redis: false, secret: newSecret(), cookie }), {
      DYNO: 'web.1',
    });
    expect(cookieAttributes(NO_CONTEXT)).to.deep.equal({ secure: true });
  });

  it('hold for the attributes that a cookie function gives, too: none injects another', async () => {
    for (const attributes of [
      { sameSite: 'lax; Domain=evil.example' },
      { priority: 'low; Domain=evil.example' },
      { path: 5 },
    ]) {
      const cookie = () => attributes as object;
      const site = await openSite(ctx => void (ctx.session['user'] = 'ada'), { cookie });
      try {
        const answer = await site.app.visitor().get();
        expect([answer.status, answer.setCookies.length], inspect(attributes)).to.deep.equal([500, 0]);
        expect(site.app.errors[0]).to.have.property('code', 'CONFIG_INVALID');
      } finally {
        await site.close();
      }
    }
  });
});

function failureToCreate(options: unknown): Error {
  try {
    void createSessions(loose(options), { env: {} }).close();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('sessions were created');
}
