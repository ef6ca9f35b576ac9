import { expect } from 'chai';
import * as fc from 'fast-check';
import { persistent, serialise } from '../../src/session/data.js';
import { Fields } from '../../src/session/fields.js';
import { Nested, showLater } from '../../src/session/nested.js';

const MAX = 1_000_000;
const LONG = { name: 'a cart', items: Array.from({ length: 40 }, (_, id) => ({ id, name: 'something' })) };

function fieldsOf(data: object): Fields {
  const text = JSON.stringify(data);
  return Fields.of(JSON.parse(text) as object, text);
}

/** An object that shows these fields, as a session does. */
function shown(fields: Fields): Record<string, unknown> {
  const target: Record<string, unknown> = {};
  for (const [key, field] of fields) {
    if (field instanceof Nested && showLater(target, key, field)) continue;
    const value: unknown = field instanceof Nested ? JSON.parse(field.text) : field;
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return target;
}

const keys = fc
  .string({ maxLength: 5 })
  .filter(key => !['__proto__', 'constructor', 'prototype'].includes(key));
const values = fc.oneof(
  fc
    .jsonValue({ maxDepth: 2 })
    .filter(value => !/"(__proto__|constructor|prototype)"/.test(JSON.stringify(value))),
  fc.constant(LONG),
  fc.constantFrom(undefined, Number.NaN, -0, new Date(0), () => 1, Symbol('s')),
);
const data = fc.dictionary(keys, values);
/** What somebody does to a session: nothing, looks, changes inside, sets or deletes. */
const acts = fc.array(fc.tuple(fc.constantFrom('look', 'push', 'set', 'delete'), fc.nat(6), values));

describe('the fields of a session', () => {
  it('are written as JSON writes the whole, whatever was looked at or changed', () => {
    fc.assert(
      fc.property(data, acts, (before, changes) => {
        const known = fieldsOf(persistent(before));
        const [target, plain] = [shown(known), shown(known)];
        for (const key of Object.keys(plain)) plain[key] = structuredClone(plain[key]);
        for (const [act, at, value] of changes) {
          const key = Object.keys(plain)[at] ?? `new${at}`;
          for (const object of [target, plain]) {
            if (act === 'look') void object[key];
            else if (act === 'set') object[key] = value;
            else if (act === 'delete') Reflect.deleteProperty(object, key);
            else if (Array.isArray(object[key])) object[key].push(1);
            else if (typeof object[key] === 'object') Object.assign(object[key] ?? {}, { more: 1 });
          }
        }
        const expected = serialise(persistent(plain), MAX);
        expect(Fields.from(target, known, MAX).text).to.equal(expected);
        if (known.fit(target)) expect(sorted(expected)).to.deep.equal(sorted(known.text));
      }),
    );
  });

  function sorted(text: string): unknown[] {
    return Object.entries(JSON.parse(text) as object).toSorted(([one], [other]) => (one < other ? -1 : 1));
  }

  it('fit what shows them, and nobody has to look for that', () => {
    const known = fieldsOf({ user: 'ada', n: 1, cart: LONG, small: { a: 1 } });
    const target = shown(known);
    expect(known.fit(target)).to.equal(true);
    expect(Fields.from(target, known, MAX).get('cart')).to.equal(known.get('cart'));
  });

  it('fit what somebody has looked at and left as it was', () => {
    const known = fieldsOf({ cart: LONG });
    const target = shown(known);
    expect(target['cart']).to.deep.equal(LONG);
    expect(known.fit(target)).to.equal(true);
  });

  for (const [change, act] of Object.entries<(target: Record<string, unknown>) => void>({
    'a change deep inside': target => void (target['cart'] as typeof LONG).items.pop(),
    'another value': target => void (target['n'] = 2),
    'another object': target => void (target['cart'] = { name: 'empty' }),
    'a key more': target => void (target['more'] = 1),
    'a key less': target => void delete target['cart'],
    'a key that is deleted and set to something else': target => {
      delete target['cart'];
      target['cart'] = 1;
    },
  })) {
    it(`do not fit ${change}`, () => {
      const known = fieldsOf({ n: 1, cart: LONG });
      const target = shown(known);
      act(target);
      expect(known.fit(target)).to.equal(false);
      expect(Fields.from(target, known, MAX).text).to.equal(JSON.stringify(target));
    });
  }

  it('are each object its own: what one has changed nobody else sees', () => {
    const known = fieldsOf({ cart: LONG });
    const [one, other] = [shown(known), shown(known)];
    (one['cart'] as typeof LONG).items.pop();
    expect(other['cart']).to.deep.equal(LONG);
  });

  it('can be seen through a Proxy, copied, listed and compared as if they were all there', () => {
    const target = shown(fieldsOf({ cart: LONG, n: 1 }));
    expect(new Proxy(target, {})['cart']).to.deep.equal(LONG);
    expect({ ...target }).to.deep.equal({ cart: LONG, n: 1 });
    expect(Object.keys(target)).to.deep.equal(['cart', 'n']);
    expect(JSON.stringify(target)).to.equal(JSON.stringify({ cart: LONG, n: 1 }));
    expect(target).to.deep.equal({ cart: LONG, n: 1 });
  });

  it('are refused as the whole would be: too deep, too large, hostile', () => {
    let deep: unknown = [];
    for (let level = 0; level < 499; level += 1) deep = [deep];
    const refused = (source: object): unknown => {
      try {
        return Fields.from(source, Fields.none, 2_000).text;
      } catch (error) {
        return Reflect.get(Object(error), 'code');
      }
    };
    expect(refused({ deep })).to.equal('DATA_INVALID');
    expect(() => serialise({ deep }, 2_000))
      .to.throw()
      .with.property('code', 'DATA_INVALID');
    expect(refused({ ok: (deep as unknown[])[0] }))
      .to.be.a('string')
      .and.not.equal('DATA_INVALID');
    expect(refused({ fill: '\u00e9'.repeat(1_000) })).to.equal('DATA_TOO_LARGE');
    expect(refused({ inner: JSON.parse('{"__proto__":1}') as unknown })).to.equal('DATA_INVALID');
    expect(refused(JSON.parse('{"constructor":1}') as object)).to.equal('DATA_INVALID');
    expect(refused({ big: 1n })).to.equal('DATA_INVALID');
  });
});
