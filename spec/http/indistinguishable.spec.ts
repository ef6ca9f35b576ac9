import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { Context } from 'koa';
import { createClient } from 'redis';
import { type Clock, systemClock } from '../../src/clock.js';
import { createSessions, type Sessions } from '../../src/create.js';
import { storeKeyOf } from '../../src/vault/token.js';
import type { SessionOptions } from '../../src/options.js';
import { newSecret, type Recorded, recordEvents, TestApp } from '../support/app.js';
import { rawExchange } from '../support/raw.js';
import { RedisServer } from '../support/redis-server.js';

const DAY = 86_400_000;
const SECRET = newSecret();
const MODES = ['eager', 'lazy'] as const;
type Mode = (typeof MODES)[number];

/** What an app may do with the session of somebody whose cookie is worth nothing. */
const HANDLERS: Readonly<Record<string, (ctx: Context, sessions: Sessions) => unknown>> = {
  nothing: () => undefined,
  read: (ctx, sessions) => {
    const { isNew, populated, length, maxAge, authenticatedAs } = ctx.session;
    ctx.body = {
      isNew,
      populated,
      length,
      maxAge,
      authenticatedAs,
      data: ctx.session,
      ...sessions.info(ctx),
    };
  },
  write: ctx => void (ctx.session['seen'] = true),
  save: async ctx => void (ctx.body = { saved: await ctx.session.save() }),
  'write and throw': ctx => {
    ctx.session['seen'] = true;
    ctx.throw(418, 'the handler failed');
  },
  'save and throw': async ctx => {
    ctx.session['seen'] = true;
    await ctx.session.save();
    throw new Error('the handler failed');
  },
  login: async ctx => void (ctx.body = { done: await ctx.session.login(randomBytes(9).toString('hex')) }),
  regenerate: async ctx => void (ctx.body = { done: await ctx.session.regenerate() }),
  replace: ctx => void (ctx.session = { seen: true }),
  'replace after null': ctx => {
    ctx.session = null;
    ctx.session = { seen: true };
  },
  'set null': ctx => void (ctx.session = null),
  destroy: ctx => ctx.session.destroy(),
};

/** These answer a request with a cookie by ending that cookie. Whether it has sent one the client knows by itself. */
const CLEARING = ['set null', 'destroy'];

/** Cookie headers of which none proves anything; what Redis holds under the key of one is part of the case. */
type Case = (lab: Lab) => string | undefined | Promise<string | undefined>;

const BEFORE_THE_SHIFT: Readonly<Record<string, Case>> = {
  'a session past its idle timeout': async lab => cookie(await lab.token()),
  'a session past its absolute timeout': async lab => cookie(await lab.token(39 * DAY)),
  'a session that was destroyed': async lab =>
    cookie(await lab.after(token => lab.eager.manager.destroy(token))),
  'a session that has moved to another id': async lab => cookie(await lab.after(token => lab.move(token))),
};

const AFTER_THE_SHIFT: Readonly<Record<string, Case>> = {
  'no cookie': () => undefined,
  'an empty cookie': () => cookie(''),
  'a short word': () => cookie('hello'),
  'a long word': () => cookie('A'.repeat(8_000)),
  'bytes that no cookie has': () => cookie('\u00e9\u0080\u00ff'.repeat(24)),
  '72 random characters': () => cookie(randomBytes(54).toString('base64url')),
  'a forgery under a known key id': async lab =>
    cookie((await lab.token()).slice(0, 4) + randomBytes(51).toString('base64url')),
  'a bit flipped in the key id': async lab => cookie(flipped(await lab.token(), 0)),
  'a bit flipped in the hour of birth': async lab => cookie(flipped(await lab.token(), 5)),
  'a bit flipped in the id': async lab => cookie(flipped(await lab.token(), 20)),
  'a bit flipped in the tag': async lab => cookie(flipped(await lab.token(), 53)),
  'a token that is cut': async lab => cookie((await lab.token()).slice(0, 71)),
  'a token of an unknown secret': async lab => cookie(await tokenFrom(lab.stranger)),
  'a token of another cookie': async lab => cookie(await tokenFrom(lab.namesake)),
  'two sessions at once': async lab => `${cookie(await lab.token())}; ${cookie(await lab.token())}`,
  'a session that Redis has lost': async lab => cookie(await lab.after(token => lab.admin.del(keyOf(token)))),
  'a record with a bit flipped': async lab => cookie(await lab.after(token => lab.spoil(token))),
  'a record of another session': async lab => cookie(await lab.after(token => lab.copyOver(token))),
  'a foreign value': async lab =>
    cookie(await lab.after(token => lab.admin.set(keyOf(token), '{"views":99}'))),
  'a foreign list': async lab => cookie(await lab.after(token => lab.replaceByList(token))),
  'a value that is too large': async lab =>
    cookie(await lab.after(token => lab.admin.set(keyOf(token), '\u0001'.repeat(400_000)))),
};

