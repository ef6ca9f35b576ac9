import { randomBytes } from 'node:crypto';
import { request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa, { type Context, type Middleware } from 'koa';
import { createSessions, type Parts, type Sessions } from '../../src/create.js';
import type { EventName } from '../../src/observe/events.js';
import type { SessionOptions } from '../../src/options.js';

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly setCookies: readonly string[];
  /** As they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  header(name: string): string | undefined;
}

export interface Recorded {
  readonly name: EventName;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

/** Remembers every line. */
export class RecordingLogger {
  readonly lines: Line[] = [];

  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }

  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }

  messages(level: Line['level']): string[] {
    return this.lines.filter(line => line.level === level).map(line => line.message);
  }
}

const EVENTS: readonly EventName[] = [
  'store:degraded',
  'store:recovering',
  'store:recovered',
  'store:error',
  'store:data-loss',
  'circuit:open',
  'circuit:close',
  'journal:added',
  'journal:full',
  'journal:evicted',
  'migration:progress',
  'migration:conflict',
  'migration:quarantined',
  'session:created',
  'session:loaded',
  'session:saved',
  'session:touched',
  'session:regenerated',
  'session:authenticated',
  'session:destroyed',
  'session:expired',
  'session:gone',
  'session:conflict',
  'session:unavailable',
  'session:cookie-lost',
  'security:forged-token',
  'security:undecryptable',
  'security:unknown-key',
  'security:flood',
];

/** Every event of `sessions` from now on. */
export function recordEvents(sessions: Sessions): Recorded[] {
  const recorded: Recorded[] = [];
  for (const name of EVENTS)
    sessions.events.on(name, event => void recorded.push({ name, event: { ...event } }));
  return recorded;
}

export const newSecret = (): string => randomBytes(32).toString('hex');

/** A Koa app behind a real HTTP server, with what its sessions said. */
export class TestApp {
  readonly koa: Koa;
  readonly url: string;
  readonly errors: unknown[] = [];
  readonly #server: Server;

  /** `middleware` in order; the last one is the handler. */
  static async serve(...middleware: readonly Middleware[]): Promise<TestApp> {
    const koa = new Koa();
    koa.silent = true;
    for (const each of middleware) koa.use(each);
    const server = await new Promise<Server>(resolve => {
      const listening = koa.listen(0, '127.0.0.1', () => resolve(listening));
    });
    return new TestApp(koa, server);
  }

  private constructor(koa: Koa, server: Server) {
    this.koa = koa;
    this.#server = server;
    // A server that listens on TCP has such an address.
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    koa.on('error', error => void this.errors.push(error));
  }

  visitor(): Visitor {
    return new Visitor(this.url);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>(resolve => this.#server.close(() => resolve()));
  }
}

/** A client that keeps its cookies, as a browser would, but for attributes. */
export class Visitor {
  readonly cookies = new Map<string, string>();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  get(path = '/', headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.send('GET', path, headers);
  }

  async send(method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await exchange(this.#url + path, method, { ...(cookie !== '' && { cookie }), ...headers });
    for (const line of answer.setCookies) this.#keep(line);
    return answer;
  }

  #keep(line: string): void {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (name === undefined || value === undefined) return;
    if (/Max-Age=0/.test(line)) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

/** By node:http: fetch would merge, hide or refuse some of the headers that matter here. */
function exchange(url: string, method: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', reject).on('end', () => {
        const header = (name: string): string | undefined => response.headers[name.toLowerCase()]?.toString();
        resolve({
          status: response.statusCode ?? 0,
          text,
          setCookies: response.headers['set-cookie'] ?? [],
          headers: Object.entries(response.headersDistinct).flatMap(([name, values = []]) =>
            values.map(value => [name, value] as const),
          ),
          header,
        });
      });
    });
    sent.on('error', reject).end();
  });
}

export interface Site {
  readonly app: TestApp;
  readonly sessions: Sessions;
  readonly events: Recorded[];
  readonly logger: RecordingLogger;
  count(name: EventName): number;
  close(): Promise<void>;
}

/** One app with one `session()` in front of `handler`, on memory alone unless told otherwise. */
export async function openSite(
  handler: (ctx: Context) => unknown,
  options: SessionOptions = {},
  parts: Parts = {},
): Promise<Site> {
  const logger = new RecordingLogger();
  const store = options.store === undefined && options.redis === undefined ? { redis: false as const } : {};
  const sessions = createSessions(
    { secret: newSecret(), logger, ...store, ...options },
    { env: {}, ...parts },
  );
  const events = recordEvents(sessions);
  const app = await TestApp.serve(sessions, async ctx => {
    await handler(ctx);
  });
  const count = (name: EventName): number => events.filter(each => each.name === name).length;
  const close = async (): Promise<void> => {
    await app.close();
    await sessions.close();
  };
  return { app, sessions, events, logger, count, close };
}

/** Longer than any test takes. */
const GIVE_UP = 180_000;

/** Resolves once `holds` does; the test's own timeout is the limit, and a test that is over keeps no process alive for it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const late = performance.now() + GIVE_UP;
  while (!(await holds())) {
    if (performance.now() > late) throw new Error('what was waited for has not come');
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
