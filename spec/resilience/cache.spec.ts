import { expect } from 'chai';
import { createClient, createCluster, type RedisClientType } from 'redis';
import { createSessions, type Sessions } from '../../src/create.js';
import type { SessionError } from '../../src/errors.js';
import type { SessionOptions } from '../../src/options.js';
import { newSecret, openSite, until } from '../support/app.js';
import { startCluster } from '../support/contract-stores.js';
import { keyOf } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const LEASE = 250;
const secret = newSecret();

/** An instance in time that moves only when told, over a Redis whose does not wait: no lease ends by chance. */
class Timed {
  readonly sessions: Sessions;

  constructor(sessions: Sessions) {
    this.sessions = sessions;
  }

  /** The data and where they came from, the code of an error, or `nothing`: there is no such session. */
  async look(token: string): Promise<string> {
    const { manager } = this.sessions;
    const session = await manager.load(token).catch((error: SessionError) => error.code);
    if (typeof session === 'string') return session;
    return session ? `${session.source} ${JSON.stringify(session)}` : 'nothing';
  }

  async change(token: string, changes: Record<string, unknown>): Promise<void> {
    const session = await this.sessions.manager.load(token);
    if (!session) throw new Error('there is no such session');
    Object.assign(session, changes);
    await this.sessions.manager.save(session);
  }
}

