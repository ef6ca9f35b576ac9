import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import type { KeyObject } from 'node:crypto';
import { decodeBook, encodeBook } from '../../src/session/rotation.js';
import { decodeIndex, encodeIndex, type UserIndex } from '../../src/session/user-index.js';
import { decodeRecord, encodeRecord, type SessionRecord, fieldsIn } from '../../src/session/record.js';
import {
  isEntry,
  isStamp,
  isTombstone,
  reasonOf,
  type Stamp,
  stampOf,
  tombstoneEntry,
} from '../../src/store/entry.js';
import { Keyring } from '../../src/vault/keyring.js';
import { Sealer } from '../../src/vault/seal.js';
import { pseudonymOf, storeKeyOf, Tokens } from '../../src/vault/token.js';
import { Vault } from '../../src/vault/vault.js';
import { ManualClock } from '../support/manual-clock.js';
import { DIGESTS } from './digests.js';
import * as format from './format-1.js';
import { digestOf, FILES, vectors } from './read.js';

const secrets = new Map(vectors('keys').map(each => [each.name, each] as const));
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const hexOf = (key: KeyObject): string => key.export().toString('hex');

/** Deriving a passphrase takes half a second, so that each secret is derived once. */
const keyringOf = remembered(name => new Keyring([secretOf(name).secret]));
const vaultOf = remembered(
  name =>
    new Vault(
      { secrets: [secretOf(name).secret], cookieName: 'session', prefix: 'sess:' },
      new ManualClock(),
    ),
);
const keysOf = remembered(name => format.keysOf(secretOf(name).secret, secretOf(name).kind));

describe('the vectors of format 1', () => {
  it('are in no file that this test does not know', () => {
    const files = readdirSync(new URL('.', import.meta.url)).filter(name => name.endsWith('.json'));
    expect(files).to.have.members(FILES.map(name => `${name}.json`));
  });

  for (const file of FILES) {
    it(`are never edited, and none is gone: ${file}`, () => {
      const found = Object.fromEntries(vectors(file).map(each => [each.name, digestOf(each)]));
      expect(found, 'digests.ts lists what is frozen').to.deep.equal(DIGESTS[file]);
    });

    it(`have a name each: ${file}`, () => {
      const names = vectors(file).map(({ name }) => name);
      expect(new Set(names).size).to.equal(names.length);
    });
  }
});

describe('the keys of a secret', () => {
  for (const { name, ...vector } of vectors('keys')) {
    it(`are those of the format: ${name}`, () => {
      const { root, kid, token, record, index, book } = keysOf(name);
      const made = { root, kid, token, record, index, book };
      const hex = Object.fromEntries(
        Object.entries(made).map(([key, value]) => [key, value.toString('hex')]),
      );
      expect({ secret: vector.secret, kind: vector.kind, ...hex }).to.deep.equal(vector);
    });

    it(`are those that the library derives: ${name}`, () => {
      const { kid, token, record, index, book } = keyringOf(name).current;
      const made = { token: hexOf(token), record: hexOf(record), index: hexOf(index), book: hexOf(book) };
      expect(vector).to.include({ kid: kid.toString('hex'), ...made });
    });
  }
});

describe('the names of a session', () => {
  for (const { name, id, storeKey, pseudonym, prefix, redisKey } of vectors('identities')) {
    it(`are those of the format: ${name}`, () => {
      expect(format.storeKeyOf(bytes(id))).to.equal(storeKey);
      expect(format.pseudonymOf(storeKey)).to.equal(pseudonym);
      expect(prefix + storeKey).to.equal(redisKey);
    });

    it(`are those that the library gives: ${name}`, () => {
      expect(storeKeyOf(bytes(id))).to.equal(storeKey);
      expect(pseudonymOf(storeKey)).to.equal(pseudonym);
    });
  }

  for (const { name, secret, user, id } of vectors('derived')) {
    it(`follow from a secret where the library keeps things of its own: ${name}`, () => {
      const made = user === null ? format.bookIdOf(keysOf(secret)) : format.indexIdOf(keysOf(secret), user);
      expect(made.toString('hex')).to.equal(id);
      const { storeKey, ...found } = derivedBy(secret, user);
      expect(found).to.deep.equal({ id });
      expect(storeKey).to.equal(format.storeKeyOf(bytes(id)));
    });
  }
});

describe('a token of format 1', () => {
  for (const { name, secret, cookieName, id, born, bornHour, token } of vectors('tokens')) {
    it(`is that of the format: ${name}`, () => {
      expect(format.tokenOf(keysOf(secret), cookieName, bytes(id), born)).to.equal(token);
      const claims = format.claimsOf(keysOf(secret), cookieName, token);
      expect(claims).to.deep.equal({ id: bytes(id), hour: bornHour / 3_600_000 });
    });

    it(`is issued and opened by the library: ${name}`, () => {
      const tokens = new Tokens(keyringOf(secret), cookieName);
      expect(tokens.issue(bytes(id), born)).to.equal(token);
      expect(tokens.verify(token)).to.deep.equal({ id: bytes(id), born: bornHour, current: true });
    });
  }
});

