import { Agent, type IncomingMessage, request } from 'node:http';

/** What came back. `status` 0: nothing did, and `why` says why. */
export interface Answer {
  readonly status: number;
  readonly why: string;
  readonly user: string | null;
  readonly values: Readonly<Record<string, number>>;
  readonly source: string | null;
  /** Names and values of the session's cookies, if they were set. */
  readonly cookie: string | undefined;
  readonly ms: number;
}

export interface Call {
  readonly cookie?: string | undefined;
  readonly body?: object;
}

/** Patience, not a measure: long enough to show that somebody waited for Redis. */
const REQUEST_LIMIT = 5_000;

let opened = 0;

/** One instance as its users see it: over HTTP, on connections that are kept. */
export class Site {
  readonly name: string;
  /** Of this life of the instance: another process under the same name is another site. */
  readonly id: string;
  /** A load balancer would send nobody there now. */
  drained = false;
  readonly #port: number;
  #waiting = 0;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(name: string, port: number) {
    this.name = name;
    this.id = `${name}${++opened}`;
    this.#port = port;
  }

  /** Whether nobody waits for an answer. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** Never rejects. */
  async ask(path: string, call: Call): Promise<Answer> {
    this.#waiting += 1;
    try {
      return await this.#exchange(path, call);
    } finally {
      this.#waiting -= 1;
    }
  }

  #exchange(path: string, { cookie, body }: Call): Promise<Answer> {
    const began = performance.now();
    const payload = body && JSON.stringify(body);
    const headers = {
      ...(cookie !== undefined && { Cookie: cookie }),
      ...(payload !== undefined && { 'Content-Length': Buffer.byteLength(payload) }),
    };
    const method = payload === undefined ? 'GET' : 'POST';
    const target = { port: this.#port, host: '127.0.0.1', method, path, headers, agent: this.#agent };
    return new Promise(resolve => {
      const ms = (): number => performance.now() - began;
      const fail = (error: Error): void => resolve(answerOf(0, {}, undefined, ms(), error.message));
      const call = request(target, response => {
        read(response).then(text => {
          const status = response.statusCode ?? 0;
          const cookie = cookieOf(response.headers['set-cookie']);
          resolve(answerOf(status, parse(text), cookie, ms(), status === 200 ? '' : text));
        }, fail);
      });
      call.setTimeout(REQUEST_LIMIT, () => call.destroy(new Error(`no answer in ${REQUEST_LIMIT} ms`)));
      call.on('error', fail).end(payload);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** All that were set, as one header: koa-session has another one for the signature. */
function cookieOf(lines: readonly string[] | undefined): string | undefined {
  return lines?.map(line => line.split(';', 1)[0]).join('; ');
}

async function read(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return text;
}

function parse(text: string): Partial<Answer> {
  try {
    return JSON.parse(text) as Partial<Answer>;
  } catch {
    // Koa answers errors in plain text.
    return {};
  }
}

function answerOf(
  status: number,
  body: Partial<Answer>,
  cookie: string | undefined,
  ms: number,
  why: string,
): Answer {
  const { user = null, values = {}, source = null } = body;
  return { status, user, values, source, cookie, ms, why };
}
