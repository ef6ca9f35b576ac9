import { expect } from 'chai';
import { pseudonymOf } from '../../src/vault/token.js';
import { type Instance, keyOf, Shop } from '../support/instances.js';
import { Random } from '../simulation/random.js';

const SEEDS = 60;
const STEPS = 40;

const CHOICES = {
  logIn: 6,
  use: 6,
  logOut: 1,
  endOne: 2,
  endAll: 2,
  endOthers: 2,
  cutOff: 3,
  rejoin: 3,
} as const;

interface Seat {
  readonly instance: Instance;
  connected: boolean;
}

/** One user with many browsers, on three instances that lose the store and find it again. */
class Household {
  readonly shop = new Shop();
  readonly #random: Random;
  readonly #seats: Seat[] = [];
  /** Whether each session must be alive in the end, by token. */
  readonly expected = new Map<string, boolean>();
  readonly story: string[] = [];

  constructor(seed: string) {
    this.#random = new Random(seed);
  }

  async live(): Promise<void> {
    for (let n = 0; n < 3; n += 1) this.#seats.push({ instance: await this.shop.open(), connected: true });
    for (let step = 0; step < STEPS; step += 1) {
      // Two things at one moment have no order that anybody could rely on.
      await this.shop.clock.advance(this.#random.whole(1, 3000));
      const choice = this.#random.weighted(CHOICES);
      const seat = this.#random.pick(this.#seats);
      this.story.push(`${choice} at ${this.#seats.indexOf(seat)}`);
      await this[choice](seat);
    }
    for (const seat of this.#seats) await this.rejoin(seat);
    await this.shop.settle();
  }

  async logIn({ instance }: Seat): Promise<void> {
    const { session } = await instance.sessions.manager.create({});
    const done = await session.login('ada', { label: String(this.expected.size) });
    if (done) this.expected.set(await instance.sessions.manager.save(session), true);
  }

  async use({ instance }: Seat): Promise<void> {
    const token = this.#token();
    if (this.#random.chance(0.3)) this.shop.clock.jumpWall(3 * 3_600_000);
    const session = token === undefined ? undefined : await this.#load(instance, token);
    if (session) await instance.sessions.manager.save(session).catch(() => undefined);
  }

  async logOut({ instance }: Seat): Promise<void> {
    const token = this.#token();
    const session = token === undefined ? undefined : await this.#load(instance, token);
    if (token === undefined || !session) return;
    await session.destroy();
    this.expected.set(token, false);
  }

  async endOne({ instance }: Seat): Promise<void> {
    const token = this.#token();
    if (token === undefined) return;
    const done = await instance.sessions.users.end('ada', pseudonymOf(keyOf(token))).catch(() => false);
    if (done) this.expected.set(token, false);
  }

  async endAll({ instance }: Seat): Promise<void> {
    await instance.sessions.users.endAll('ada');
    for (const token of this.expected.keys()) this.expected.set(token, false);
  }

  async endOthers({ instance }: Seat): Promise<void> {
    const mine = this.#token();
    const session = mine === undefined ? undefined : await this.#load(instance, mine);
    if (!session) return;
    await instance.sessions.users.endAll('ada', { except: session });
    for (const token of this.expected.keys()) if (token !== mine) this.expected.set(token, false);
  }

  async cutOff(seat: Seat): Promise<void> {
    if (seat.connected) await seat.instance.cutOff();
    seat.connected = false;
  }

  async rejoin(seat: Seat): Promise<void> {
    if (!seat.connected) await seat.instance.rejoin();
    seat.connected = true;
  }

  get instances(): readonly Instance[] {
    return this.#seats.map(({ instance }) => instance);
  }

  #load(instance: Instance, token: string): ReturnType<Instance['load']> {
    return instance.load(token).catch(() => undefined);
  }

  #token(): string | undefined {
    return this.expected.size === 0 ? undefined : this.#random.pick([...this.expected.keys()]);
  }
}

describe('the sessions of a user, whatever happens in whatever order on three instances', () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    it(`are over where that was asked for, alive where it was not, and listed as they are (seed ${seed})`, async () => {
      const household = new Household(String(seed));
      await household.live();
      for (const instance of household.instances) {
        for (const [token, alive] of household.expected) {
          const found = await instance.load(token);
          expect(found !== undefined, `${token.slice(-6)}: ${household.story.join(', ')}`).to.equal(alive);
        }
        const listed = (await instance.sessions.users.list('ada')).map(({ id }) => id);
        const alive = [...household.expected].filter(([, isAlive]) => isAlive).map(([token]) => token);
        expect(listed).to.have.members(alive.map(token => pseudonymOf(keyOf(token))));
      }
    });
  }
});
