import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { systemClock } from '../../src/clock.js';
import { bodyOf, type Entry, recordEntry, Stamps, stampOf, tombstoneEntry } from '../../src/store/entry.js';
import type { Opened } from '../../src/vault/seal.js';
import { storeKeyOf } from '../../src/vault/token.js';
import { Vault } from '../../src/vault/vault.js';

const TEXT = '{"c":1}\n{"user":"Zoë 🔑","cart":[1,2,3]}';
const UNDECRYPTABLE: Opened = { opened: false, because: 'undecryptable' };
const UNKNOWN: Opened = { opened: false, because: 'unknown-key' };

const clock = systemClock();
const stamps = new Stamps(clock);
const secret = (): string => randomBytes(32).toString('hex');

function vaultOf(secrets: readonly string[], prefix = 'sess:', cookieName = 'session'): Vault {
  return new Vault({ secrets, cookieName, prefix }, clock);
}

describe('a sealed record', () => {
  const mine = secret();
  const vault = vaultOf([mine]);
  const identity = vault.newIdentity();
  const stamp = stamps.next();
  const entry = vault.seal(identity, stamp, TEXT);

  it('opens to the text that was sealed', () => {
    expect(vault.open(identity, entry)).to.deep.equal({ opened: true, text: TEXT, current: true });
    const empty = vault.seal(identity, stamp, '');
    expect(vault.open(identity, empty)).to.deep.equal({ opened: true, text: '', current: true });
  });

  it('carries its stamp in the clear, and nothing of its text', () => {
    expect(stampOf(entry)).to.equal(stamp);
    for (const part of ['user', 'Zoë', 'cart']) expect(entry.includes(part)).to.equal(false);
  });

  it('opens with the key that sealed it, also where this id was sealed with another one before', () => {
    const newer = vaultOf([secret(), mine]);
    const theirs = newer.seal(identity, stamps.next(), TEXT);
    expect(newer.open(identity, theirs)).to.deep.equal({ opened: true, text: TEXT, current: true });
    expect(newer.open(identity, entry)).to.deep.equal({ opened: true, text: TEXT, current: false });
    expect(vault.open(identity, theirs)).to.deep.equal(UNKNOWN);
  });

  it('is another each time for the same text, stamp and id', () => {
    const again = vault.seal(identity, stamp, TEXT);
    expect(bodyOf(again).subarray(4).equals(bodyOf(entry).subarray(4))).to.equal(false);
    expect(nonceOf(again)).not.to.equal(nonceOf(entry));
  });

  it('does not open with any single bit flipped (ASVS 11.2.5, 11.3.3)', () => {
    for (let bit = 0; bit < entry.length * 8; bit += 1) {
      const opened = vault.open(identity, flip(entry, bit));
      expect(opened, `bit ${bit}`).to.deep.equal(isKeyIdBit(bit) ? UNKNOWN : UNDECRYPTABLE);
    }
  });

  it('does not open when cut anywhere, or with bytes appended', () => {
    for (let length = 0; length < entry.length; length += 1) {
      expect(vault.open(identity, entry.subarray(0, length)), `cut to ${length}`).to.deep.equal(
        UNDECRYPTABLE,
      );
    }
    expect(vault.open(identity, Buffer.concat([entry, Buffer.of(0)]))).to.deep.equal(UNDECRYPTABLE);
  });

  it('does not open under another id', () => {
    expect(vault.open(vault.newIdentity(), entry)).to.deep.equal(UNDECRYPTABLE);
    expect(vault.open({ ...identity, id: randomBytes(32) }, entry)).to.deep.equal(UNDECRYPTABLE);
  });

  it('does not open under another store key', () => {
    const elsewhere = { ...identity, key: storeKeyOf(randomBytes(32)) };
    expect(vault.open(elsewhere, entry)).to.deep.equal(UNDECRYPTABLE);
  });

  it('does not open under another prefix: records of two apps cannot be swapped', () => {
    for (const prefix of ['', 'sess', 'sess::', 'other:']) {
      expect(vaultOf([mine], prefix).open(identity, entry), prefix).to.deep.equal(UNDECRYPTABLE);
    }
  });

  it('does not open under another stamp: an older record cannot pose as a newer one', () => {
    const restamped = recordEntry(stamps.next(stamp), bodyOf(entry));
    expect(vault.open(identity, restamped)).to.deep.equal(UNDECRYPTABLE);
  });

  it('does not open as a tombstone, nor does a tombstone open', () => {
    const posing = Buffer.concat([Buffer.of(2), entry.subarray(1)]);
    expect(vault.open(identity, posing)).to.deep.equal(UNDECRYPTABLE);
    expect(vault.open(identity, tombstoneEntry(stamp, 'destroyed'))).to.deep.equal(UNDECRYPTABLE);
  });

  it('does not open from a string, plain JSON or garbage', () => {
    const strangers = ['', '{"user":1}', 'null', '\u0001'.repeat(17), '\u0001'.repeat(200)].map(text =>
      Buffer.from(text),
    );
    for (const stranger of [...strangers, recordEntry(stamp, Buffer.of(1)), randomBytes(500)]) {
      expect(vault.open(identity, stranger).opened).to.equal(false);
    }
  });

  it('opens under every secret of the list, and says whether it was the first', () => {
    const [next, third] = [secret(), secret()];
    for (const list of [
      [next, mine],
      [next, third, mine],
      [next, mine, third],
    ]) {
      expect(vaultOf(list).open(identity, entry)).to.deep.equal({ opened: true, text: TEXT, current: false });
    }
    expect(vaultOf([mine, next]).open(identity, entry)).to.deep.equal({
      opened: true,
      text: TEXT,
      current: true,
    });
  });

  it('is sealed under the first secret of the list', () => {
    const next = secret();
    const sealed = vaultOf([next, mine]).seal(identity, stamp, TEXT);
    expect(vaultOf([next]).open(identity, sealed).opened).to.equal(true);
    expect(vaultOf([mine]).open(identity, sealed)).to.deep.equal(UNKNOWN);
  });

  it('of a secret that is gone is of an unknown key, not undecryptable', () => {
    expect(vaultOf([secret(), secret()]).open(identity, entry)).to.deep.equal(UNKNOWN);
  });

  it('does not open with the right key id and the wrong secret (ASVS 11.2.5)', () => {
    const stranger = vaultOf([secret()]);
    const theirs = stranger.seal(identity, stamp, TEXT);
    entry.copy(theirs, 18, 18, 21);
    expect(vault.open(identity, theirs)).to.deep.equal(UNDECRYPTABLE);
  });

  it('is under a key of its own: with the secret and a dump, but without the id, nothing opens', () => {
    const [one, other] = [vault.newIdentity(), vault.newIdentity()];
    const sealed = vault.seal(one, stamp, TEXT);
    expect(vault.open({ ...other, key: one.key }, sealed)).to.deep.equal(UNDECRYPTABLE);
  });
});

