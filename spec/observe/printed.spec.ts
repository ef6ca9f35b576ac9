import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { storeKeyOf } from '../../src/vault/token.js';
import { newSecret, Visitor } from '../support/app.js';
import { addToken, type Canaries } from '../support/canaries.js';
import type { RedisServer } from '../support/redis-server.js';
import { asAdmin, canariesOf, forgeriesOf, newWords, serverFor, urlOf, WRONG } from './shop.js';

const PROGRAM = fileURLToPath(new URL('program.ts', import.meta.url));

/** Everything that Node, Koa and other packages would say to somebody who looks for a mistake. */
const TALKATIVE = { NODE_DEBUG: '*', DEBUG: '*', REDIS_DEBUG_MAINTENANCE: '1', REDIS_EMIT_DIAGNOSTICS: '1' };

const NOTHING = /^$/;
/** Node shows the bytes of its sockets to whoever asks for that: Redis sees as much. */
const SENT_BY_REDIS = /^(garbage|.*: store key), as a Buffer is inspected$/;

interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

/** A process, and what it prints. */
class Program {
  readonly child: ChildProcess;
  readonly #printed = { stdout: [] as string[], stderr: [] as string[] };
  readonly #listeners = new Set<(text: string) => void>();
  readonly #closed: Promise<unknown>;

  constructor(env: Readonly<Record<string, string>>, ...args: string[]) {
    const node = ['--import=tsx', '--trace-warnings', PROGRAM, ...args];
    const { PATH = '' } = process.env;
    this.child = spawn(process.execPath, node, {
      env: { PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of ['stdout', 'stderr'] as const)
      this.child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        this.#printed[stream].push(text);
        this.#listeners.forEach(listen => listen(text));
      });
    this.#closed = once(this.child, 'close');
  }

  /** Where it listens. */
  async url(): Promise<string> {
    const [{ port }] = (await once(this.child, 'message')) as [{ port: number }];
    return `http://127.0.0.1:${port}`;
  }

