import { expect } from 'chai';
import * as fc from '../fuzz/fast-check.js';
import { BoundedMap, type Kept } from '../../src/store/bounded-map.js';

interface Box extends Kept {
  readonly bytes: number;
}

const CAP = 10_000;
const letters = (text: string): string[] => text.split('');
const box = (bytes: number): Box => ({ bytes, used: false });

function mapOf(...keys: string[]): BoundedMap<Box> {
  const map = new BoundedMap<Box>(CAP, ({ bytes }) => bytes);
  for (const key of keys) map.set(key, box(1_000));
  return map;
}

describe('a bounded map', () => {
  it('lets go of the oldest first', () => {
    const map = mapOf(...letters('abcdefgh'));
    map.set('new', box(1_500));
    expect(map.get('a')).to.equal(undefined);
    expect(map.get('h')).to.not.equal(undefined);
    expect(map.get('new')).to.not.equal(undefined);
  });

  it('spares once what was used', () => {
    const map = mapOf(...letters('abcdefgh'));
    map.use('a');
    map.set('new', box(1_500));
    expect(map.get('a')).to.not.equal(undefined);
    expect(map.get('b')).to.equal(undefined);
    for (const key of letters('ijklmnop')) map.set(key, box(1_000));
    expect(map.get('a')).to.equal(undefined);
  });

  it('counts a newer value as a use, and a look as none', () => {
    const map = mapOf(...letters('abcdefgh'));
    map.set('a', box(1_000));
    map.get('b');
    map.set('new', box(1_500));
    expect(map.get('a')).to.not.equal(undefined);
    expect(map.get('b')).to.equal(undefined);
  });

  it('keeps what comes, though all that is there is in use', () => {
    const map = mapOf(...letters('abcdefgh'));
    for (const key of letters('abcdefgh')) map.use(key);
    map.set('new', box(1_500));
    expect(map.get('new')).to.not.equal(undefined);
  });

  it('gives the keys of what was used last', () => {
    const map = mapOf(...letters('abc'));
    map.use('a');
    expect(map.keys()).to.deep.equal(['b', 'c', 'a']);
  });

  it('keeps nothing that is larger than its cap, nor what that was to replace', () => {
    const map = mapOf('a', 'b');
    map.set('a', box(CAP));
    expect(map.keys()).to.deep.equal(['b']);
  });

  it('stays within its cap, and counts what it has, whatever comes and goes', () => {
    const key = fc.integer({ min: 0, max: 30 }).map(String);
    const step = fc.oneof(
      fc.record({ act: fc.constant('set' as const), key, bytes: fc.integer({ min: 0, max: CAP + 100 }) }),
      fc.record({ act: fc.constantFrom('use' as const, 'delete' as const), key }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const map = mapOf();
        const model = new Map<string, Box>();
        for (const each of steps) {
          if (each.act === 'set') model.set(each.key, put(map, each.key, each.bytes));
          else if (each.act === 'use') map.use(each.key);
          else expect(map.delete(each.key)).to.equal(model.delete(each.key));
          forgetWhatWent(model, map);
          expect(map.bytes).to.be.at.most(CAP);
          expect(map.bytes).to.equal(counted(model));
          expect(map.size).to.equal(model.size);
        }
      }),
    );
  });
});

function put(map: BoundedMap<Box>, key: string, bytes: number): Box {
  const value = box(bytes);
  map.set(key, value);
  return value;
}

/** What is there is what was put last. */
function forgetWhatWent(model: Map<string, Box>, map: BoundedMap<Box>): void {
  for (const [key, value] of model) {
    if (map.get(key) === undefined) model.delete(key);
    else expect(map.get(key)).to.equal(value);
  }
}

/** As a map of its own counts them, which has room for all. */
function counted(model: ReadonlyMap<string, Box>): number {
  const roomy = new BoundedMap<Box>(Infinity, ({ bytes }) => bytes);
  for (const [key, { bytes }] of model) roomy.set(key, box(bytes));
  return roomy.bytes;
}
