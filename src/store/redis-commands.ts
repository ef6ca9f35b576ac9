import type { RedisArgument } from 'redis';
import type { RedisCommands } from './redis-link.js';

/** What sends a command as it is given, and answers with bytes. */
export interface RawClient {
  sendCommand(args: readonly RedisArgument[]): Promise<unknown>;
}

/**
 * The commands of one server, past what node-redis has for every command there is: that costs more than the command
 * itself. `namespace` is what node-redis would have put before each key.
 */
export function rawCommands(client: RawClient, namespace: string): RedisCommands {
  const named = (key: string): string => namespace + key;
  return {
    getRange: (key, start, end) => client.sendCommand(['GETRANGE', named(key), String(start), String(end)]),
    exists: key => client.sendCommand(['EXISTS', named(key)]),
    evalSha: (sha, { keys, arguments: args }) =>
      client.sendCommand(['EVALSHA', sha, String(keys.length), ...keys.map(named), ...args]),
    eval: (script, { keys, arguments: args }) =>
      client.sendCommand(['EVAL', script, String(keys.length), ...keys.map(named), ...args]),
  };
}
