import * as fc from './fast-check.js';
import { hasCookie, readCookie, writeCookie } from '../../src/http/cookie.js';
import { readOptions, type SessionOptions } from '../../src/options.js';
import { type Claim, claim } from './claim.js';
import { cookieNames, ringOf } from './inputs.js';
import { attributesFor, NO_CONTEXT, refusalOf } from './options-of.js';

const { secret } = ringOf(0);
const values = fc.stringMatching(/^[A-Za-z0-9_-]{0,80}$/);
/** What looks like nothing at the edge of a name: to some parsers white space, to browsers a part of it. */
const INVISIBLE = [
  '\u00a0',
  '\u0085',
  '\u000b',
  '\u000c',
  '\r',
  '\n',
  '\0',
  '\u{feff}',
  '\u2003',
  '\u2028',
  '\u200b',
];
const pieces = (name: string, value: string): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(
      name,
      value,
      `${name}=${value}`,
      `${name}="${value}"`,
      '=',
      ';',
      '; ',
      ' ',
      '\t',
      '"',
      ',',
      '$',
      '%3D',
      ...INVISIBLE,
    ),
    fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
      maxLength: 8,
    }),
  );
const headers = fc.tuple(cookieNames, values).chain(([name, value]) =>
  fc.tuple(
    fc.constant(name),
    fc.array(pieces(name, value), { maxLength: 30 }).map(parts => parts.join('')),
  ),
);

/** RFC 6265 §4.2, and quotes as they come in pairs, word by word. */
function valuesUnder(header: string, name: string): string[] {
  return header.split(';').flatMap(pair => {
    const [, key, value] = /^[ \t]*([^=]*?)[ \t]*=[ \t]*([^]*?)[ \t]*$/.exec(pair) ?? [];
    if (key !== name || value === undefined) return [];
    return [/^"([^]*)"$/.exec(value)?.[1] ?? value];
  });
}

/** The one value if they are all the same. */
function onlyOne(found: readonly string[]): string | undefined {
  return new Set(found).size === 1 ? found[0] : undefined;
}

const ATTRIBUTES = [
  /^Max-Age=\d{1,8}$/,
  /^Path=\/[ -:<-~]*$/,
  /^Expires=Thu, 01 Jan 1970 00:00:00 GMT$/,
  /^Domain=[A-Za-z0-9.-]+$/,
  /^HttpOnly$/,
  /^Secure$/,
  /^SameSite=(Lax|Strict|None)$/,
  /^Partitioned$/,
  /^Priority=(Low|Medium|High)$/,
];

/** Nothing but what the library says, each at most once, and nothing that a browser would refuse. */
function isClean(cookie: string, name: string, value: string): boolean {
  const [first, ...parts] = cookie.split(';').map((part, at) => (at === 0 ? part : part.slice(1)));
  const kinds = parts.map(part => ATTRIBUTES.findIndex(pattern => pattern.test(part)));
  const has = (part: string): boolean => parts.includes(part);
  const prefix = /^__(host|secure)-/i.exec(name)?.[1]?.toLowerCase();
  return (
    first === `${name}=${value}` &&
    /^[ -~]*$/.test(cookie) &&
    !kinds.includes(-1) &&
    new Set(kinds).size === kinds.length &&
    (prefix === undefined || has('Secure')) &&
    (prefix !== 'host' || (has('Path=/') && !kinds.includes(3))) &&
    ((!has('SameSite=None') && !has('Partitioned')) || has('Secure'))
  );
}

export const COOKIE_CLAIMS: readonly Claim[] = [
  claim(
    'a header of anybody is read as RFC 6265 has it, by both readers alike',
    2_000,
    [headers],
    (tally, [name, header]) => {
      const read = readCookie(header, name);
      const there = valuesUnder(header, name);
      tally.takes(read === onlyOne(there) && hasCookie(header, name) === there.length > 0, header);
    },
  ),
  claim(
    'any text at all is read, and gives nothing that is not in it',
    500,
    [fc.string({ unit: 'binary', maxLength: 2_000 }), cookieNames],
    (tally, header, name) => {
      const read = readCookie(header, name);
      if (read === undefined) tally.refuses(true, header);
      else tally.takes(header.includes(read), header);
    },
  ),
  claim(
    'a name with something invisible at its edge is another name',
    500,
    [cookieNames, values, fc.constantFrom(...INVISIBLE), fc.boolean()],
    (tally, name, value, edge, first) => {
      const posing = first ? edge + name : name + edge;
      const header = `x${name}=1; ${posing}=${value}`;
      tally.refuses(readCookie(header, name) === undefined && !hasCookie(header, name), posing);
    },
  ),
  claim(
    'two values under one name are none',
    300,
    [cookieNames, fc.uniqueArray(values, { minLength: 2, maxLength: 4 })],
    (tally, name, several) => {
      tally.refuses(readCookie(several.map(each => `${name}=${each}`).join('; '), name) === undefined, name);
    },
  ),
  claim(
    'what was set is read again, among others',
    300,
    [cookieNames, values, fc.array(values), fc.double({ noNaN: true })],
    (tally, name, value, others, seconds) => {
      const [pair = ''] = writeCookie(name, value, seconds, {}).split(';');
      const around = others.map((each, at) => `${name}${at}=${each}`);
      tally.takes(readCookie([...around, pair, ...around].join('; '), name) === value, pair);
    },
  ),
  claim(
    'attributes are refused, or set with nothing added to them',
    1_500,
    [attributesFor(cookieNames), values, fc.double({ noNaN: true })],
    (tally, cookie, value, seconds) => {
      // Whatever plain JavaScript may pass.
      const options = { redis: false, secret, cookie } as SessionOptions;
      const read = refusalOf(() => readOptions(options, {}));
      if (read.refused) return tally.refuses(read.isTyped, read.message);
      const { cookieName, cookieAttributes } = read.value;
      const written = writeCookie(cookieName, value, seconds, cookieAttributes(NO_CONTEXT));
      tally.takes(isClean(written, cookieName, value), written);
    },
  ),
];
