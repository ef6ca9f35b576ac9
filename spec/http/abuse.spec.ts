import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { Context } from 'koa';
import { createClient } from 'redis';
import { systemClock } from '../../src/clock.js';
import { MemoryStore } from '../../src/store/memory.js';
import { openSite, type Site, type Visitor } from '../support/app.js';
import { FaultyStore } from '../support/faulty-store.js';
import { ManualClock } from '../support/manual-clock.js';
import { rawExchange } from '../support/raw.js';
import { RedisServer } from '../support/redis-server.js';
import { timerlessClock } from '../support/timerless-clock.js';

/** Node's limit for all headers of a request, in bytes. */
const NODE_LIMIT = 16_384;

function handler(ctx: Context): void {
  const [, act, value] = ctx.path.split('/');
  if (act === 'be') ctx.session['user'] = value;
  if (act === 'fill') ctx.session['pad'] = 'x'.repeat(Number(value));
  ctx.body = String(ctx.session['user'] ?? 'nobody');
}

const HTTPS = ['X-Forwarded-Proto: https'];

function get(site: Site, cookie: string, more: readonly string[] = []): Promise<string> {
  const head = ['GET / HTTP/1.1', 'Host: a.example', ...more];
  return rawExchange(Number(new URL(site.app.url).port), [...head, `Cookie: ${cookie}`]);
}

function bodyOf(response: string): string {
  return response.slice(response.indexOf('\r\n\r\n') + 4);
}

async function tokenOf(site: Site, user: string): Promise<string> {
  return (await site.sessions.manager.create({ user })).token;
}

describe('what is too large', () => {
  let site: Site;
  before(async () => {
    site = await openSite(handler);
  });
  after(() => site.close());

  it('in a Cookie header is served up to Node’s limit, with the session behind hundreds of other cookies', async () => {
    const token = await tokenOf(site, 'ada');
    const own = `session=${token}`;
    for (const count of [1, 50, 300, 600]) {
      const others = Array.from(
        { length: count },
        (_, index) => `c${index}=${randomBytes(6).toString('hex')}`,
      );
      expect(bodyOf(await get(site, [...others, own].join('; '))), `${count} cookies`).to.equal('ada');
      expect(bodyOf(await get(site, [own, ...others].join('; '))), `${count} cookies`).to.equal('ada');
    }
    expect(bodyOf(await get(site, `${own}; pad=${'x'.repeat(NODE_LIMIT - 300)}`))).to.equal('ada');
  });

  it('in a Cookie header beyond that is refused by Node, and no session is asked for', async () => {
    const before = site.events.length;
    const answer = await get(site, `session=${'A'.repeat(NODE_LIMIT)}`);
    expect(answer).to.match(/^HTTP\/1\.1 431 /);
    expect(site.events.length).to.equal(before);
  });

  it('as a value of the cookie is anonymous, whatever its length', async () => {
    for (const length of [71, 73, 144, 4_096, NODE_LIMIT - 300])
      expect(bodyOf(await get(site, `session=${'A'.repeat(length)}`)), String(length)).to.equal('nobody');
  });

  it('for a session is refused, and what was stored stays', async () => {
    const visitor = site.app.visitor();
    await visitor.get('/be/ada');
    for (const bytes of [65_536, 1_000_000]) {
      expect((await visitor.get(`/fill/${bytes}`)).status).to.equal(500);
      expect(site.app.errors.at(-1)).to.have.property('code', 'DATA_TOO_LARGE');
      expect((await visitor.get('/')).text).to.equal('ada');
    }
    expect((await visitor.get('/fill/60000')).status).to.equal(200);
  });
});

describe('a cookie that a sibling domain has set', () => {
  let site: Site;
  afterEach(() => site.close());

  it('beside the own one, under the same name, makes the visitor anonymous and never somebody else', async () => {
    site = await openSite(handler);
    const [own, tossed] = [await tokenOf(site, 'ada'), await tokenOf(site, 'mallory')];
    for (const value of [tossed, '', 'hello', `"${tossed}"`, randomBytes(54).toString('base64url')]) {
      for (const cookies of [
        [own, value],
        [value, own],
        [value, own, value],
        [own, value, own],
      ]) {
        const sent = cookies.map(each => `session=${each}`).join('; ');
        expect(bodyOf(await get(site, sent)), sent).to.equal('nobody');
      }
    }
    expect(bodyOf(await get(site, `session=${own}; session=${own}`))).to.equal('ada');
  });

  it('under what is not quite a __Host- name is not read at all (ASVS 3.3.3)', async () => {
    site = await openSite(handler, { cookie: { secure: true } });
    site.app.koa.proxy = true;
    const [own, tossed] = [await tokenOf(site, 'ada'), await tokenOf(site, 'mallory')];
    const near = ['session', '__Secure-session', '__host-session', '__HOST-session', 'Host-session'];
    const disguised = [
      '\u00a0',
      '\u0085',
      '\u00c2\u00a0',
      '\u00e2\u0080\u0080',
      '$',
      '"',
      '\u00ef\u00bb\u00bf',
    ];
    const names = [
      ...near,
      ...disguised.flatMap(byte => [
        `${byte}__Host-session`,
        `__Host-session${byte}`,
        ` ${byte} __Host-session`,
      ]),
    ];
    for (const name of names) {
      const evil = `${name}=${tossed}`;
      const good = `__Host-session=${own}`;
      expect(bodyOf(await get(site, evil, HTTPS)), JSON.stringify(name)).to.equal('nobody');
      for (const sent of [`${evil}; ${good}`, `${good}; ${evil}`])
        expect(bodyOf(await get(site, sent, HTTPS)), JSON.stringify(name)).to.equal('ada');
    }
  });

  it('hides nothing in quotes, versions or commas, as old parsers would', async () => {
    site = await openSite(handler);
    const [own, tossed] = [await tokenOf(site, 'ada'), await tokenOf(site, 'mallory')];
    for (const sent of [
      `$Version=1; a="b; session=${own}; c=d"`,
      `$Version="1"; session=${own}; $Path="/"; $Domain="evil.example"`,
      `a=b, session=${tossed}; session=${own}`,
      `a="; session=${own}; b="`,
      `a=session=${tossed}; session=${own}`,
      `session; =${tossed}; session=${own}`,
    ])
      expect(bodyOf(await get(site, sent)), sent).to.equal('ada');
  });
});

