import { expect } from 'chai';
import * as fc from './fast-check.js';
import { attempt, claim, type Outcome } from './claim.js';
import { CLAIMS } from './claims.js';

/** The same inputs in each run of the tests; `npm run fuzz` takes others. */
const SEED = 1;

describe('whatever others send or store', function () {
  this.timeout(60_000);

  for (const each of CLAIMS) {
    it(each.name, () => {
      const { failure, tried } = attempt(each, SEED, each.runs);
      if (failure !== undefined) expect.fail(failure);
      expect(tried).to.be.at.least(each.runs);
    });
  }

  it('has a name for each claim', () => {
    expect(new Set(CLAIMS.map(({ name }) => name)).size).to.equal(CLAIMS.length);
  });
});

describe('a claim', () => {
  const small = claim('numbers are small', 100, [fc.nat(1_000)], (tally, number) => {
    if (number % 2 === 0) tally.refuses(number < 500, `${number}`);
    else tally.takes(number < 501, `${number}`);
  });

  it('that does not hold is reported with its smallest counterexample and its seed', () => {
    const { failure, wrong } = attempt(small, 7, 1_000);
    expect(wrong).to.be.above(0);
    expect(failure)
      .to.match(/seed 7,/)
      .and.match(/wrongly accepted: 500|not as it must be: 501/);
  });

  it('tries the same inputs again with the same seed', () => {
    const [once, again] = [attempt(small, 7, 9), attempt(small, 7, 9)];
    const inputOf = ({ failure = '' }: Outcome): string => failure.slice(failure.indexOf('seed 7'));
    expect([again.tried, again.refused, inputOf(again)]).to.deep.equal([
      once.tried,
      once.refused,
      inputOf(once),
    ]);
  });

  it('that throws is one that does not hold', () => {
    const broken = claim('nothing throws', 10, [fc.nat()], () => {
      throw new TypeError('a decoder threw');
    });
    const { failure, wrong } = attempt(broken, 1, 10);
    expect([wrong, failure]).to.satisfy(
      ([n, text]: [number, string]) => n === 1 && text.includes('a decoder threw'),
    );
  });
});
