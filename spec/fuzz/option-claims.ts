import * as fc from './fast-check.js';
import { type Config, readOptions, type SessionOptions } from '../../src/options.js';
import { Keyring } from '../../src/vault/keyring.js';
import { type Claim, claim, type Tally } from './claim.js';
import { attributesFor, NO_CONTEXT, type Read, refusalOf } from './options-of.js';
import { cookieNames, ringOf } from './inputs.js';

const { secret } = ringOf(1);
const PASSWORD = 'hunter2-canary-hunter2';
const SECRETS = [
  secret,
  `redis://ada:${PASSWORD}@redis.internal:6379/0`,
  `rediss://:${PASSWORD}@[::1`,
  PASSWORD,
  ` ${secret}`,
  `${secret}\n`,
];
/** So much of a secret is too much. */
const SHOWN = 8;
const WORTH = [secret, PASSWORD].flatMap(partsOf);
const LONGEST_MESSAGE = 1_200;

const canaries = fc.constantFrom(...SECRETS);
/** Anything that a value can be, and secrets in places where they do not belong. */
const anything = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.anything({
      maxDepth: 2,
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
      withSparseArray: true,
    }),
  },
  { weight: 3, arbitrary: canaries },
  {
    weight: 1,
    arbitrary: canaries.map(each => ({ [each.slice(0, 4)]: each, password: each, list: [each] })),
  },
  { weight: 1, arbitrary: canaries.map(each => [each]) },
  { weight: 1, arbitrary: canaries.map(each => new Error(each)) },
  { weight: 1, arbitrary: canaries.map(each => new Map([[each, each]])) },
  { weight: 1, arbitrary: canaries.map(each => Symbol(each)) },
  { weight: 1, arbitrary: canaries.map(each => Object.assign(() => each, { each })) },
  {
    weight: 1,
    arbitrary: canaries.map(each => ({ [Symbol.for('nodejs.util.inspect.custom')]: () => each })),
  },
  {
    weight: 1,
    arbitrary: canaries.map(each => ({
      [Symbol.for('nodejs.util.inspect.custom')]: () => {
        throw new Error(each);
      },
    })),
  },
);
const numbers = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1000, max: 60_000 }) },
  fc.integer({ min: -1, max: 100_000 }),
  fc.double(),
  fc.constantFrom(0, -0, NaN, Infinity, 1e21, 2 ** 53),
);
const values = fc.oneof(
  { weight: 3, arbitrary: numbers },
  { weight: 2, arbitrary: fc.boolean() },
  { weight: 4, arbitrary: anything },
);

function groupOf(...names: readonly string[]): fc.Arbitrary<unknown> {
  const each = Object.fromEntries(names.map(name => [name, values]));
  return fc.oneof(
    { weight: 3, arbitrary: fc.record(each, { requiredKeys: [] }) },
    { weight: 1, arbitrary: values },
  );
}

const functions = fc.func(fc.anything());
const choices = (...words: readonly string[]): fc.Arbitrary<unknown> =>
  fc.oneof(fc.constantFrom(...words), values);
const OPTIONS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  redis: fc.oneof(
    fc.constant(false),
    groupOf('url', 'socket', 'database', 'password', 'username', 'nmae'),
    fc.record({ url: canaries, socket: groupOf('port', 'host') }),
  ),
  secret: fc.oneof(canaries, fc.array(canaries), values),
  store: fc.oneof(
    fc.record({ read: fc.oneof(functions, values), swap: fc.oneof(functions, values) }),
    values,
  ),
  prefix: fc.oneof(fc.string({ maxLength: 70 }), values),
  idleTimeout: values,
  absoluteTimeout: values,
  timeouts: choices('aal1', 'aal2', 'aal3', 'aal4'),
  anonymous: groupOf('perSecond', 'idleTimeout'),
  userSessions: groupOf('max', 'beyond'),
  rolling: values,
  lazy: values,
  as: fc.oneof(fc.string({ maxLength: 70 }), values),
  cookie: fc.oneof(attributesFor(cookieNames), groupOf('name', 'domain', 'path', 'sameSite'), functions),
  deadline: values,
  breaker: groupOf('failures', 'rate', 'window'),
  probe: groupOf('interval', 'maxInterval', 'successes'),
  journal: groupOf('maxBytes'),
  maxOutage: values,
  maxDataBytes: values,
  shadow: fc.oneof(fc.constant(false), groupOf('maxBytes', 'maxStaleness')),
  onUnavailable: choices('fresh', 'reject'),
  merge: fc.oneof(functions, choices('keys', 'latest')),
  afterDataLoss: choices('restore', 'relogin'),
  logger: fc.oneof(fc.constant(false), fc.record({ info: functions, warn: functions, error: values })),
  warningHeader: values,
};
/** Most options of most apps are right, so one or two are wrong here. */
const few = fc
  .uniqueArray(fc.constantFrom(...Object.keys(OPTIONS)), { maxLength: 2 })
  .chain(names => fc.record(Object.fromEntries(names.map(name => [name, OPTIONS[name] ?? values]))));
