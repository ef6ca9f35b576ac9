import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { expect } from 'chai';
import Koa from 'koa';
import { systemClock } from '../../src/clock.js';
import { createSessions, type Sessions } from '../../src/create.js';
import { Turn } from '../../src/http/turn.js';
import { MemoryStore } from '../../src/store/memory.js';
import { type Entry } from '../../src/store/entry.js';
import type { Expected, Swapped } from '../../src/store/store.js';
import { newSecret } from '../support/app.js';

/** Counts the reads of what was put there last: canaries have a key of their own. */
class CountedStore extends MemoryStore {
  #last = '';
  #read: string[] = [];

  get reads(): number {
    return this.#read.filter(key => key === this.#last).length;
  }

  override read(key: string): Promise<Entry | undefined> {
    this.#read.push(key);
    return super.read(key);
  }

  override swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    this.#last = key;
    this.#read = [];
    return super.swap(key, entry, expected, ttl);
  }
}

const turnOfTheLoop = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

/** As far as promises alone can get. */
async function settle(): Promise<void> {
  for (let step = 0; step < 100; step += 1) await Promise.resolve();
}

describe('requests that arrive in one turn of the event loop', () => {
  const store = new CountedStore(1024 * 1024, systemClock());
  let sessions: Sessions;
  before(() => {
    sessions = createSessions({ store, secret: newSecret(), logger: false }, {});
    return sessions.ready();
  });
  after(() => sessions.close());

  const served = new Set<string>();
  const app = new Koa();
  before(() => {
    app.use(sessions);
    app.use(ctx => void served.add(ctx.path));
  });
  const arrive = (path: string, cookie?: string): void => {
    const socket = new Socket();
    const req = new IncomingMessage(socket);
    Object.assign(req, { method: 'GET', url: path, ...(cookie && { headers: { cookie } }) });
    void app.callback()(req, new ServerResponse(req));
  };

  it('wait for one another, and are then all served at once', async () => {
    const { token } = await sessions.manager.create({});
    expect(store.reads).to.equal(0);
    for (const path of ['/1', '/2', '/3']) arrive(path, `session=${token}`);
    await settle();
    expect(store.reads).to.equal(0);
    expect([...served]).to.deep.equal([]);
    await turnOfTheLoop();
    expect(store.reads).to.equal(3);
    await turnOfTheLoop();
    expect([...served]).to.deep.equal(['/1', '/2', '/3']);
  });

  it('do not wait where they bring no session', async () => {
    arrive('/stranger');
    await settle();
    expect([...served]).to.include('/stranger');
  });

  it('do not wait for those of the next turn', async () => {
    const turn = new Turn();
    const first = turn.end();
    expect(turn.end()).to.equal(first);
    await first;
    expect(turn.end()).not.to.equal(first);
    await turn.end();
  });
});
