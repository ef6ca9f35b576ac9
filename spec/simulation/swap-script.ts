import type { Keyspace } from './keyspace.js';

/** What the script answers: see `SWAP` in src/store/redis.ts, line by line. */
export type ScriptReply = 1 | 2 | null | Buffer;

export interface Script {
  readonly key: string;
  readonly entry: Buffer;
  readonly expected: Buffer;
  readonly ttl: number;
  /** Wall-clock ms of the instance that sent it, at that moment. */
  readonly sent: number;
  /** Sent once more, whole, after the server had said that it does not know the script. */
  readonly again: boolean;
}

const ANY = Buffer.from('any');

/** `write` throws where this server refuses a write; it is called just before the first one. */
export function runSwap(
  keyspace: Keyspace,
  script: Script,
  now: number,
  write: (deletesFirst: boolean) => void,
): ScriptReply {
  const { key, entry, expected, ttl } = script;
  const tombstone = entry[0] === 2;
  const slot = keyspace.get(key);
  const any = expected.equals(ANY);
  if (slot?.value === 'list') {
    if (!any) return Buffer.alloc(0);
  } else if (slot) {
    const answer = overEntry(keyspace, script, { any, tombstone, now }, write);
    if (answer !== 'put') return answer;
  } else if (!any && expected.length > 0) {
    return null;
  }
  write(tombstone);
  keyspace.set(key, { value: entry, expires: now + ttl });
  return 2;
}

function overEntry(
  keyspace: Keyspace,
  { key, entry, expected, ttl }: Script,
  { any, tombstone, now }: { any: boolean; tombstone: boolean; now: number },
  write: (deletesFirst: boolean) => void,
): ScriptReply | 'put' {
  const slot = keyspace.get(key);
  const current = slot?.value;
  if (!slot || !Buffer.isBuffer(current)) return 'put';
  const stands = current[0] === 2 && current.length === 18;
  const stamp = current.subarray(1, 17);
  if (stamp.equals(entry.subarray(1, 17))) return 1;
  if (!any) {
    const refused = expected.length === 0 || (stands && !tombstone) || !stamp.equals(expected);
    return refused ? current : 'put';
  }
  if (!stands) return 'put';
  if (slot.expires - now < ttl) {
    write(true);
    keyspace.set(key, { value: current, expires: now + ttl });
  }
  return 1;
}