const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { freq: 4, nil: undefined });
/** As `env` has them: what is not there is `undefined`. */
const environments = fc.record({
  NODE_ENV: fc.constantFrom('production', 'test', undefined),
  REDIS_URL: fc.oneof(fc.constantFrom(SECRETS[1], undefined), rarely(fc.oneof(canaries, fc.string()))),
  SESSION_SECRET_KEY: fc.oneof(canaries, rarely(fc.string())),
  SESSION_TIMEOUT_HOURS: rarely(fc.oneof(canaries, fc.string(), numbers.map(String))),
  RENDER: rarely(fc.string({ maxLength: 2 })),
});

/** Whether no part of a secret that is worth anything is in it. */
function isDiscreet(message: string): boolean {
  return !WORTH.some(part => message.includes(part));
}

function partsOf(of: string): string[] {
  return Array.from({ length: of.length - SHOWN + 1 }, (_, at) => of.slice(at, at + SHOWN));
}

function judge(tally: Tally, read: Read<unknown>): void {
  if (!read.refused) return tally.takes(true, 'these were taken');
  const { message, isTyped } = read;
  if (!isDiscreet(message)) tally.refuses(false, `a secret is told: ${message}`);
  if (message.length > LONGEST_MESSAGE) tally.refuses(false, `${message.length} characters are told`);
  tally.refuses(isTyped, `without a code: ${message}`);
}

function read(options: unknown, env: Record<string, string | undefined> = {}): Read<Config> {
  // Whatever plain JavaScript may pass.
  return refusalOf(() => readOptions(options as SessionOptions, env));
}

/** None that is stretched: that takes half a second each time. */
const cheapSecrets = fc.oneof(
  fc.constantFrom(
    '',
    'short',
    'hV3kQz8Lp1hV3kQz8Lp1',
    'keyboard cat keyboard',
    'abcabcabcabcabcabcabcabc',
    'a'.repeat(64),
    '0123456789abcdef'.repeat(4),
  ),
  fc.string({ unit: 'binary', maxLength: 15 }).filter(({ length }) => length < 16),
  fc.nat(5).map(number => ringOf(number).secret),
  fc.anything().filter(value => typeof value !== 'string'),
);

export const OPTION_CLAIMS: readonly Claim[] = [
  claim(
    'options of anybody are taken, or refused with a code and without a secret',
    1_500,
    [few, environments],
    (tally, options, env) => judge(tally, read(options, env)),
  ),
  claim(
    'anything at all in the place of the options is refused likewise',
    300,
    [anything],
    (tally, options) => judge(tally, read(options)),
  ),
  claim(
    'an unknown option is refused, and its value not told',
    300,
    [fc.constantFrom('secert', 'reddis', 'cokie', 'passwd'), anything],
    (tally, name, value) => {
      const given = read({ redis: false, secret, [name]: value });
      if (!given.refused) tally.refuses(false, name);
      judge(tally, given);
    },
  ),
  claim(
    'what a cookie function gives is taken, or refused with a code',
    800,
    [fc.oneof(attributesFor(fc.constant('name')), anything), fc.constantFrom({}, { NODE_ENV: 'production' })],
    (tally, attributes, env) => {
      const given = read({ redis: false, secret, cookie: () => attributes }, env);
      if (given.refused) return tally.takes(false, given.message);
      judge(
        tally,
        refusalOf(() => given.value.cookieAttributes(NO_CONTEXT)),
      );
    },
  ),
  claim(
    'secrets of anybody make a keyring, or are refused with a code and untold',
    400,
    [fc.array(cheapSecrets, { maxLength: 3 })],
    (tally, secrets) => {
      judge(
        tally,
        refusalOf(() => new Keyring(secrets as string[])),
      );
    },
  ),
];
