import { createDecipheriv, createHash, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { expect } from 'chai';
import { createClient, RESP_TYPES } from 'redis';
import { systemClock } from '../../src/clock.js';
import { decodeIndex } from '../../src/session/user-index.js';
import { bodyOf, type Entry, stampBytes, stampOf } from '../../src/store/entry.js';
import { Keyring } from '../../src/vault/keyring.js';
import { pseudonymOf, storeKeyOf } from '../../src/vault/token.js';
import { type SealedIdentity, Vault } from '../../src/vault/vault.js';
import { newSecret, openSite, type Site, type Visitor } from '../support/app.js';
import { keyOf } from '../support/instances.js';
import { RedisServer } from '../support/redis-server.js';

const PREFIX = 'sess:';
const DATA = 'data-canary';
const LABEL = 'label-canary';
const USERS = ['ada', 'bob', 'eve'];

function adminOf(url: string) {
  return createClient({ url })
    .on('error', () => undefined)
    .withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

interface Dumped {
  readonly key: string;
  readonly value: Entry;
}

/** Somebody has all that Redis holds, and the secret, and no cookie of any user. */
describe('who has a dump of Redis', () => {
  const secret = newSecret();
  let server: RedisServer;
  let site: Site;
  let visitors: Visitor[];
  let dump: Dumped[];
  let vault: Vault;

  before(async () => {
    server = await RedisServer.start();
    site = await openSite(
      async ctx => {
        const [, act, user = ''] = ctx.path.split('/');
        if (act === 'login') await ctx.session.login(user, { label: LABEL });
        if (act === 'write') ctx.session['note'] = `${DATA} of ${user}`;
        ctx.body = ctx.session.authenticatedAs ?? 'nobody';
      },
      { redis: server.url, secret },
    );
    await site.sessions.ready();
    visitors = USERS.map(() => site.app.visitor());
    for (const [n, visitor] of visitors.entries()) {
      await visitor.get(`/login/${USERS[n]}`);
      await visitor.get(`/write/${USERS[n]}`);
    }
    dump = await dumpOf(server.url);
    vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: PREFIX }, systemClock());
  });
  after(async () => {
    await site.close();
    await server.stop();
  });

  const tokenOf = (n: number): string => visitors[n]?.cookies.get('session') ?? '';
  const records = (): Dumped[] => dump.filter(({ value }) => value[0] === 1);

  it('reads neither a name nor data in it, nor an id: keys are hashes, and values are sealed (ASVS 11.3.2)', () => {
    expect(records()).to.have.length(2 * USERS.length);
    const ids = USERS.map((_, n) => Buffer.from(tokenOf(n), 'base64url').subarray(6, 38));
    for (const { key, value } of dump) {
      expect(key).to.match(/^sess:([\w-]{43}|generation)$/);
      for (const canary of [DATA, LABEL, ...USERS, secret, ...ids])
        expect(value.includes(canary)).to.equal(false);
      for (const id of ids) expect(key).not.to.include(id.toString('base64url').slice(0, 20));
    }
  });

  it('and the secret opens no session: not by anything in the dump, and not by the keys themselves (ASVS 11.1.1, 13.3.4)', () => {
    const keys = new Keyring([secret]).current;
    const ids = guessesOf(dump, keys);
    expect(ids).to.have.length.above(100);
    for (const { key, value } of records()) {
      const storeKey = key.slice(PREFIX.length);
      for (const id of ids)
        expect(vault.open({ id, key: storeKey, pseudonym: '' }, value).opened).to.equal(false);
      for (const raw of [keys.token, keys.record, keys.index, keys.book])
        expect(openWith(raw, storeKey, value)).to.equal(undefined);
    }
  });

  it('and the secret is nobody at the app: tokens for what is in the dump open no session (ASVS 7.2.1, 7.2.3)', async () => {
    for (const id of guessesOf(dump, new Keyring([secret]).current).slice(0, 100)) {
      const visitor = site.app.visitor();
      visitor.cookies.set('session', vault.issue({ id, key: storeKeyOf(id), pseudonym: '' }, 0));
      expect((await visitor.get('/')).text).to.equal('nobody');
    }
  });

  it('and the secret opens the list of a user whose name is guessed: store keys, times and labels, never data', () => {
    for (const [n, user] of USERS.entries()) {
      const [identity] = vault.indexIdentities(user);
      const value = dump.find(({ key }) => key === PREFIX + identity.key)?.value;
      const opened = value && vault.openOwn(identity, value);
      const text = opened?.opened === true ? opened.text : '';
      expect([...(decodeIndex(text)?.sessions.keys() ?? [])]).to.deep.equal([keyOf(tokenOf(n))]);
      expect(text).to.include(LABEL).and.not.include(DATA).and.not.include(user);
    }
    expect(dump.some(({ key }) => key === PREFIX + vault.indexIdentities('mallory')[0].key)).to.equal(false);
  });

  it('and that list opens no session either: what it names are hashes of ids, not ids', () => {
    const listed = USERS.flatMap(user => {
      const [identity] = vault.indexIdentities(user);
      const value = dump.find(({ key }) => key === PREFIX + identity.key)?.value;
      const opened = value && vault.openOwn(identity, value);
      return opened?.opened === true ? [...(decodeIndex(opened.text)?.sessions.keys() ?? [])] : [];
    });
    expect(listed).to.have.length(USERS.length);
    for (const storeKey of listed) {
      const value = dump.find(({ key }) => key === PREFIX + storeKey)?.value ?? Buffer.alloc(0);
      for (const id of [Buffer.from(storeKey, 'base64url'), createHash('sha256').update(storeKey).digest()])
        expect(vault.open({ id, key: storeKey, pseudonym: '' }, value).opened).to.equal(false);
    }
  });

  it('and the secret and one cookie opens that session, and no other', () => {
    const claims = vault.verify(tokenOf(0));
    const identity: SealedIdentity | undefined = typeof claims === 'string' ? undefined : claims.identity;
    const open = records().filter(
      ({ key, value }) =>
        identity && vault.open({ ...identity, key: key.slice(PREFIX.length) }, value).opened,
    );
    expect(open.map(({ key }) => key)).to.deep.equal([PREFIX + keyOf(tokenOf(0))]);
  });
});