const CASES = { ...BEFORE_THE_SHIFT, ...AFTER_THE_SHIFT };

function cookie(token: string): string {
  return `session=${token}`;
}

function flipped(token: string, at: number): string {
  const bytes = Buffer.from(token, 'base64url');
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes.toString('base64url');
}

async function tokenFrom(sessions: Sessions): Promise<string> {
  return (await sessions.manager.create({ user: 'ada' })).token;
}

function keyOf(token: string): string {
  return `sess:${storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38))}`;
}

function adminOf(url: string) {
  return createClient({ url }).on('error', () => undefined);
}

/** One Redis, the sessions over it, and a wall clock that can be moved. */
class Lab {
  readonly admin: ReturnType<typeof adminOf>;
  readonly eager: Sessions;
  readonly lazy: Sessions;
  readonly stranger: Sessions;
  readonly namesake: Sessions;
  readonly #machine = systemClock();
  #shift = 0;

  constructor(url: string) {
    this.admin = adminOf(url);
    this.eager = this.#open({ redis: url });
    this.lazy = this.#open({ redis: url, lazy: true });
    this.stranger = this.#open({ redis: url, secret: newSecret() });
    this.namesake = this.#open({ redis: url, cookie: { name: 'other' } });
  }

  /** Every session so far is over from now on. */
  pass(ms: number): void {
    this.#shift += ms;
  }

  async token(maxAge?: number): Promise<string> {
    const { session, token } = await this.eager.manager.create({ user: 'ada' });
    if (maxAge === undefined) return token;
    session.maxAge = maxAge;
    return this.eager.manager.save(session);
  }

  /** A token after something was done to its session. */
  async after(act: (token: string) => Promise<unknown>): Promise<string> {
    const token = await this.token();
    await act(token);
    return token;
  }

  async move(token: string): Promise<void> {
    const session = await this.eager.manager.load(token);
    if (session) await this.eager.manager.regenerate(session);
  }

  async spoil(token: string): Promise<void> {
    const key = keyOf(token);
    const length = await this.admin.strLen(key);
    const [last = 0] = Buffer.from((await this.admin.getRange(key, length - 1, length - 1)) ?? '', 'latin1');
    await this.admin.setRange(key, length - 1, last === 65 ? 'B' : 'A');
  }

  async copyOver(token: string): Promise<void> {
    await this.admin.copy(keyOf(await this.token()), keyOf(token), { REPLACE: true });
  }

  async replaceByList(token: string): Promise<void> {
    await this.admin.del(keyOf(token));
    await this.admin.rPush(keyOf(token), 'views');
  }

  async close(): Promise<void> {
    await Promise.all([this.eager, this.lazy, this.stranger, this.namesake].map(each => each.close()));
    this.admin.destroy();
  }

  #open(options: SessionOptions): Sessions {
    const machine = this.#machine;
    // What Redis says about the time must not move the clock back.
    const clock: Clock = { ...machine, wall: () => machine.wall() + this.#shift, correct: () => undefined };
    const usual = { secret: SECRET, logger: false, shadow: false, anonymous: { perSecond: 10_000 } } as const;
    return createSessions({ ...usual, ...options }, { env: {}, clock });
  }
}

async function handle(ctx: Context, lab: Lab, mode: Mode): Promise<void> {
  const name = decodeURIComponent(ctx.path.slice(1));
  if (mode === 'lazy' && name !== 'nothing') await ctx.loadSession();
  ctx.body = 'ok';
  await HANDLERS[name]?.(ctx, lab[mode]);
}

/** What differs from one request to the next in any case: the time, and what a new token is. */
function masked(response: string): string {
  return response.replace(/^Date: .*\r\n/m, '').replace(/(?<=^Set-Cookie: session=)[\w-]{72}(?=;)/m, 'TOKEN');
}

const names = Object.keys(CASES);
const PAIRS = (names.length * (names.length - 1)) / 2;
const ALL = PAIRS * Object.keys(HANDLERS).length * MODES.length;

