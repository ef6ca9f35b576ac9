import type { Actions } from './actions.js';
import type { Life } from './facts.js';
import type { Instance } from './instance.js';
import type { Random } from './random.js';
import type { Timeline } from './time.js';
import { KEYS } from './user-checks.js';

/** How often users do what. */
const HABITS = {
  read: 30,
  change: 25,
  changeDifferentKeys: 8,
  changeOneKeyTwice: 6,
  remove: 5,
  dawdle: 10,
  logIn: 7,
  logInTwice: 2,
  logOut: 5,
  logOutWhileDawdling: 4,
  logOutWhileLoggingIn: 2,
  useOldCookie: 6,
} as const;

export type Habit = keyof typeof HABITS;

export interface UserParts {
  readonly name: string;
  readonly timeline: Timeline;
  readonly random: Random;
  readonly actions: Actions;
  /** Instances that take requests. */
  readonly open: () => readonly Instance[];
  readonly onHabit: (habit: Habit) => void;
  readonly think: number;
  /** How much more a session holds, bytes. */
  readonly padding: number;
}

/** One user with one browser: acts at random, mostly on one instance, with the cookie that was set last. */
export class User {
  readonly #parts: UserParts;
  #current: Life | undefined;
  #old: Life[] = [];
  #sessions = 0;

  constructor(parts: UserParts) {
    this.#parts = parts;
  }

  async live(until: number): Promise<void> {
    const { timeline, random, think } = this.#parts;
    while (timeline.now < until) {
      await timeline.sleep(random.between(0, 2 * think));
      if (this.#parts.open().length > 0) await this.#act();
    }
  }

  async #act(): Promise<void> {
    const { random, onHabit } = this.#parts;
    if (!this.#current) {
      this.#current = await this.#create();
      return;
    }
    const habit = random.weighted(HABITS);
    onHabit(habit);
    await this[habit](this.#current);
  }

  async #create(): Promise<Life | undefined> {
    const { actions, name, random, padding } = this.#parts;
    const owner = `${name}.${(this.#sessions += 1)}`;
    return actions.create(this.#here(), owner, {
      k0: `${owner}/first`,
      ...(padding > 0 && { pad: 'x'.repeat(random.whole(1, padding)) }),
    });
  }

  async read(life: Life): Promise<void> {
    const found = await this.#parts.actions.load(this.#here(), life);
    // Nobody to be served from an older page: whoever is logged out starts anew.
    if (!found && this.#parts.random.chance(0.3)) this.#leave(life);
  }

  async change(life: Life, keys: readonly string[] = [this.#key()], instance = this.#here()): Promise<void> {
    const { actions } = this.#parts;
    const loaded = await actions.load(instance, life);
    if (loaded) await actions.save(instance, loaded, keys, false);
  }

  async changeDifferentKeys(life: Life): Promise<void> {
    await Promise.all([this.change(life, ['k1'], this.#any()), this.change(life, ['k2'], this.#any())]);
  }

  async changeOneKeyTwice(life: Life): Promise<void> {
    await Promise.all([this.change(life, ['k3'], this.#any()), this.change(life, ['k3'], this.#any())]);
  }

  async remove(life: Life): Promise<void> {
    const { actions } = this.#parts;
    const instance = this.#here();
    const loaded = await actions.load(instance, life);
    if (loaded) await actions.save(instance, loaded, [this.#key()], true);
  }

  /** A slow request, or two requests of one handler: what was loaded is saved much later. */
  async dawdle(life: Life, instance = this.#here()): Promise<void> {
    const { actions, timeline, random } = this.#parts;
    const loaded = await actions.load(instance, life);
    if (!loaded) return;
    if (random.chance(0.5)) await actions.save(instance, loaded, [this.#key()], false);
    await timeline.sleep(random.between(20, 3_000));
    await actions.save(instance, loaded, [this.#key()], false);
  }

  async logIn(life: Life, instance = this.#here()): Promise<void> {
    const { actions, random } = this.#parts;
    const loaded = await actions.load(instance, life);
    if (!loaded) return;
    const fresh = await actions.regenerate(instance, loaded, random.chance(0.5) ? ['k1'] : []);
    if (!fresh) return;
    this.#leave(life);
    this.#current = fresh;
  }

  async logInTwice(life: Life): Promise<void> {
    await Promise.all([this.logIn(life, this.#any()), this.logIn(life, this.#any())]);
  }

  async logOut(life: Life, instance = this.#here()): Promise<void> {
    const { actions, random } = this.#parts;
    const loaded = random.chance(0.5) ? await actions.load(instance, life) : undefined;
    if (await actions.destroy(instance, life, loaded?.session)) this.#leave(life);
  }

  async logOutWhileDawdling(life: Life): Promise<void> {
    await Promise.all([this.dawdle(life, this.#any()), this.#later(() => this.logOut(life, this.#any()))]);
  }

  async logOutWhileLoggingIn(life: Life): Promise<void> {
    await Promise.all([this.logIn(life, this.#any()), this.#later(() => this.logOut(life, this.#any()))]);
  }

  async useOldCookie(life: Life): Promise<void> {
    const { random } = this.#parts;
    const old = this.#old.length > 0 ? random.pick(this.#old) : life;
    if (random.chance(0.5)) await this.#parts.actions.load(this.#any(), old);
    else await this.change(old, ['k2'], this.#any());
  }

  async #later(act: () => Promise<void>): Promise<void> {
    const { timeline, random } = this.#parts;
    await timeline.sleep(random.between(0, 400));
    await act();
  }

  #leave(life: Life): void {
    this.#old = [...this.#old.slice(-4), life];
    if (this.#current === life) this.#current = undefined;
  }

  #key(): string {
    return this.#parts.random.pick(KEYS);
  }

  #here(): Instance {
    const open = this.#parts.open();
    const home = open[this.#parts.name.charCodeAt(1) % open.length];
    return home && this.#parts.random.chance(0.6) ? home : this.#any();
  }

  #any(): Instance {
    return this.#parts.random.pick(this.#parts.open());
  }
}
