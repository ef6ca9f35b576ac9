import { expect } from 'chai';
import { Budget, Waits } from '../../src/resilience/deadline.js';
import { ManualClock } from '../support/manual-clock.js';

/** How it ended, and when. */
interface End {
  readonly how: string;
  readonly at: number;
}

describe('operations under deadlines', () => {
  let clock: ManualClock;
  let waits: Waits;
  beforeEach(() => {
    clock = new ManualClock();
    waits = new Waits(clock);
  });

  const ends: End[] = [];
  const watch = (ms: number, operation: Promise<string>): void => {
    const began = clock.monotonic();
    const note = (how: string): void => void ends.push({ how, at: clock.monotonic() - began });
    waits
      .bound(() => operation, new Budget(clock, ms))
      .then(note, (error: unknown) => note(String(Reflect.get(Object(error), 'reason'))));
  };
  const never = (): Promise<string> => new Promise(() => undefined);
  beforeEach(() => void ends.splice(0));

  it('share one timer, and each ends at its own time', async () => {
    for (const ms of [250, 100, 400, 100]) watch(ms, never());
    expect(clock.timers).to.equal(1);
    await clock.advance(1_000);
    expect(ends).to.deep.equal([
      { how: 'timeout', at: 100 },
      { how: 'timeout', at: 100 },
      { how: 'timeout', at: 250 },
      { how: 'timeout', at: 400 },
    ]);
    expect(clock.timers).to.equal(0);
  });

  it('that are answered in time end then, and leave no timer behind', async () => {
    watch(250, new Promise(resolve => clock.after(20, () => resolve('answered'))));
    await clock.advance(250);
    expect(ends).to.deep.equal([{ how: 'answered', at: 20 }]);
    expect(clock.timers).to.equal(0);
  });

  it('that begin while others wait end no later for it', async () => {
    watch(250, never());
    await clock.advance(200);
    watch(250, never());
    await clock.advance(249);
    expect(ends).to.have.lengthOf(1);
    await clock.advance(1);
    expect(ends.map(({ at }) => at)).to.deep.equal([250, 250]);
  });

  it('are all given up at once where nobody will answer', async () => {
    watch(250, never());
    watch(400, never());
    waits.abandon();
    await clock.advance(0);
    expect(ends).to.deep.equal([
      { how: 'timeout', at: 0 },
      { how: 'timeout', at: 0 },
    ]);
  });

  it('leave no timer once they are answered, after the end', async () => {
    watch(250, new Promise(resolve => clock.after(20, () => resolve('answered'))));
    waits.close();
    expect(clock.timers).to.equal(2);
    await clock.advance(20);
    expect(clock.timers).to.equal(0);
  });

  it('do not begin with nothing left', async () => {
    let begun = false;
    const late = new Budget(clock, 10);
    await clock.advance(10);
    const refused = await late
      .bound(() => {
        begun = true;
        return never();
      })
      .catch((error: unknown) => error);
    expect(refused).to.include({ class: 'not-applied', reason: 'timeout' });
    expect(begun).to.equal(false);
  });
});
