import { expect } from 'chai';
import { createSessions, type Sessions } from '../../src/create.js';
import { MemoryStore } from '../../src/store/memory.js';
import { StoreFault } from '../../src/store/fault.js';
import type { Swapped } from '../../src/store/store.js';
import { newSecret, recordEvents } from '../support/app.js';
import { type Instance, Shop } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';

/** Reads as it should, and has a fault of our own making in every write. */
class MistakenStore extends MemoryStore {
  override swap(): Promise<Swapped> {
    return Promise.reject(new StoreFault('ours', 'other'));
  }
}

describe('a fault of our own', () => {
  let clock: ManualClock;
  let sessions: Sessions;

  beforeEach(() => {
    clock = new ManualClock();
    const store = new MistakenStore(1024 * 1024, clock);
    sessions = createSessions({ secret: newSecret(), store, logger: false }, { clock, env: {} });
  });

  it('opens no circuit, whether requests or canaries meet it', async () => {
    const events = recordEvents(sessions);
    await clock.advance(60_000);
    for (let n = 0; n < 10; n += 1) await sessions.manager.create({ n });
    await clock.advance(60_000);
    expect(events.filter(({ name }) => name === 'circuit:open')).to.deep.equal([]);
    expect(sessions.stats().store.mode).to.equal('healthy');
    expect(events.find(({ name }) => name === 'store:error')?.event).to.include({ class: 'ours' });
    expect(sessions.stats().store.backlog.items).to.equal(10);
  });
});

describe('a clock that differs from that of the store', () => {
  let shop: Shop;
  let a: Instance;
  const HOUR = 3_600_000;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
  });
  afterEach(() => shop.during(a.sessions.close()));

  const correctedBy = async (act: () => Promise<unknown>): Promise<number> => {
    const before = shop.clock.wall() - shop.clock.monotonic();
    await act();
    return shop.clock.wall() - shop.clock.monotonic() - before;
  };

  it('by more than the allowed skew is corrected with the next canary, once, and reported', async () => {
    a.store.offset = HOUR;
    expect(await correctedBy(() => shop.settle())).to.equal(HOUR);
    expect(a.last('store:error')).to.include({ operation: 'clock', class: 'ours', code: 'skew' });
    expect(a.count('store:error')).to.equal(1);
  });

  it('is corrected again when it is measured again and differs again', async () => {
    a.store.offset = HOUR;
    await shop.settle();
    a.store.offset = -2 * HOUR;
    expect(await correctedBy(() => shop.settle())).to.equal(-2 * HOUR);
  });

  it('by less is left alone', async () => {
    a.store.offset = 59_000;
    expect(await correctedBy(() => shop.settle())).to.equal(0);
  });
});

describe('one patience for all commits of a request (P5)', () => {
  let shop: Shop;
  let a: Instance;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
  });
  afterEach(() => shop.during(a.sessions.close()));

  it('makes a login on a frozen store wait for one deadline, with all that follows it', async () => {
    const { token } = await a.sessions.manager.create({ cart: 1 });
    const session = await a.load(token);
    if (!session) throw new Error('there is no such session');
    a.store.link = 'hang';
    const began = shop.clock.monotonic();
    const login = async (): Promise<void> => {
      await session.regenerate();
      session['user'] = 'ada';
      await session.save();
    };
    await shop.during(login());
    expect(shop.clock.monotonic() - began).to.be.at.most(300);
  });

  it('makes a request that saves several times wait for one deadline', async () => {
    const { token } = await a.sessions.manager.create({ cart: 1 });
    const session = await a.load(token);
    if (!session) throw new Error('there is no such session');
    a.store.link = 'hang';
    const began = shop.clock.monotonic();
    const saves = async (): Promise<void> => {
      for (let n = 0; n < 2; n += 1) {
        session['n'] = n;
        await session.save();
      }
    };
    await shop.during(saves());
    expect(shop.clock.monotonic() - began).to.be.at.most(300);
    a.store.link = 'ok';
    await shop.settle();
    expect(await a.data(token)).to.deep.equal({ cart: 1, n: 1 });
  });
});

describe('loads that waited in vain', () => {
  it('count in latencyMs', async () => {
    const shop = new Shop();
    const a = await shop.open({ shadow: false, breaker: { failures: 1_000, rate: 0.99 } });
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    a.store.link = 'hang';
    for (let n = 0; n < 5; n += 1) await shop.during(a.refusal(a.load(token)));
    expect(a.sessions.stats().latencyMs.load.p50).to.be.within(240, 300);
    a.store.link = 'ok';
    await shop.during(a.sessions.close());
  });
});