describe('bytes that no cookie has', () => {
  it('are anonymous where Node lets them in, and never an error of the app', async () => {
    const site = await openSite(handler);
    try {
      const token = await tokenOf(site, 'ada');
      const outcomes = new Map<string, number>();
      for (let byte = 0; byte < 256; byte += 1) {
        const char = String.fromCharCode(byte);
        for (const value of [char, char + token, token + char, token.slice(0, 36) + char + token.slice(37)]) {
          const answer = await get(site, `session=${value}`);
          const status = answer.slice(9, 12);
          const known = bodyOf(answer) === 'ada';
          // A separator or blank at the edge leaves the token whole; within it the very character may stand there.
          if (known) expect(value.includes(token) && /[ \t;]/.test(char) ? token : value).to.equal(token);
          else expect(status === '400' || bodyOf(answer) === 'nobody', JSON.stringify(value)).to.equal(true);
          outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
        }
      }
      expect([...outcomes.keys()]).to.have.members(['200', '400']);
      expect(site.app.errors).to.deep.equal([]);
    } finally {
      await site.close();
    }
  });
});

describe('a flood', () => {
  /** A million are sent by bench/forged.ts. */
  const REQUESTS = 100;
  const kinds: Readonly<Record<string, (token: string) => string | undefined>> = {
    'without cookies': () => undefined,
    'of garbage': () => randomBytes(20).toString('hex'),
    'of forgeries under a known key id': token => token.slice(0, 4) + randomBytes(51).toString('base64url'),
    'of one token with bits flipped': token => {
      const bytes = Buffer.from(token, 'base64url');
      const at = randomBytes(1).readUInt8() % bytes.length;
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (randomBytes(1).readUInt8() % 8)), at);
      return bytes.toString('base64url');
    },
  };

  const flood = async (
    site: Site,
    token: string,
    forge: (token: string) => string | undefined,
  ): Promise<void> => {
    for (let sent = 0; sent < REQUESTS; sent += 50) {
      const batch = Array.from({ length: 50 }, () => ask(site.app.visitor(), forge(token)));
      for (const text of await Promise.all(batch)) expect(text).to.equal('nobody');
    }
  };
  const ask = async (visitor: Visitor, value: string | undefined): Promise<string> =>
    (await visitor.get('/', value === undefined ? {} : { cookie: `session=${value}` })).text;

  for (const link of ['ok', 'refused', 'hang'] as const) {
    for (const [what, forge] of Object.entries(kinds)) {
      it(`${what} asks the store for nothing, where its link is ${link}`, async () => {
        const store = new FaultyStore(new MemoryStore(2 ** 20, systemClock()));
        const clock = new ManualClock();
        const site = await openSite(handler, { store, shadow: false }, { clock });
        try {
          const token = await tokenOf(site, 'ada');
          await clock.advance(1_000);
          store.link = link;
          const before = store.calls;
          await flood(site, token, forge);
          expect(store.calls).to.equal(before);
        } finally {
          // Its time stands still, so there is nothing that would have to be closed.
          await site.app.close();
        }
      });
    }
  }

  it('of each kind sends a real Redis no command', async () => {
    const server = await RedisServer.start();
    const admin = createClient({ url: server.url }).on('error', () => undefined);
    await admin.connect();
    const site = await openSite(handler, { redis: server.url }, { clock: timerlessClock() });
    try {
      await site.sessions.ready();
      const token = await tokenOf(site, 'ada');
      const counted = async (): Promise<number> => {
        const text = String(await admin.sendCommand(['INFO', 'commandstats']));
        const calls = [...text.matchAll(/^cmdstat_(?!info)[^:]+:calls=(\d+)/gm)];
        return calls.reduce((sum, [, count]) => sum + Number(count), 0);
      };
      const before = await counted();
      for (const forge of Object.values(kinds)) await flood(site, token, forge);
      expect(await counted()).to.equal(before);
      expect(await ask(site.app.visitor(), token)).to.equal('ada');
      expect(await counted()).to.be.above(before);
    } finally {
      await site.close();
      admin.destroy();
      await server.stop();
    }
  });

  it('while Redis is gone takes no room from the users, who are served meanwhile', async () => {
    const server = await RedisServer.start();
    const site = await openSite(handler, { redis: server.url });
    try {
      await site.sessions.ready();
      const visitor = site.app.visitor();
      await visitor.get('/be/ada');
      const token = visitor.cookies.get('session') ?? '';
      await server.kill();
      while (site.count('store:degraded') === 0) await visitor.get('/');
      for (const forge of Object.values(kinds)) await flood(site, token, forge);
      expect((await visitor.get('/')).text).to.equal('ada');
      expect(site.sessions.stats().store.backlog.items).to.equal(0);
    } finally {
      await site.close();
      await server.stop();
    }
  });
});
