import { createHmac, hkdfSync } from 'node:crypto';
import { inspect } from 'node:util';
import { Keyring } from '../../src/vault/keyring.js';
import { storeKeyOf } from '../../src/vault/token.js';
import { Vault } from '../../src/vault/vault.js';
import { ManualClock } from './manual-clock.js';

/** What is cut off or broken is a leak too: so much of a canary gives it away. */
const FRAGMENT = 20;

/** What must not be printed, looked for in every spelling in which text or bytes are ever printed. */
export class Canaries {
  readonly #spellings = new Map<string, readonly (readonly [spelling: string, text: string])[]>();

  add(name: string, value: string | Buffer): this {
    this.#spellings.set(name, spellingsOf(value));
    return this;
  }

  get names(): string[] {
    return [...this.#spellings.keys()];
  }

  /** Each canary in each of its spellings, printed as it may be by somebody. */
  get prints(): { readonly name: string; readonly spelling: string; readonly text: string }[] {
    return [...this.#spellings].flatMap(([name, spellings]) =>
      spellings.map(([spelling, text]) => ({ name, spelling, text })),
    );
  }

  /** Those that `text` gives away, each with the spelling. */
  in(text: string): string[] {
    const plain = text.replaceAll(/\s+/g, ' ');
    return this.prints
      .filter(({ text: canary }) => fragmentsOf(canary).some(fragment => plain.includes(fragment)))
      .map(({ name, spelling }) => `${name}, ${spelling}`);
  }
}

function spellingsOf(value: string | Buffer): (readonly [string, string])[] {
  const bytes = Buffer.from(value);
  const hex = bytes.toString('hex');
  const stands: string = typeof value === 'string' ? value : bytes.toString('latin1');
  return [
    ['as it stands', stands.replaceAll(/\s+/g, ' ')],
    ['percent-encoded', percent(bytes)],
    ['hex', hex],
    ['upper-case hex', hex.toUpperCase()],
    ['as a Buffer is inspected', hex.replaceAll(/..(?=.)/g, '$& ')],
    ['as a Buffer in JSON', [...bytes].join(',')],
    ['as an array of bytes is inspected', [...bytes].join(', ')],
    ...[0, 1, 2].flatMap(shift => {
      const base64 = shifted(bytes, shift);
      const url = base64.replaceAll('+', '-').replaceAll('/', '_');
      return [
        [`base64 ${shift} bytes into it`, base64] as const,
        [`base64url ${shift} bytes into it`, url] as const,
      ];
    }),
  ];
}

function percent(bytes: Buffer): string {
  return [...bytes].map(byte => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

/** What Base64 shows of bytes that begin so many bytes into a longer text: the characters that are theirs alone. */
function shifted(bytes: Buffer, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .replaceAll('=', '');
  return text.slice(shift === 0 ? 0 : shift + 1, -1);
}

function fragmentsOf(canary: string): readonly string[] {
  if (canary.length <= FRAGMENT) return [canary];
  const middle = (canary.length - FRAGMENT) >> 1;
  return [0, middle, canary.length - FRAGMENT].map(from => canary.slice(from, from + FRAGMENT));
}

/** Everything that can be made of a secret: 32 random bytes as hex. */
export function addSecret(canaries: Canaries, name: string, secret: string): void {
  const bytes = Buffer.from(secret, 'hex');
  const { token, record, index, book } = new Keyring([secret]).current;
  const root = hkdfSync('sha256', bytes, '', 'koa-resilient-session/1/root', 32);
  canaries.add(name, secret).add(`${name} as bytes`, bytes).add(`${name}: root key`, Buffer.from(root));
  for (const [purpose, key] of Object.entries({ token, record, index, book }))
    canaries.add(`${name}: ${purpose} key`, key.export());
}

/** Everything that a cookie is made of or leads to. */
export function addToken(canaries: Canaries, name: string, token: string, secret: string): void {
  const bytes = Buffer.from(token, 'base64url');
  const id = bytes.subarray(6, 38);
  const sessionKey = createHmac('sha256', new Keyring([secret]).current.record)
    .update('session')
    .update(id);
  canaries
    .add(name, token)
    .add(`${name}: tag`, bytes.subarray(38))
    .add(`${name}: id`, id)
    .add(`${name}: store key`, storeKeyOf(id))
    .add(`${name}: session key`, sessionKey.digest());
}

/** Where the list of a user's sessions is. */
export function addUser(canaries: Canaries, name: string, user: string, secret: string): void {
  const vault = new Vault({ secrets: [secret], cookieName: 'session', prefix: 'sess:' }, new ManualClock());
  const [{ id, key }] = vault.indexIdentities(user);
  canaries.add(name, user).add(`${name}: id of the list`, id).add(`${name}: store key of the list`, key);
}

export const EVERYTHING = {
  depth: Infinity,
  showHidden: true,
  maxArrayLength: Infinity,
  maxStringLength: Infinity,
  breakLength: Infinity,
} as const;

/** Everything that a log, a monitor or a curious developer ever prints of `values`. */
export function printed(...values: readonly unknown[]): string {
  return values
    .flatMap(value => [
      attempt(() => String(value)),
      attempt(() => JSON.stringify(value)),
      attempt(() => inspect(structuredClone(value), EVERYTHING)),
      inspect(value, EVERYTHING),
    ])
    .join('\n');
}

/** What somebody finds who ignores how `values` want to be shown, and asks every getter, theirs and inherited. */
export function dissected(...values: readonly unknown[]): string {
  const found: string[] = [];
  const seen = new Set<unknown>();
  for (const value of values) {
    found.push(inspect(value, { ...EVERYTHING, customInspect: false, getters: true }));
    collect(value, found, seen);
  }
  return found.join('\n');
}

function collect(value: unknown, found: string[], seen: Set<unknown>): void {
  if (typeof value !== 'object' && typeof value !== 'function') return void found.push(String(value));
  if (value === null || seen.has(value)) return;
  seen.add(value);
  // A view may show more than its own bytes: the rest of the pool that it was cut from.
  if (ArrayBuffer.isView(value)) return void found.push(Buffer.from(value.buffer).toString('hex'));
  if (value instanceof Map || value instanceof Set)
    for (const inner of value.entries()) inner.forEach(each => collect(each, found, seen));
  for (const key of Reflect.ownKeys(value)) {
    found.push(String(key));
    collect(
      attempt(() => Reflect.get(value, key) as unknown),
      found,
      seen,
    );
  }
  for (const getter of inheritedGetters(value))
    collect(
      attempt(() => getter.call(value)),
      found,
      seen,
    );
}

function inheritedGetters(value: object): (() => unknown)[] {
  const getters: (() => unknown)[] = [];
  for (let at = Reflect.getPrototypeOf(value); at; at = Reflect.getPrototypeOf(at))
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      // It leads to everything that there is.
      if (get && name !== '__proto__') getters.push(get);
  return getters;
}

/** What cannot be printed says why, and that is printed. */
function attempt<T>(print: () => T): T | string {
  try {
    return print();
  } catch (error) {
    return inspect(error, EVERYTHING);
  }
}
