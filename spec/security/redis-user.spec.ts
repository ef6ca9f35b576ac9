import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Server as TcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createClient } from 'redis';
import { systemClock } from '../../src/clock.js';
import { recordEntry, Stamps, tombstoneEntry } from '../../src/store/entry.js';
import { RedisStore } from '../../src/store/redis.js';
import { connector } from '../../src/store/redis-client.js';
import { newSecret, openSite, type Site, until } from '../support/app.js';
import { blocksOf } from '../docs/markdown.js';
import { RedisServer } from '../support/redis-server.js';

const FIXTURES = new URL('../support/fixtures/tls/', import.meta.url);

/** Without these the library knows less of its server, and works. */
const DISPENSABLE = ['+incr', '+info', '+time', '+client|tracking'];

function adminOf(url: string) {
  return createClient({ url }).on('error', () => undefined);
}

/** The words of the command that docs/security.md shows, as an operator would run it. */
function documentedRules(): string[] {
  const [line = ''] = blocksOf('docs/security.md')
    .flatMap(({ text }) => text.split('\n'))
    .filter(each => each.startsWith('redis-cli ACL SETUSER'));
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  // Without "redis-cli".
  return words.slice(1);
}

describe('the Redis user that docs/security.md makes', () => {
  const rules = documentedRules();
  const password = rules.find(rule => rule.startsWith('>'))?.slice(1) ?? '';
  const rights = rules.filter(rule => rule.startsWith('+'));
  let server: RedisServer;
  let admin: ReturnType<typeof adminOf>;
  before(async () => {
    server = await RedisServer.start();
    admin = adminOf(server.url);
    await admin.connect();
  });
  after(async () => {
    admin.destroy();
    await server.stop();
  });

  const urlOf = (user: string): string => `redis://${user}:${password}@127.0.0.1:${server.port}`;

  const open = (user: string): Promise<Site> =>
    openSite(
      async ctx => {
        if (ctx.path === '/login') await ctx.session.login('ada');
        if (ctx.path === '/logout') ctx.session = null;
        ctx.body = ctx.session?.authenticatedAs ?? 'nobody';
      },
      { redis: urlOf(user), secret: newSecret() },
    );

  /** All that the library can ask of Redis: a login, reads, a list, two logouts of one session. */
  const useAll = async (site: Site): Promise<string[]> => {
    const visitor = site.app.visitor();
    const said = [(await visitor.get('/login')).text, (await visitor.get('/')).text];
    const token = visitor.cookies.get('session') ?? '';
    await site.sessions.users.list('ada').catch(() => undefined);
    said.push((await visitor.get('/logout')).text);
    await site.sessions.manager.destroy(token).catch(() => undefined);
    await site.sessions.manager.check();
    return said;
  };

  /** What Redis has refused to this user since. */
  const refused = async (user: string): Promise<string[]> => {
    const log = (await admin.aclLog()) as readonly { readonly username: string; readonly object: string }[];
    const objects = log.filter(({ username }) => username === user).map(({ object }) => object);
    // node-redis introduces itself to servers that know how, and takes a no.
    return objects.filter(object => object !== 'client|setinfo');
  };

  /** A user of that name, with all rights of the documented one but `withheld`. */
  const grant = async (user: string, withheld?: string): Promise<void> => {
    const [acl = '', setuser = '', , ...rights] = rules;
    await admin.sendCommand([acl, setuser, user, ...rights.filter(right => right !== withheld)]);
  };

  it('may do all that the library asks of it', async () => {
    await grant('sessions');
    const site = await open('sessions');
    try {
      await site.sessions.ready();
      expect(await useAll(site)).to.deep.equal(['ada', 'ada', 'nobody']);
      expect(await refused('sessions')).to.deep.equal([]);
      expect([site.count('store:error'), site.sessions.stats().store.mode]).to.deep.equal([0, 'healthy']);
      expect(site.sessions.health().status).to.equal('healthy');
    } finally {
      await site.close();
    }
  });

  for (const right of rights)
    it(`may do nothing that the library does not ask: without ${right} something is missed`, async () => {
      const user = `without-${right.slice(1).replace('|', '-')}`;
      await grant(user, right);
      // The script itself is sent only to a server that does not know it yet.
      await admin.sendCommand(['SCRIPT', 'FLUSH']);
      const store = storeOf(urlOf(user));
      try {
        const attempt = (): Promise<boolean> =>
          everySwap(store).then(
            () => true,
            () => false,
          );
        if (DISPENSABLE.includes(right)) await until(attempt);
        else expect(await attempt()).to.equal(false);
        expect(await refused(user)).to.include(right.slice(1));
      } finally {
        await store.close();
      }
    });

  it('may touch nothing but sessions, and run nothing else', async () => {
    await grant('sessions');
    const user = adminOf(urlOf('sessions'));
    await user.connect();
    try {
      for (const words of [
        ['GET', 'other:key'],
        ['EVAL', "return redis.call('GET', KEYS[1])", '1', 'other:key'],
        ['KEYS', '*'],
        ['SCAN', '0'],
        ['FLUSHALL'],
        ['CONFIG', 'GET', '*'],
        ['ACL', 'LIST'],
        ['DUMP', 'sess:x'],
        ['MONITOR'],
        ['SUBSCRIBE', 'news'],
      ]) {
        const error: unknown = await user.sendCommand(words).catch((reason: unknown) => reason);
        expect(String(error), words.join(' ')).to.match(/NOPERM|permissions/i);
      }
    } finally {
      user.destroy();
    }
  });
});

