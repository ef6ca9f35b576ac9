import * as fc from './fast-check.js';
import { mostly } from './inputs.js';
import type { Context } from 'koa';
import { inspect } from 'node:util';

/** What a call gave, or how it was refused. */
export type Read<T> =
  | { readonly refused: false; readonly value: T }
  | { readonly refused: true; readonly isTyped: boolean; readonly message: string };

const CODES = ['CONFIG_INVALID', 'ENCRYPTION_INIT'];

export function refusalOf<T>(read: () => T): Read<T> {
  try {
    return { refused: false, value: read() };
  } catch (error) {
    const isKind = error instanceof TypeError || error instanceof RangeError;
    const isTyped = isKind && CODES.includes(String(Reflect.get(error, 'code')));
    return {
      refused: true,
      isTyped,
      message: isKind ? `${error.message} ${inspect(error.cause)}` : inspect(error),
    };
  }
}

/** Attributes do not look at it. */
export const NO_CONTEXT = {} as Context;

const HOSTILE_TEXTS = [
  '',
  '/',
  '/app',
  'app',
  '/; Domain=evil.example',
  '/\r\nX: 1',
  'a.example',
  '.a',
  'a;b',
  'lax',
  'Lax',
  'none',
  'strict',
  'high',
  'low',
  'é',
  '\0',
];

/** Attributes of a cookie, right ones mostly. */
export function attributesFor(names: fc.Arbitrary<string>): fc.Arbitrary<object> {
  const text = fc.oneof(fc.constantFrom(...HOSTILE_TEXTS), fc.string({ unit: 'binary', maxLength: 20 }));
  const flag = mostly(fc.boolean(), fc.constantFrom('true', 1, null));
  const attributes = {
    name: mostly(
      fc.oneof(
        names,
        fc.constantFrom('__Host-', '__secure-').chain(prefix => names.map(name => prefix + name)),
      ),
      text,
    ),
    domain: mostly(fc.domain(), text),
    path: mostly(
      fc.oneof(
        fc.constant('/'),
        fc.webPath().map(path => `/${path}`),
      ),
      text,
    ),
    secure: mostly(fc.constant(true), flag),
    httpOnly: flag,
    partitioned: flag,
    sameSite: mostly(fc.constantFrom('lax', 'strict', 'none'), text),
    priority: mostly(fc.constantFrom('low', 'medium', 'high'), text),
  };
  return fc.record(attributes, { requiredKeys: [] });
}
