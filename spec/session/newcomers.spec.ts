import { expect } from 'chai';
import { type Instance, Shop } from '../support/instances.js';
import { openSite, type Site } from '../support/app.js';
import { ManualClock } from '../support/manual-clock.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** An app that keeps a session for whoever comes, in time that moves only when told. */
async function openFlooded(
  perSecond: number,
  clock = new ManualClock(),
): Promise<Site & { clock: ManualClock }> {
  const site = await openSite(
    ctx => {
      ctx.session['seen'] = true;
      ctx.body = String(ctx.session.expiresAt?.getTime());
    },
    { anonymous: { perSecond } },
    { clock },
  );
  return { ...site, clock };
}

const maxAges = (lines: readonly string[]): string[] =>
  lines.map(line => /Max-Age=(\d+)/.exec(line)?.[1] ?? '');

describe('anonymous sessions', () => {
  it('beyond the budget last ten minutes, and it is said', async () => {
    const site = await openFlooded(1);
    try {
      const lines: string[] = [];
      for (let n = 0; n < 13; n += 1) lines.push(...(await site.app.visitor().get()).setCookies);
      expect(maxAges(lines)).to.deep.equal([...Array<string>(10).fill('86400'), '600', '600', '600']);
      expect(site.count('security:flood')).to.equal(3);
      expect(site.logger.messages('warn').filter(line => line.includes('live briefly'))).to.have.length(1);
    } finally {
      await site.close();
    }
  });

  it('live as long as all others once they come back', async () => {
    const site = await openFlooded(0);
    try {
      const visitor = site.app.visitor();
      expect(maxAges((await visitor.get()).setCookies)).to.deep.equal(['600']);
      await site.clock.advance(9 * MINUTE);
      expect(maxAges((await visitor.get()).setCookies)).to.deep.equal(['86400']);
      await site.clock.advance(10 * MINUTE);
      expect((await visitor.get()).setCookies).to.deep.equal([]);
      expect(site.count('session:created')).to.equal(1);
    } finally {
      await site.close();
    }
  });

  it('are over after that, though the store would keep them', async () => {
    const site = await openFlooded(0);
    try {
      const visitor = site.app.visitor();
      await visitor.get();
      await site.clock.advance(10 * MINUTE + 1);
      await visitor.get();
      expect(site.count('session:expired')).to.equal(1);
    } finally {
      await site.close();
    }
  });

  it('may begin again at full length after a while of silence', async () => {
    const site = await openFlooded(1);
    try {
      for (let n = 0; n < 11; n += 1) await site.app.visitor().get();
      await site.clock.advance(2_000);
      const lines = [
        ...(await site.app.visitor().get()).setCookies,
        ...(await site.app.visitor().get()).setCookies,
        ...(await site.app.visitor().get()).setCookies,
      ];
      expect(maxAges(lines)).to.deep.equal(['86400', '86400', '600']);
    } finally {
      await site.close();
    }
  });

  it('take nothing from logins, from what the app makes itself, or from what has a maxAge of its own', async () => {
    const shop = new Shop();
    const here: Instance = await shop.open({ anonymous: { perSecond: 0 } });
    const { session } = await here.sessions.manager.create({ a: 1 });
    expect(session.expiresAt?.getTime()).to.equal(shop.clock.wall() + DAY);
    const site = await openSite(
      async ctx => {
        if (ctx.path === '/login') await ctx.session.login('ada');
        else ctx.session.maxAge = 2 * DAY;
        ctx.body = 'ok';
      },
      { anonymous: { perSecond: 0 } },
    );
    try {
      expect(maxAges((await site.app.visitor().get('/login')).setCookies)).to.deep.equal(['86400']);
      expect(maxAges((await site.app.visitor().get('/own')).setCookies)).to.deep.equal(['172800']);
      expect(site.count('security:flood')).to.equal(0);
    } finally {
      await site.close();
    }
  });
});