describe('the cache, over a Redis', () => {
  let clock: ManualClock;
  let server: RedisServer;
  let admin: RedisClientType;
  let proxy: TcpProxy;
  let here: Timed;
  let there: Timed;
  let token: string;

  const open = async (redis: string, options: SessionOptions = { cache: true }): Promise<Timed> => {
    const sessions = createSessions({ redis, secret, logger: false, ...options }, { clock, env: {} });
    await sessions.ready();
    return new Timed(sessions);
  };
  /** Runs `work` while time goes on in small steps. */
  const during = async <T>(work: Promise<T>): Promise<T> => {
    let over = false;
    const done = (): void => void (over = true);
    work.then(done, done);
    while (!over) await clock.advance(5);
    return work;
  };

  beforeEach(async () => {
    clock = new ManualClock();
    server = await RedisServer.start();
    admin = createClient({ url: server.url });
    await admin.on('error', () => undefined).connect();
    proxy = await TcpProxy.start(server.port);
    [here, there] = await Promise.all([open(proxy.url), open(server.url)]);
    ({ token } = await there.sessions.manager.create({ user: 'ada' }));
    expect(await here.look(token)).to.equal('primary {"user":"ada"}');
  });
  afterEach(async () => {
    admin.destroy();
    await Promise.all([here, there].map(each => during(each.sessions.close())));
    await proxy.close();
    await server.stop();
  });

  /** How often the server was asked for a session so far, by whomever. */
  const reads = async (): Promise<number> =>
    Number(/cmdstat_getrange:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1] ?? 0);

  it('answers for what this instance has seen without a command', async () => {
    const before = await reads();
    for (let n = 0; n < 20; n += 1) expect(await here.look(token)).to.equal('cache {"user":"ada"}');
    expect(await reads()).to.equal(before);
  });

  it('is off unless it is asked for: each read is a command', async () => {
    const plain = await open(server.url, {});
    const before = await reads();
    for (let n = 0; n < 20; n += 1) expect(await plain.look(token)).to.equal('primary {"user":"ada"}');
    expect(await reads()).to.equal(before + 20);
    await during(plain.sessions.close());
  });

  it('is the store itself to a response: no warning, no cookie', async () => {
    const site = await openSite(
      ctx => {
        ctx.session['user'] = 'ada';
        ctx.body = ctx.session.source;
      },
      { redis: server.url, secret, cache: true },
      { clock },
    );
    await site.sessions.ready();
    const visitor = site.app.visitor();
    await visitor.get();
    const answer = await visitor.get();
    expect([answer.text, answer.header('X-Session-Warning'), answer.setCookies]).to.deep.equal([
      'cache',
      undefined,
      [],
    ]);
    await during(site.close());
  });

  it('sees what another instance has changed', async () => {
    await there.change(token, { step: 2 });
    await until(async () => (await here.look(token)).endsWith('{"user":"ada","step":2}'));
    expect(await here.look(token)).to.equal('cache {"user":"ada","step":2}');
  });

  it('sees a logout elsewhere, and ever after (P3)', async () => {
    await there.sessions.manager.destroy(token);
    await until(async () => (await here.look(token)) === 'nothing');
    for (let n = 0; n < 5; n += 1) expect(await here.look(token)).to.equal('nothing');
  });

  it('sees at once what happens here: a write, a move to a new id, a logout (P1, P3)', async () => {
    await here.change(token, { step: 2 });
    expect(await here.look(token)).to.equal('cache {"user":"ada","step":2}');
    const session = await here.sessions.manager.load(token);
    if (!session) throw new Error('there is no such session');
    const moved = await here.sessions.manager.regenerate(session);
    expect(await here.look(token)).to.equal('nothing');
    expect(await here.look(moved)).to.equal('cache {"user":"ada","step":2}');
    await here.sessions.manager.destroy(moved);
    expect(await here.look(moved)).to.equal('nothing');
  });

  it('writes by compare and swap: over a copy that turns out old, both changes are kept (P4)', async () => {
    const old = await here.sessions.manager.load(token);
    if (!old) throw new Error('there is no such session');
    expect(old.source).to.equal('cache');
    await there.change(token, { tea: 1 });
    Object.assign(old, { milk: 2 });
    await here.sessions.manager.save(old);
    expect(await here.look(token)).to.equal('cache {"user":"ada","tea":1,"milk":2}');
  });

  it('revives nothing by a write over a copy whose session has ended elsewhere (P3)', async () => {
    const old = await here.sessions.manager.load(token);
    if (!old) throw new Error('there is no such session');
    await there.sessions.manager.destroy(token);
    Object.assign(old, { milk: 2 });
    const code = await here.sessions.manager
      .save(old)
      .catch((error: unknown) => Reflect.get(Object(error), 'code'));
    expect([code, await here.look(token), await there.look(token)]).to.deep.equal([
      'SESSION_ENDED',
      'nothing',
      'nothing',
    ]);
  });

  for (const [loss, lose] of Object.entries({
    'CLIENT KILL': () => admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal']),
    'a reset of the connection': async () => proxy.reset(),
  })) {
    it(`asks again after ${loss}, until a new connection has told`, async () => {
      await lose();
      await until(async () => !(await here.look(token)).startsWith('cache'));
      await during(there.sessions.manager.destroy(token));
      await during(until(async () => (await here.look(token)) === 'nothing'));
    });
  }

  it('asks again after FLUSHALL', async () => {
    await admin.flushAll();
    await until(async () => (await here.look(token)) === 'nothing');
  });

  it('asks again for what Redis has let expire', async () => {
    await admin.pExpire(`sess:${keyOf(token)}`, 60);
    await until(async () => (await here.look(token)) === 'nothing');
  });

  it('asks again for what Redis no longer watches, its table being full', async () => {
    const tokens = [token];
    for (let n = 0; n < 5; n += 1) tokens.push((await there.sessions.manager.create({ n })).token);
    for (const each of tokens) await here.look(each);
    await admin.configSet('tracking-table-max-keys', '1');
    const asked = new Set<string>();
    const look = async (): Promise<boolean> => {
      for (const each of tokens) if ((await here.look(each)).startsWith('primary')) asked.add(each);
      return asked.size === tokens.length;
    };
    // Redis looks after its table before each command, and what is forgotten at one of this instance's own is told, too.
    await admin.ping();
    await until(look);
    for (const each of tokens) await there.sessions.manager.destroy(each);
    for (const each of tokens) await until(async () => (await here.look(each)) === 'nothing');
  });

  it('asks once the lease is over, so that a frozen Redis is noticed and serves an outage as ever', async () => {
    server.freeze();
    await clock.advance(LEASE - 1);
    expect(await here.look(token)).to.equal('cache {"user":"ada"}');
    await clock.advance(1);
    const degraded = new Promise(resolve => void here.sessions.events.once('store:degraded', resolve));
    for (let n = 0; n < 3; n += 1) expect(await during(here.look(token))).to.equal('shadow {"user":"ada"}');
    await during(degraded);
    server.thaw();
  });

  it('serves nothing older than the lease where what Redis says is lost on the way', async () => {
    proxy.mode = 'drop-replies';
    await there.sessions.manager.destroy(token);
    await clock.advance(LEASE - 1);
    // Nothing could tell it yet.
    expect(await here.look(token)).to.equal('cache {"user":"ada"}');
    await clock.advance(1);
    for (let n = 0; n < 4; n += 1) expect(await during(here.look(token))).not.to.match(/^cache/);
    proxy.mode = 'pass';
    await during(until(async () => (await here.look(token)) === 'nothing'));
  });
});

describe('the cache, over a cluster', () => {
  it('never answers, since nobody reports changes there', async () => {
    const server = await startCluster();
    const redis = createCluster({ rootNodes: [{ url: server.url }] });
    const sessions = createSessions({ redis, secret, logger: false, cache: true }, { env: {} });
    await sessions.ready();
    const { token } = await sessions.manager.create({ user: 'ada' });
    for (let n = 0; n < 3; n += 1) expect((await sessions.manager.load(token))?.source).to.equal('primary');
    await sessions.close();
    await server.stop();
  });
});
