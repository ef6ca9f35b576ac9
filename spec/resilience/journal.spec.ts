import { expect } from 'chai';
import { Journal } from '../../src/resilience/journal.js';
import type { JournalItem } from '../../src/resilience/journal-item.js';
import { recordEntry, Stamps, tombstoneEntry } from '../../src/store/entry.js';
import type { Tier } from '../../src/store/store.js';
import { type Instance, Shop } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';

const CAP = 100_000;
const stamps = new Stamps(new ManualClock());

const PLAIN: Omit<JournalItem, 'key' | 'entry' | 'tier'> = {
  expected: null,
  origin: 'created',
  expires: 1_000,
  life: 1_000,
  added: 0,
  confirmed: undefined,
  intent: undefined,
  since: undefined,
  after: undefined,
};

/** About 10,000 bytes. */
function write(key: string, tier: Tier, bytes = 9_700): JournalItem {
  return { ...PLAIN, key, tier, entry: recordEntry(stamps.next(), Buffer.alloc(bytes)) };
}

function end(key: string): JournalItem {
  return { ...PLAIN, key, tier: 'new', expected: 'any', entry: tombstoneEntry(stamps.next(), 'destroyed') };
}

const keysOf = (items: readonly JournalItem[] | undefined): string[] | undefined =>
  items?.map(item => item.key);

describe('the journal', () => {
  let journal: Journal;
  beforeEach(() => void (journal = new Journal(CAP)));

  const fill = (tier: Tier): number => {
    let count = 0;
    while (count < 1_000 && journal.put(write(`${tier}-${count}`, tier))) count += 1;
    return count;
  };
  const kept = (tier: Tier | 'end'): number => journal.keys().filter(key => key.startsWith(tier)).length;

  it('takes records up to nine tenths of its cap, and refuses the next of the same rank', () => {
    expect(fill('new')).to.equal(9);
    expect(journal.bytes).to.be.within(0.8 * CAP, 0.9 * CAP);
    expect(journal.put(write('another', 'new'))).to.equal(undefined);
    expect(journal.size).to.equal(9);
  });

  it('lets a write of higher rank push out those of lower rank, the oldest first', () => {
    fill('new');
    expect(keysOf(journal.put(write('ada', 'returning')))).to.deep.equal(['new-0']);
    expect(keysOf(journal.put(write('bob', 'returning', 25_000)))).to.deep.equal(['new-1', 'new-2', 'new-3']);
  });

  it('lets those of the lowest rank go first, whenever they came', () => {
    for (const tier of ['new', 'touched', 'blind', 'new', 'touched', 'blind', 'new', 'returning'] as const)
      journal.put(write(`${tier}-${journal.size}`, tier));
    expect(keysOf(journal.put(write('ada', 'authenticated', 55_000)))).to.deep.equal([
      'blind-2',
      'blind-5',
      'touched-1',
      'touched-4',
      'new-0',
    ]);
  });

  it('keeps those who were there before, however many are new', () => {
    journal.put(write('ada', 'returning'));
    journal.put(write('bob', 'authenticated'));
    fill('new');
    for (const tier of ['blind', 'touched', 'new'] as const)
      expect(journal.put(write('more', tier))).to.equal(undefined);
    expect(journal.get('ada')).to.not.equal(undefined);
    expect(journal.get('bob')).to.not.equal(undefined);
  });

  it('changes nothing for a write that even then would find no room', () => {
    journal.put(write('ada', 'returning', 50_000));
    fill('new');
    const before = journal.keys();
    expect(journal.put(write('bob', 'returning', 60_000))).to.equal(undefined);
    expect(journal.keys()).to.deep.equal(before);
  });

  it('makes room for a larger version of what it has, and never at the cost of that itself', () => {
    journal.put(write('new-x', 'new'));
    fill('new');
    expect(keysOf(journal.put(write('new-x', 'returning', 15_000)))).to.deep.equal(['new-0']);
    expect(journal.get('new-x')?.entry).to.have.length(15_017);
  });

  it('reserves a tenth for logouts, which then push out bots, the oldest first', () => {
    fill('new');
    let ends = 0;
    while (ends < 1_000 && keysOf(journal.put(end(`end-${ends}`)))?.length === 0) ends += 1;
    expect(ends).to.be.above(40);
    expect(journal.bytes).to.be.at.most(CAP);
    expect(kept('new')).to.equal(8);
    expect(journal.get('new-0')).to.equal(undefined);
  });

  it('refuses a logout beyond that tenth rather than push out a user who was there before', () => {
    fill('returning');
    let ends = 0;
    while (ends < 1_000 && journal.put(end(`end-${ends}`))) ends += 1;
    expect(ends).to.be.within(40, 999);
    expect(kept('returning')).to.equal(9);
  });

  it('pushes out no logout for a record', () => {
    let ends = 0;
    while (ends < 1_000 && journal.put(end(`end-${ends}`))) ends += 1;
    expect(journal.put(write('ada', 'authenticated'))).to.equal(undefined);
    expect(journal.keys().filter(key => key.startsWith('end-'))).to.have.length(ends);
  });

  it('gives logouts first, then writes by rank, the highest first, each in order of arrival', () => {
    for (const tier of ['new', 'returning', 'blind', 'authenticated', 'touched', 'new'] as const)
      journal.put(write(`${tier}-${journal.size}`, tier));
    journal.put(end('end'));
    expect(journal.keys()).to.deep.equal([
      'end',
      'authenticated-3',
      'returning-1',
      'new-0',
      'new-5',
      'touched-4',
      'blind-2',
    ]);
  });

  it('is full once those who were there before find no more room, and no longer than that', () => {
    fill('new');
    expect(journal.full).to.equal(false);
    fill('returning');
    expect(journal.full).to.equal(true);
    journal.delete('returning-0');
    expect(journal.full).to.equal(false);
  });

  it('is not full for want of room for those that are new', () => {
    for (let n = 0; n < 8; n += 1) journal.put(write(`returning-${n}`, 'returning'));
    expect(journal.put(write('bot', 'new', 20_000))).to.equal(undefined);
    expect(journal.full).to.equal(false);
  });

  it('is full of logouts, too', () => {
    while (journal.size < 1_000 && journal.put(end(`end-${journal.size}`)));
    expect(journal.full).to.equal(true);
  });

  it('is not full for want of room for one write that is larger than all of it', () => {
    expect(journal.put(write('ada', 'returning', 2 * CAP))).to.equal(undefined);
    expect(journal.full).to.equal(false);
  });
});

