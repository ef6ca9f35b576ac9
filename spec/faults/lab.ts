import { randomBytes } from 'node:crypto';
import { createClient } from 'redis';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { AppProcess, type Subject } from './processes.js';
import { type InstanceConfig, now, type Status } from './protocol.js';
import { Site } from './site.js';

/** What a scenario needs before its fault. */
export interface Setup {
  /** Every write is on disk before it is answered. */
  readonly persistent?: boolean;
  readonly serverArgs?: readonly string[];
  /** Between each instance and Redis stands a proxy of its own. */
  readonly proxied?: boolean;
  /** Redis is not there when the instances start. */
  readonly down?: boolean;
  /** The instances log in to Redis as this user, whom the lab makes. */
  readonly redisUser?: string;
  /** App processes of its own, because the fault spoils them. */
  readonly own?: { readonly nodeArgs?: readonly string[] };
  readonly a?: Partial<InstanceConfig>;
  readonly b?: Partial<InstanceConfig>;
}

type Name = 'A' | 'B';

const POLL = 25;

/** One instance of the app: its process, what it was opened with, and what users see of it. */
export class Instance {
  readonly config: InstanceConfig;
  readonly app: AppProcess;
  readonly site: Site;

  static async open(app: AppProcess, config: InstanceConfig): Promise<Instance> {
    return new Instance(config, app, new Site(config.name, await app.open(config)));
  }

  private constructor(config: InstanceConfig, app: AppProcess, site: Site) {
    this.config = config;
    this.app = app;
    this.site = site;
  }

  async close(): Promise<void> {
    this.site.close();
    if (this.app.alive) await this.app.order({ act: 'close' });
  }
}

/** Redis, two instances of the app, and whatever stands between them: fresh for each scenario. */
export class Lab {
  readonly subject: Subject;
  readonly setup: Setup;
  readonly redis: RedisServer;
  readonly #servers: RedisServer[] = [];
  readonly #proxies = new Map<Name, TcpProxy>();
  readonly #secrets = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
  readonly #admin;
  readonly #instances = new Map<Name, Instance>();
  readonly #own: AppProcess[] = [];
  readonly #replacements = new Set<Site>();
  readonly #links: TcpProxy[] = [];
  #repeating: NodeJS.Timeout | undefined;
  #repeated: Promise<unknown> = Promise.resolve();

