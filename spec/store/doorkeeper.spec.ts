import { expect } from 'chai';
import { Doorkeeper } from '../../src/store/doorkeeper.js';
import { storeKeyOf } from '../../src/vault/token.js';

const keys = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => storeKeyOf(Buffer.from(`${name} ${index}`)));

describe('a doorkeeper', () => {
  it('knows who came before, and nobody else', () => {
    const door = new Doorkeeper();
    const guests = keys('guest', 1_000);
    expect(guests.filter(key => door.knows(key))).to.deep.equal([]);
    expect(guests.filter(key => door.knows(key)).length).to.be.above(950);
    expect(keys('stranger', 1_000).filter(key => door.knows(key))).to.deep.equal([]);
  });

  it('forgets who came long ago, when many have come since', () => {
    const door = new Doorkeeper();
    const guests = keys('guest', 100);
    for (const key of [...guests, ...keys('other', 300_000)]) door.knows(key);
    expect(guests.filter(key => door.knows(key))).to.deep.equal([]);
  });
});
