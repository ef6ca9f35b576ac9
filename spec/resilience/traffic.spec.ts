import { expect } from 'chai';
import { paced } from '../../src/resilience/pace.js';
import { Traffic } from '../../src/resilience/traffic.js';
import { ManualClock } from '../support/manual-clock.js';

describe('background work', () => {
  it('goes on at once where no user waits', async () => {
    const clock = new ManualClock();
    await new Traffic(clock).giveWay();
    expect(clock.timers).to.equal(0);
  });

  it('lets a user go first, and goes on when that one was served', async () => {
    const traffic = new Traffic(new ManualClock());
    const order: string[] = [];
    let serve = (): void => undefined;
    const user = traffic.serve(() => new Promise<void>(resolve => (serve = resolve)));
    const work = traffic.giveWay().then(() => order.push('work'));
    await Promise.resolve();
    order.push('user');
    serve();
    await Promise.all([user, work]);
    expect(order).to.deep.equal(['user', 'work']);
  });

  it('does not wait for ever, however many users there are', async () => {
    const clock = new ManualClock();
    const traffic = new Traffic(clock);
    void traffic.serve(() => new Promise<void>(() => undefined));
    let gone = false;
    void traffic.giveWay().then(() => (gone = true));
    await clock.advance(10);
    expect(gone).to.equal(true);
  });

  it('ends with the first task that says so, and says that not all was done', async () => {
    const pace = { width: 1, traffic: new Traffic(new ManualClock()) };
    const seen: number[] = [];
    const all = await paced([1, 2, 3], pace, async item => seen.push(item) < 2);
    expect([all, seen]).to.deep.equal([false, [1, 2]]);
  });
});
