import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisServer } from '../../spec/support/redis-server.js';
import { Meter } from './meter.js';
import { Shopper } from './shopper.js';
import { type Health, Site } from './site.js';
import { type Habit, Traffic } from './traffic.js';
import { Verdict } from './verdict.js';

/** Where an instance listens. */
export interface Address {
  readonly name: string;
  readonly port: number;
}

const HEALTHY = 2_500;
const OUTAGE = 4_000;
const FREEZE = 2_000;
const POLL = 50;
/** Patience, not a measure: what has not come by then will not come. */
const LIMIT = 15_000;

/** Kill, freeze and return of a Redis under two instances and their users. Everything is checked over HTTP. */
export class Story {
  readonly verdict = new Verdict();
  readonly #meter = new Meter();
  readonly #redis: RedisServer;
  readonly #a: Site;
  readonly #b: Site;
  readonly #began = performance.now();
  readonly #shoppers: Shopper[] = [];

  constructor(redis: RedisServer, a: Address, b: Address) {
    this.#redis = redis;
    this.#a = new Site(a.name, a.port, this.#meter);
    this.#b = new Site(b.name, b.port, this.#meter);
  }

  /** True if every promise held. */
  async play(): Promise<boolean> {
    try {
      await Promise.all(this.#sites.map(site => site.follow()));
      await this.#untilHealthy();
      const habits = await this.#logins();
      const traffic = new Traffic(habits);
      try {
        await this.#health();
        await this.#kill(traffic);
        await this.#comeBack('Redis is started again', () => this.#redis.restart());
        await this.#frozen(traffic);
      } finally {
        await traffic.stop();
      }
      await this.#everything();
      this.#report();
      return this.verdict.allHeld;
    } finally {
      for (const site of this.#sites) site.close();
    }
  }

  get #sites(): Site[] {
    return [this.#a, this.#b];
  }

  #say(text: string): void {
    const seconds = ((performance.now() - this.#began) / 1000).toFixed(2);
    console.log(`${`+${seconds} s`.padStart(9)}  ${text}`);
  }

  #shopper(name: string): Shopper {
    const shopper = new Shopper(name, this.#meter, this.verdict);
    this.#shoppers.push(shopper);
    return shopper;
  }

  async #logins(): Promise<Habit[]> {
    const [a, b] = [this.#a, this.#b];
    const places = { alice: [a, a], bob: [b, b], carol: [a, b], dave: [b, a] } as const;
    const habits = Object.entries(places).map(([name, [tea, bread]]) => ({
      shopper: this.#shopper(name),
      tea,
      bread,
    }));
    await Promise.all(habits.map(({ shopper, tea }) => shopper.login(tea)));
    for (const { shopper } of habits) for (const site of this.#sites) await shopper.visitPrimary(site);
    await this.#replay();
    this.#say(
      'alice logs in at A, bob at B; carol and dave use A and B at the same time, with one cookie each',
    );
    return habits;
  }

  async #health(): Promise<void> {
    await sleep(HEALTHY);
    await this.#slowRequest();
    this.#say(`traffic: ${this.#meter.count('health')} requests so far, every write counted`);
  }

  /** A handler at B has read the session, a logout at A passes it by, and then the handler writes. */
  async #slowRequest(): Promise<void> {
    const grace = this.#shopper('grace');
    await grace.login(this.#a);
    await grace.visitPrimary(this.#b);
    const slow = grace.writeSlowly(this.#b, 'bread');
    await patiently(async () => (await this.#b.holding()) > 0);
    await grace.logout(this.#a);
    await this.#untilDrained();
    await this.#b.release();
    const { status, warning } = await slow;
    // A machine that stalls makes a fallback of it: then the write waits, and meets the logout later.
    this.verdict.check(
      'P3',
      status === 409 || warning === 'fallback',
      `grace's slow request at B was answered ${status} after the logout at A`,
    );
    await this.#replay();
    this.#say(`grace logs out at A while a slow request of hers runs at B: its write is answered ${status}`);
  }

  async #kill(traffic: Traffic): Promise<void> {
    const { pid } = this.#redis;
    const [erin, frank] = [this.#shopper('erin'), await this.#frankAtBoth()];
    await traffic.settle();
    this.#meter.phase = 'outage';
    const until = performance.now() + OUTAGE;
    for (const site of this.#sites) site.forgetEvents();
    await this.#redis.kill();
    traffic.go();
    this.#say(`kill -9 ${pid}: Redis is gone in mid-traffic`);
    await this.#untilDegraded();
    await this.#loginInOutage(erin);
    await this.#logoutInOutage(frank);
    await sleep(Math.max(0, until - performance.now()));
    await this.#expectAnswers('killed');
    this.#say(`${this.#meter.count('outage')} requests answered without Redis; ${await this.#backlogs()}`);
  }

  /** B must know the session before the outage, or it could keep no write of it. */
  async #frankAtBoth(): Promise<Shopper> {
    const frank = this.#shopper('frank');
    await frank.login(this.#a);
    await frank.visitPrimary(this.#b);
    return frank;
  }

  async #loginInOutage(erin: Shopper): Promise<void> {
    await erin.login(this.#a);
    await erin.write(this.#a, 'bread');
    await erin.read(this.#a);
    await erin.replay(this.#a);
    this.#say('erin logs in at A, which alone can know of it');
  }

  async #logoutInOutage(frank: Shopper): Promise<void> {
    const { status } = await frank.writeLoosely(this.#b, 'bread');
    await frank.logout(this.#a);
    await frank.replay(this.#a);
    const there = await frank.visit(this.#b);
    this.#say(
      `frank's write is journaled at B (${status}), then he logs out at A: out at A at once, ` +
        `at B still ${String(there.body['user'])}, as nobody can tell B`,
    );
  }

  /** Redis returns, the traffic goes on, and both instances find their way back by themselves. */
  async #comeBack(how: string, bring: () => Promise<void>): Promise<void> {
    this.#meter.phase = 'recovery';
    await bring();
    this.#say(`${how}, pid ${this.#redis.pid}`);
    await this.#untilHealthy();
    await Promise.all(this.#sites.map(site => this.#ledger(site)));
    await this.#replay();
    this.#meter.phase = 'health';
  }

  async #frozen(traffic: Traffic): Promise<void> {
    await sleep(HEALTHY / 5);
    await traffic.settle();
    this.#meter.phase = 'freeze';
    for (const site of this.#sites) site.forgetEvents();
    this.#redis.freeze();
    traffic.go();
    this.#say(`kill -STOP ${this.#redis.pid}: Redis accepts everything and answers nothing`);
    const until = performance.now() + FREEZE;
    await this.#untilDegraded();
    // Both have seen the ends by now, and need no Redis to remember them.
    await this.#replayAll(false);
    await sleep(Math.max(0, until - performance.now()));
    await this.#expectAnswers('frozen');
    this.#say(
      `${this.#meter.count('freeze')} requests answered while it stood still; ${await this.#backlogs()}`,
    );
    await this.#comeBack('kill -CONT: Redis goes on', async () => this.#redis.thaw());
  }

  /** Redis stays away until everybody has an answer: whoever waits for Redis waits in vain. */
  async #expectAnswers(how: string): Promise<void> {
    const answered = await this.#meter.answered(LIMIT);
    this.verdict.check('P5', answered, `requests waited for a ${how} Redis for more than ${LIMIT} ms`);
  }

  async #everything(): Promise<void> {
    await this.#untilHealthy();
    for (const site of this.#sites) {
      await Promise.all(
        this.#shoppers.filter(shopper => !left(shopper)).map(shopper => shopper.verify(site)),
      );
    }
    await this.#replay();
    this.#expectService();
    const writes = this.#shoppers.reduce((sum, shopper) => sum + shopper.writes, 0);
    this.#say(
      `compared ${writes} acknowledged writes with what A and B read from Redis, and tried all old cookies`,
    );
  }

  /** "Unavailable" is an honest answer, but it may not become the usual one. */
  #expectService(): void {
    const total = (name: 'reads' | 'unavailable'): number =>
      this.#shoppers.reduce((sum, { fallback }) => sum + fallback[name], 0);
    const [reads, unavailable] = [total('reads'), total('unavailable')];
    const what = `${unavailable} of ${reads} reads without Redis were answered "unavailable"`;
    this.verdict.check('P6', unavailable <= reads / 4, what);
    this.#say(what);
  }

  /** While Redis answers. */
  async #replay(): Promise<void> {
    await this.#untilDrained();
    await this.#replayAll(true);
  }

  async #replayAll(patient: boolean): Promise<void> {
    for (const site of this.#sites) {
      await Promise.all(this.#shoppers.map(shopper => shopper.replay(site, patient)));
    }
  }

  /** Nothing waits for Redis: what one instance has acknowledged, the other can know. */
  async #untilDrained(): Promise<void> {
    for (const site of this.#sites) await patiently(async () => (await site.health()).backlog === 0);
  }

  async #untilHealthy(): Promise<void> {
    const back = ({ http, status, mode, backlog }: Health): boolean =>
      http === 200 && status === 'healthy' && mode === 'healthy' && backlog === 0;
    await this.#until('healthy', back);
  }

  async #untilDegraded(): Promise<void> {
    await this.#until('degraded', ({ http, status }) => http === 200 && status === 'degraded');
  }

  async #until(what: string, reached: (health: Health) => boolean): Promise<void> {
    await Promise.all(
      this.#sites.map(async site => {
        let health = await site.health();
        await patiently(async () => reached((health = await site.health())));
        this.verdict.check(
          'P9',
          reached(health),
          `${site.name} is not ${what}, but ${JSON.stringify(health)}`,
        );
      }),
    );
    this.#say(`/health/session of A and B: ${what}`);
  }

  async #backlogs(): Promise<string> {
    const healths = await Promise.all(this.#sites.map(site => site.health()));
    return `waiting in the journals: ${healths.map((health, index) => `${this.#sites[index]?.name} ${health.backlog}`).join(', ')}`;
  }

  /** More than one where an instance lost Redis again on its way back. */
  async #ledger(site: Site): Promise<void> {
    const told = await site.awaitEvent('store:recovered', LIMIT);
    this.verdict.check('P9', told, `${site.name} told no ledger with store:recovered`);
    for (const { name: _, at: _at, ...ledger } of site.events('store:recovered')) {
      const entries = Object.entries(ledger).map(([fate, count]) => `${fate} ${String(count)}`);
      this.#say(`ledger of ${site.name}: ${entries.join(', ')}`);
    }
  }

  #report(): void {
    console.log(`\n${this.#meter.table().join('\n')}\n`);
    console.log(this.verdict.lines().join('\n'));
    console.log('P7 (sealed) and P8 (bounded) cannot be seen over HTTP: `npm test` checks them.');
  }
}

async function patiently(reached: () => Promise<boolean>): Promise<void> {
  const late = performance.now() + LIMIT;
  while (!(await reached()) && performance.now() < late) await sleep(POLL);
}

/** Those who logged out have nothing left to verify. */
function left({ name }: Shopper): boolean {
  return name === 'frank' || name === 'grace';
}
