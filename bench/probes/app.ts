import { createServer } from 'node:http';
import type { Sessions } from '../../src/index.js';
import { appOf, sessionsAt, shopperOf } from '../apps/library.js';
import { listen } from '../apps/listen.js';
import { shopper } from '../apps/shopper.js';
import { obey, tell } from '../support/orders.js';
import { wide } from './timing.js';

/** The library's app, which also tells what happens to it, and changes sessions in bulk when it is told to. */
const EVENTS = [
  'store:degraded',
  'store:recovering',
  'store:recovered',
  'circuit:open',
  'circuit:close',
] as const;
const ROOM = 2 ** 30;

let sessions: Sessions;
const tokens: string[] = [];

/** Resolves with the port. */
async function open({ url, roomy }: { url: string; roomy: boolean }): Promise<number> {
  const caps = { journal: { maxBytes: ROOM }, shadow: { maxBytes: ROOM } };
  sessions = sessionsAt(url, roomy ? caps : {});
  for (const event of EVENTS) sessions.events.on(event, () => tell(event));
  await sessions.ready();
  return listen(createServer(appOf(sessions)));
}

async function create({ count, bytes }: { count: number; bytes: number }): Promise<void> {
  await wide(count, 32, async turn => {
    tokens.push((await sessions.manager.create(shopper(turn, bytes))).token);
    if (turn % 100 === 0) await new Promise(resolve => setImmediate(resolve));
  });
}

/** Resolves with how many writes wait. */
async function changeAll(): Promise<number> {
  await wide(tokens.length, 32, async turn => {
    const found = await sessions.manager.load(tokens[turn] ?? '');
    if (!found) throw new Error('a session is gone');
    shopperOf(found).count = 1;
    await sessions.manager.save(found);
    if (turn % 100 === 0) await new Promise(resolve => setImmediate(resolve));
  });
  return sessions.stats().store.backlog.items;
}

function ledger(): object {
  return sessions.stats().store.ledger;
}

obey({ open, create, changeAll, ledger });