  /** `hosts`: the processes to use, unless the setup asks for some of its own. */
  static async open(subject: Subject, setup: Setup, hosts: readonly AppProcess[]): Promise<Lab> {
    const redis = await RedisServer.start({
      persistent: setup.persistent ?? false,
      args: setup.serverArgs ?? [],
    });
    const lab = new Lab(subject, setup, redis);
    try {
      await lab.#open(hosts);
      return lab;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  private constructor(subject: Subject, setup: Setup, redis: RedisServer) {
    this.subject = subject;
    this.setup = setup;
    this.redis = redis;
    this.#admin = createClient({ url: redis.url, socket: { reconnectStrategy: 50 } });
    this.#admin.on('error', () => undefined);
  }

  get a(): Instance {
    return this.#instance('A');
  }

  get b(): Instance {
    return this.#instance('B');
  }

  get instances(): Instance[] {
    return [this.a, this.b];
  }

  /** The instances that were there from the start. */
  get veterans(): Instance[] {
    return this.instances.filter(({ site }) => !this.#replacements.has(site));
  }

  get proxies(): TcpProxy[] {
    return [this.proxy('A'), this.proxy('B')];
  }

  proxy(name: Name): TcpProxy {
    const proxy = this.#proxies.get(name);
    if (!proxy) throw new Error('this scenario has no proxies');
    return proxy;
  }

  /** Asks Redis over a connection of the lab's own, which was there before the fault. */
  command(...args: string[]): Promise<unknown> {
    return this.#admin.sendCommand(args);
  }

  /** As `command`, over a new connection: the lab's own may be waiting for an answer. */
  ask(...args: string[]): Promise<unknown> {
    return this.askAt(this.redis.port, ...args);
  }

  async askAt(port: number, ...args: string[]): Promise<unknown> {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await client.sendCommand(args);
    } finally {
      client.destroy();
    }
  }

  /** A command that is not answered while its fault lasts. */
  background(...args: string[]): void {
    this.command(...args).catch(() => undefined);
  }

  makeUser(name: string): Promise<unknown> {
    return this.command('ACL', 'SETUSER', name, 'on', '>app', '~*', '+@all');
  }

  /** Another server, which ends with this lab. */
  async addServer(args: readonly string[]): Promise<RedisServer> {
    const server = await RedisServer.start({ args });
    this.#servers.push(server);
    return server;
  }

  /** A proxy between servers. */
  async addProxy(port: number): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(port);
    this.#links.push(proxy);
    return proxy;
  }

  /** Does `act` every `ms` from now on, one at a time, until `stopRepeating`. */
  repeat(ms: number, act: (round: number) => unknown): void {
    let round = 0;
    let busy = false;
    this.#repeating = setInterval(() => {
      if (busy) return;
      busy = true;
      this.#repeated = Promise.resolve(act(round++))
        .catch(() => undefined)
        .finally(() => (busy = false));
    }, ms);
  }

  async stopRepeating(): Promise<void> {
    clearInterval(this.#repeating);
    await this.#repeated;
  }

  /** From now on new processes seal with another of the secrets, and open with all, as those that are there do. */
  rotate(): void {
    this.#secrets.reverse();
  }

  /** Puts a new process in place of one that is gone or going. */
  async replace(name: Name, away = false): Promise<void> {
    const before = this.#instance(name);
    before.site.close();
    const app = await this.#ownProcess();
    const instance = await Instance.open(app, { ...before.config, secrets: [...this.#secrets], away });
    this.#replacements.add(instance.site);
    this.#instances.set(name, instance);
  }

  status(): Promise<Status[]> {
    return Promise.all(this.instances.map(({ app }) => app.status()));
  }

  /** Whether both instances see Redis and have nothing left for it within `limit` ms. */
  settled(limit: number): Promise<boolean> {
    return this.until(async () => (await this.status()).every(({ settled }) => settled), limit);
  }

  /** Polls, for what announces itself in no other way. */
  async until(holds: () => Promise<boolean>, limit: number): Promise<boolean> {
    const late = now() + limit;
    while (!(await holds())) {
      if (now() > late) return false;
      await new Promise(resolve => setTimeout(resolve, POLL));
    }
    return true;
  }

  async close(): Promise<void> {
    await this.stopRepeating();
    if (this.#admin.isOpen) this.#admin.destroy();
    this.redis.thaw();
    await Promise.all([...this.#instances.values()].map(instance => instance.close().catch(() => undefined)));
    await Promise.all(this.#own.map(app => app.kill()));
    await Promise.all([...this.#proxies.values(), ...this.#links].map(proxy => proxy.close()));
    await Promise.all([this.redis, ...this.#servers].map(server => server.stop()));
  }

  async #open(hosts: readonly AppProcess[]): Promise<void> {
    const { own, proxied, down } = this.setup;
    await this.#admin.connect();
    if ((await this.command('DBSIZE')) !== 0) throw new Error('Redis is not empty');
    if (this.setup.redisUser) await this.makeUser(this.setup.redisUser);
    if (proxied)
      for (const name of ['A', 'B'] as const) this.#proxies.set(name, await TcpProxy.start(this.redis.port));
    if (down) await this.redis.kill();
    const apps = own ? await Promise.all([this.#ownProcess(), this.#ownProcess()]) : hosts;
    await Promise.all((['A', 'B'] as const).map((name, index) => this.#openInstance(name, apps[index])));
  }

  async #openInstance(name: Name, app: AppProcess | undefined): Promise<void> {
    if (!app) throw new Error('too few app processes');
    const own = name === 'A' ? this.setup.a : this.setup.b;
    const away = this.setup.down ?? false;
    const config = { name, redisUrl: this.#urlFor(name), secrets: this.#secrets, away, ...own };
    this.#instances.set(name, await Instance.open(app, config));
  }

  #urlFor(name: Name): string {
    const url = this.#proxies.get(name)?.url ?? this.redis.url;
    return this.setup.redisUser ? url.replace('//', `//${this.setup.redisUser}:app@`) : url;
  }

  async #ownProcess(): Promise<AppProcess> {
    const app = await AppProcess.start(this.subject, this.setup.own?.nodeArgs);
    this.#own.push(app);
    return app;
  }

  #instance(name: Name): Instance {
    const instance = this.#instances.get(name);
    if (!instance) throw new Error(`instance ${name} is not open`);
    return instance;
  }
}
