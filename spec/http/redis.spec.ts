import { expect } from 'chai';
import { createClient, RESP_TYPES } from 'redis';
import type { SessionOptions } from '../../src/options.js';
import { recordLimits } from '../../src/session/manager.js';
import { newSecret, openSite, type Site } from '../support/app.js';
import { RedisServer } from '../support/redis-server.js';

/** A client with which a test looks at the server, apart from the library. Values are Buffers. */
function adminOf(url: string) {
  return createClient({ url })
    .on('error', () => undefined)
    .withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

describe('the middleware over a Redis server', () => {
  let server: RedisServer;
  let admin: ReturnType<typeof adminOf>;
  let site: Site;
  before(async () => {
    server = await RedisServer.start();
    admin = adminOf(server.url);
    await admin.connect();
  });
  after(async () => {
    admin.destroy();
    await server.stop();
  });
  beforeEach(async () => {
    await admin.flushAll();
  });
  afterEach(() => site.close());

  const open = async (options: SessionOptions = {}): Promise<void> => {
    site = await openSite(
      ctx => {
        if (ctx.path === '/count') ctx.session['views'] = Number(ctx.session['views'] ?? 0) + 1;
        ctx.body = String(ctx.session['views'] ?? 'none');
      },
      { redis: server.url, ...options },
    );
    await site.sessions.ready();
  };

  const storedKeys = async (): Promise<string[]> => {
    const keys: string[] = [];
    for (const key of (await admin.keys('sess:*')).map(String)) {
      if (key === 'sess:generation') continue;
      if ((await admin.getRange(key, 0, 0))?.toString('latin1') !== '\u0002') keys.push(key);
    }
    return keys;
  };

  /** How often each command ran, but for those of canaries and of the test itself. */
  const commandsDuring = async (act: () => Promise<unknown>): Promise<number> => {
    const before = await calls();
    await act();
    return (await calls()) - before;
  };
  const calls = async (): Promise<number> => {
    const text = String(await admin.sendCommand(['INFO', 'commandstats']));
    const counted = [...text.matchAll(/^cmdstat_(?:get|getrange|exists|evalsha|eval|set|del):calls=(\d+)/gm)];
    return counted.reduce((sum, [, count]) => sum + Number(count), 0);
  };

  /** How many bytes the server has sent so far. */
  const sent = async (): Promise<number> => {
    const text = String(await admin.sendCommand(['INFO', 'stats']));
    return Number(/^total_net_output_bytes:(\d+)/m.exec(text)?.[1]);
  };

  it('keeps a session there, sealed, under a key that its token does not show', async () => {
    await open();
    const visitor = site.app.visitor();
    await visitor.get('/count');
    expect((await visitor.get('/count')).text).to.equal('2');
    const [key, ...others] = await storedKeys();
    expect(others).to.deep.equal([]);
    expect(visitor.cookies.get('session')).not.to.include(key?.slice('sess:'.length, 20));
    const value = await admin.get(key ?? '');
    expect(value?.includes('views')).to.equal(false);
    expect(await admin.pTTL(key ?? '')).to.be.within(86_000_000, 86_460_000);
  });

  it('sends one read for a request that only reads, and none without a cookie', async () => {
    await open();
    const visitor = site.app.visitor();
    await visitor.get('/count');
    expect(await commandsDuring(() => visitor.get('/'))).to.equal(1);
    expect(await commandsDuring(() => site.app.visitor().get('/'))).to.equal(0);
  });

  it('sends no command at all for cookies that are forged, malformed, of an unknown key, or there twice', async () => {
    await open();
    const [visitor, other] = [site.app.visitor(), site.app.visitor()];
    await visitor.get('/count');
    await other.get('/count');
    const token = visitor.cookies.get('session') ?? '';
    const forged = token.slice(0, 50) + (token[50] === 'A' ? 'B' : 'A') + token.slice(51);
    const unknown = (token[0] === 'A' ? 'B' : 'A') + token.slice(1);
    const twice = `${token}; session=${other.cookies.get('session')}`;
    const sent = await commandsDuring(async () => {
      for (const value of [forged, unknown, twice, 'hello', '']) {
        for (let round = 0; round < 5; round += 1) {
          const answer = await site.app.visitor().get('/', { cookie: `session=${value}` });
          expect([answer.status, answer.text]).to.deep.equal([200, 'none']);
        }
      }
    });
    expect(sent).to.equal(0);
  });

  describe('where the value under the key', () => {
    const foreign: Record<string, (key: string, value: Buffer) => Promise<unknown>> = {
      'is plain JSON': key => admin.set(key, '{"views":99}'),
      'is empty': key => admin.set(key, ''),
      'is cut': (key, value) => admin.set(key, value.subarray(0, value.length - 1)),
      'is cut to its stamp': (key, value) => admin.set(key, value.subarray(0, 17)),
      'has a bit flipped': (key, value) => admin.set(key, flipLast(value)),
      'is far too large': key => admin.set(key, Buffer.alloc(4 * 1024 * 1024, 1)),
      'is a list': key => admin.rPush(key, 'views'),
      'is a hash': key => admin.hSet(key, 'views', '99'),
      'is a set': key => admin.sAdd(key, 'views'),
    };
    for (const [what, put] of Object.entries(foreign)) {
      it(`${what} is anonymous, reported, and left there`, async () => {
        await open({ shadow: false });
        const visitor = site.app.visitor();
        await visitor.get('/count');
        const [key = ''] = await storedKeys();
        const value = (await admin.get(key)) ?? Buffer.alloc(0);
        await admin.del(key);
        await put(key, value);
        const stored = await admin.dump(key);
        const answer = await visitor.get('/');
        expect([answer.status, answer.text]).to.deep.equal([200, 'none']);
        expect(answer.setCookies).to.deep.equal([]);
        expect(site.count('security:undecryptable')).to.equal(1);
        expect(site.sessions.stats().counters).to.have.property('security:undecryptable', 1);
        expect(await admin.dump(key)).to.deep.equal(stored);
        expect(site.count('store:error')).to.equal(0);
      });
    }

    it('is huge costs no more than one record would, and opens no circuit for the others', async () => {
      await open({ shadow: false });
      const [visitor, other] = [site.app.visitor(), site.app.visitor()];
      await visitor.get('/count');
      const [key = ''] = await storedKeys();
      await other.get('/count');
      await admin.set(key, Buffer.alloc(30 * 1024 * 1024, 1));
      const cookie = `session=${visitor.cookies.get('session') ?? ''}`;
      const before = await sent();
      for (let round = 0; round < 4; round += 1) {
        expect((await site.app.visitor().get('/', { cookie })).text).to.equal('none');
        expect((await other.get('/')).text).to.equal('1');
      }
      const limit = recordLimits(65_536).entry + 1;
      expect(await sent()).to.be.within(before + limit, before + 5 * limit);
      expect(site.count('circuit:open') + site.count('store:error')).to.equal(0);
    });

    it('is foreign gets in nobody’s way: the visitor goes on under a new id, others are not concerned', async () => {
      await open({ shadow: false });
      const [visitor, other] = [site.app.visitor(), site.app.visitor()];
      await visitor.get('/count');
      const [key = ''] = await storedKeys();
      await other.get('/count');
      await admin.del(key);
      await admin.rPush(key, 'views');
      for (let round = 0; round < 6; round += 1) await visitor.get('/');
      expect((await visitor.get('/count')).setCookies).to.have.length(1);
      expect((await visitor.get('/count')).text).to.equal('2');
      expect((await other.get('/count')).text).to.equal('2');
      expect(site.sessions.stats().store.mode).to.equal('healthy');
    });

    it('is of a secret that is not held here is anonymous, and nothing is written over it', async () => {
      const secret = newSecret();
      await open({ secret });
      const visitor = site.app.visitor();
      await visitor.get('/count');
      const [key = ''] = await storedKeys();
      const value = Buffer.from((await admin.get(key)) ?? '');
      // The three bytes after kind, stamp and format name the secret.
      value.writeUInt8(value.readUInt8(18) ^ 1, 18);
      await admin.set(key, value);
      await site.close();
      await open({ secret });
      const again = site.app.visitor();
      again.cookies.set('session', visitor.cookies.get('session') ?? '');
      const answer = await again.get('/count');
      expect([answer.status, answer.text]).to.deep.equal([200, '1']);
      expect(answer.setCookies).to.deep.equal([]);
      expect(site.count('security:unknown-key')).to.equal(1);
      expect(site.count('session:gone')).to.equal(1);
      expect((await admin.get(key))?.equals(value)).to.equal(true);
    });
  });
});

function flipLast(value: Buffer): Buffer {
  const copy = Buffer.from(value);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}
