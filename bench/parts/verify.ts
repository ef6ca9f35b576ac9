import type { Contestant } from '../apps/contestants.js';
import { userName } from '../apps/shopper.js';
import { type Answer, Connection, cookiesAfter } from '../load/client.js';
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
    const [one, two] = [await connection.get('/write', cookie), await connection.get('/write', cookie)];
    if (two.status !== 200 || Number(two.body) !== Number(one.body) + 1)
      fail(`a write of user ${user} is lost`);
    for (const answer of [read, one, two])
      if (!isSame(answer, cookie)) fail(`user ${user} gets another session`);
  }
  const stranger = await connection.get('/read');
  if (stranger.status !== 410) fail(`a stranger is answered ${stranger.status}`);
  connection.close();
}

/** A cookie may be set again, as long as it names the same session: a signature or a date may differ, the id may not. */
function isSame(answer: Answer, cookie: string): boolean {
  const after = cookiesAfter(answer, cookie);
  return after === cookie;
}

/** A few that come and go by themselves: what checks the health of Redis. */
const OWN_KEYS = 100;

/** That Redis was asked for each request and given each write, and that no session was made meanwhile. */
export function audit(
  { label, stores }: Contestant,
  { before, after }: { before: Counts; after: Counts },
  { requests, writes }: { requests: number; writes: number },
): void {
  if (!stores) return;
  const fail = (what: string): never => {
    throw new Error(`${label}: ${what}`);
  };
  const read = callsBetween(before, after, ['get', 'getrange']);
  if (read < requests * 0.98) fail(`${requests} requests read Redis ${read} times`);
  const written = callsBetween(before, after, ['set', 'setex']);
  if (written < writes * 0.98) fail(`${writes} writes came to Redis ${written} times`);
  if (after.keys > before.keys + OWN_KEYS) fail(`${after.keys - before.keys} sessions were made meanwhile`);
}
