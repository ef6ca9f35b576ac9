import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { createSessions } from '../../src/create.js';
import { isFamous, isRepeated } from '../../src/vault/famous.js';
import { documents, ROOT, source } from '../docs/markdown.js';

function refusalOf(secret: string | readonly string[]): Error {
  try {
    void createSessions({ secret, redis: false, logger: false }, { env: {} }).close();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('the secret was taken');
}

/** Where a reader would copy them from. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'of Koa': ['im a newer secret', 'I like turtle!!!!'],
  'of koa-session and express-session': ['some secret hurr', 'keyboard cat keyboard'],
  'of iron-session': [
    'complex_password_at_least_32_characters_long',
    'complex-password-at-least-32-characters-long!',
  ],
  'of Fastify’s session plugins': [
    'a secret with minimum length of 32 characters',
    'averylogphrasebiggerthanthirtytwochars',
  ],
  'of Flask': ['192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf'],
  'of Laravel and Symfony': ['SomeRandomString', 'ThisTokenIsNotSoSecretChangeIt'],
  'of jwt.io': ['a-string-secret-at-least-256-bits-long', 'your-256-bit-secret'],
  'of Fernet': ['cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4='],
  'that count up': [
    '1234567890123456',
    'abcdefghijklmnopqrstuvwxyz0123456789',
    '0123456789abcdefghijklmnopqrstuvwxyz',
    '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
  ],
  'that lie side by side': ['qwertyuiopasdfgh'],
  'that repeat a shorter one, and stop in the middle': [
    '12345678901234567890123456789012',
    'hV3kQz8LphV3kQz8LphV3',
  ],
};

describe('a secret that others know', () => {
  for (const [whose, secrets] of Object.entries(EXAMPLES)) {
    it(`is refused at start, in words that never repeat it: the examples ${whose} (ASVS 11.4.4)`, () => {
      for (const secret of secrets) {
        for (const given of [secret, [randomBytes(32).toString('hex'), secret]]) {
          const error = refusalOf(given);
          expect(error, secret).to.have.property('code', 'ENCRYPTION_INIT');
          expect(error.message).to.match(/^Failed to initialize session encryption: /);
          expect(inspect(error, { showHidden: true })).not.to.include(secret);
        }
      }
    });
  }

  it('is refused if it is in an example of this project: none shows one that would be taken (ASVS 11.4.4)', () => {
    const examples = readdirSync(join(ROOT, 'examples'), { recursive: true, encoding: 'utf8' })
      .filter(name => /\.(js|ts|md)$/.test(name))
      .map(name => `examples/${name}`);
    expect(examples).to.have.length.above(5);
    const files = [...documents(), ...examples];
    const shown = files.flatMap(file => secretsIn(source(file)));
    for (const secret of shown) expect(refusalOf(secret)).to.have.property('code', 'ENCRYPTION_INIT');
    expect(secretsIn("session({ secret: 'one', x: 1 })\nSESSION_SECRET_KEY=two npm start")).to.deep.equal([
      'one',
      'two',
    ]);
  });

  it('is not mistaken for 32 random bytes', () => {
    for (let n = 0; n < 1_000; n += 1) {
      const secret = randomBytes(32).toString(n % 2 === 0 ? 'hex' : 'base64url');
      expect(isFamous(secret) || isRepeated(secret), secret).to.equal(false);
    }
  });
});

/** What a text gives as a secret, in code or in a shell. */
function secretsIn(text: string): string[] {
  const given = /\bsecret: \[?['"]([^'"]+)['"]|\bSESSION_SECRET_KEY=['"]?([^\s'"`]+)/g;
  return [...text.matchAll(given)].map(([, inCode, inShell]) => inCode ?? inShell ?? '');
}
