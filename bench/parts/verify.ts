import type { Contestant } from '../apps/contestants.js';
import { userName } from '../apps/shopper.js';
import { Connection, cookiesAfter } from '../load/client.js';
import { callsBetween, type Counts } from '../support/redis.js';

const SAMPLE = 20;

/** An app that is measured, and who its users are. */
export interface Runner {
  readonly contestant: Contestant;
  readonly port: number;
  readonly cookies: readonly string[];
}

/** Users read their own data, what they write stays, nobody gets another session, and who has no cookie gets nothing. */
export async function verify({ contestant, port, cookies }: Runner): Promise<void> {
  if (!contestant.stores) return;
  const connection = new Connection(port);
  const step = Math.max(1, Math.floor(cookies.length / SAMPLE));
  const fail = (what: string): never => {
    throw new Error(`${contestant.label}: ${what}`);
  };
  for (let user = 0; user < cookies.length; user += step) {
    const cookie = cookies[user] ?? '';
    const read = await connection.get('/read', cookie);
    if (read.status !== 200 || read.body !== userName(user)) fail(`user ${user} reads ${read.body}`);
    const one = await connection.get('/write', cookie);
    // Some set the cookie again, and not always the same: what it names must be the same session.
    const two = await connection.get('/write', cookiesAfter(one, cookiesAfter(read, cookie)));
    const three = await connection.get('/write', cookie);
    const counts = [one, two, three].map(({ body }) => Number(body) - Number(one.body));
    if (counts.join() !== '0,1,2') fail(`writes of user ${user} are lost, or of another session`);
  }
  const stranger = await connection.get('/read');
  if (stranger.status !== 410) fail(`a stranger is answered ${stranger.status}`);
  connection.close();
}

/** A few that come and go by themselves: what checks the health of Redis. */
const OWN_KEYS = 100;

/** That Redis was asked for each request and given each write, and that no session was made meanwhile. */
export function audit(
  { label, stores, caches }: Contestant,
  { before, after }: { before: Counts; after: Counts },
  { requests, writes }: { requests: number; writes: number },
): void {
  if (!stores) return;
  const fail = (what: string): never => {
    throw new Error(`${label}: ${what}`);
  };
  const read = callsBetween(before, after, ['get', 'getrange']);
  if (!caches && read < requests * 0.98) fail(`${requests} requests read Redis ${read} times`);
  const written = callsBetween(before, after, ['set', 'setex']);
  if (written < writes * 0.98) fail(`${writes} writes came to Redis ${written} times`);
  if (after.keys > before.keys + OWN_KEYS) fail(`${after.keys - before.keys} sessions were made meanwhile`);
}
