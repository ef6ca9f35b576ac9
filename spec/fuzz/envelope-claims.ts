import * as fc from './fast-check.js';
import {
  bodyOf,
  isEntry,
  isStamp,
  isTombstone,
  reasonOf,
  recordEntry,
  stampOf,
  tombstoneEntry,
} from '../../src/store/entry.js';
import { Keyring } from '../../src/vault/keyring.js';
import { storeKeyOf } from '../../src/vault/token.js';
import { openedText, sealedEntry, tombstoneOf } from '../vectors/format-1.js';
import { type Claim, claim, type Tally } from './claim.js';
import {
  bytesOf,
  flipped,
  idPairs,
  ids,
  junk,
  openedIn,
  pairs,
  type Place,
  placeOf,
  prefixes,
  rings,
  sealedIn,
  stamps,
  texts,
  twoRings,
} from './inputs.js';

const KID_AT = 18;
/** Where in an entry one part ends and the next begins: kind, stamp, format, kid, nonce. */
const BOUNDARIES = [1, 17, 18, 21, 33];
const SHORT_TAGS = [4, 8, 12, 13, 14, 15];
const places = fc.tuple(rings, ids, prefixes, stamps).map(parts => placeOf(...parts));

function refuses(tally: Tally, place: Place, entry: Buffer, what: string): void {
  tally.refuses(openedIn(place, entry) === undefined, what);
}

function mixed(one: Buffer, other: Buffer): Buffer[] {
  const cuts = [...BOUNDARIES, one.length - 16];
  return cuts.map(at => Buffer.concat([one.subarray(0, at), other.subarray(at)]));
}

