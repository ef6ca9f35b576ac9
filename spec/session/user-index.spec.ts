import { expect } from 'chai';
import {
  changed,
  decodeIndex,
  EMPTY_INDEX,
  encodeIndex,
  ends,
  indexLimit,
  type Listed,
  mergeIndexes,
  settled,
  type UserIndex,
} from '../../src/session/user-index.js';
import { Random } from '../simulation/random.js';

const ROUNDS = 2_000;
const KEYS = ['a', 'b', 'c', 'd'] as const;

interface Order {
  readonly at: number;
  readonly except: string | undefined;
}

function randomOrder(random: Random): Order {
  return { at: random.whole(1, 12), except: random.chance(0.3) ? undefined : random.pick(KEYS) };
}

function indexOf({ at, except }: Order): UserIndex {
  return changed(EMPTY_INDEX, { ending: { at, except, before: 0 } });
}

/** Merges all of them, two at a time, in any order, some of them twice. */
function mergedAnyhow(indexes: readonly UserIndex[], random: Random): UserIndex {
  const left = [...indexes, ...indexes.filter(() => random.chance(0.3))];
  while (left.length > 1) {
    const [one] = left.splice(random.whole(0, left.length - 1), 1);
    const [other] = left.splice(random.whole(0, left.length - 1), 1);
    if (one && other) left.push(mergeIndexes(one, other));
  }
  return left[0] ?? EMPTY_INDEX;
}

function listed(random: Random): Listed {
  const used = random.whole(1, 1000);
  return { created: 1, login: 1, used, until: used + random.whole(1, 9), label: undefined };
}

describe('the index of a user', () => {
  it('ends just those whom an order did not except, in whatever order the orders are merged', () => {
    const random = new Random('endings');
    for (let round = 0; round < ROUNDS; round += 1) {
      const orders = Array.from({ length: random.whole(1, 5) }, () => randomOrder(random));
      const { ending } = mergedAnyhow(orders.map(indexOf), random);
      for (const key of [...KEYS, 'never excepted']) {
        for (let login = 0; login <= 13; login += 1) {
          const meant = orders.some(({ at, except }) => login < at && except !== key);
          expect(ends(ending, key, login), `${JSON.stringify(orders)} ${key} ${login}`).to.equal(meant);
        }
      }
    }
  });

  it('has of each session what was noted last, in whatever order versions are merged', () => {
    const random = new Random('sessions');
    for (let round = 0; round < ROUNDS; round += 1) {
      const versions = Array.from({ length: random.whole(1, 5) }, () => ({
        ...EMPTY_INDEX,
        sessions: new Map(KEYS.filter(() => random.chance(0.5)).map(key => [key, listed(random)])),
      }));
      const { sessions } = mergedAnyhow(versions, random);
      for (const key of KEYS) {
        const uses = versions.map(version => version.sessions.get(key)?.used ?? 0);
        expect(sessions.get(key)?.used ?? 0).to.equal(Math.max(...uses));
      }
    }
  });

  it('reads what it wrote, and nothing else', () => {
    const index: UserIndex = {
      sessions: new Map([
        ['a', { created: 1, login: 2, used: 3, until: 4, label: 'Firefox "on" \\ Ärger 🙂' }],
        ['__proto__', { created: 1, login: 2, used: 3, until: 4, label: undefined }],
      ]),
      ending: { at: 5, except: 'a', before: 3 },
    };
    expect(decodeIndex(encodeIndex(index))).to.deep.equal(index);
    const foreign = [
      '',
      '{}',
      '[]',
      'null',
      '7',
      '{"e":[1,null,0]}',
      '{"e":[1,null],"s":{}}',
      '{"s":{"a":[1]}}',
    ];
    for (const text of [
      ...foreign,
      '{"e":[0,null,0],"s":{"a":[1,2,3]}}',
      '{"e":[0,null,0],"s":{"a":[1,2,3,4,5]}}',
    ])
      expect(decodeIndex(text), text).to.equal(undefined);
  });

  it('never outgrows its limit, whatever the labels', () => {
    const label = '"\\🙂'.repeat(25);
    const time = 9_999_999_999_999.5;
    const worst = { created: time, login: time, used: time, until: time, label };
    const sessions = new Map(Array.from({ length: 100 }, (_, n) => [String(n).padStart(43, '-'), worst]));
    const text = encodeIndex({ sessions, ending: { at: time, except: '-'.repeat(43), before: time } });
    expect(Buffer.byteLength(text)).to.be.lessThan(indexLimit(100) - 128);
  });

  it('lets go of what has run out, and ends the longest unused of too many', () => {
    const at = (used: number, until: number): Listed => ({
      created: 1,
      login: 1,
      used,
      until,
      label: undefined,
    });
    const sessions = new Map([
      ['over', at(9, 10)],
      ['old', at(1, 99)],
      ['new', at(8, 99)],
      ['mid', at(5, 99)],
    ]);
    const { index, fallen } = settled({ ...EMPTY_INDEX, sessions }, 10, 2);
    expect([...index.sessions.keys()]).to.deep.equal(['new', 'mid']);
    expect(fallen).to.deep.equal(['old']);
  });
});
