import { expect } from 'chai';
import { Copy } from '../../src/resilience/copy.js';
import { recordEntry, Stamps } from '../../src/store/entry.js';
import { storeKeyOf } from '../../src/vault/token.js';
import { type Instance, Shop } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';

const keyOf = (token: string): string => storeKeyOf(Buffer.from(token, 'base64url').subarray(6, 38));

describe('warm copies of a store that reports changes', () => {
  let shop: Shop;
  let a: Instance;
  let token: string;

  beforeEach(async () => {
    shop = new Shop();
    a = await shop.open();
    a.store.span = 1;
    ({ token } = await a.sessions.manager.create({ user: 'ada' }));
  });
  afterEach(() => shop.during(a.sessions.close()));

  const inOutage = async (): Promise<unknown> => {
    await a.cutOff();
    return a.data(token).catch((error: unknown) => Reflect.get(Object(error), 'code'));
  };

  it('serve an outage, however long ago they were confirmed', async () => {
    await shop.settle(20 * 60_000);
    expect(await inOutage()).to.deep.equal({ user: 'ada' });
  });

  it('serve nobody once the store has reported a change: who logged out elsewhere stays out (P3)', async () => {
    a.store.watcher?.changed(keyOf(token));
    expect(await inOutage()).to.equal('STORE_UNAVAILABLE');
  });

  it('serve again once they were read anew', async () => {
    a.store.watcher?.changed(keyOf(token));
    await a.data(token);
    expect(await inOutage()).to.deep.equal({ user: 'ada' });
  });

  it('are not trusted if a change was reported while their answer was on its way', async () => {
    a.store.watcher?.changed(keyOf(token));
    const { behind } = shop;
    const read = behind.read.bind(behind);
    behind.read = async key => {
      const answer = await read(key);
      if (key === keyOf(token)) a.store.watcher?.changed(key);
      return answer;
    };
    await a.data(token);
    expect(await inOutage()).to.equal('STORE_UNAVAILABLE');
  });

  it('remain the least that is served: an older record of the store is not (P1)', async () => {
    const old = await shop.behind.read(keyOf(token));
    await a.change(token, { step: 2 });
    a.store.watcher?.changed(keyOf(token));
    shop.forget(keyOf(token));
    if (old) await shop.behind.swap(keyOf(token), old, null, 3_600_000);
    expect(await a.data(token)).to.deep.equal({ user: 'ada', step: 2 });
  });

  it('are not trusted after a gap in which nobody reported', async () => {
    const b = (await a.sessions.manager.create({ user: 'bob' })).token;
    a.store.span = 2;
    await a.data(b);
    expect(await inOutage()).to.equal('STORE_UNAVAILABLE');
    expect(await a.data(b)).to.deep.equal({ user: 'bob' });
  });

  it('are read again after such a gap, without anybody asking for them', async () => {
    a.store.span = 2;
    await shop.settle();
    expect(await inOutage()).to.deep.equal({ user: 'ada' });
  });

  it('are not read again after such a gap where their users have come first', async () => {
    const tokens = [token];
    while (tokens.length < 10) tokens.push((await a.sessions.manager.create({ n: tokens.length })).token);
    const reads = new Map<string, number>();
    const { behind } = shop;
    const read = behind.read.bind(behind);
    let come = false;
    behind.read = async key => {
      reads.set(key, (reads.get(key) ?? 0) + 1);
      if (!come && tokens.some(each => keyOf(each) === key)) {
        come = true;
        await Promise.all(tokens.map(each => a.data(each)));
      }
      return read(key);
    };
    a.store.span = 2;
    await shop.settle();
    // Four are on their way when the users come.
    expect(tokens.filter(each => reads.get(keyOf(each)) === 1)).to.have.lengthOf.at.least(6);
  });

  it('serve the outage in which they were last trusted to its end, whatever the connection does meanwhile', async () => {
    await a.cutOff();
    a.store.span = undefined;
    expect(await a.data(token)).to.deep.equal({ user: 'ada' });
    a.store.span = 2;
    expect(await a.data(token)).to.deep.equal({ user: 'ada' });
  });

  it('are gone when everything was flushed', async () => {
    a.store.watcher?.flushed();
    expect(await inOutage()).to.equal('STORE_UNAVAILABLE');
    expect(a.sessions.stats().store.shadow.items).to.equal(0);
  });
});

describe('warm copies of a store that reports no changes', () => {
  it('serve a read outage by their age at its start, however long writes have been failing before', async () => {
    const shop = new Shop();
    const a = await shop.open();
    const b = await shop.open();
    const { token } = await a.sessions.manager.create({ user: 'ada' });
    const { token: seen } = await a.sessions.manager.create({ user: 'bob' });
    a.store.link = 'oom';
    for (let n = 0; n < 3; n += 1) await a.sessions.manager.create({ n });
    expect(a.mode).to.equal('degraded');
    await shop.clock.advance(60 * 60_000);
    await b.sessions.manager.destroy(token);
    await a.data(seen);
    a.store.link = 'refused';
    for (let n = 0; n < 4; n += 1) {
      expect(await a.refusal(a.load(token))).to.equal('STORE_UNAVAILABLE');
      expect(await a.data(seen)).to.deep.equal({ user: 'bob' });
    }
    expect(a.sessions.stats().store.reads).to.equal(false);
    expect(await a.refusal(a.load(token))).to.equal('STORE_UNAVAILABLE');
    await shop.during(Promise.all([a.sessions.close(), b.sessions.close()]));
  });
});

describe('warm copies, when more sessions are read than there is room for', () => {
  it('are of those that came before there was none left, and of those that came again', async () => {
    const shop = new Shop();
    const b = await shop.open();
    const a = await shop.open({ shadow: { maxBytes: 64 * 1024, maxStaleness: 60_000 } });
    const tokens: string[] = [];
    for (let n = 0; n < 300; n += 1) tokens.push((await b.sessions.manager.create({ n })).token);
    for (const token of tokens) await a.load(token);
    const [first = '', once = '', twice = ''] = [tokens[0], tokens[298], tokens[299]];
    await a.load(twice);
    await a.cutOff();
    expect(await a.data(first)).to.deep.equal({ n: 0 });
    expect(await a.data(twice)).to.deep.equal({ n: 299 });
    expect(await a.refusal(a.load(once))).to.equal('STORE_UNAVAILABLE');
    await shop.during(Promise.all([a.sessions.close(), b.sessions.close()]));
  });
});

describe('a copy', () => {
  const confirmed = { at: 0, incarnation: 'one', watch: undefined };

  it('knows the last versions that it was made from, as long as one data set lasts', () => {
    const stamps = new Stamps(new ManualClock());
    const versions = Array.from({ length: 6 }, () => recordEntry(stamps.next(), Buffer.alloc(8)));
    let copy: Copy | undefined;
    for (const entry of versions) copy = Copy.of(entry, confirmed, copy);
    const known = versions.map(entry => copy?.descendsFrom(entry));
    expect(known).to.deep.equal([false, false, true, true, true, false]);
    const elsewhere = Copy.of(
      recordEntry(stamps.next(), Buffer.alloc(8)),
      { ...confirmed, incarnation: 'two' },
      copy,
    );
    expect(versions.map(entry => elsewhere.descendsFrom(entry))).to.not.include(true);
  });
});