export const ENVELOPE_CLAIMS: readonly Claim[] = [
  claim(
    'a record opens to the text that was sealed, here and by the format',
    200,
    [rings, ids, prefixes, stamps, texts, bytesOf(12)],
    (tally, ring, id, prefix, stamp, text, nonce) => {
      const place = placeOf(ring, id, prefix, stamp);
      const entry = sealedIn(place, text);
      tally.takes(openedIn(place, entry) === text && stampOf(entry) === stamp, 'sealed here, opened here');
      tally.takes(openedText(ring.keys, place, entry) === text, 'sealed here, opened by the format');
      const theirs = sealedEntry(ring.keys, place, nonce, text);
      tally.takes(openedIn(place, theirs) === text, 'sealed by the format, opened here');
    },
  ),
  claim('a record with any bit flipped does not open', 6, [places, texts], (tally, place, text) => {
    const entry = sealedIn(place, text);
    for (let bit = 0; bit < entry.length * 8; bit += 1)
      refuses(tally, place, flipped(entry, bit), `bit ${bit}`);
  }),
  claim(
    'a record cut anywhere, at either end, or extended does not open',
    25,
    [places, texts, junk.filter(({ length }) => length > 0)],
    (tally, place, text, more) => {
      const entry = sealedIn(place, text);
      for (let length = 0; length < entry.length; length += 1) {
        refuses(tally, place, entry.subarray(0, length), `cut to ${length}`);
        refuses(tally, place, entry.subarray(entry.length - length), `the last ${length}`);
      }
      for (const longer of [
        [entry, more],
        [more, entry],
      ])
        refuses(tally, place, Buffer.concat(longer), 'extended');
    },
  ),
  claim(
    'a record does not open for another id, alone or with its store key',
    150,
    [rings, idPairs, prefixes, stamps, texts],
    (tally, ring, [id, other], prefix, stamp, text) => {
      const place = placeOf(ring, id, prefix, stamp);
      const entry = sealedIn(place, text);
      refuses(tally, placeOf(ring, other, prefix, stamp), entry, 'put under the key of another');
      refuses(tally, { ...place, id: other }, entry, 'another id, the same key');
      refuses(tally, { ...place, storeKey: storeKeyOf(other) }, entry, 'another key, the same id');
    },
  ),
  claim(
    'a record does not open under another prefix: apps cannot swap records',
    150,
    [rings, ids, pairs(prefixes), stamps, texts],
    (tally, ring, id, [prefix, other], stamp, text) => {
      const entry = sealedIn(placeOf(ring, id, prefix, stamp), text);
      refuses(tally, placeOf(ring, id, other, stamp), entry, `${prefix} → ${other}`);
    },
  ),
  claim(
    'an older record does not open under a newer stamp, nor in part',
    100,
    [rings, ids, prefixes, pairs(stamps), texts, texts],
    (tally, ring, id, prefix, [before, after], older, newer) => {
      const place = placeOf(ring, id, prefix, before);
      const [old, fresh] = [sealedIn(place, older), sealedIn({ ...place, stamp: after }, newer)];
      refuses(tally, place, recordEntry(after, bodyOf(old)), 'restamped');
      for (const [at, entry] of mixed(old, fresh).entries())
        if (!entry.equals(old) && !entry.equals(fresh)) refuses(tally, place, entry, `mixed at part ${at}`);
    },
  ),
  claim(
    'a record does not open as another kind, or in another format',
    100,
    [places, texts, fc.integer({ min: 2, max: 255 })],
    (tally, place, text, other) => {
      for (const at of [0, 17]) {
        const entry = sealedIn(place, text);
        entry.writeUInt8(other, at);
        refuses(tally, place, entry, `byte ${at} is ${other}`);
      }
      refuses(tally, place, tombstoneEntry(place.stamp, 'destroyed'), 'a tombstone');
    },
  ),
  claim(
    'a record of another secret does not open, under a key id that is known too',
    100,
    [twoRings, ids, prefixes, stamps, texts],
    (tally, [mine, other], id, prefix, stamp, text) => {
      const place = placeOf(mine, id, prefix, stamp);
      const entry = sealedIn(placeOf(other, id, prefix, stamp), text);
      refuses(tally, place, entry, 'of another secret');
      mine.keys.kid.copy(entry, KID_AT);
      refuses(tally, place, entry, 'under our key id');
      const both = new Keyring([mine.secret, other.secret]);
      refuses(tally, { ...place, keyring: both }, entry, 'where both secrets are known');
    },
  ),
  claim(
    'a record with a short tag does not open, as it is or filled up',
    100,
    [rings, ids, prefixes, stamps, bytesOf(12), fc.string({ minLength: 16, maxLength: 60 })],
    (tally, ring, id, prefix, stamp, nonce, text) => {
      const place = placeOf(ring, id, prefix, stamp);
      const whole = sealedEntry(ring.keys, place, nonce, text);
      for (const bytes of SHORT_TAGS) {
        const entry = sealedEntry(ring.keys, place, nonce, text, bytes);
        refuses(tally, place, entry, `a tag of ${bytes} bytes`);
        const filled = Buffer.concat([entry, Buffer.alloc(16 - bytes)]);
        // The whole tag may end with the zeros that are put here.
        if (!filled.equals(whole)) refuses(tally, place, filled, `${bytes} bytes and zeros`);
      }
    },
  ),
  claim(
    'what nobody sealed does not open, under a known key id too',
    300,
    [rings, places, junk],
    (tally, ring, place, bytes) => {
      refuses(tally, place, bytes, 'bytes');
      const head = Buffer.concat([Buffer.of(1), ring.keys.kid]);
      const posing = recordEntry(place.stamp, Buffer.concat([head, bytes]));
      refuses(tally, { ...place, keyring: ring.keyring }, posing, 'behind a good head');
    },
  ),
  claim(
    'bytes of anybody have the shape of an entry, or none',
    400,
    [junk, fc.nat(3)],
    (tally, bytes, kind) => {
      for (const entry of [bytes, Buffer.concat([Buffer.of(kind), bytes])]) {
        if (!isEntry(entry)) tally.refuses(true, 'no entry');
        else
          tally.takes(
            isStamp(stampOf(entry)) && (!isTombstone(entry) || reasonOf(entry) !== undefined),
            'an entry',
          );
      }
    },
  ),
  claim(
    'a tombstone says what it was made of',
    200,
    [stamps, fc.constantFrom('destroyed', 'regenerated')],
    (tally, stamp, reason) => {
      const tombstone = tombstoneEntry(stamp, reason);
      const told = isEntry(tombstone) && isTombstone(tombstone) && reasonOf(tombstone) === reason;
      tally.takes(
        told && stampOf(tombstone) === stamp && tombstone.equals(tombstoneOf(stamp, reason)),
        reason,
      );
    },
  ),
  claim('two ids have two store keys', 200, [idPairs], (tally, [one, other]) => {
    const [mine, theirs] = [storeKeyOf(one), storeKeyOf(other)];
    tally.takes(mine !== theirs && /^[\w-]{43}$/.test(mine), mine);
  }),
];
