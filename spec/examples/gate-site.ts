import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { until } from '../support/app.js';
import { RedisServer } from '../support/redis-server.js';
import { Browser, type BrowserOptions, type Page } from './browser.js';
import { type Environment, GateProgram } from './gate-program.js';

export const PASSWORD = 'open sesame, and no other';

/** A Redis, one instance of the example, and as many more as a test asks for. */
export class GateSite {
  readonly redis: RedisServer;
  readonly #secret = randomBytes(32).toString('hex');
  readonly #programs: GateProgram[] = [];
  #said = 0;

  static async open(env: Environment = {}): Promise<GateSite> {
    const site = new GateSite(await RedisServer.start({ persistent: true }));
    await site.start(env);
    return site;
  }

  private constructor(redis: RedisServer) {
    this.redis = redis;
  }

  /** The first instance. */
  get gate(): GateProgram {
    const [gate] = this.#programs;
    if (!gate) throw new Error('no gate was started');
    return gate;
  }

  /** One more instance. */
  async start(env: Environment = {}): Promise<GateProgram> {
    const program = await GateProgram.start({
      REDIS_URL: this.redis.url,
      SESSION_SECRET_KEY: this.#secret,
      APP_PASSWORD: PASSWORD,
      ...env,
    });
    this.#programs.push(program);
    return program;
  }

  browser(options?: BrowserOptions, { url } = this.gate): Browser {
    return new Browser(url, options);
  }

  async loggedIn(agent = 'Test/1.0', program = this.gate): Promise<Browser> {
    const visitor = this.browser({ agent }, program);
    const { status, text } = await give(visitor, PASSWORD);
    expect(status, text).to.equal(200);
    expect(text).to.include('<h1>Note</h1>');
    return visitor;
  }

  /** Resolves once the first instance has noticed. */
  async loseRedis(): Promise<void> {
    this.#said = this.gate.output.length;
    await this.redis.kill();
    await this.gate.says(/session store degraded/, this.#said);
  }

  async regainRedis(): Promise<void> {
    await this.redis.restart();
    await this.gate.says(/session store recovered/, this.#said);
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map(program => program.stop()));
    await this.redis.stop();
  }
}

/** Answers the question that `page` leads to. */
export async function give(visitor: Browser, password: string, page = '/login'): Promise<Page> {
  return visitor.submit(await visitor.open(page), '/login', { password });
}

/** Waits until the password has been given too long ago for what is sensitive. */
export function stale(visitor: Browser): Promise<void> {
  return until(async () => (await visitor.send('GET', '/api-key')).status === 303);
}

/** Which of those who have these cookies are let in. */
export function areIn(...visitors: readonly Browser[]): Promise<boolean[]> {
  return Promise.all(visitors.map(async each => (await each.copy().send('GET', '/')).status === 200));
}

/** The browsers that the page lists, in brackets the one that looks at it. */
export async function listed(visitor: Browser): Promise<string[]> {
  return rowsOf(await visitor.open('/sessions')).map(({ label, own }) => (own ? `[${label}]` : label));
}

export function idOf(page: Page, label: string): string {
  return rowsOf(page).find(row => row.label === label)?.id ?? '';
}

interface Row {
  readonly id: string;
  readonly label: string;
  readonly own: boolean;
}

function rowsOf({ text }: Page): Row[] {
  const rows = text.split('<tr>').filter(row => row.includes('<td>'));
  return rows.map(row => ({
    id: /name="id" value="([\w-]+)"/.exec(row)?.[1] ?? '',
    label: /<td>([^<]*?)\s*</.exec(row)?.[1] ?? '',
    own: row.includes('(this one)'),
  }));
}
