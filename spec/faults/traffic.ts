import { setTimeout as sleep } from 'node:timers/promises';
import type { Book } from './book.js';
import type { Site } from './site.js';
import { User } from './user.js';

/** Where the two instances are now: a scenario may replace one. */
export interface Sites {
  readonly a: Site;
  readonly b: Site;
}

type Pick = (sites: Sites) => Site;

const PAUSE = { min: 15, spread: 30 } as const;
const WRITES_PER_VISIT = 3;
const IDLE = 4;

const atA: Pick = ({ a }) => a;
const atB: Pick = ({ b }) => b;

/** A user thinks for a while. */
const think = (): Promise<void> => sleep(PAUSE.min + Math.random() * PAUSE.spread);

/** Users of two instances, who go on whatever happens to Redis. */
export class Traffic {
  readonly #book: Book;
  readonly #sites: Sites;
  readonly #leavers: readonly [User, User];
  readonly #steady: readonly User[];
  #running = true;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(book: Book, sites: Sites) {
    this.#book = book;
    this.#sites = sites;
    this.#leavers = [new User('leaver-a', book), new User('leaver-b', book)];
    this.#steady = ['ann', 'bob', 'cleo', 'dan'].map(name => new User(name, book));
  }

  /** Everybody logs in; both instances have seen everybody. */
  async prepare(): Promise<void> {
    const idle = Array.from({ length: IDLE }, (_, index) => new User(`idle-${index}`, this.#book));
    const everybody = [...this.#steady, ...this.#leavers, ...idle];
    await Promise.all(everybody.map((user, index) => this.#arrive(user, index % 2 === 0 ? atA : atB)));
  }

  start(): void {
    const [ann, bob, cleo, dan] = this.#steady;
    const stayers = [this.#stay(ann, [atA]), this.#stay(bob, [atB])];
    const roamers = [this.#stay(cleo, [atA, atB]), this.#stay(dan, [atB, atA])];
    const visitors = [this.#comeAndGo('va', atA, atA), this.#comeAndGo('vb', atB, atB)];
    this.#loops = Promise.all([...stayers, ...roamers, ...visitors, this.#comeAndGo('vx', atA, atB)]);
  }

  /** Two users, whom both instances know, each log out at one, just after they wrote at the other. */
  async leave(): Promise<void> {
    const { a, b } = this.#sites;
    const [first, second] = this.#leavers;
    await Promise.all([out(first, b, a), out(second, a, b)]);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#loops;
  }

  async #arrive(user: User, home: Pick): Promise<void> {
    const site = home(this.#sites);
    await user.write(site);
    await user.login(site);
    for (const each of [this.#sites.a, this.#sites.b]) {
      await user.write(each);
      await user.read(each);
    }
  }

  /** Writes at each place at the same time, to a key of its own, then reads. */
  async #stay(user: User | undefined, places: readonly Pick[]): Promise<void> {
    while (this.#running && user) {
      const open = places.map(place => place(this.#sites)).filter(site => !site.drained);
      await Promise.all(open.map(site => user.write(site)));
      await Promise.all(open.map(site => user.read(site)));
      await think();
    }
  }

  /** A visitor, who logs in, does something, logs out and comes back as another. */
  async #comeAndGo(label: string, enter: Pick, exit: Pick): Promise<void> {
    for (let visit = 1; this.#running; visit += 1) {
      const [first, last] = [enter(this.#sites), exit(this.#sites)];
      if (!first.drained && !last.drained)
        await this.#visit(new User(`${label}-${visit}`, this.#book), first, last);
      await think();
    }
  }

  async #visit(user: User, first: Site, last: Site): Promise<void> {
    await user.write(first);
    await user.login(first);
    await user.replay(first);
    for (let count = 0; count < WRITES_PER_VISIT && this.#running; count += 1) {
      await user.write(first);
      await user.read(first);
      await think();
    }
    // Some never log out.
    if (Math.random() < 0.3) return;
    await user.logout(last);
    await user.replay(last);
  }
}

async function out(user: User, other: Site, site: Site): Promise<void> {
  if (!other.drained) await user.write(other);
  if (site.drained) return;
  await user.logout(site);
  await user.replay(site);
}
