import type { Parts } from '../../src/create.js';
import { Actions } from './actions.js';
import { Book } from './book.js';
import { Cluster } from './cluster.js';
import { FinalChecks } from './final-checks.js';
import { History } from './history.js';
import { Instance } from './instance.js';
import { watchMemory, watchRejections, balanceLedger } from './watch.js';
import { type Plan, type PlannedFault, planOf } from './plan.js';
import { Random } from './random.js';
import { RedisChecks } from './redis-checks.js';
import { RedisModel } from './redis-model.js';
import { InstanceClock, Timeline } from './time.js';
import { UserChecks } from './user-checks.js';
import { User } from './users.js';

export type Twist = (parts: Parts, instance: Instance) => Parts;

const DEADLINE = 250;
/** Longer than any backoff, and than what canaries and drain need after it. */
const HEALING = 15_000;
const DAY = 86_400_000;

/** Runs one seed to its end. The same seed always has the same history. */
export async function simulate(seed: number, twist?: Twist): Promise<History> {
  const timeline = new Timeline();
  const history = new History(() => timeline.now);
  const random = new Random(`seed ${seed}`);
  const plan = planOf(random);
  const stopWatching = watchRejections(history);
  try {
    await new Simulation(String(seed), plan, timeline, history, twist).run();
  } finally {
    stopWatching();
  }
  return history;
}

class Simulation {
  readonly #seed: string;
  readonly #plan: Plan;
  readonly #timeline: Timeline;
  readonly #history: History;
  readonly #cluster: Cluster;
  readonly #actions: Actions;
  readonly #random: Random;
  readonly #undo = new Set<() => void>();

  constructor(seed: string, plan: Plan, timeline: Timeline, history: History, twist: Twist | undefined) {
    this.#seed = seed;
    this.#plan = plan;
    this.#timeline = timeline;
    this.#history = history;
    this.#random = new Random(`${seed}/chaos`);
    const secret = new Random(`${seed}/secret`).bytes(32).toString('hex');
    const clock = new InstanceClock(timeline, new Random(`${seed}/checker`), 0);
    const bounds = {
      deadline: DEADLINE,
      slack: 2 * plan.skew + 50,
      idleTimeout: plan.options.idleTimeout || DAY,
      tracks: plan.tracks,
      copies: plan.padding === 0,
      maxOutage: plan.options.maxOutage ?? DAY,
    };
    const book = new Book(timeline, history, bounds, secret, clock);
    const checks = new RedisChecks(book, () => this.#cluster.instances);
    const redis = new RedisModel(timeline, new Random(`${seed}/redis`), checks, plan.mayEvict);
    checks.redis = redis;
    this.#actions = new Actions(book, new UserChecks(book));
    const options = {
      redis: 'redis://model',
      secret,
      logger: false as const,
      deadline: DEADLINE,
      ...plan.options,
    };
    this.#cluster = new Cluster(timeline, redis, book, (name, cable) => {
      const offset = this.#random.between(-plan.skew, plan.skew);
      return new Instance(name, cable, {
        timeline,
        history,
        redis,
        seed,
        options,
        offset,
        twist,
        tracks: plan.tracks,
        onReported: (instance, pseudonym, reason) => this.#reported(instance, pseudonym, reason),
        onSuspicion: () => (book.suspected = true),
        onProbed: (_, key) => book.lives.has(key.slice('sess:'.length)),
      });
    });
  }

  async run(): Promise<void> {
    const { until, faults } = this.#plan;
    for (let n = 0; n < this.#plan.instances; n += 1) this.#cluster.start();
    for (const fault of faults) this.#timeline.at(fault.at, () => this.#strike(fault));
    watchMemory(this.#timeline, this.#cluster);
    const users = this.#users().map(user => user.live(until));
    await this.#timeline.runTo(until);
    this.#heal();
    await this.#timeline.runTo(until + HEALING);
    await this.#finish(users);
  }

  #users(): User[] {
    const { users, think, padding } = this.#plan;
    return Array.from({ length: users }, (_, n) => {
      const name = `u${n}`;
      return new User({
        name,
        think,
        padding,
        timeline: this.#timeline,
        random: new Random(`${this.#seed}/${name}`),
        actions: this.#actions,
        open: () => this.#cluster.open(),
        onHabit: habit => this.#history.count(`habit ${habit}`),
      });
    });
  }

  #strike({ name, fault, ms }: PlannedFault): void {
    if (name.startsWith('instance') && this.#cluster.open().length < 2) return;
    this.#history.note('fault', `${name} for ${Math.round(ms)} ms`);
    this.#history.count(`fault ${name}`);
    const undo = fault(this.#cluster, this.#random, ms);
    if (!undo) return;
    const once = (): void => {
      if (!this.#undo.delete(once)) return;
      this.#history.note('fault', `${name} is over`);
      undo();
    };
    this.#undo.add(once);
    this.#timeline.after(ms, once);
  }

  #heal(): void {
    for (const undo of this.#undo) undo();
    this.#history.note('fault', 'all is over');
  }

  async #finish(users: readonly Promise<void>[]): Promise<void> {
    const { book } = this.#cluster;
    const finals = new FinalChecks(this.#cluster, this.#actions).run();
    await this.#during(Promise.all([finals, ...users]));
    for (const operation of book.operations)
      if (operation.outcome === 'open') this.#history.violated(`${operation.name} never settled (P5)`);
    for (const instance of this.#cluster.instances) balanceLedger(instance, this.#history);
    const open = this.#cluster.open();
    await this.#during(Promise.all(open.map(instance => this.#cluster.stop(instance))));
  }

  /** Lets time go on until `work` is done, or it is clear that it never will be. */
  async #during(work: Promise<unknown>): Promise<void> {
    let over = false;
    void work.then(() => (over = true));
    for (let turn = 0; turn < 2_000 && !over; turn += 1) await this.#timeline.runTo(this.#timeline.now + 50);
    if (!over) this.#history.violated('the simulation does not come to its end');
  }

  #reported(instance: Instance, pseudonym: string, reason: string): void {
    const { book } = this.#cluster;
    const life = book.byPseudonym.get(pseudonym);
    this.#history.count(`gone: ${reason}`);
    if (!life || !['expired', 'evicted', 'quarantined'].includes(reason)) return;
    life.reported.push({ instance: instance.name, reason });
    const causes =
      life.losses.length > 0 ||
      this.#timeline.now - life.birth.started > book.bounds.idleTimeout - book.bounds.slack;
    const waitedLong =
      reason === 'expired' && this.#timeline.now - life.birth.started > book.bounds.maxOutage;
    const roomless = reason === 'evicted' && !book.bounds.copies;
    if (!causes && !waitedLong && !roomless)
      this.#history.violated(`${life.name} was reported ${reason} for no reason`);
  }
}