describe(`${names.length} cookies that are worth nothing, in ${ALL.toLocaleString('en')} pairs (ASVS 16.5.3)`, () => {
  const cookies = new Map<string, string | undefined>();
  const apps: TestApp[] = [];
  let server: RedisServer;
  let lab: Lab;
  let compared = 0;
  const recorded: (readonly Recorded[])[] = [];

  /** A handler may change what is stored: each request has a cookie of its own. */
  const prepare = async (cases: Readonly<Record<string, Case>>): Promise<void> => {
    for (const [name, make] of Object.entries(cases))
      for (const handler of Object.keys(HANDLERS))
        for (const mode of MODES) cookies.set(`${name} ${handler} ${mode}`, await make(lab));
  };

  before(async function () {
    this.timeout(60_000);
    server = await RedisServer.start();
    lab = new Lab(server.url);
    await lab.admin.connect();
    await Promise.all([lab.eager.ready(), lab.lazy.ready(), lab.stranger.ready(), lab.namesake.ready()]);
    for (const mode of MODES) apps.push(await TestApp.serve(lab[mode], ctx => handle(ctx, lab, mode)));
    for (const mode of MODES) recorded.push(recordEvents(lab[mode]));
    await prepare(BEFORE_THE_SHIFT);
    lab.pass(31 * DAY);
    await prepare(AFTER_THE_SHIFT);
  });
  after(async () => {
    await Promise.all(apps.map(app => app.close()));
    await lab?.close();
    await server?.stop();
  });

  const responses = async (handler: string, mode: Mode): Promise<Map<string, string>> => {
    const { port } = new URL(apps[MODES.indexOf(mode)]?.url ?? '');
    const seen = new Map<string, string>();
    for (const name of names) {
      const sent = cookies.get(`${name} ${handler} ${mode}`);
      const head = [`GET /${encodeURI(handler)} HTTP/1.1`, 'Host: a.example'];
      if (sent !== undefined) head.push(`Cookie: ${sent}`);
      seen.set(name, masked(await rawExchange(Number(port), head)));
    }
    return seen;
  };

  const compare = (seen: ReadonlyMap<string, string>): void => {
    for (const [one, text] of seen)
      for (const [other, theirs] of seen) {
        if (one >= other) continue;
        expect(text, `${one}, and ${other}`).to.equal(theirs);
        compared += 1;
      }
  };

  for (const mode of MODES) {
    for (const handler of Object.keys(HANDLERS)) {
      it(`get the same bytes, ${mode}, from a handler that does this: ${handler}`, async () => {
        const seen = await responses(handler, mode);
        const none = seen.get('no cookie') ?? '';
        expect(none).to.match(/^HTTP\/1\.1 (200|418|500) /);
        if (CLEARING.includes(handler)) {
          expect(none).to.not.match(/^set-cookie/im);
          seen.set('no cookie', withCleared(none));
        }
        compare(seen);
      });
    }
  }

  it('were all compared, and each was found worthless for the reason that it was made for', () => {
    expect(compared).to.equal(ALL);
    const events = recorded.flat();
    const reasons = new Set(
      events.map(({ name, event }) => `${name} ${String(event['reason'] ?? '')}`.trim()),
    );
    expect([...reasons]).to.include.members([
      'session:expired',
      'security:forged-token malformed',
      'security:forged-token forged',
      'security:unknown-key token',
      'security:undecryptable sealed',
      'security:undecryptable foreign',
    ]);
    const expired = events.filter(({ name }) => name === 'session:expired');
    expect(expired).to.have.length(2 * (Object.keys(HANDLERS).length * MODES.length - 1));
  });

  it('and one that is worth something gets others', async () => {
    const head = ['GET /read HTTP/1.1', 'Host: a.example'];
    const { port } = new URL(apps[0]?.url ?? '');
    const none = masked(await rawExchange(Number(port), head));
    const known = masked(await rawExchange(Number(port), [...head, `Cookie: ${cookie(await lab.token())}`]));
    expect(known).to.include('"isNew":false').and.not.equal(none);
  });
});

/** The same response with the cookie ended, as those get it who have sent one. */
function withCleared(response: string): string {
  const cleared =
    'session=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax';
  return response.replace(/^(Vary: Cookie\r\n)/m, `$1Set-Cookie: ${cleared}\r\nCache-Control: no-store\r\n`);
}
