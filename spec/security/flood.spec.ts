import { expect } from 'chai';
import { systemClock } from '../../src/clock.js';
import { MemoryStore } from '../../src/store/memory.js';
import { openSite } from '../support/app.js';
import { FaultyStore } from '../support/faulty-store.js';
import { type Instance, Shop } from '../support/instances.js';

const FORGED = 20_000;
const VISITS = 2_000;

describe('a flood', () => {
  let shop: Shop;
  let app: Instance;
  beforeEach(async () => {
    shop = new Shop();
    app = await shop.open({
      anonymous: { perSecond: 10, idleTimeout: 60_000 },
      journal: { maxBytes: 256 * 1024 },
    });
  });
  afterEach(() => shop.during(app.sessions.close()));

  /** Tokens as a forger makes them: of the right form, of the right key or another, and each a new one. */
  const forge = (token: string, count: number): string[] => {
    const bytes = Buffer.from(token, 'base64url');
    return Array.from({ length: count }, (_, n) => {
      const forged = Buffer.from(bytes);
      forged.writeUInt32BE(n, 10);
      if (n % 3 === 0) forged.writeUInt8(forged.readUInt8(0) ^ 1, 0);
      return n % 5 === 0 ? `${'x'.repeat(n % 100)}` : forged.toString('base64url');
    });
  };

  for (const link of ['ok', 'refused'] as const)
    it(`of ${FORGED} forged tokens asks the store nothing, keeps nothing, and opens nothing, with the store ${link} (ASVS 7.2.1, 16.5.2)`, async () => {
      const { token } = await app.sessions.manager.create({ user: 'ada' });
      if (link === 'refused') await app.cutOff(link);
      const [calls, before] = [app.store.calls, app.sessions.stats().store];
      for (const forged of forge(token, FORGED)) {
        const session = await app.sessions.manager.load(forged);
        if (session) throw new Error('a forged token has opened a session');
      }
      expect(app.store.calls).to.equal(calls);
      const { backlog, shadow } = app.sessions.stats().store;
      expect({ backlog, shadow }).to.deep.equal({ backlog: before.backlog, shadow: before.shadow });
      const { counters } = app.sessions.stats();
      expect((counters['security:forged-token'] ?? 0) + (counters['security:unknown-key'] ?? 0)).to.equal(
        FORGED,
      );
      expect(await app.data(token)).to.deep.equal({ user: 'ada' });
      if (link === 'refused') await app.rejoin();
    });

  for (const link of ['ok', 'refused'] as const)
    it(`of visits without a cookie asks the store nothing where nothing is written, with the store ${link} (ASVS 16.5.2)`, async () => {
      const clock = systemClock();
      const store = new FaultyStore(new MemoryStore(1024 * 1024, clock));
      const site = await openSite(ctx => void (ctx.body = JSON.stringify(ctx.session)), { store });
      try {
        await site.sessions.ready();
        store.link = link;
        const reads: string[] = [];
        const read = store.read.bind(store);
        store.read = key => (reads.push(key), read(key));
        for (let n = 0; n < 200; n += 1) expect((await site.app.visitor().get('/')).text).to.equal('{}');
        // Canaries, which come whether anybody visits or not, read a key of their own.
        expect(new Set(reads).size).to.be.below(2);
        expect(site.sessions.stats().store.backlog.items).to.equal(0);
      } finally {
        await site.close();
      }
    });

  it('of bots in an outage takes nothing from a user who was there before, and stays under its cap (ASVS 16.5.2)', async () => {
    const { token } = await app.sessions.manager.create({ user: 'ada' });
    await app.cutOff();
    let refused = 0;
    for (let n = 0; n < VISITS; n += 1)
      await app.sessions.manager.create({ bot: n }).catch(() => (refused += 1));
    expect(refused).to.be.above(0);
    await app.change(token, { last: 'word' });
    expect(app.sessions.stats().store.backlog.bytes).to.be.below(256 * 1024);
    await app.rejoin();
    expect(await app.data(token)).to.deep.equal({ user: 'ada', last: 'word' });
  });
});
