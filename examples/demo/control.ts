import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { RedisServer } from '../../spec/support/redis-server.js';

type State = 'running' | 'frozen' | 'dead' | 'starting';
type Act = 'kill' | 'freeze' | 'thaw' | 'restart';

/** The Redis buttons, pressed by the app over HTTP. The path is a secret: no web page can guess it. */
export class Control {
  readonly url: string;
  readonly #server: Server;

  static async start(redis: RedisServer): Promise<Control> {
    const path = `/${randomBytes(16).toString('hex')}`;
    const panel = new Panel(redis);
    const server = createServer((request, response) => {
      const act = request.url?.startsWith(`${path}/`) ? request.url.slice(path.length + 1) : undefined;
      void panel
        .press(request.method === 'POST' ? act : act === '' ? '' : undefined)
        .then(({ status, ...body }) => {
          response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
        });
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('no port to listen on');
    return new Control(`http://127.0.0.1:${address.port}${path}`, server);
  }

  private constructor(url: string, server: Server) {
    this.url = url;
    this.#server = server;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

interface Button {
  readonly from: readonly State[];
  readonly run: () => Promise<void>;
}

interface Pressed {
  readonly status: number;
  readonly state?: State;
  readonly pid?: number;
  /** The buttons that can be pressed now. */
  readonly can?: string[];
  readonly error?: string;
}

class Panel {
  readonly #redis: RedisServer;
  readonly #buttons: Record<Act, Button> = {
    kill: { from: ['running', 'frozen'], run: () => this.#kill() },
    freeze: { from: ['running'], run: () => this.#freeze() },
    thaw: { from: ['frozen'], run: () => this.#thaw() },
    restart: { from: ['running', 'frozen', 'dead'], run: () => this.#restart() },
  };
  #state: State = 'running';

  constructor(redis: RedisServer) {
    this.#redis = redis;
  }

  async press(name: string | undefined): Promise<Pressed> {
    if (name === '') return this.#answer(200);
    const button = Object.entries(this.#buttons).find(([known]) => known === name)?.[1];
    if (!button) return { status: 404, error: 'no such button' };
    if (!button.from.includes(this.#state))
      return this.#answer(409, `Redis is ${this.#state}: ${name} is not possible`);
    try {
      await button.run();
      return this.#answer(200);
    } catch (error) {
      this.#state = 'dead';
      const message = error instanceof Error ? error.message : String(error);
      console.error(message);
      return this.#answer(500, message);
    }
  }

  #answer(status: number, error?: string): Pressed {
    const usable = Object.entries(this.#buttons).filter(([, { from }]) => from.includes(this.#state));
    const can = usable.map(([name]) => name);
    return { status, state: this.#state, pid: this.#redis.pid, can, ...(error !== undefined && { error }) };
  }

  async #kill(): Promise<void> {
    const { pid } = this.#redis;
    await this.#redis.kill();
    this.#state = 'dead';
    console.log(`Redis (pid ${pid}) was killed with SIGKILL`);
  }

  #freeze(): Promise<void> {
    this.#redis.freeze();
    this.#state = 'frozen';
    console.log(`Redis (pid ${this.#redis.pid}) was frozen with SIGSTOP`);
    return Promise.resolve();
  }

  #thaw(): Promise<void> {
    this.#redis.thaw();
    this.#state = 'running';
    console.log(`Redis (pid ${this.#redis.pid}) goes on`);
    return Promise.resolve();
  }

  async #restart(): Promise<void> {
    this.#state = 'starting';
    await this.#redis.restart();
    this.#state = 'running';
    console.log(`Redis runs again, pid ${this.#redis.pid}`);
  }
}
