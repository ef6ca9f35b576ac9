import { SessionError } from '../errors.js';

export type SessionJson = Record<string, unknown>;

/** Engines differ in how deep JSON may nest, and what one instance writes another must read. */
const MAX_DEPTH = 500;

/** Names that turn into something else when an object is copied carelessly (ASVS 15.3.6). */
const HOSTILE = ['__proto__', 'constructor', 'prototype'];

/**
 * The JSON text of session data. Keys that begin with `_` and functions stay out of it, as in koa-session.
 * Throws `DATA_INVALID` for what JSON cannot say (BigInt, cycles, too deep) or hostile keys at any depth, and
 * `DATA_TOO_LARGE` above `maxBytes` of UTF-8. Messages never quote the data.
 */
export function serialise(data: SessionJson, maxBytes: number): string {
  const text = stringify(data) ?? '{}';
  refuseUnfit(text);
  refuseLarge(text, maxBytes);
  return text;
}

/** What of an object is session data. */
export function persistent(source: object): SessionJson {
  const data: SessionJson = {};
  for (const [key, value] of Object.entries(source)) {
    if (!isPersistent(key, value)) continue;
    Object.defineProperty(data, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return data;
}

export function isPersistent(key: string, value: unknown): boolean {
  return typeof value !== 'function' && (!key.startsWith('_') || key === '__proto__');
}

/** The JSON of one value; `undefined` for what JSON leaves out. Throws `DATA_INVALID`. */
export function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw invalid(
      error instanceof RangeError
        ? 'it nests too deep'
        : 'it holds a BigInt, a cycle or a toJSON that throws',
    );
  }
}

/** Throws `DATA_INVALID` for a name that no key may have. */
export function refuseKey(key: string): void {
  if (HOSTILE.includes(key))
    throw new SessionError('DATA_INVALID', `session data must not have a key "${key}"`);
}

/** Throws `DATA_INVALID` for JSON with such keys, or that nests too deep, `above` levels down as it is. */
export function refuseUnfit(text: string, above = 0): void {
  if (text.length > MAX_DEPTH && depthOf(text) + above > MAX_DEPTH) throw invalid('it nests too deep');
  if (HOSTILE.some(name => text.includes(`"${name}"`))) refuseHostile(text);
}

/** Throws `DATA_TOO_LARGE`. UTF-8 needs at most three bytes for each unit of a string. */
export function refuseLarge(text: string, maxBytes: number): void {
  const large = text.length > maxBytes || (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes);
  if (large)
    throw new SessionError('DATA_TOO_LARGE', `session data exceeds maxDataBytes (${maxBytes} bytes)`);
}

function invalid(because: string): SessionError {
  return new SessionError('DATA_INVALID', `session data cannot be written as JSON: ${because}`);
}

/** How deep objects and arrays nest in a JSON text. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === '[' || character === '{') deepest = Math.max(deepest, (depth += 1));
    else if (character === ']' || character === '}') depth -= 1;
  }
  return deepest;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/** The text names a hostile key, or holds it as a mere value. */
function refuseHostile(text: string): void {
  JSON.parse(text, function (this: unknown, key: string, value: unknown) {
    refuseKey(key);
    return value;
  });
}
