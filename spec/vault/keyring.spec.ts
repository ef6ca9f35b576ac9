import { createHmac, hkdfSync, randomBytes, scryptSync } from 'node:crypto';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { Keyring } from '../../src/vault/keyring.js';

const LABEL = 'koa-resilient-session/1/';
const secret = (): string => randomBytes(32).toString('hex');

describe('a keyring', () => {
  describe('refuses, with ENCRYPTION_INIT and without repeating it, a secret that', () => {
    const weak: Record<string, string> = {
      'is empty': '',
      'has fewer than 16 characters': 'g7Kp2xQ9vLm4Zt1',
      'has fewer than 8 different characters': 'abcdefgabcdefgaabbccddeeffgg',
      'repeats a shorter one': 'hV3kQz8Lp1hV3kQz8Lp1',
      'repeats a short one many times': 'hV3kQz8L'.repeat(8),
      'is a famous default': 'keyboard cat keyboard',
      'is a famous default in other letters': 'Change-Me-Change-It!',
      'is a famous default with a tail': 'your-session-secret-1234',
      'is the alphabet': 'abcdefghijklmnopqrst',
      'is in every comic': 'correct horse battery staple',
      'is a password': 'Password-for-prod-1',
    };
    for (const [what, given] of Object.entries(weak)) {
      it(what, () => {
        const error = failureOf([given]);
        expect(error).to.be.an.instanceOf(RangeError);
        expect(error).to.have.property('code', 'ENCRYPTION_INIT');
        expect(error.message).to.match(/^Failed to initialize session encryption: .{10}/);
        if (given !== '') expect(inspect(error, { showHidden: true })).not.to.include(given);
      });
    }
  });

  it('refuses the second of two secrets as it would refuse the first', () => {
    expect(failureOf([secret(), 'short'])).to.have.property('code', 'ENCRYPTION_INIT');
  });

  it('refuses what is no string with a TypeError', () => {
    for (const given of [undefined, null, 12345678901234567890, randomBytes(32), {}, [secret()]]) {
      // What plain JavaScript may pass.
      const error = failureOf([given as string]);
      expect(error).to.be.an.instanceOf(TypeError);
      expect(error).to.have.property('code', 'ENCRYPTION_INIT');
    }
    expect(failureOf([])).to.be.an.instanceOf(TypeError);
  });

  it('refuses the same secret twice', () => {
    const mine = secret();
    const error = failureOf([mine, secret(), mine]);
    expect(error).to.be.an.instanceOf(RangeError);
    expect(error.message).to.include('once').and.not.to.include(mine);
  });

  it('takes secrets of 16 and more characters, in any script', () => {
    for (const fine of ['g7Kp2xQ9vLm4Zt1w', 'ключ от квартиры 42', '🔑🗝️🔐🔒🔓🚪🏠🧱🪟🛏️🛋️🚿']) {
      expect(() => new Keyring([fine]), fine).not.to.throw();
    }
  });

  it('derives random secrets by HKDF, from their bytes in either spelling', () => {
    const bytes = randomBytes(32);
    for (const spelling of [bytes.toString('hex'), bytes.toString('hex').toUpperCase()]) {
      expect(kidOf(spelling)).to.equal(
        expectedKid(Buffer.from(hkdfSync('sha256', bytes, '', `${LABEL}root`, 32))),
      );
    }
    const base64 = Buffer.from('9f8Kq0Zx3LwTbV5nRm2pYc7sGd4hJk1aQe6uWi8oXz0', 'base64');
    for (const spelling of [base64.toString('base64'), base64.toString('base64url')]) {
      expect(kidOf(spelling)).to.equal(
        expectedKid(Buffer.from(hkdfSync('sha256', base64, '', `${LABEL}root`, 32))),
      );
    }
  });

  it('stretches everything else by scrypt (ASVS 11.4.4)', () => {
    const stretch = (text: string): Buffer =>
      scryptSync(text.normalize('NFKC'), `${LABEL}root`, 32, { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 });
    for (const phrase of [
      'purple 4 monkeys and a dishwasher',
      'onlylowercasewordsthatgoonandonandonforaverylongtime',
    ]) {
      expect(kidOf(phrase), phrase).to.equal(expectedKid(stretch(phrase)));
    }
  });

  it('stretches one secret to the same keys in each of its Unicode forms', () => {
    const phrase = 'crème brûlée für zwölf';
    expect(phrase.normalize('NFD')).not.to.equal(phrase.normalize('NFC'));
    expect(kidOf(phrase.normalize('NFD'))).to.equal(kidOf(phrase.normalize('NFC')));
  });

  it('finds keys by id, and none under another id', () => {
    const keyring = new Keyring([secret(), secret()]);
    expect(keyring.find(keyring.current.kid)).to.equal(keyring.current);
    expect(keyring.find(Buffer.alloc(3))).to.equal(undefined);
    expect(keyring.find(Buffer.alloc(0))).to.equal(undefined);
  });

  it('has different keys for tokens and records', () => {
    const { token, record } = new Keyring([secret()]).current;
    expect(token.equals(record)).to.equal(false);
  });

  it('prints no key', () => {
    const keyring = new Keyring([secret()]);
    const bytes = keyring.current.record.export().toString('hex');
    const printed = inspect(keyring, { depth: 20, showHidden: true }) + JSON.stringify(keyring);
    expect(printed.replaceAll(/[^0-9a-f]/g, '')).not.to.include(bytes);
  });
});

function kidOf(text: string): string {
  return new Keyring([text]).current.kid.toString('hex');
}

function expectedKid(root: Buffer): string {
  return createHmac('sha256', root).update(`${LABEL}key-id`).digest('hex').slice(0, 6);
}

function failureOf(secrets: readonly string[]): Error {
  try {
    new Keyring(secrets);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('the keyring took it');
}
