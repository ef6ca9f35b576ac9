import { inspect } from 'node:util';
import { expect } from 'chai';
import { createSessions } from '../../src/create.js';
import { newSecret, openSite, RecordingLogger, recordEvents, type Site, until } from '../support/app.js';
import { RedisServer } from '../support/redis-server.js';

const PASSWORD = 'hunter2-password-canary';
const DATA = 'data-canary-in-session';

/** Everything that an app, a log or a monitor may ever print of `values`. */
function printed(...values: readonly unknown[]): string {
  const shown = values.map(value =>
    inspect(value, { depth: 20, showHidden: true, maxArrayLength: null, maxStringLength: null }),
  );
  const errors = values
    .flat()
    .filter(value => value instanceof Error)
    .map(error => `${error.message} ${error.stack}`);
  return [...shown, ...errors, ...values.map(value => `${JSON.stringify(value)}`)].join('\n');
}

function holdsNone(text: string, canaries: Readonly<Record<string, string>>): void {
  for (const [what, canary] of Object.entries(canaries)) expect(text.includes(canary), what).to.equal(false);
}

describe('nothing that can be printed over a real Redis', () => {
  let server: RedisServer;
  let url: string;
  let site: Site | undefined;
  beforeEach(async () => {
    server = await RedisServer.start({ args: ['--requirepass', PASSWORD] });
    url = `redis://:${PASSWORD}@127.0.0.1:${server.port}`;
  });
  afterEach(async () => {
    await site?.close();
    site = undefined;
    await server.stop();
  });

  it('shows a secret, a Redis password, a token, an id or data, in health and in an outage', async () => {
    const secret = newSecret();
    let seen = '';
    const opened = (site = await openSite(
      ctx => {
        ctx.session['user'] = DATA;
        ctx.session['at'] = Math.random();
        seen += inspect(ctx.session, { depth: 20, showHidden: true }) + printed(opened.sessions.info(ctx));
        ctx.body = 'ok';
      },
      { redis: url, secret, probe: { interval: 20, maxInterval: 50 } },
    ));
    const { sessions, events, logger, app } = opened;
    await sessions.ready();
    const visitor = app.visitor();
    await visitor.get();
    const token = visitor.cookies.get('session') ?? '';
    await app.visitor().get('/', { cookie: `session=${token.slice(0, 71)}${token[71] === 'A' ? 'B' : 'A'}` });
    await server.kill();
    await visitor.get();
    await until(async () => {
      await sessions.manager.check();
      return events.some(({ name }) => name === 'store:degraded');
    });
    await visitor.get();
    const report = await sessions.manager.check();
    const text =
      seen +
      printed(
        events,
        logger.lines,
        sessions,
        sessions.stats(),
        sessions.health(),
        sessions.healthDetails(),
        report,
        app.errors,
      );
    expect(logger.lines).not.to.deep.equal([]);
    expect(events.map(({ name }) => name)).to.include.members([
      'security:forged-token',
      'store:error',
      'journal:added',
    ]);
    const id = Buffer.from(token, 'base64url').subarray(6, 38);
    holdsNone(text, {
      secret,
      'Redis password': PASSWORD,
      token,
      'part of a token': token.slice(8, 40),
      'id as hex': id.toString('hex'),
      'id as base64url': id.toString('base64url'),
      data: DATA,
    });
  });

  it('shows the password that a Redis refused', async () => {
    const wrong = 'wrong-password-canary';
    const logger = new RecordingLogger();
    const refused = `redis://nobody-canary:${wrong}@127.0.0.1:${server.port}`;
    const sessions = createSessions({ redis: refused, secret: newSecret(), logger }, { env: {} });
    const events = recordEvents(sessions);
    try {
      const error: unknown = await sessions.ready().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).to.be.instanceOf(Error).and.include({ code: 'STORE_UNAVAILABLE' });
      expect(error).to.have.property('message', 'Redis session service not healthy: auth');
      expect(logger.messages('error')).to.include(
        'Redis Session Middleware initialization failed: Redis session service not healthy',
      );
      holdsNone(printed(error, events, logger.lines, sessions), { password: wrong, user: 'nobody-canary' });
    } finally {
      await sessions.close();
    }
  });

  it('shows the data of a session that is refused', async () => {
    const opened = (site = await openSite(
      ctx => {
        if (ctx.path === '/large') ctx.session['user'] = DATA.repeat(10_000);
        if (ctx.path === '/cycle') ctx.session['user'] = Object.assign([DATA], { self: ctx.session });
        if (ctx.path === '/cycle') ctx.session['loop'] = ctx.session;
        if (ctx.path === '/hostile') ctx.session['user'] = JSON.parse(`{"__proto__":"${DATA}"}`);
        ctx.body = 'ok';
      },
      { redis: url },
    ));
    const { app, events, logger } = opened;
    for (const path of ['/large', '/cycle', '/hostile']) {
      const answer = await app.visitor().get(path);
      expect(answer.status, path).to.equal(500);
      holdsNone(answer.text, { data: DATA });
    }
    expect(app.errors).to.have.length(3);
    holdsNone(app.errors.map(error => inspect(error, { showHidden: true, depth: 20 })).join('\n'), {
      data: DATA,
    });
    holdsNone(printed(events, logger.lines), { data: DATA });
  });
});

describe('the log of an app', () => {
  it('says at warn what is not configured, once each', async () => {
    const logger = new RecordingLogger();
    const sessions = createSessions({ logger }, { env: {} });
    await sessions.close();
    expect(logger.messages('warn')).to.have.length(2);
    expect(logger.messages('warn').join(' ')).to.include('REDIS_URL').and.include('SESSION_SECRET_KEY');
  });

  it('names the event whose listener threw, and not what it threw', async () => {
    const opened = await openSite(ctx => void (ctx.session['user'] = 'ada'));
    try {
      opened.sessions.events.on('session:saved', () => {
        throw new Error(DATA);
      });
      expect((await opened.app.visitor().get()).setCookies).to.have.length(1);
      expect(opened.logger.lines).to.deep.include({
        level: 'error',
        fields: { event: 'session:saved' },
        message: 'a session event listener threw',
      });
      holdsNone(printed(opened.logger.lines), { data: DATA });
    } finally {
      await opened.close();
    }
  });

  it('is silent with logger: false', async () => {
    const said: unknown[] = [];
    const { info, warn, error } = console;
    Object.assign(console, {
      info: (...line: unknown[]) => said.push(line),
      warn: (...line: unknown[]) => said.push(line),
      error: (...line: unknown[]) => said.push(line),
    });
    try {
      await createSessions({ logger: false }, { env: {} }).close();
    } finally {
      Object.assign(console, { info, warn, error });
    }
    expect(said).to.deep.equal([]);
  });
});
