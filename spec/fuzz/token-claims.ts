import * as fc from './fast-check.js';
import { Keyring } from '../../src/vault/keyring.js';
import { Tokens } from '../../src/vault/token.js';
import { tokenOf } from '../vectors/format-1.js';
import { type Claim, claim, type Tally } from './claim.js';
import { cookieNames, flipped, idPairs, ids, pairs, type Ring, rings, twoRings, verified } from './inputs.js';

const HOUR = 3_600_000;
const LAST_HOUR = 0xff_ffff;
const births = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: (LAST_HOUR + 9) * HOUR }));
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.split('');
/** What decoders of base64 skip, or take for something else. */
const FILLERS = [
  '=',
  '==',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  '.',
  '+',
  '/',
  '%3D',
  '%2D',
  '"',
  ';',
  '\u{feff}',
  '\u0141',
];

function issued({ keyring }: Ring, cookieName: string, id: Buffer, born = 0): string {
  return new Tokens(keyring, cookieName).issue(id, born);
}

function refuses(tally: Tally, ring: Pick<Ring, 'keyring'>, cookieName: string, token: string): void {
  tally.refuses(typeof verified(ring, cookieName, token) === 'string', token);
}

/** Other strings that some decoder takes for the same bytes. */
function spellings(token: string, at: number): string[] {
  const code = token.charCodeAt(at);
  const replaced = [code + 0x100, code + 0x2000, code + 0xfee0].map(each => String.fromCharCode(each));
  const put = (text: string, over: number): string => token.slice(0, at) + text + token.slice(at + over);
  const escaped = `%${code.toString(16).padStart(2, '0')}`;
  const standard = token.replaceAll('-', '+').replaceAll('_', '/');
  const others = [standard, `${token}=`, `"${token}"`, encodeURIComponent(`${token} `), put(escaped, 1)];
  return [
    ...others,
    ...FILLERS.map(each => put(each, 0)),
    ...FILLERS.map(each => put(each, 1)),
    ...replaced.map(each => put(each, 1)),
  ];
}

export const TOKEN_CLAIMS: readonly Claim[] = [
  claim(
    'a token opens to what it was issued for, and is that of the format',
    300,
    [rings, cookieNames, ids, births],
    (tally, ring, name, id, born) => {
      const token = issued(ring, name, id, born);
      const hour = Math.min(LAST_HOUR, Math.floor(born / HOUR));
      const claims = verified(ring, name, token);
      const right = typeof claims === 'object' && claims.id.equals(id) && claims.born === hour * HOUR;
      tally.takes(right && token === tokenOf(ring.keys, name, id, born), token);
    },
  ),
  claim(
    'a token with any bit flipped is refused',
    30,
    [rings, cookieNames, ids, births],
    (tally, ring, name, id, born) => {
      const bytes = Buffer.from(issued(ring, name, id, born), 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit += 1)
        refuses(tally, ring, name, flipped(bytes, bit).toString('base64url'));
    },
  ),
  claim(
    'a token cut anywhere, at either end, or extended is refused',
    60,
    [rings, cookieNames, ids, fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 1, maxLength: 80 })],
    (tally, ring, name, id, more) => {
      const token = issued(ring, name, id);
      for (let length = 0; length < token.length; length += 1) {
        refuses(tally, ring, name, token.slice(0, length));
        refuses(tally, ring, name, token.slice(token.length - length));
      }
      for (const longer of [token + more, more + token, token + token]) refuses(tally, ring, name, longer);
    },
  ),
  claim(
    'a token in any other spelling of its bytes is refused',
    100,
    [rings, cookieNames, ids, births, fc.nat(71)],
    (tally, ring, name, id, born, at) => {
      const token = issued(ring, name, id, born);
      for (const other of spellings(token, at).filter(each => each !== token))
        refuses(tally, ring, name, other);
    },
  ),
  claim(
    'a token under another cookie name is refused',
    300,
    [rings, pairs(cookieNames), ids, births],
    (tally, ring, [mine, other], id, born) => refuses(tally, ring, other, issued(ring, mine, id, born)),
  ),
  claim(
    'a token of another secret is refused, under a key id that is known too',
    200,
    [twoRings, cookieNames, ids, births],
    (tally, [mine, other], name, id, born) => {
      const token = issued(other, name, id, born);
      refuses(tally, mine, name, token);
      const posing = Buffer.concat([mine.keys.kid, Buffer.from(token, 'base64url').subarray(3)]);
      refuses(tally, mine, name, posing.toString('base64url'));
      const both = { keyring: new Keyring([mine.secret, other.secret]) };
      refuses(tally, both, name, posing.toString('base64url'));
    },
  ),
  claim(
    'a token put together from two is refused',
    100,
    [rings, cookieNames, idPairs, births],
    (tally, ring, name, [one, other], born) => {
      const [mine, theirs] = [one, other].map(id => Buffer.from(issued(ring, name, id, born), 'base64url'));
      if (!mine || !theirs) throw new Error('two ids have two tokens');
      for (let at = 7; at < mine.length; at += 1) {
        const mixed = Buffer.concat([mine.subarray(0, at), theirs.subarray(at)]);
        if (!mixed.equals(mine) && !mixed.equals(theirs))
          refuses(tally, ring, name, mixed.toString('base64url'));
      }
    },
  ),
  claim(
    'what nobody issued is refused, with a key id that is known too',
    400,
    [
      rings,
      cookieNames,
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.uint8Array({ minLength: 51, maxLength: 51 }),
    ],
    (tally, ring, name, text, rest) => {
      refuses(tally, ring, name, text);
      refuses(tally, ring, name, Buffer.concat([ring.keys.kid, rest]).toString('base64url'));
    },
  ),
];
