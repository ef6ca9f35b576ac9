import { channel, tracingChannel } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import type { Context } from 'koa';
import type { Sessions } from '../../src/create.js';
import type { Answer, Recorded, RecordingLogger } from '../support/app.js';
import { dissected, EVERYTHING, printed } from '../support/canaries.js';

/** What came out of an app, by the way in which it did. */
export class Transcript {
  readonly #said = new Map<string, Set<string>>();
  /** One of each kind is enough: there is much in each. */
  readonly #contexts = new Set<string>();

  get ways(): string[] {
    return [...this.#said.keys()];
  }

  /** All that came out this way. */
  of(way: string): string {
    return [...(this.#said.get(way) ?? [])].join('\n');
  }

  add(way: string, ...texts: readonly string[]): void {
    this.#said.set(way, new Set([...(this.#said.get(way) ?? []), ...texts]));
  }

  session(session: Context['session']): void {
    const { id, createdAt, expiresAt, source, isNew, length, populated, maxAge, authenticatedAt } = session;
    const readings = { id, createdAt, expiresAt, source, isNew, length, populated, maxAge, authenticatedAt };
    const nested = [session, { session }, [session], new Map([[session, session]])];
    const inspected = nested.map(each => inspect(each, EVERYTHING));
    this.add('a session that is inspected', String(session), printed(readings), ...inspected);
    this.add('a session that is taken apart', dissected(session), printed(session, session.toJSON()));
  }

  /** What a request brought along is its own: its cookie is among its headers. */
  context(ctx: Context): void {
    const kind = `${ctx.path} ${ctx.session?.source}`;
    if (this.#contexts.has(kind)) return;
    this.#contexts.add(kind);
    const hidden = inspect(ctx, { ...EVERYTHING, customInspect: false, depth: DEEP });
    this.add('ctx', ...[printed(ctx), hidden].map(text => text.replaceAll(/session=[\\"]*[\w-]{71,}/g, '')));
  }

  answer(path: string, { status, text, headers }: Answer): void {
    const others = headers.filter(([name]) => name.toLowerCase() !== 'set-cookie');
    const cookies = headers
      .filter(header => !others.includes(header))
      .map(([, value]) => value.replace(TOKEN, ''));
    this.add('headers of responses', others.join('\n'), cookies.join('\n'));
    this.add(path.startsWith('/health') ? 'health over HTTP' : 'bodies of responses', `${status} ${text}`);
  }

  error(error: unknown): void {
    for (let at = error; at instanceof Error; at = at.cause)
      this.add('errors and their causes', printed(at), dissected(at));
  }

  sessions(sessions: Sessions, events: readonly Recorded[], logger: RecordingLogger): void {
    this.add('events', printed(...events), dissected(...events));
    this.add('stats and health', printed(sessions.stats(), sessions.health(), sessions.healthDetails()));
    this.add('what session() returns', printed(sessions, sessions.events, sessions.manager, sessions.users));
    this.add('what session() returns', dissected(sessions));
    for (const level of ['info', 'warn', 'error'] as const) {
      const lines = logger.lines.filter(line => line.level === level);
      this.add(`the log at ${level}`, printed(...lines), dissected(...lines));
    }
  }

  /** What node-redis shows to whoever traces it, until the returned function is called. */
  listenToTracers(): () => void {
    const hear = (message: unknown): void => this.add('traces of node-redis', printed(message));
    const names = ['node-redis:connection:ready', 'node-redis:connection:closed', 'node-redis:error'];
    const listeners = { start: hear, end: hear, asyncStart: hear, asyncEnd: hear, error: hear };
    const traced = ['node-redis:command', 'node-redis:connect'].map(name => tracingChannel(name));
    names.forEach(name => channel(name).subscribe(hear));
    traced.forEach(each => each.subscribe(listeners));
    return () => {
      names.forEach(name => channel(name).unsubscribe(hear));
      traced.forEach(each => each.unsubscribe(listeners));
    };
  }
}

/** Below that are sockets, servers and the app, over and over. */
const DEEP = 3;

const TOKEN = /^session=[\w-]{72}(?=;)/;