describe('an envelope of format 1', () => {
  for (const { name, secret, nonce, text, entry, ...place } of vectors('envelopes')) {
    it(`is that of the format: ${name}`, () => {
      const there = { ...place, id: bytes(place.id) };
      const keys = keysOf(secret);
      expect(format.sealedEntry(keys, there, bytes(nonce), text).toString('hex')).to.equal(entry);
      expect(format.openedText(keys, there, bytes(entry))).to.equal(text);
    });

    it(`is sealed and opened by the library: ${name}`, () => {
      const sealer = new Sealer(keyringOf(secret), new GivenBytes(bytes(nonce)), place.prefix);
      const [id, stamp] = [bytes(place.id), asStamp(place.stamp)];
      expect(storeKeyOf(id)).to.equal(place.storeKey);
      expect(sealer.seal(id, place.storeKey, stamp, text).toString('hex')).to.equal(entry);
      expect(isEntry(bytes(entry))).to.equal(true);
      expect(stampOf(bytes(entry))).to.equal(stamp);
      const opened = sealer.open(id, place.storeKey, bytes(entry));
      expect(opened).to.deep.equal({ opened: true, text, current: true });
    });
  }
});

describe('a tombstone of format 1', () => {
  for (const { name, stamp, reason, made, entry } of vectors('tombstones')) {
    if (made) {
      it(`is that of the format, and the library makes it: ${name}`, () => {
        expect(format.tombstoneOf(stamp, reason).toString('hex')).to.equal(entry);
        expect(tombstoneEntry(asStamp(stamp), reason).toString('hex')).to.equal(entry);
      });
    }

    it(`is read by the library: ${name}`, () => {
      const tombstone = bytes(entry);
      expect([isEntry(tombstone), isTombstone(tombstone)]).to.deep.equal([true, true]);
      expect([stampOf(tombstone), reasonOf(tombstone)]).to.deep.equal([stamp, reason]);
    });
  }
});

describe('the text of a record of format 1', () => {
  for (const { name, text, ...fields } of vectors('records')) {
    it(`is that of the format: ${name}`, () => {
      expect(format.recordTextOf(fields)).to.equal(text);
    });

    it(`is written and read by the library: ${name}`, () => {
      const record = recordOf(fields);
      expect(encodeRecord(record)).to.equal(text);
      expect(decodeRecord(text)).to.deep.equal(record);
    });
  }
});

describe('what the library keeps for itself, in format 1', () => {
  for (const { name, text, ...fields } of vectors('indexes')) {
    it(`is an index as the format has it, and the library writes and reads it: ${name}`, () => {
      expect(format.indexTextOf(fields)).to.equal(text);
      expect(encodeIndex(indexOf(fields))).to.equal(text);
      expect(decodeIndex(text)).to.deep.equal(indexOf(fields));
    });
  }

  for (const { name, text, ...fields } of vectors('books')) {
    it(`is a book as the format has it, and the library writes and reads it: ${name}`, () => {
      const book = { since: fields.since, used: new Map(fields.used) };
      expect(format.bookTextOf(fields)).to.equal(text);
      expect(encodeBook(book)).to.equal(text);
      expect(decodeBook(text)).to.deep.equal(book);
    });
  }
});

describe('a session of format 1', () => {
  it('opens as a whole, from cookie and entry to data, in a vault as the middleware has it', () => {
    const [envelope] = vectors('envelopes').filter(({ name }) => name === 'a record');
    if (!envelope) throw new Error('the vector is gone');
    const { secret, prefix, id, stamp, text, entry } = envelope;
    const options = { secrets: [secretOf(secret).secret], cookieName: 'session', prefix };
    const claims = new Vault(options, new ManualClock()).verify(
      format.tokenOf(keysOf(secret), 'session', bytes(id), 0),
    );
    if (typeof claims === 'string') throw new Error(claims);
    const sealing = new Vault(options, new GivenBytes(bytes(envelope.nonce)));
    expect(sealing.open(claims.identity, bytes(entry))).to.include({ opened: true, text });
    expect(sealing.seal(claims.identity, asStamp(stamp), text).toString('hex')).to.equal(entry);
  });
});

/** A clock whose chance is what a vector says. */
class GivenBytes extends ManualClock {
  readonly #given: Buffer;

  constructor(given: Buffer) {
    super();
    this.#given = given;
  }

  override bytes(count: number): Buffer {
    if (count !== this.#given.length) throw new RangeError(`${count} bytes are not what was given`);
    return Buffer.from(this.#given);
  }
}

function secretOf(name: string): { readonly secret: string; readonly kind: format.SecretKind } {
  const found = secrets.get(name);
  if (!found) throw new RangeError(`keys.json has no secret "${name}"`);
  return found;
}

function derivedBy(secret: string, user: string | null): { id: string; storeKey: string } {
  const vault = vaultOf(secret);
  const identity = user === null ? vault.bookIdentities()[0]?.identity : vault.indexIdentities(user)[0];
  return { id: identity?.id.toString('hex') ?? 'none', storeKey: identity?.key ?? 'none' };
}

function recordOf({ login, maxAge, stamps, data, ...times }: format.RecordFields): SessionRecord {
  return {
    ...times,
    login: login === null ? undefined : { ...login, label: login.label ?? undefined },
    maxAge: maxAge ?? undefined,
    stamps: new Map(stamps.map(([key, stamp]) => [key, asStamp(stamp)])),
    fields: fieldsIn(data),
  };
}

function indexOf({ sessions, at, except, before }: format.IndexFields): UserIndex {
  const listed = sessions.map(
    ({ key, label, ...times }) => [key, { ...times, label: label ?? undefined }] as const,
  );
  return { sessions: new Map(listed), ending: { at, except: except ?? undefined, before } };
}

function asStamp(hex: string): Stamp {
  if (!isStamp(hex)) throw new RangeError(`no stamp: ${hex}`);
  return hex;
}

function remembered<T>(make: (name: string) => T): (name: string) => T {
  const known = new Map<string, T>();
  return name => {
    const found = known.get(name) ?? make(name);
    known.set(name, found);
    return found;
  };
}