/** A store as the library opens it, without what would make up for a Redis that refuses. */
function storeOf(url: string): RedisStore {
  const limits = { prefix: 'sess:', firstWait: 10_000, maxEntryBytes: 1024 * 1024 };
  const clock = systemClock();
  return new RedisStore(limits, clock, connector({ kind: 'options', options: { url } }, clock));
}

/** Each path of the script, and what canaries ask. Rejects where any of it is refused. */
async function everySwap(store: RedisStore): Promise<void> {
  const [key, stamps] = [randomBytes(32).toString('base64url'), new Stamps(systemClock())];
  await store.read(key);
  const { done } = await store.swap(key, recordEntry(stamps.next(), randomBytes(64)), null, 60_000);
  if (!done) throw new Error('something stands in the way where nothing is');
  await store.read(key);
  for (const ttl of [60_000, 600_000])
    await store.swap(key, tombstoneEntry(stamps.next(), 'destroyed'), 'any', ttl);
  await store.inspect();
}

describe('a Redis behind TLS', () => {
  const [key, cert] = ['key.pem', 'cert.pem'].map(name => readFileSync(new URL(name, FIXTURES)));
  let server: RedisServer;
  let tls: TcpServer;
  let url: string;
  before(async () => {
    server = await RedisServer.start();
    const sockets = new Set<Socket>();
    // The TLS of Redis itself is a matter of how it was built.
    tls = createTlsServer({ key, cert }, client => {
      const behind = connect(server.port, '127.0.0.1');
      for (const socket of [client, behind]) sockets.add(socket.on('error', () => undefined));
      client.pipe(behind).pipe(client);
    });
    await new Promise<void>(resolve => tls.listen(0, '127.0.0.1', resolve));
    tls.on('close', () => sockets.forEach(socket => socket.destroy()));
    url = `rediss://127.0.0.1:${(tls.address() as AddressInfo).port}`;
  });
  after(async () => {
    tls.close();
    await server.stop();
  });

  const open = (socket: object): Promise<Site> =>
    openSite(ctx => void (ctx.body = String((ctx.session['n'] = Number(ctx.session['n'] ?? 0) + 1))), {
      redis: { url, socket: { tls: true, ...socket } },
      deadline: 1_000,
    });

  it('is reached where its certificate is that of an authority which the app trusts', async () => {
    const site = await open({ ca: cert });
    try {
      await site.sessions.ready();
      const visitor = site.app.visitor();
      await visitor.get('/');
      expect((await visitor.get('/')).text).to.equal('2');
      expect(site.sessions.stats().store.mode).to.equal('healthy');
    } finally {
      await site.close();
    }
  });

  it('that shows a certificate of nobody’s is not talked to: no session, and no password, goes there', async () => {
    const site = await open({});
    try {
      await until(() => site.sessions.stats().store.mode === 'degraded');
      expect(site.sessions.health().session_health.redis_session_service.redis_connected).to.equal(false);
    } finally {
      await site.close();
    }
  });
});
