import type { Context } from 'koa';
import { createSessions, healthRoutes, type Sessions } from '../../src/create.js';
import { storeKeyOf } from '../../src/vault/token.js';
import {
  newSecret,
  type Recorded,
  RecordingLogger,
  recordEvents,
  TestApp,
  until,
  type Visitor,
} from '../support/app.js';
import { addToken, printed } from '../support/canaries.js';
import type { RedisServer } from '../support/redis-server.js';
import { asAdmin, canariesOf, forgeriesOf, newWords, serve, serverFor, urlOf, WRONG } from './shop.js';
import { Transcript } from './transcript.js';

/** Everything that one app said, showed and answered in a life full of trouble, by the way in which it came out. */
export class Play {
  readonly transcript = new Transcript();
  readonly #secret = newSecret();
  readonly #oldSecret = newSecret();
  readonly #words = newWords();
  readonly canaries = canariesOf(this.#words, [this.#secret, this.#oldSecret]);
  readonly #logger = new RecordingLogger();
  readonly #warnings: Error[] = [];
  #tokens = 0;

  async perform(): Promise<void> {
    const server = await serverFor(this.#words);
    const onWarning = (warning: Error): void => void this.#warnings.push(warning);
    process.on('warning', onWarning);
    const stopListening = this.transcript.listenToTracers();
    try {
      await this.#refusedByRedis(server);
      await this.#misconfigured();
      await this.#live(server);
    } finally {
      stopListening();
      process.off('warning', onWarning);
      await server.stop();
    }
    this.transcript.add('warnings of the process', printed(...this.#warnings), 'looked');
  }

  /** A user that Redis does not know, by URL and by options. */
  async #refusedByRedis(server: RedisServer): Promise<void> {
    const { redisUser, password } = this.#words;
    const username = `${redisUser}-unknown`;
    const targets = [
      urlOf(server.port, { redisUser: username, password }),
      { socket: { port: server.port }, username, password },
    ];
    const refused = targets.map(async redis => {
      const sessions = createSessions({ redis, secret: this.#secret, logger: this.#logger }, { env: {} });
      const events = recordEvents(sessions);
      this.transcript.error(await errorOf(sessions.ready()));
      await sessions.close();
      this.transcript.sessions(sessions, events, this.#logger);
    });
    await Promise.all(refused);
  }

  async #live(server: RedisServer): Promise<void> {
    const given = { url: urlOf(server.port, this.#words), socket: { noDelay: true } };
    const sessions = createSessions(
      {
        redis: given,
        secret: [this.#secret, this.#oldSecret],
        logger: this.#logger,
        probe: { interval: 20, maxInterval: 50 },
        maxDataBytes: 4_096,
      },
      { env: {} },
    );
    const events = recordEvents(sessions);
    const app = await TestApp.serve(healthRoutes(sessions, { authorize: () => true }), sessions, async ctx =>
      this.#handle(ctx, sessions),
    );
    try {
      await sessions.ready();
      await this.#inHealth(app, sessions, server);
      await this.#inAnOutage(app, sessions, server, events);
    } finally {
      const manager = sessions.manager;
      await app.close();
      await sessions.close();
      this.transcript.error(await errorOf(manager.load('after the end')));
    }
    app.errors.forEach(error => this.transcript.error(error));
    this.transcript.sessions(sessions, events, this.#logger);
    this.transcript.add('options that were given', printed(given));
  }

  async #inHealth(app: TestApp, sessions: Sessions, server: RedisServer): Promise<void> {
    const visitor = app.visitor();
    for (const path of ['/write', '/login', '/write', '/regenerate', ...WRONG])
      await this.#visit(visitor, path);
    const token = visitor.cookies.get('session') ?? '';
    for (const forged of forgeriesOf(token))
      await this.#visit(app.visitor(), '/', { cookie: `session=${forged}` });
    await this.#visit(visitor, '/health/session');
    const key = `sess:${storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38))}`;
    const { garbage } = this.#words;
    for (const command of [
      ['SET', key, garbage],
      ['DEL', key],
      ['LPUSH', key, garbage],
    ]) {
      await asAdmin(server, command);
      await this.#visit(visitor, '/write');
    }
    const other = app.visitor();
    await this.#visit(other, '/login');
    await asAdmin(server, ['CONFIG', 'SET', 'maxmemory', '1']);
    await this.#visit(other, '/write');
    await asAdmin(server, ['CONFIG', 'SET', 'maxmemory', '0']);
    await this.#outside(sessions);
    await this.#visit(other, '/logout');
  }

  async #inAnOutage(
    app: TestApp,
    sessions: Sessions,
    server: RedisServer,
    events: Recorded[],
  ): Promise<void> {
    const [one, other] = [app.visitor(), app.visitor()];
    await this.#visit(one, '/write');
    await this.#visit(other, '/login');
    await server.kill();
    for (const path of ['/write', '/login', '/health/session', ...WRONG]) await this.#visit(one, path);
    await this.#outside(sessions);
    await this.#visit(other, '/logout');
    await server.restart();
    const isBack = (): boolean => sessions.stats().store.mode === 'healthy';
    await until(() => isBack() && events.some(({ name }) => name === 'store:recovered'));
    for (const path of ['/write', '/health/session']) await this.#visit(one, path);
  }

  /** The manager and the lists, by their answers and by what they throw. */
  async #outside({ manager, users }: Sessions): Promise<void> {
    const { user, label, data, key } = this.#words;
    const { session, token } = await manager.create({ [key]: data });
    this.#found(token);
    this.transcript.session(session);
    await session.login(user, { label });
    this.transcript.add(
      'answers of the manager',
      printed(await manager.check()),
      `check ${String(session.isNew)}`,
    );
    const listed = await users.list(user).catch((error: unknown) => error);
    this.transcript.add('the list of a user', printed(listed));
    const refusals: (() => Promise<unknown>)[] = [
      () => manager.create([data] as never),
      () => manager.create({ [key]: 1n }),
      () => manager.save({ [key]: data } as never),
      () => session.login(`${user}${user.repeat(20)}`),
      () => session.login(user, { label: `${label}\n` }),
      () => session.login(user, { [label]: label } as never),
      () => users.list({ user } as never),
    ];
    for (const refused of refusals) this.transcript.error(await errorOf(Promise.resolve().then(refused)));
    const { ended, complete } = await users.endAll(user);
    this.transcript.add('answers of the manager', `${ended} ${complete}`);
    this.transcript.error(await errorOf(manager.save(session)));
    await manager.destroy(token);
  }

  /** What can be seen while a request is served. */
  async #handle(ctx: Context, sessions: Sessions): Promise<void> {
    const { session } = ctx;
    try {
      await serve(ctx, this.#words);
    } finally {
      this.transcript.session(session);
      this.transcript.add('answers of the manager', printed(sessions.info(ctx)));
      this.transcript.context(ctx);
    }
  }

  /** Secrets in every place where they do not belong. */
  async #misconfigured(): Promise<void> {
    const { password } = this.#words;
    const [url, secret] = [urlOf(1, this.#words), this.#secret];
    const quiet = { redis: false, secret, logger: false } as const;
    for (const misplaced of [url, secret, { url, password }, [password], () => password]) {
      for (const option of OPTIONS) await this.#refused({ ...quiet, [option]: misplaced });
      for (const option of CLIENT_OPTIONS)
        await this.#refused({ ...quiet, redis: { url, [option]: misplaced } });
      for (const [option, inner] of INNER)
        await this.#refused({ ...quiet, [option]: { [inner]: misplaced } });
    }
    await this.#refused({ logger: this.#logger, secret });
    await this.#refused({ ...quiet, secret: [secret, secret] });
    await this.#refused({}, { SESSION_TIMEOUT_HOURS: secret });
    await this.#refused({}, { REDIS_URL: `x${url}` });
    await this.#refused({ redis: false }, { SESSION_SECRET_KEY: password.repeat(2) });
  }

  /** What plain JavaScript may pass. What is taken all the same is closed again. */
  async #refused(options: object, env: Record<string, string> = {}): Promise<void> {
    try {
      await createSessions(options, { env }).close();
    } catch (error) {
      this.transcript.error(error);
    }
  }

  async #visit(visitor: Visitor, path: string, headers: Record<string, string> = {}): Promise<void> {
    const answer = await visitor.get(path, headers);
    answer.setCookies.forEach(line => this.#found(/session=([^;]+)/.exec(line)?.[1]));
    this.transcript.answer(path, answer);
  }

  #found(token: string | undefined): void {
    if (token !== undefined) addToken(this.canaries, `token ${(this.#tokens += 1)}`, token, this.#secret);
  }
}

const OPTIONS =
  `prefix idleTimeout absoluteTimeout timeouts anonymous userSessions rolling lazy as cookie deadline
  breaker probe journal maxOutage maxDataBytes shadow onUnavailable merge afterDataLoss logger warningHeader`.split(
    /\s+/,
  );

const CLIENT_OPTIONS = ['socket', 'database', 'url'];

const INNER = [
  ['cookie', 'name'],
  ['cookie', 'domain'],
  ['cookie', 'path'],
  ['cookie', 'sameSite'],
  ['breaker', 'rate'],
  ['probe', 'interval'],
  ['userSessions', 'beyond'],
  ['shadow', 'maxBytes'],
] as const;

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}