describe('a vault', () => {
  it('makes a new identity of 256 bits each time', () => {
    const vault = vaultOf([secret()]);
    const made = Array.from({ length: 100 }, () => vault.newIdentity());
    expect(made.every(({ id }) => id.length === 32)).to.equal(true);
    expect(new Set(made.map(({ key }) => key)).size).to.equal(100);
    expect(new Set(made.map(({ pseudonym }) => pseudonym)).size).to.equal(100);
  });

  it('finds the identity in its token again', () => {
    const vault = vaultOf([secret()]);
    const identity = vault.newIdentity();
    const verified = vault.verify(vault.issue(identity, 0));
    expect(verified).to.have.property('identity').that.deep.equals(identity);
  });

  it('prints no secret', () => {
    const mine = secret();
    const printed = inspect(vaultOf([mine]), { depth: 20, showHidden: true });
    expect(printed).not.to.include(mine).and.not.to.include(mine.slice(0, 12));
  });
});

function nonceOf(entry: Entry): string {
  return bodyOf(entry).toString('hex', 4, 16);
}

/** In bytes 18 to 20 stands the key id. */
function isKeyIdBit(bit: number): boolean {
  return bit >= 18 * 8 && bit < 21 * 8;
}

function flip(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.floor(bit / 8);
  copy.writeUInt8(copy.readUInt8(at) ^ (0x80 >> (bit % 8)), at);
  return copy;
}
