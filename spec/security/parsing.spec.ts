import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { type Entry, Stamps } from '../../src/store/entry.js';
import { type SealedIdentity, Vault } from '../../src/vault/vault.js';
import { newSecret, RecordingLogger } from '../support/app.js';
import { type Instance, Shop } from '../support/instances.js';

const HOUR = 3_600_000;
const HOSTILE = ['__proto__', 'constructor', 'prototype'];
const CANARY = 'canary-in-what-does-not-parse';

/** Ways to hide a key: where it stands, and what its value is. */
const PLACES: Readonly<Record<string, (name: string) => unknown>> = {
  'at the top of a value': name => JSON.parse(`{"${name}":{"admin":true}}`),
  'in an array': name => JSON.parse(`[1,[{"${name}":1}]]`),
  '300 levels deep': name => JSON.parse(`${'{"a":'.repeat(300)}{"${name}":null}${'}'.repeat(300)}`),
  'behind a toJSON': name => ({ toJSON: () => JSON.parse(`{"${name}":true}`) as unknown }),
  'in the spelling of JSON escapes': name =>
    JSON.parse(`{"${name.replaceAll(/./g, letter => `\\u00${letter.charCodeAt(0).toString(16)}`)}":1}`),
};

describe('what a session is given', () => {
  let shop: Shop;
  let app: Instance;
  beforeEach(async () => {
    shop = new Shop();
    app = await shop.open({ maxDataBytes: 4_096 });
  });
  afterEach(() => shop.during(app.sessions.close()));

  /** The error of a save that must leave the old record as it is. */
  const refusal = async (value: unknown): Promise<unknown> => {
    const { token } = await app.sessions.manager.create({ kept: true });
    const error = await app.change(token, { bad: value }).catch((reason: unknown) => reason);
    expect(await app.data(token)).to.deep.equal({ kept: true });
    return error;
  };

  for (const [place, hide] of Object.entries(PLACES))
    it(`is refused on save with a hostile key ${place}, and the old record stays (ASVS 15.3.6)`, async () => {
      for (const name of HOSTILE)
        expect(await refusal(hide(name)), name).to.include({ name: 'SessionError', code: 'DATA_INVALID' });
    });

  it('cannot have a hostile key at its own top either, by assignment, definition or creation (ASVS 15.3.6)', async () => {
    for (const name of HOSTILE) {
      const { session, token } = await app.sessions.manager.create({ kept: true });
      const property = { value: { admin: true }, enumerable: true, configurable: true };
      Object.defineProperty(session, name, property);
      const error = await app.sessions.manager.save(session).catch((reason: unknown) => reason);
      expect(error, name).to.have.property('code', 'DATA_INVALID');
      expect(await app.data(token)).to.deep.equal({ kept: true });
      const data = Object.defineProperty({}, name, property) as Record<string, unknown>;
      expect(await app.refusal(app.sessions.manager.create(data)), name).to.equal('DATA_INVALID');
    }
    expect(Reflect.get({}, 'admin')).to.equal(undefined);
  });

  it('is refused by type where JSON cannot say it: BigInt, cycles, depth; the old record stays (ASVS 15.3.5)', async () => {
    const cycle: unknown[] = [];
    cycle.push({ cycle });
    const deep: unknown = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    const throwing = {
      toJSON: () => {
        throw new Error(CANARY);
      },
    };
    for (const value of [10n, [{ n: 10n }], cycle, deep, throwing]) {
      const error = await refusal(value);
      expect(error).to.include({ name: 'SessionError', code: 'DATA_INVALID' });
      expect(inspect(error, { depth: 9, showHidden: true })).not.to.include(CANARY);
      expect(error).to.not.have.property('cause');
    }
  });

  it('is measured before it is sealed: one byte more than maxDataBytes is refused, the old record stays (ASVS 15.3.5)', async () => {
    const filled = (bytes: number): string => 'x'.repeat(bytes - '{"kept":true,"bad":""}'.length);
    expect(await refusal(filled(4_097))).to.include({ name: 'SessionError', code: 'DATA_TOO_LARGE' });
    const { token } = await app.sessions.manager.create({ kept: true });
    await app.change(token, { bad: filled(4_096) });
    expect(JSON.stringify(await app.data(token))).to.have.length(4_096);
  });
});

