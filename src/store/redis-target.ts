import type { RedisClientOptions } from 'redis';
import { ConfigTypeError } from '../errors.js';
import { isObject, object, whole, wrong } from '../rules.js';
import type { GivenClient, RedisTarget } from './redis-client.js';

/** Throws `TypeError` or `RangeError` (`code` `CONFIG_INVALID`) that never repeats what may hold a password. */
export function targetOf(redis: string | RedisClientOptions | GivenClient): RedisTarget {
  if (typeof redis === 'string') return { kind: 'options', options: { url: checkedUrl(redis) } };
  if (!isObject(redis)) throw wrong('redis', 'a URL, node-redis options, a client, or false', typeof redis);
  if (isGivenClient(redis)) return { kind: 'given', client: redis };
  if (typeof Reflect.get(redis, 'execute') === 'function') {
    throw new ConfigTypeError(
      'option "redis" cannot be a pool, which cannot be duplicated: pass the options of its clients',
    );
  }
  const { url } = checkedClientOptions(redis);
  return { kind: 'options', options: url === undefined ? redis : { ...redis, url: checkedUrl(url) } };
}

/** Of node-redis 6. It ignores what it does not know, and would go to localhost for a misspelt host. */
const CLIENT_OPTIONS = [
  'url',
  'socket',
  'username',
  'password',
  'credentialsProvider',
  'name',
  'database',
  'keyPrefix',
  'commandsQueueMaxLength',
  'disableOfflineQueue',
  'readonly',
  'pingInterval',
  'commandOptions',
  'clientSideCache',
  'himportRegistry',
  'disableClientInfo',
  'clientInfoTag',
  'emitInvalidate',
  'maintNotifications',
  'maintEndpointType',
  'maintRelaxedCommandTimeout',
  'maintRelaxedSocketTimeout',
  'RESP',
  'modules',
  'functions',
  'scripts',
  'unstableResp3',
];

/** What is wrong in a way that shows only when it connects, and what would never show. Values may be secrets. */
function checkedClientOptions(redis: RedisClientOptions): RedisClientOptions {
  object('redis', redis, CLIENT_OPTIONS);
  const { socket, database } = redis;
  if (socket !== undefined && !isObject(socket)) throw wrong('redis.socket', 'an object', typeof socket);
  const port: unknown = socket && Reflect.get(socket, 'port');
  for (const [name, value, most] of [
    ['redis.socket.port', port, 65_535],
    ['redis.database', database, 2 ** 31],
  ] as const) {
    if (value !== undefined && typeof value !== 'number') throw wrong(name, 'a number', typeof value);
    whole(name, value, 0, 0, most);
  }
  return redis;
}

function isGivenClient(redis: object): redis is GivenClient {
  return typeof Reflect.get(redis, 'duplicate') === 'function';
}

/** The URL may hold a password, so it is never repeated. */
function checkedUrl(url: unknown): string {
  if (
    typeof url === 'string' &&
    /^(rediss?|unix):/.test(url) &&
    (url.startsWith('unix:') || URL.canParse(url))
  )
    return url;
  throw new ConfigTypeError('option "redis" or REDIS_URL must be a redis:, rediss: or unix: URL');
}
