import { EventEmitter, once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import type { Meter } from './meter.js';

/** What came back. `status` 0: nothing did, and `body` says why. */
export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** Name and value of the session cookie, if it was set. */
  readonly cookie: string | undefined;
  /** `X-Session-Warning` */
  readonly warning: string | undefined;
}

export interface Call {
  readonly cookie?: string | undefined;
  readonly body?: object;
}

/** An event of the library as the app tells it. */
export type FeedEvent = { readonly name: string } & Record<string, unknown>;

const REQUEST_LIMIT = 20_000;

/** One instance of the app, as its users see it: over HTTP. */
export class Site {
  readonly name: string;
  readonly #told = new EventEmitter();
  #events: FeedEvent[] = [];
  readonly #port: number;
  readonly #meter: Meter;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(name: string, port: number, meter: Meter) {
    this.name = name;
    this.#port = port;
    this.#meter = meter;
  }

  /** A visitor's request: measured. Never rejects. */
  visit(method: 'GET' | 'POST', path: string, call: Call = {}): Promise<Answer> {
    return this.#meter.measure(this.#ask(method, path, call));
  }

  /** As `visit`, but not measured: the handler itself takes its time. */
  visitSlowly(method: 'GET' | 'POST', path: string, call: Call = {}): Promise<Answer> {
    return this.#ask(method, path, call);
  }

  /** What `GET /health/session` says. Not measured: no visitor waits for it. */
  async health(): Promise<Health> {
    const { status, body } = await this.#ask('GET', '/health/session', {});
    const details = field(body, 'details');
    const backlog = field(field(details, 'backlog'), 'items');
    return {
      http: status,
      status: text(body['status']),
      mode: text(field(details, 'mode')),
      backlog: Number(backlog ?? NaN),
    };
  }

  /** Collects the app's events from now on. Resolves once the app has begun to tell them. */
  follow(): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = request(
        { port: this.#port, host: '127.0.0.1', path: '/api/events', agent: false },
        response => {
          createInterface(response)
            .on('line', line => this.#note(line))
            .on('error', () => undefined);
          response.once('data', () => resolve());
        },
      );
      call.on('error', reject).end();
    });
  }

  /** From here on `events` and `awaitEvent` know nothing of what was told before. */
  forgetEvents(): void {
    this.#events = [];
  }

  events(name: string): FeedEvent[] {
    return this.#events.filter(event => event.name === name);
  }

  /** Whether an event of this name comes within `limit` ms, or has come. */
  async awaitEvent(name: string, limit: number): Promise<boolean> {
    const signal = AbortSignal.timeout(limit);
    while (this.events(name).length === 0) {
      if (signal.aborted) return false;
      await once(this.#told, 'event', { signal }).catch(() => undefined);
    }
    return true;
  }

  /** How many handlers hold, as they were asked to. */
  async holding(): Promise<number> {
    const { body } = await this.#ask('GET', '/api/held', {});
    return Number(body['held']);
  }

  /** Lets handlers that were asked to hold go on. */
  async release(): Promise<void> {
    await this.#ask('POST', '/api/release', {});
  }

  close(): void {
    this.#agent.destroy();
  }

  #note(line: string): void {
    if (!line.startsWith('data: ')) return;
    const event = parse(line.slice('data: '.length));
    const { name } = event;
    if (typeof name !== 'string') return;
    this.#events.push({ ...event, name });
    this.#told.emit('event');
  }

  #ask(method: string, path: string, { cookie, body }: Call): Promise<Answer> {
    const payload = body && JSON.stringify(body);
    const headers = {
      ...(cookie && { Cookie: cookie }),
      ...(method === 'POST' && {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(payload ?? ''),
      }),
    };
    const target = { port: this.#port, host: '127.0.0.1', method, path, headers, agent: this.#agent };
    return new Promise(resolve => {
      const fail = (error: Error): void => resolve(nothing(error.message));
      const call = request(target, response => void read(response).then(resolve, fail));
      call.setTimeout(REQUEST_LIMIT, () => call.destroy(new Error(`no answer within ${REQUEST_LIMIT} ms`)));
      call.on('error', fail).end(payload);
    });
  }
}

export interface Health {
  readonly http: number;
  readonly status: string;
  readonly mode: string;
  readonly backlog: number;
}

/** A member of an object, whatever came. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

async function read(response: IncomingMessage): Promise<Answer> {
  let content = '';
  for await (const chunk of response.setEncoding('utf8')) content += String(chunk);
  const set = response.headers['set-cookie']?.find(cookie => cookie.startsWith('session='));
  const warning = response.headers['x-session-warning'];
  return {
    status: response.statusCode ?? 0,
    body: parse(content),
    cookie: set?.split(';', 1)[0],
    warning: typeof warning === 'string' ? warning : undefined,
  };
}

function nothing(why: string): Answer {
  return { status: 0, body: { error: why }, cookie: undefined, warning: undefined };
}

function parse(content: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(content);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    // Koa answers errors in plain text.
    return { error: content };
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : 'unknown';
}
