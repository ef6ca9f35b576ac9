import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { systemClock } from '../../src/clock.js';
import { createSessions } from '../../src/create.js';
import { consoleLogger } from '../../src/observe/log.js';
import { inspect as inspectServer } from '../../src/store/redis-facts.js';
import { newSecret, openSite, RecordingLogger, recordEvents } from '../support/app.js';

/** What each method of the console is given while `act` runs. */
function printedBy(act: () => void): string[] {
  const lines: string[] = [];
  const methods = ['info', 'warn', 'error'] as const;
  const before = methods.map(name => console[name]);
  for (const name of methods) console[name] = (line: string) => void lines.push(line);
  try {
    act();
  } finally {
    for (const [n, name] of methods.entries()) console[name] = before[n] ?? console[name];
  }
  return lines;
}

describe('a line of the log', () => {
  it('is one line, whatever its fields hold: no control character leaves as it is (ASVS 16.4.1)', () => {
    const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).join('');
    const fields = { detail: `a${controls}\u2028\u2029b\r\nerror forged line \u001b[2J\u009b2J` };
    const lines = printedBy(() => {
      for (const level of ['info', 'warn', 'error'] as const) consoleLogger[level](fields, 'a message');
    });
    expect(lines).to.have.length(3);
    for (const line of lines) {
      expect(line).to.match(/^a message \{"detail":"a.*b\\r\\nerror forged line .*"\}$/u);
      expect(line).to.not.match(/[\p{Cc}\u2028\u2029]/u);
      expect(JSON.parse(line.slice('a message '.length))).to.deep.equal(fields);
    }
  });

  it('holds nothing that a visitor sent: no cookie, path, header, user or label (ASVS 16.2.5, 16.4.1)', async () => {
    const CANARY = 'canary-of-a-visitor';
    const site = await openSite(
      async ctx => {
        if (ctx.path.startsWith('/login')) await ctx.session.login(CANARY, { label: ctx.get('user-agent') });
        if (ctx.path.startsWith('/bad')) ctx.session['bad'] = { [CANARY]: 1n };
        if (ctx.path.startsWith('/user')) await ctx.session.login(CANARY.repeat(20));
        ctx.body = 'ok';
      },
      { secret: newSecret() },
    );
    try {
      const headers = { 'user-agent': CANARY, referer: CANARY };
      await site.app.visitor().get(`/?${CANARY}`, { ...headers, cookie: `session=${CANARY}; ${CANARY}=1` });
      for (const path of ['/login', '/bad', '/user'])
        await site.app.visitor().get(`${path}/${CANARY}`, headers);
      const said = inspect([site.logger.lines, site.events, site.app.errors, site.sessions.stats()], {
        depth: 9,
        showHidden: true,
      });
      expect(site.events.map(({ name }) => name)).to.include.members([
        'security:forged-token',
        'session:authenticated',
      ]);
      expect(site.app.errors).to.have.length(2);
      expect(said).not.to.include(CANARY);
    } finally {
      await site.close();
    }
  });

  it('holds no word of a server that answers in the place of Redis (ASVS 16.4.1)', async () => {
    const server = createServer(socket => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write(`-WRONGPASS ${HOSTILE}\r\n`));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const logger = new RecordingLogger();
    const sessions = createSessions(
      { redis: { socket: { port } }, secret: newSecret(), logger },
      { env: {} },
    );
    const events = recordEvents(sessions);
    try {
      const error: unknown = await sessions.ready().catch((thrown: unknown) => thrown);
      const said = inspect([logger.lines, events, error, sessions.stats()], { depth: 9, showHidden: true });
      expect(said).to.include("code: 'auth'").and.not.include('forged');
    } finally {
      await sessions.close();
      server.close();
    }
  });

  it('holds no version of a server that is none (ASVS 16.4.1)', async () => {
    const answering = (version: string): Promise<unknown> =>
      inspectServer(
        {
          sendCommand: async ([command]) =>
            command === 'INFO' ? `redis_version:${version}\r\nrole:master\r\n` : [],
          incr: async () => 1,
        },
        { counter: 'counter', tracks: false, clock: systemClock(), whole: true },
      ).catch((error: unknown) => error);
    expect(await answering('5.0.7')).to.have.property(
      'message',
      'Redis 5.0.7 is too old: 6.2 or later is needed',
    );
    for (const version of [`5.0 ${HOSTILE}`, `5.${HOSTILE}`, `5.${'0'.repeat(100)}`]) {
      expect(await answering(version)).to.include({ version: undefined, role: 'master' });
    }
  });
});

const HOSTILE = '\u001b[2J\u009b2J\u202eforged line';
