import { expect } from 'chai';
import { createClient, RESP_TYPES } from 'redis';
import { systemClock } from '../../src/clock.js';
import type { SessionOptions } from '../../src/options.js';
import { encodeRecord, fieldsIn } from '../../src/session/record.js';
import { recordEntry, Stamps, stampOf, bodyOf } from '../../src/store/entry.js';
import { Vault } from '../../src/vault/vault.js';
import { newSecret, openSite, type Site, type Visitor } from '../support/app.js';
import { keyOf } from '../support/instances.js';
import { RedisServer } from '../support/redis-server.js';

function adminOf(url: string) {
  return createClient({ url })
    .on('error', () => undefined)
    .withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

/** Somebody who can write to Redis, and has no secret. */
describe('who writes to Redis', () => {
  const secret = newSecret();
  let server: RedisServer;
  let admin: ReturnType<typeof adminOf>;
  let sites: Site[] = [];
  before(async () => {
    server = await RedisServer.start();
    admin = adminOf(server.url);
    await admin.connect();
  });
  after(async () => {
    admin.destroy();
    await server.stop();
  });
  beforeEach(() => admin.flushAll());
  afterEach(async () => {
    await Promise.all(sites.map(site => site.close()));
    sites = [];
  });

  const open = async (options: SessionOptions = {}): Promise<Site> => {
    const site = await openSite(
      async ctx => {
        const [, act, user = ''] = ctx.path.split('/');
        if (act === 'login') await ctx.session.login(user);
        if (act === 'role') ctx.session['role'] = user;
        if (act === 'logout') ctx.session = null;
        ctx.body = `${ctx.session?.authenticatedAs ?? 'nobody'} ${String(ctx.session?.['role'] ?? 'none')}`;
      },
      // Without copies: what stands in Redis decides alone.
      { redis: server.url, secret, shadow: false, ...options },
    );
    sites.push(site);
    await site.sessions.ready();
    return site;
  };

  const loggedIn = async (site: Site, user: string): Promise<Visitor> => {
    const visitor = site.app.visitor();
    await visitor.get(`/login/${user}`);
    return visitor;
  };

  const redisKey = (visitor: Visitor, site: Site, prefix = 'sess:'): string =>
    prefix + keyOf(visitor.cookies.get(site.sessions.cookieName) ?? '');

  const recordOf = async (key: string): Promise<Buffer> => {
    const value = await admin.get(key);
    if (value === null) throw new Error(`nothing is under ${key}`);
    return Buffer.from(value);
  };

  it('cannot give one user the session of another by swapping their records (ASVS 11.3.3, 16.5.3)', async () => {
    const site = await open();
    const [ada, eve] = [await loggedIn(site, 'ada'), await loggedIn(site, 'eve')];
    const [adas, eves] = [redisKey(ada, site), redisKey(eve, site)];
    const [one, other] = [await recordOf(adas), await recordOf(eves)];
    await admin.set(adas, other);
    await admin.set(eves, one);
    for (const visitor of [ada, eve]) expect((await visitor.get('/')).text).to.equal('nobody none');
    expect(site.count('security:undecryptable')).to.equal(2);
  });

  it('cannot move a record to another app on the same Redis, though it has the same secret (ASVS 11.3.3)', async () => {
    const [shop, office] = [await open(), await open({ prefix: 'office:', cookie: { name: 'session' } })];
    const ada = await loggedIn(shop, 'ada');
    await admin.set(redisKey(ada, shop, 'office:'), await recordOf(redisKey(ada, shop)));
    const there = office.app.visitor();
    there.cookies.set('session', ada.cookies.get('session') ?? '');
    expect((await there.get('/')).text).to.equal('nobody none');
    expect(office.count('security:undecryptable')).to.equal(1);
  });

  it('gains nothing by a cookie of another name: a token is worth something under its own alone (ASVS 7.2.3)', async () => {
    const [users, admins] = [await open(), await open({ cookie: { name: 'admin' } })];
    const ada = await loggedIn(users, 'ada');
    const there = admins.app.visitor();
    there.cookies.set('admin', ada.cookies.get('session') ?? '');
    expect((await there.get('/')).text).to.equal('nobody none');
    expect(admins.count('security:forged-token')).to.equal(1);
  });

  it('cannot give a record another stamp, to make it later than it is (ASVS 11.3.3)', async () => {
    const site = await open();
    const ada = await loggedIn(site, 'ada');
    const key = redisKey(ada, site);
    const record = await recordOf(key);
    await admin.set(key, recordEntry(new Stamps(systemClock()).next(stampOf(record)), bodyOf(record)));
    expect((await ada.get('/')).text).to.equal('nobody none');
  });

  it('can put back an older record of the same session: that opens where nobody has seen a newer one', async () => {
    const site = await open();
    const ada = await loggedIn(site, 'ada');
    await ada.get('/role/admin');
    const older = await recordOf(redisKey(ada, site));
    await ada.get('/role/guest');
    await admin.set(redisKey(ada, site), older);
    expect((await ada.get('/')).text).to.equal('ada admin');
  });

  it('can put back an older record, but is not believed by an instance that has a copy of a newer one (ASVS 7.4.1)', async () => {
    const site = await open({ shadow: {} });
    const ada = await loggedIn(site, 'ada');
    await ada.get('/role/admin');
    const older = await recordOf(redisKey(ada, site));
    await ada.get('/role/guest');
    await admin.set(redisKey(ada, site), older);
    expect((await ada.get('/')).text).to.equal('ada guest');
  });

  it('can put a session back that has ended, but no instance that ended it lets it in (ASVS 7.4.1)', async () => {
    const [here, there] = [await open(), await open()];
    const ada = await loggedIn(here, 'ada');
    const [key, token] = [redisKey(ada, here), ada.cookies.get('session') ?? ''];
    const older = await recordOf(key);
    await ada.get('/logout');
    await admin.set(key, older);
    const seen = async (site: Site): Promise<string> => {
      const visitor = site.app.visitor();
      visitor.cookies.set('session', token);
      return (await visitor.get('/')).text;
    };
    expect(await seen(here)).to.equal('nobody none');
    expect(await seen(there), 'another one has nothing but Redis').to.equal('ada none');
  });

  it('can end sessions, by taking them away or by a tombstone, and that is all (ASVS 16.5.3)', async () => {
    const site = await open();
    const [ada, eve] = [await loggedIn(site, 'ada'), await loggedIn(site, 'eve')];
    await admin.del(redisKey(ada, site));
    await admin.set(redisKey(eve, site), Buffer.concat([Buffer.of(2), Buffer.alloc(16, 255), Buffer.of(1)]));
    for (const visitor of [ada, eve]) {
      const answer = await visitor.get('/');
      expect([answer.status, answer.text, answer.setCookies.length]).to.deep.equal([200, 'nobody none', 0]);
    }
  });

  it('and has the secret too is anybody: that is what the secret protects', async () => {
    const site = await open();
    const clock = systemClock();
    const vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, clock);
    const [identity, now] = [vault.newIdentity(), Date.now()];
    const login = { at: now, user: 'ada', label: undefined };
    const text = encodeRecord({
      created: now,
      login,
      used: now,
      idle: null,
      absolute: now + 60_000,
      maxAge: undefined,
      stamps: new Map(),
      fields: fieldsIn('{"role":"admin"}'),
    });
    await admin.set(`sess:${identity.key}`, vault.seal(identity, new Stamps(clock).next(), text));
    const visitor = site.app.visitor();
    visitor.cookies.set('session', vault.issue(identity, 0));
    expect((await visitor.get('/')).text).to.equal('ada admin');
  });

  it('that takes the list of a user away hides its sessions from "log out everywhere", until they are used', async () => {
    const site = await open();
    const ada = await loggedIn(site, 'ada');
    const vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, systemClock());
    await admin.del(`sess:${vault.indexIdentities('ada')[0].key}`);
    expect(await site.sessions.users.endAll('ada')).to.deep.equal({ ended: 0, complete: true });
    expect((await ada.get('/')).text).to.equal('ada none');
  });

  it('cannot shorten a tag to what can be guessed: none of 4 to 15 bytes is taken (ASVS 11.3.2, 11.3.3)', () => {
    const clock = systemClock();
    const vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, clock);
    const identity = vault.newIdentity();
    const entry = vault.seal(identity, new Stamps(clock).next(), '{"c":1}\n{}');
    const [sealed, tag] = [entry.subarray(0, -16), entry.subarray(-16)];
    expect(vault.open(identity, Buffer.concat([sealed, tag])).opened).to.equal(true);
    for (let bytes = 0; bytes < 16; bytes += 1) {
      const shortened = Buffer.concat([sealed, tag.subarray(0, bytes)]);
      expect(vault.open(identity, shortened)).to.deep.equal({ opened: false, because: 'undecryptable' });
    }
  });

  it('never sees one nonce twice under one key, in ten thousand records of one session (ASVS 11.3.4)', () => {
    const clock = systemClock();
    const vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, clock);
    const [identity, stamps] = [vault.newIdentity(), new Stamps(clock)];
    const nonces = new Set<string>();
    for (let n = 0; n < 10_000; n += 1)
      nonces.add(bodyOf(vault.seal(identity, stamps.next(), 'same')).toString('hex', 4, 16));
    expect(nonces.size).to.equal(10_000);
  });
});
