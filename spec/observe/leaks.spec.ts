import { expect } from 'chai';
import { createSessions } from '../../src/create.js';
import { openSite, RecordingLogger } from '../support/app.js';
import { Canaries, printed } from '../support/canaries.js';
import { Play } from './play.js';

const DATA = 'data-canary-in-session';

/** A way out of the library. */
interface Way {
  readonly name: string;
  /** What shows that there was something to look at. */
  readonly shows: RegExp;
  /** Canaries that belong there: they are found, which shows that those that do not would be, too. */
  readonly belongs?: RegExp;
}

const WAYS: readonly Way[] = [
  {
    name: 'events',
    shows: /'store:recovered'.*'security:undecryptable'|'security:undecryptable'.*'store:recovered'/s,
  },
  { name: 'the log at info', shows: /session store recovered/ },
  { name: 'the log at warn', shows: /Set REDIS_URL/ },
  { name: 'the log at error', shows: /session store degraded.*a session record cannot be opened/s },
  { name: 'stats and health', shows: /"session:saved":.*"status":"unhealthy"/s },
  { name: 'what session() returns', shows: /cookieName/ },
  { name: 'answers of the manager', shows: /"operate":true/ },
  { name: 'errors and their causes', shows: /DATA_INVALID.*StoreFault|StoreFault.*DATA_INVALID/s },
  { name: 'warnings of the process', shows: /looked/ },
  { name: 'a session that is inspected', shows: /Session \{ id: [\w-]{12}, keys: 3 \}/ },
  {
    name: 'a session that is taken apart',
    shows: /authenticatedAs|nested/,
    belongs: /^(data|key|unsaved|user), as it stands$/,
  },
  { name: 'the list of a user', shows: /usedAt/, belongs: /^label, as it stands$/ },
  { name: 'ctx', shows: /"method":"GET","url":"\/login"/ },
  {
    name: 'headers of responses',
    shows: /session=; Max-Age=\d+.*x-session-warning,fallback|x-session-warning,fallback/s,
  },
  { name: 'bodies of responses', shows: /200 ok.*500 Internal Server Error/s },
  { name: 'health over HTTP', shows: /"details":\{"mode":"degraded"/ },
  { name: 'options that were given', shows: /noDelay/, belongs: /^(redisUser|password), as it stands$/ },
  // Redis sees as much: its tracers may.
  { name: 'traces of node-redis', shows: /EVALSHA/, belongs: /store key|^garbage/ },
];

describe('whatever becomes of an app over a real Redis (ASVS 16.2.5)', () => {
  const play = new Play();
  before(async function () {
    this.timeout(60_000);
    await play.perform();
  });

  for (const { name, shows, belongs } of WAYS) {
    it(`no token, id, key, data, secret or password is given away by ${name}`, () => {
      const text = play.transcript.of(name);
      expect(text).to.match(shows);
      const found = play.canaries.in(text);
      expect(found.filter(each => !belongs?.test(each))).to.deep.equal([]);
      expect(found.length > 0, 'what belongs there is found').to.equal(belongs !== undefined);
    });
  }

  it('nothing comes out in another way than those', () => {
    expect(play.transcript.ways).to.have.members(WAYS.map(({ name }) => name));
  });

  it('each canary would be found, in each of its spellings, and in part', () => {
    expect(play.canaries.names).to.have.length.above(60);
    for (const { name, spelling, text } of play.canaries.prints) {
      for (const leak of [text, text.slice(0, 20), text.slice(-20)])
        expect(play.canaries.in(`{"reason":"${leak}"}`)).to.include(`${name}, ${spelling}`);
    }
  }).timeout(60_000);
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
      expect(new Canaries().add('data', DATA).in(printed(opened.logger.lines))).to.deep.equal([]);
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
