import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Keyring } from '../../src/vault/keyring.js';
import {
  pseudonymOf,
  storeKeyOf,
  type TokenClaims,
  type TokenRefusal,
  Tokens,
} from '../../src/vault/token.js';

const HOUR = 3_600_000;
const secret = (): string => randomBytes(32).toString('hex');

describe('a token', () => {
  const keyring = new Keyring([secret()]);
  const tokens = new Tokens(keyring, 'session');
  const id = randomBytes(32);
  const token = tokens.issue(id, 0);

  it('opens to the id that it was issued for', () => {
    expect(claimsOf(tokens.verify(token))).to.deep.equal({ id, born: 0, current: true });
  });

  it('says the hour of birth', () => {
    const noon = Date.UTC(2026, 6, 1, 12);
    expect(claimsOf(tokens.verify(tokens.issue(id, noon + 1))).born).to.equal(noon);
    expect(claimsOf(tokens.verify(tokens.issue(id, noon + HOUR - 1))).born).to.equal(noon);
  });

  it('is 72 characters that are safe in a cookie, for any id', () => {
    for (let round = 0; round < 200; round += 1) {
      expect(tokens.issue(randomBytes(32), round * HOUR)).to.match(/^[A-Za-z0-9_-]{72}$/);
    }
  });

  it('is the same each time for the same id and birth, so that it has one canonical form', () => {
    expect(tokens.issue(id, 0)).to.equal(token);
    expect(Buffer.from(token, 'base64url').toString('base64url')).to.equal(token);
  });

  it('is refused with any single bit flipped', () => {
    const bytes = Buffer.from(token, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = flip(bytes, bit).toString('base64url');
      expect(tokens.verify(flipped), `bit ${bit}`).to.equal(bit < 24 ? 'unknown-key' : 'forged');
    }
  });

  it('is refused with any single character replaced', () => {
    for (let at = 0; at < token.length; at += 1) {
      const other = token[at] === 'A' ? 'B' : 'A';
      expect(tokens.verify(token.slice(0, at) + other + token.slice(at + 1)), `at ${at}`).to.be.a('string');
    }
  });

  it('is refused at any other length', () => {
    for (let length = 0; length < token.length; length += 1) {
      expect(tokens.verify(token.slice(0, length)), `cut to ${length}`).to.equal('malformed');
    }
    for (const more of ['A', '=', ' ', '\n', 'AAAA'])
      expect(tokens.verify(token + more)).to.equal('malformed');
  });

  it('is refused in any other spelling of the same bytes', () => {
    const tricky = [...Array(400)]
      .map(() => tokens.issue(randomBytes(32), 0))
      .find(each => /[-_]/.test(each));
    if (tricky === undefined) throw new Error('400 tokens without - and _ cannot be');
    const standard = tricky.replaceAll('-', '+').replaceAll('_', '/');
    expect(Buffer.from(standard, 'base64url').equals(Buffer.from(tricky, 'base64url'))).to.equal(true);
    expect(tokens.verify(standard)).to.equal('malformed');
    expect(tokens.verify(`${tricky.slice(0, 36)}.${tricky.slice(36, 71)}`)).to.equal('malformed');
    expect(tokens.verify(`${tricky.slice(0, 71)}é`)).to.equal('malformed');
  });

  it('is refused under another cookie name', () => {
    for (const name of ['Session', 'session2', '__Host-session', 'sessio', '']) {
      expect(new Tokens(keyring, name).verify(token), name).to.equal('forged');
    }
  });

  it('of another secret is of an unknown key, not forged', () => {
    expect(new Tokens(new Keyring([secret()]), 'session').verify(token)).to.equal('unknown-key');
  });

  it('is forged where another secret has the same key id', () => {
    const other = new Keyring([secret()]);
    const theirs = Buffer.from(new Tokens(other, 'session').issue(id, 0), 'base64url');
    keyring.current.kid.copy(theirs);
    expect(tokens.verify(theirs.toString('base64url'))).to.equal('forged');
  });

  it('opens in each order of the secrets, and is current only under the first', () => {
    const [old, fresh] = [secret(), secret()];
    const made = new Tokens(new Keyring([old]), 'session').issue(id, 0);
    const after = new Tokens(new Keyring([fresh, old]), 'session');
    const before = new Tokens(new Keyring([old, fresh]), 'session');
    expect(claimsOf(after.verify(made))).to.include({ current: false });
    expect(claimsOf(before.verify(made))).to.include({ current: true });
    expect(claimsOf(before.verify(after.issue(id, 0)))).to.include({ current: false });
    expect(claimsOf(after.verify(made)).id.equals(id)).to.equal(true);
  });
});

describe('the names of a session', () => {
  const id = randomBytes(32);

  it('are a store key of 43 characters and a pseudonym of 12, the same each time', () => {
    expect(storeKeyOf(id))
      .to.match(/^[A-Za-z0-9_-]{43}$/)
      .and.equal(storeKeyOf(Buffer.from(id)));
    expect(pseudonymOf(storeKeyOf(id)))
      .to.match(/^[A-Za-z0-9_-]{12}$/)
      .and.equal(pseudonymOf(storeKeyOf(id)));
  });

  it('show nothing of the id or of each other', () => {
    const key = storeKeyOf(id);
    const token = new Tokens(new Keyring([secret()]), 'session').issue(id, 0);
    for (const spelling of ['hex', 'base64', 'base64url'] as const) {
      expect(id.toString(spelling)).not.to.include(key.slice(0, 8));
      expect(key).not.to.include(id.toString(spelling).slice(0, 8));
    }
    expect(token).not.to.include(key.slice(0, 8));
    expect(token).not.to.include(pseudonymOf(key).slice(0, 6));
    expect(key).not.to.include(pseudonymOf(key).slice(0, 6));
  });

  it('differ in about half their bits for ids that differ in one', () => {
    const [one, other] = [id, flip(id, 0)].map(each => Buffer.from(storeKeyOf(each), 'base64url'));
    if (!one || !other) throw new Error('two ids have two keys');
    const differing = one.reduce((sum, byte, at) => sum + ones(byte ^ (other[at] ?? 0)), 0);
    expect(differing).to.be.within(80, 176);
  });
});

function claimsOf(verified: TokenClaims | TokenRefusal): TokenClaims {
  if (typeof verified === 'string') throw new Error(`refused: ${verified}`);
  return verified;
}

function flip(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = Math.floor(bit / 8);
  copy.writeUInt8(copy.readUInt8(at) ^ (0x80 >> (bit % 8)), at);
  return copy;
}

function ones(byte: number): number {
  return byte.toString(2).replaceAll('0', '').length;
}