/** Somebody with the secret, or a bug of another version, has sealed this: it opens, and must do no harm. */
describe('what opens, but was not written by this library', () => {
  const secret = newSecret();
  let shop: Shop;
  let app: Instance;
  let vault: Vault;
  let logger: RecordingLogger;
  beforeEach(async () => {
    shop = new Shop();
    logger = new RecordingLogger();
    app = await shop.open({ secret, logger, maxDataBytes: 4_096 });
    vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, shop.clock);
  });
  afterEach(() => shop.during(app.sessions.close()));

  const put = async (text: string): Promise<string> => {
    const identity = vault.newIdentity();
    await store(identity, vault.seal(identity, new Stamps(shop.clock).next(), text));
    return vault.issue(identity, 0);
  };

  const store = (identity: SealedIdentity, entry: Entry): Promise<unknown> =>
    shop.behind.swap(identity.key, entry, null, HOUR);

  const meta = (changes: object = {}): string => {
    const now = shop.clock.wall();
    return JSON.stringify({ c: now, a: 0, u: now, i: now + HOUR, x: now + HOUR, ...changes });
  };

  it('leaves hostile keys inert: nothing is inherited, nothing polluted, at any depth (ASVS 15.3.6)', async () => {
    const hostile = '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}';
    const token = await put(`${meta()}\n{"user":"ada","deep":[${hostile}],${hostile.slice(1)}`);
    const session = await app.load(token);
    expect(session?.['user']).to.equal('ada');
    expect(Reflect.get(session ?? {}, 'admin')).to.equal(undefined);
    const data = session?.toJSON() ?? {};
    for (const copy of [data, { ...data }, data['deep'], ...(data['deep'] as object[]), {}])
      expect(Reflect.get(Object(copy), 'admin')).to.equal(undefined);
    expect(Reflect.get({}, 'admin')).to.equal(undefined);
    expect(session?.save).to.be.a('function');
  });

  it('leaves hostile keys inert where versions are merged, and in their stamps (ASVS 15.3.6)', async () => {
    const stamp = new Stamps(shop.clock).next();
    const token = await put(`${meta({ s: stamp, k: JSON.parse(`{"__proto__":"${stamp}"}`) })}\n{"a":1}`);
    const [one, other] = [await app.load(token), await app.load(token)];
    if (!one || !other) throw new Error('it was not loaded');
    one['b'] = 2;
    other['c'] = 3;
    await app.sessions.manager.save(one);
    await app.sessions.manager.save(other);
    expect(await app.data(token)).to.deep.equal({ a: 1, b: 2, c: 3 });
    expect(Object.getPrototypeOf({})).to.equal(Object.prototype);
  });

  const shapes: Readonly<Record<string, () => string>> = {
    'is no JSON': () => CANARY,
    'is half a record': () => meta(),
    'has data that are no JSON': () => `${meta()}\n{"${CANARY}":`,
    'has data that are an array': () => `${meta()}\n["${CANARY}"]`,
    'has data that are a string': () => `${meta()}\n"${CANARY}"`,
    'has null for data': () => `${meta()}\nnull`,
    'has a deadline that is a string': () => `${meta({ x: '9999999999999' })}\n{"u":"${CANARY}"}`,
    'has a deadline that is beyond numbers': () =>
      `${meta().replace(/"x":\d+/, '"x":1e999')}\n{"u":"${CANARY}"}`,
    'has no deadline': () => `${meta().replace(/,"x":\d+/, '')}\n{"u":"${CANARY}"}`,
    'has an idle deadline that is true': () => `${meta({ i: true })}\n{"u":"${CANARY}"}`,
    'has a user who is an object': () => `${meta({ a: 1, n: { admin: true } })}\n{"u":"${CANARY}"}`,
    'has a user who never logged in': () => `${meta({ n: 'ada' })}\n{"u":"${CANARY}"}`,
    'has stamps that are none': () => `${meta({ k: { u: 'ffff' } })}\n{"u":"${CANARY}"}`,
  };
  for (const [what, text] of Object.entries(shapes))
    it(`and ${what} is anonymous, and nobody quotes it (ASVS 15.3.5, 16.5.3)`, async () => {
      const token = await put(text());
      expect(await app.load(token)).to.equal(undefined);
      expect(app.count('security:undecryptable')).to.equal(1);
      const said = inspect([app.events, logger.lines, app.sessions.stats()], { depth: 9, showHidden: true });
      expect(said).not.to.include('canary');
    });

  it('and is larger than any record is not even opened (ASVS 15.3.5)', async () => {
    const identity = vault.newIdentity();
    const text = `${meta()}\n{"u":"${'x'.repeat(40_000)}"}`;
    await store(identity, vault.seal(identity, new Stamps(shop.clock).next(), text));
    expect(await app.load(vault.issue(identity, 0))).to.equal(undefined);
    expect(app.last('security:undecryptable')).to.include({ reason: 'too-large' });
    expect(app.sessions.stats().secrets.keys[0]).to.include({ tokens: 1, records: 0 });
  });

  it('in place of a user’s index is no index: it is cleared at the next login, and nobody quotes it (ASVS 15.3.5)', async () => {
    const texts = [
      CANARY,
      `{"e":[0,null,0],"s":{"${CANARY}":"x"}}`,
      '{"e":["0",null,0],"s":{}}',
      '[]',
      'null',
    ];
    for (const [n, text] of texts.entries()) {
      const [identity] = vault.indexIdentities(`user ${n}`);
      await store(identity, vault.seal(identity, new Stamps(shop.clock).next(), text));
      expect(await app.sessions.users.list(`user ${n}`)).to.deep.equal([]);
      const { session } = await app.sessions.manager.create({});
      expect(await session.login(`user ${n}`)).to.equal(true);
      expect(app.count('security:undecryptable')).to.equal(n + 1);
    }
    expect(app.last('security:undecryptable')).to.include({ reason: 'user-index' });
    const said = inspect([app.events, logger.lines], { depth: 9, showHidden: true });
    expect(said).not.to.include('canary');
  });
});

describe('random bytes under the key of a session', () => {
  it('are anonymous, each of a thousand (ASVS 11.2.5, 16.5.3)', async () => {
    const shop = new Shop();
    const app = await shop.open({ shadow: false });
    const { token } = await app.sessions.manager.create({ user: 'ada' });
    const read = app.store.read.bind(app.store);
    const { entry } = (await shop.behind.dump()).find(each => each.entry[0] === 1) ?? {};
    if (!entry) throw new Error('nothing was stored');
    let anonymous = 0;
    for (let n = 0; n < 1_000; n += 1) {
      const [from, length] = [n % entry.length, 1 + (n % 40)];
      const garbled: Entry = Buffer.from(entry);
      randomBytes(length).copy(garbled, from);
      if (garbled.equals(entry)) continue;
      app.store.read = () => Promise.resolve(garbled);
      const seen = await app.data(token);
      if (seen === undefined) anonymous += 1;
      else expect(seen).to.deep.equal({ user: 'ada' });
    }
    app.store.read = read;
    expect(anonymous).to.be.above(990);
    await shop.during(app.sessions.close());
  });
});