async function dumpOf(url: string): Promise<Dumped[]> {
  const admin = adminOf(url);
  await admin.connect();
  try {
    const keys = (await admin.keys('*')).map(String);
    return await Promise.all(
      keys.map(async key => ({ key, value: Buffer.from((await admin.get(key)) ?? '') })),
    );
  } finally {
    admin.destroy();
  }
}

/** All of 32 bytes that stands in the dump or follows from it and the secret by one step. */
function guessesOf(dump: readonly Dumped[], keys: Keyring['current']): Buffer[] {
  const seeds = dump.flatMap(({ key, value }) => {
    const storeKey = key.slice(PREFIX.length);
    return [key, storeKey, pseudonymOf(storeKey), Buffer.from(storeKey, 'base64url'), value, bodyOf(value)];
  });
  const all = [keys.token, keys.record, keys.index, keys.book];
  const derived = seeds.flatMap(seed => [
    createHash('sha256').update(seed).digest(),
    ...all.map(key => createHmac('sha256', key).update(seed).digest()),
  ]);
  const plain = seeds.filter((seed): seed is Buffer => Buffer.isBuffer(seed) && seed.length === 32);
  return [Buffer.alloc(32), Buffer.alloc(32, 255), ...plain, ...derived];
}

/** As the library opens a record, but under a key that is not the session's own. */
function openWith(key: KeyObject, storeKey: string, entry: Entry): string | undefined {
  const body = bodyOf(entry);
  const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key.export()), body.subarray(4, 16), {
    authTagLength: 16,
  });
  const fixed = Buffer.concat([Buffer.of(1), body.subarray(0, 4), stampBytes(stampOf(entry))]);
  decipher.setAAD(Buffer.concat([Buffer.from('record\0'), fixed, Buffer.from(`${storeKey}\0${PREFIX}`)]));
  decipher.setAuthTag(body.subarray(-16));
  try {
    return Buffer.concat([decipher.update(body.subarray(16, -16)), decipher.final()]).toString();
  } catch {
    return undefined;
  }
}