  /** Resolves once it says this from now on. */
  async hears(words: string): Promise<void> {
    let tail = '';
    let listener = (_text: string): void => undefined;
    const heard = new Promise<void>(resolve => {
      listener = text => {
        tail += text;
        if (tail.includes(words)) resolve();
        tail = tail.slice(-words.length);
      };
    });
    this.#listeners.add(listener);
    await Promise.race([heard, this.#closed]);
    this.#listeners.delete(listener);
  }

  async end(): Promise<Printed> {
    await this.#closed;
    return { stdout: this.#printed.stdout.join(''), stderr: this.#printed.stderr.join('') };
  }
}

describe('what a program prints', () => {
  const words = newWords();
  const secret = newSecret();
  let canaries: Canaries;
  let server: RedisServer;
  let env: Readonly<Record<string, string>>;
  const programs: Program[] = [];

  before(async () => {
    server = await serverFor(words);
  });

  beforeEach(() => {
    canaries = canariesOf(words, [secret]);
    const REDIS_URL = urlOf(server.port, words);
    env = { REDIS_URL, SESSION_SECRET_KEY: secret, WORDS: JSON.stringify(words), FORCE_COLOR: '0' };
  });

  afterEach(() => {
    for (const { child } of programs.splice(0)) child.kill('SIGKILL');
  });

  after(() => server.stop());

  function start(more: Readonly<Record<string, string>> = {}, ...args: string[]): Program {
    const program = new Program({ ...env, ...more }, ...args);
    programs.push(program);
    return program;
  }

  async function visit(visitor: Visitor, ...paths: string[]): Promise<void> {
    for (const path of paths) {
      const { setCookies } = await visitor.get(path);
      for (const token of setCookies.flatMap(line => /session=([^;]+)/.exec(line)?.[1] ?? []))
        addToken(canaries, `token ${canaries.names.length}`, token, secret);
    }
  }

  /** A life with everything that goes wrong in one. */
  async function live(program: Program): Promise<Printed> {
    const url = await program.url();
    const [one, other] = [new Visitor(url), new Visitor(url)];
    await visit(one, '/write', '/login', '/write', '/regenerate', ...WRONG, '/health/session');
    const token = one.cookies.get('session') ?? '';
    for (const forged of forgeriesOf(token)) await new Visitor(url).get('/', { cookie: `session=${forged}` });
    await visit(other, '/login');
    const key = `sess:${storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38))}`;
    await asAdmin(server, ['SET', key, words.garbage]);
    await visit(one, '/write');
    await asAdmin(server, ['CONFIG', 'SET', 'maxmemory', '1']);
    await visit(other, '/write');
    await asAdmin(server, ['CONFIG', 'SET', 'maxmemory', '0']);
    const refused = program.hears('"code":"auth"');
    await lockOut();
    await visit(other, '/write', '/write', '/write', '/write');
    await refused;
    const back = program.hears('session store recovered');
    await asAdmin(server, ['ACL', 'SETUSER', words.redisUser, 'on']);
    await back;
    const backAgain = program.hears('session store recovered');
    await server.kill();
    await visit(other, '/write', '/login', ...WRONG, '/logout', '/health/session');
    await server.restart();
    await backAgain;
    await visit(one, '/write');
    program.child.kill('SIGTERM');
    return program.end();
  }

  /** The user of the shop may not come in any more, and is thrown out. */
  async function lockOut(): Promise<void> {
    await asAdmin(server, ['ACL', 'SETUSER', words.redisUser, 'off']);
    await asAdmin(server, ['CLIENT', 'KILL', 'USER', words.redisUser]);
  }

  function givesNothingAway({ stdout, stderr }: Printed, belongs = NOTHING): void {
    const leaks = (text: string): string[] => canaries.in(text).filter(each => !belongs.test(each));
    expect(leaks(stdout), 'stdout').to.deep.equal([]);
    expect(leaks(stderr), 'stderr').to.deep.equal([]);
  }

  for (const [how, talk, belongs] of [
    ['as it is', {}, NOTHING],
    ['with NODE_DEBUG and DEBUG set to everything', TALKATIVE, SENT_BY_REDIS],
  ] as const) {
    it(`gives away no token, id, key, data, secret or password in a life full of trouble, ${how} (ASVS 16.2.5)`, async () => {
      const printed = await live(start(talk));
      for (const line of ['session store degraded', '"code":"auth"', '"code":"oom"', 'cannot be opened'])
        expect(printed.stderr).to.include(line);
      expect(printed.stderr).to.include('Error: the handler failed').and.include('cannot be written as JSON');
      expect(printed.stdout)
        .to.include('session store recovered')
        .and.match(/Session \{ id: [\w-]{12}, keys: /);
      expect(printed.stdout).to.include('closed { items: 0, bytes: 0 }');
      if (talk === TALKATIVE)
        expect(printed.stderr)
          .to.match(/^NET \d+: /m)
          .and.match(/^KOA:APPLICATION \d+: /m);
      givesNothingAway(printed, belongs);
    }).timeout(120_000);
  }

  it('says that the start failed, whatever Redis refuses, and neither user nor password (ASVS 16.2.5)', async () => {
    const urls = [
      urlOf(server.port, { ...words, password: `${words.password}-wrong` }),
      urlOf(server.port, { ...words, redisUser: `${words.redisUser}-unknown` }),
      urlOf(1, words),
    ];
    const all = urls.map(async REDIS_URL => {
      const program = start({ REDIS_URL });
      const failed = program.hears('initialization failed');
      await visit(new Visitor(await program.url()), '/write', '/login', '/health/session');
      await failed;
      program.child.kill('SIGTERM');
      return program.end();
    });
    for (const printed of await Promise.all(all)) {
      expect(printed.stderr).to.include('initialization failed');
      givesNothingAway(printed);
    }
  }).timeout(60_000);

  for (const [ending, code] of [
    ['is not ready', 'STORE_UNAVAILABLE'],
    ['has a weak secret', 'ENCRYPTION_INIT'],
    ['has no proper URL', 'CONFIG_INVALID'],
    ['has a secret in the wrong place', 'CONFIG_INVALID'],
    ['has a password in the wrong place', 'CONFIG_INVALID'],
    ['creates what cannot be written', 'DATA_INVALID'],
    ['sets what is reserved', 'RangeError'],
    ['saves what has ended', 'SESSION_ENDED'],
    ['loads after the end', 'CLOSED'],
  ] as const) {
    it(`gives nothing away when it ends by an error that nobody catches: it ${ending} (ASVS 16.2.5, 16.5.1)`, async () => {
      const REDIS_URL = urlOf(server.port, { ...words, redisUser: `${words.redisUser}-unknown` });
      const program = start({ REDIS_URL }, ending);
      const printed = await program.end();
      expect(program.child.exitCode).to.equal(1);
      expect(printed.stderr).to.include(code).and.include('Node.js v');
      givesNothingAway(printed);
    }).timeout(60_000);
  }
});
