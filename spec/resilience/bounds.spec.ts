import { expect } from 'chai';
import { Graveyard } from '../../src/resilience/graveyard.js';
import { Journal } from '../../src/resilience/journal.js';
import { Shadow } from '../../src/resilience/shadow.js';
import { type Entry, recordEntry, Stamps, tombstoneEntry } from '../../src/store/entry.js';
import { MemoryStore } from '../../src/store/memory.js';
import { storeKeyOf } from '../../src/vault/token.js';
import { type Instance, Shop } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';

const MiB = 1024 * 1024;
const confirmed = { at: 0, incarnation: undefined, watch: undefined };

/** As a client gives it: a view on all that came in one packet. */
function inPacket(entry: Entry): Entry {
  const packet = Buffer.alloc(64 * 1024);
  entry.copy(packet, 1_000);
  return packet.subarray(1_000, 1_000 + entry.length);
}

describe('what is kept in memory stays as it was, whatever becomes of what was put in or taken out:', () => {
  const clock = new ManualClock();
  const stamps = new Stamps(clock);
  const record = recordEntry(stamps.next(), Buffer.alloc(100, 7));
  const tombstone = tombstoneEntry(stamps.next(), 'destroyed');

  /** Each puts an entry in, and says how to take it out. */
  const places: Record<string, (entry: Entry) => () => Entry | Promise<Entry | undefined> | undefined> = {
    'a warm copy': entry => {
      const shadow = new Shadow({ maxBytes: MiB, maxStaleness: 0 });
      shadow.keep('key', entry, confirmed);
      return () => shadow.peek('key')?.entry;
    },
    'a warm copy that is confirmed again': entry => {
      const shadow = new Shadow({ maxBytes: MiB, maxStaleness: 0 });
      for (let n = 0; n < 2; n += 1) shadow.keep('key', entry, { ...confirmed, at: n });
      return () => shadow.peek('key')?.entry;
    },
    'a grave': entry => {
      const graveyard = new Graveyard(clock);
      graveyard.bury('key', entry, 1_000);
      return () => graveyard.get('key');
    },
    'a write that waits': entry => {
      const journal = new Journal(MiB);
      journal.put({
        key: 'key',
        entry,
        expected: null,
        origin: 'created',
        tier: 'new',
        expires: Infinity,
        life: 1_000,
        added: 0,
        confirmed: undefined,
        intent: undefined,
        since: undefined,
        after: undefined,
      });
      return () => journal.get('key')?.entry;
    },
    'an entry of the memory store': entry => {
      const store = new MemoryStore(MiB, clock);
      void store.swap('key', entry, null, 1_000);
      return () => store.read('key');
    },
  };
  for (const [what, keep] of Object.entries(places)) {
    it(what, async () => {
      const given = what === 'a grave' ? tombstone : record;
      const [before, packet] = [Buffer.from(given), inPacket(given)];
      const kept = keep(packet);
      packet.fill(0);
      (await kept())?.fill(0);
      expect(await kept()).to.deep.equal(before);
    });
  }
});

describe('a session stays readable', () => {
  let shop: Shop;
  let a: Instance;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
  });
  afterEach(() => shop.during(a.sessions.close()));

  it('after 2,000 saves that each remove a key and make up another', async () => {
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    for (let n = 0; n < 2_000; n += 1) {
      const session = await a.load(token);
      if (!session) throw new Error(`unreadable after ${n} saves`);
      for (const key of Object.keys(session)) if (key !== 'user') delete session[key];
      session[`csrf:${String(n).padStart(36, 'x')}`] = n;
      await a.sessions.manager.save(session);
    }
    expect(await a.data(token)).to.include({ user: 'ada' });
    expect(a.count('security:undecryptable')).to.equal(0);
  });

  it('when parallel saves would make it too large: those that do not fit say so', async () => {
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    const loaded = await Promise.all([1, 2, 3].map(async () => a.load(token)));
    const outcomes: unknown[] = [];
    for (const [n, session] of loaded.entries()) {
      if (!session) throw new Error('there is no such session');
      session[`k${n}`] = 'x'.repeat(60_000);
      outcomes.push(await a.refusal(a.sessions.manager.save(session)));
    }
    expect(outcomes).to.deep.equal([undefined, 'DATA_TOO_LARGE', 'DATA_TOO_LARGE']);
    expect(Object.keys((await a.data(token)) ?? {})).to.deep.equal(['user', 'k0']);
    expect(a.count('security:undecryptable')).to.equal(0);
  });

  it('when a write that waited would make it too large: that one is counted, and reported', async () => {
    const b = await shop.open();
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    await b.load(token);
    await b.cutOff();
    await b.change(token, { left: 'x'.repeat(60_000) });
    await a.change(token, { right: 'x'.repeat(60_000) });
    await b.rejoin();
    expect(b.last('store:recovered')).to.include({ quarantined: 1 });
    expect(b.count('migration:quarantined')).to.equal(1);
    expect(Object.keys((await a.data(token)) ?? {})).to.deep.equal(['user', 'right']);
    await shop.during(b.sessions.close());
  });
});

describe('warm copies, once there is no room left,', () => {
  const clock = new ManualClock();
  const stamps = new Stamps(clock);
  const fresh = (): Entry => recordEntry(stamps.next(), Buffer.alloc(1_000, 7));
  const keyOf = (name: string): string => storeKeyOf(Buffer.from(name));
  let shadow: Shadow;
  let full = 0;
  beforeEach(() => {
    shadow = new Shadow({ maxBytes: MiB, maxStaleness: 0 });
    for (let n = 0; n < 2_000; n += 1) shadow.meet(keyOf(`first ${n}`), fresh(), confirmed);
    full = shadow.size;
  });

  it('are not given up for sessions that come once', () => {
    expect(full).to.be.within(500, 1_000);
    for (let n = 0; n < 2_000; n += 1) shadow.meet(keyOf(`other ${n}`), fresh(), confirmed);
    const there = Array.from({ length: 2_000 }, (_, n) => shadow.peek(keyOf(`first ${n}`)));
    expect(there.filter(copy => copy !== undefined).length).to.equal(full);
  });

  it('are given up for one that comes again, and for one that was written', () => {
    for (let n = 0; n < 2; n += 1) shadow.meet(keyOf('again'), fresh(), confirmed);
    shadow.keep(keyOf('written'), fresh(), confirmed);
    expect(shadow.peek(keyOf('again'))).to.not.equal(undefined);
    expect(shadow.peek(keyOf('written'))).to.not.equal(undefined);
    expect(shadow.bytes).to.be.at.most(MiB);
  });

  it('are kept up to date as before', () => {
    const entry = fresh();
    shadow.meet(keyOf('first 0'), entry, confirmed);
    expect(shadow.peek(keyOf('first 0'))?.entry).to.deep.equal(entry);
  });
});
