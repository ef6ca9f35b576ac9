import { expect } from 'chai';
import { conflictingKeys, KEY_BY_KEY, type MergePolicy, mergeRecords } from '../../src/session/merge.js';
import {
  dataOf,
  decodeRecord,
  encodeRecord,
  fieldsIn,
  type SessionRecord,
  stampChanges,
} from '../../src/session/record.js';
import { type Stamp, Stamps, ZERO_STAMP } from '../../src/store/entry.js';
import { ManualClock } from '../support/manual-clock.js';

describe('merging two versions of a session', () => {
  const stamps = new Stamps(new ManualClock());
  const start = changed(undefined, { a: 1, b: 1 });

  /** The next version after `base`, with every changed key stamped. */
  function changed(
    base: SessionRecord | undefined,
    data: object,
    at: Partial<SessionRecord> = {},
  ): SessionRecord {
    const text = JSON.stringify(data);
    const times = {
      created: 1_000,
      login: undefined,
      used: 1_000,
      idle: 5_000,
      absolute: 9_000,
      maxAge: undefined,
    };
    const { maxAge } = { ...(base ?? times), ...at };
    const changes = stampChanges(base, { fields: fieldsIn(text), maxAge }, stamps.next(), 0);
    return { ...(base ?? times), stamps: changes, fields: fieldsIn(text), ...at };
  }

  function merge(theirs: SessionRecord, ours: SessionRecord, policy: MergePolicy = 'keys'): SessionRecord {
    return mergeRecords(theirs, ours, { ...KEY_BY_KEY, policy }, stamps.next());
  }

  it('keeps both sides where they changed different keys', () => {
    const merged = merge(changed(start, { a: 2, b: 1 }), changed(start, { a: 1, b: 2, c: 3 }));
    expect(dataOf(merged)).to.deep.equal({ a: 2, b: 2, c: 3 });
  });

  it('keeps the later change where both changed one key, whichever side it is on', () => {
    const earlier = changed(start, { a: 'earlier', b: 1 });
    const later = changed(start, { a: 'later', b: 1 });
    expect(dataOf(merge(earlier, later))).to.include({ a: 'later' });
    expect(dataOf(merge(later, earlier))).to.include({ a: 'later' });
  });

  it('does not bring a removed key back', () => {
    const removed = changed(start, { b: 1 });
    const other = changed(start, { a: 1, b: 2 });
    expect(dataOf(merge(removed, other))).to.deep.equal({ b: 2 });
    expect(dataOf(merge(other, removed))).to.deep.equal({ b: 2 });
  });

  it('gives a key back that was set again after its removal', () => {
    const removed = changed(start, { b: 1 });
    expect(dataOf(merge(removed, changed(start, { a: 'again', b: 1 })))).to.deep.equal({ a: 'again', b: 1 });
  });

  it('changes nothing when done twice, or in the other order', () => {
    const one = changed(start, { a: 2, b: 1, c: 1 });
    const other = changed(start, { b: 2 });
    const merged = merge(one, other);
    expect(merge(merged, other)).to.deep.equal(merged);
    expect(dataOf(merge(other, one))).to.deep.equal(dataOf(merged));
    expect(new Map([...merge(other, one).stamps].toSorted())).to.deep.equal(
      new Map([...merged.stamps].toSorted()),
    );
  });

  it('never merges inside a key', () => {
    const merged = merge(changed(start, { a: { x: 1 }, b: 1 }), changed(start, { a: { y: 2 }, b: 1 }));
    expect(dataOf(merged)['a']).to.deep.equal({ y: 2 });
  });

  it('lets a key without a time of its own only add what is missing', () => {
    const blind: SessionRecord = {
      ...start,
      fields: fieldsIn('{"a":"blind","new":1}'),
      stamps: stampChanges(
        undefined,
        { fields: fieldsIn('{"a":"blind","new":1}'), maxAge: undefined },
        ZERO_STAMP,
        0,
      ),
    };
    expect(dataOf(merge(start, blind))).to.deep.equal({ a: 1, b: 1, new: 1 });
    expect(dataOf(merge(changed(start, { b: 1 }), blind))).to.deep.equal({ b: 1, new: 1 });
  });

  it('takes the later idle deadline but never past the absolute one, and the earlier absolute one', () => {
    const one = changed(start, { a: 1 }, { idle: 8_000, absolute: 9_000, created: 500 });
    const other = changed(start, { a: 1 }, { idle: 6_000, absolute: 7_000 });
    expect(merge(one, other)).to.include({ idle: 7_000, absolute: 7_000, created: 500 });
  });

  it('never mixes a session before a login with one after it', () => {
    const anonymous = changed(start, { a: 'anonymous', extra: 1 });
    const authenticated = changed(
      start,
      { a: 1, b: 1 },
      { login: { at: 2_000, user: 'ada', label: undefined } },
    );
    expect(merge(anonymous, authenticated)).to.equal(authenticated);
    expect(merge(authenticated, anonymous)).to.equal(authenticated);
  });

  it("with 'latest' keeps the version with the last change whole", () => {
    const one = changed(start, { a: 2, b: 1, c: 1 });
    const later = changed(start, { b: 3 });
    expect(dataOf(merge(one, later, 'latest'))).to.deep.equal({ b: 3 });
    expect(dataOf(merge(later, one, 'latest'))).to.deep.equal({ b: 3 });
  });

  it('with a function keeps what the app decides, with a stamp of its own', () => {
    const one = changed(start, { a: 2, b: 1 });
    const other = changed(start, { a: 3, b: 1 });
    const merged = merge(one, other, (theirs, ours) => ({
      ...ours,
      a: Number(theirs['a']) + Number(ours['a']),
    }));
    expect(dataOf(merged)).to.deep.equal({ a: 5, b: 1 });
    expect((merged.stamps.get('a') ?? '') > (other.stamps.get('a') ?? '')).to.equal(true);
  });

  it('counts as conflicts the keys that both sides changed since the start', () => {
    const since = [...start.stamps.values()].toSorted().at(-1) as Stamp;
    expect(conflictingKeys(changed(start, { a: 2, b: 2 }), changed(start, { a: 3, b: 1 }), since)).to.equal(
      1,
    );
    expect(conflictingKeys(changed(start, { a: 2, b: 1 }), changed(start, { a: 1, b: 2 }), since)).to.equal(
      0,
    );
  });

  it('forgets the stamp of a key that was removed long ago', () => {
    const removed = changed(start, { b: 1 });
    const content = { fields: fieldsIn('{"b":1}'), maxAge: undefined };
    expect(stampChanges(removed, content, stamps.next(), 0).has('a')).to.equal(true);
    expect(stampChanges(removed, content, stamps.next(), Number.MAX_SAFE_INTEGER).has('a')).to.equal(false);
  });

  describe('as text', () => {
    it('comes back as it was, removed keys included', () => {
      const record = changed(
        changed(start, { b: 2, 'odd "key"\n': [1, { deep: null }] }),
        { b: 3 },
        { idle: null, maxAge: 60_000 },
      );
      expect(decodeRecord(encodeRecord(record))).to.deep.equal(record);
    });

    it('is refused where it is not ours', () => {
      const good = encodeRecord(start);
      const bad = [
        '',
        '{}',
        '\n',
        'null\n{}',
        '{}\n{}',
        good.slice(0, -1),
        good.replace('\n', ' '),
        good.replace('"x":9000', '"x":"9000"'),
        `${good}]`,
        good.replace(/\n.*/, '\n[]'),
      ];
      for (const text of bad) expect(decodeRecord(text), text).to.equal(undefined);
    });
  });
});
