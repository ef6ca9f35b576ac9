/** Secrets that stand in public examples, and so in every attacker's list: as letters and digits, in lower case. */
const FAMOUS = [
  'keyboardcat',
  'changeme',
  'changethis',
  'yoursecret',
  'yoursessionsecret',
  'supersecret',
  'mysecret',
  'sessionsecret',
  'secretkey',
  'thisisasecret',
  'notsosecret',
  'thistokenisnotsosecret',
  'somesecret',
  'somerandomstring',
  'verysecret',
  'topsecret',
  'password',
  'complexpasswordatleast32characterslong',
  'replaceme',
  'correcthorsebatterystaple',
  'developmentsecret',
  'shhhhhh',
  // Of Koa's own documentation.
  'imanewersecret',
  'iliketurtle',
  // Of other frameworks, and of jwt.io.
  'averylogphrasebiggerthanthirtytwochars',
  'asecretwithminimumlengthof32characters',
  'astringsecretatleast256bitslong',
  'your256bitsecret',
  '192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf',
  // The key of Fernet's test vectors.
  'cw0x689rpijtrr7oe8heqskimvjaplesbxpwf4e4',
  // What counts up, and what lies side by side.
  'abcdefghijklmnop',
  'abcdefghijklmnopqrstuvwxyz',
  '0123456789abcdef',
  '0123456789abcdefghijklmnopqrstuvwxyz',
  '000102030405060708090a0b0c0d0e0f',
  '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
  '1234567890',
  'qwertyuiop',
];

/** A famous secret with so many characters more is guessed as soon as it is itself. */
const TAIL = 12;

/** Whether a secret is in public examples, however it is spelt. */
export function isFamous(secret: string): boolean {
  const plain = secret.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return FAMOUS.some(famous => plain.startsWith(famous) && plain.length <= famous.length + TAIL);
}

/** Whether a secret is a shorter one, over and over: then it has no more to guess than that. */
export function isRepeated(secret: string): boolean {
  for (let period = 1; period <= secret.length / 2; period += 1)
    if (secret.startsWith(secret.slice(period))) return true;
  return false;
}
