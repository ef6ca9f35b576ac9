import { expect } from 'chai';
import { simulate, type Twist } from './run.js';
import { VARIANTS } from './variants.js';

const HEALTHY_SEEDS = 60;
/** More seeds than any variant has ever needed, several times over. */
const PATIENCE = 300;

describe('the simulation', function () {
  this.timeout(180_000);

  it('replays a seed exactly', async () => {
    const [once, again] = [await simulate(7), await simulate(7)];
    expect(again.lines).to.deep.equal(once.lines);
  });

  it('keeps every promise in every seed', async () => {
    for (let seed = 1; seed <= HEALTHY_SEEDS; seed += 1) {
      const { violations } = await simulate(seed);
      expect(violations, `npm run simulate -- --seed ${seed}`).to.deep.equal([]);
    }
  });

  for (const [name, twist] of Object.entries(VARIANTS)) {
    it(`finds out: ${name}`, async () => {
      expect(await firstFailure(twist)).to.be.at.most(PATIENCE);
    });
  }
});

async function firstFailure(twist: Twist): Promise<number> {
  for (let seed = 1; seed <= PATIENCE; seed += 1) {
    const { violations } = await simulate(seed, twist);
    if (violations.length > 0) return seed;
  }
  return Infinity;
}
