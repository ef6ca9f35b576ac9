import { expect } from 'chai';
import * as fc from 'fast-check';
import { Bag } from '../../src/store/bag.js';

describe('a bag', () => {
  it('holds what was put and not taken, however things come and go', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(20))), steps => {
        const bag = new Bag<number>();
        const places: [number, number][] = [];
        for (const step of steps) {
          if (step !== null) places.push([bag.put(step), step]);
          else for (const [place] of places.splice(0, 1)) bag.take(place);
          expect([...bag]).to.have.members(places.map(([, thing]) => thing));
          expect(bag.size).to.equal(places.length);
        }
      }),
    );
  });

  it('uses a place again that has become free', () => {
    const bag = new Bag<string>();
    const first = bag.put('a');
    bag.put('b');
    bag.take(first);
    expect(bag.put('c')).to.equal(first);
  });

  it('may be taken from while somebody looks through it', () => {
    const bag = new Bag<string>();
    const places = ['a', 'b', 'c'].map(thing => bag.put(thing));
    const seen: string[] = [];
    for (const thing of bag) {
      seen.push(thing);
      bag.take(places[1] ?? -1);
      if (seen.length === 2) break;
    }
    expect(seen).to.deep.equal(['a', 'c']);
  });
});