describe('an outage in which bots flood the journal', () => {
  let shop: Shop;
  let a: Instance;
  let tokens: string[];

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open({ journal: { maxBytes: 64 * 1024 } });
    tokens = [];
    for (let n = 0; n < 3; n += 1) tokens.push((await a.sessions.manager.create({ n })).token);
    await a.cutOff();
  });
  afterEach(() => shop.during(a.sessions.close()));

  const flood = async (): Promise<void> => {
    const create = (): Promise<unknown> => a.refusal(a.sessions.manager.create({ pad: 'x'.repeat(1_000) }));
    for (let n = 0; n < 1_000 && (await create()) === undefined; n += 1);
  };

  it('keeps the writes of users, and is degraded, not unhealthy', async () => {
    for (const token of tokens) await a.change(token, { kept: true });
    await flood();
    expect(a.count('journal:full')).to.equal(1);
    expect(a.sessions.health().status).to.equal('degraded');
    await a.rejoin();
    const b = await shop.open();
    for (const [n, token] of tokens.entries()) expect(await b.data(token)).to.deep.equal({ n, kept: true });
    expect(a.sessions.health().status).to.equal('healthy');
    await shop.during(b.sessions.close());
  });

  it('lets users push out bots, each of which is counted and reported', async () => {
    await flood();
    for (const token of tokens) await a.change(token, { kept: 'x'.repeat(2_000) });
    const evicted = a.count('journal:evicted');
    expect(evicted).to.be.above(2);
    expect(a.last('journal:evicted')).to.include({ kind: 'record' });
    expect(a.count('session:gone')).to.equal(evicted);
    expect(a.count('journal:full')).to.equal(1);
    await a.rejoin();
    expect(a.last('store:recovered')).to.include({ evicted: evicted + 1 });
  });

  it('is unhealthy only once users find no more room', async () => {
    const change = (n: number): Promise<unknown> =>
      a.refusal(a.change(tokens[n] ?? '', { pad: 'x'.repeat(26_000) }));
    await change(0);
    await change(1);
    expect(a.sessions.health().status).to.equal('degraded');
    expect(await change(2)).to.equal('STORE_UNAVAILABLE');
    expect(a.sessions.health().status).to.equal('unhealthy');
    await a.rejoin();
    expect(a.sessions.health().status).to.equal('healthy');
  });
});
