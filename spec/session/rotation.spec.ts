import { expect } from 'chai';
import { isTombstone } from '../../src/store/entry.js';
import { pseudonymOf } from '../../src/vault/token.js';
import { newSecret } from '../support/app.js';
import { type Instance, keyOf, Shop } from '../support/instances.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const [OLD, NEW] = [newSecret(), newSecret()];

/** An instance with these secrets; the first seals. */
const withSecrets = (shop: Shop, ...secret: string[]): Promise<Instance> =>
  shop.open({ secret, shadow: false });

async function begin(instance: Instance, data: Record<string, unknown> = { a: 1 }): Promise<string> {
  return (await instance.sessions.manager.create(data)).token;
}

async function logIn(instance: Instance, user: string): Promise<string> {
  const { session } = await instance.sessions.manager.create({});
  await session.login(user);
  return instance.sessions.manager.save(session);
}

/** One request that writes. Resolves with the token that the cookie has after it. */
async function write(instance: Instance, token: string, changes: Record<string, unknown>): Promise<string> {
  const session = await instance.load(token);
  if (!session) throw new Error('there is no such session');
  Object.assign(session, changes);
  return instance.sessions.manager.save(session);
}

const kidOf = (token: string): string => Buffer.from(token, 'base64url').subarray(0, 3).toString('hex');

/** The key id of what the store holds for this token. */
async function sealedWith(shop: Shop, token: string): Promise<string | undefined> {
  return (await shop.behind.read(keyOf(token)))?.subarray(18, 21).toString('hex');
}

describe('a change of secrets', () => {
  it('in the right order loses nobody, with instances that differ at each step (ASVS 11.1.1, 13.3.4)', async () => {
    const shop = new Shop();
    const steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]];
    let tokens: string[] = [];
    let [here, there] = [await withSecrets(shop, OLD), await withSecrets(shop, OLD)];
    tokens = [await begin(here), await begin(there)];
    for (const [step, secrets] of steps.entries()) {
      for (const turn of ['here', 'there'] as const) {
        if (turn === 'here') here = await withSecrets(shop, ...secrets);
        else there = await withSecrets(shop, ...secrets);
        for (const instance of [here, there, here]) {
          tokens = await Promise.all(
            tokens.map(token => write(instance, token, { [`${turn}${step}`]: true })),
          );
        }
      }
    }
    for (const token of tokens) expect(Object.keys((await here.data(token)) ?? {})).to.have.length(1 + 8);
  });

  it('seals anew with the next write, not before, and reissues the cookie (ASVS 11.2.2)', async () => {
    const shop = new Shop();
    const token = await begin(await withSecrets(shop, OLD));
    const after = await withSecrets(shop, NEW, OLD);
    await after.load(token);
    expect(await sealedWith(shop, token)).to.equal(kidOf(token));
    const reissued = await write(after, token, { b: 2 });
    expect(keyOf(reissued)).to.equal(keyOf(token));
    expect(kidOf(reissued)).not.to.equal(kidOf(token));
    expect(await sealedWith(shop, token)).to.equal(kidOf(reissued));
  });

  it('leaves what an instance cannot open alone: anonymous there, counted, and whole elsewhere', async () => {
    const shop = new Shop();
    const [behind, ahead] = [await withSecrets(shop, OLD), await withSecrets(shop, NEW, OLD)];
    const token = await begin(behind);
    await write(ahead, token, { b: 2 });
    const sealed = await shop.behind.read(keyOf(token));
    expect(await behind.blindly(token, { c: 3 })).to.equal(undefined);
    expect(behind.count('security:unknown-key')).to.equal(1);
    expect((await shop.behind.read(keyOf(token)))?.equals(sealed ?? Buffer.of())).to.equal(true);
    expect(await ahead.data(token)).to.deep.equal({ a: 1, b: 2 });
  });

  it('in an emergency: without the old secret nothing of it opens, at once, and everybody can log in anew', async () => {
    const shop = new Shop();
    const before = await withSecrets(shop, OLD);
    const [token, other] = [await logIn(before, 'ada'), await begin(before)];
    const sealed = await shop.behind.read(keyOf(token));
    const after = await withSecrets(shop, NEW);
    expect(await after.data(token)).to.equal(undefined);
    expect(after.count('security:unknown-key')).to.equal(1);
    expect((await shop.behind.read(keyOf(token)))?.equals(sealed ?? Buffer.of())).to.equal(true);
    const fresh = await after.blindly(other, { c: 3 });
    expect(fresh && (await after.data(fresh))).to.deep.equal({ c: 3 });
  });

  it('in an emergency lets in whose record is sealed with what was removed, and whose cookie is not', async () => {
    const shop = new Shop();
    const token = await begin(await withSecrets(shop, OLD));
    await write(await withSecrets(shop, NEW, OLD), token, { b: 2 });
    const after = await withSecrets(shop, OLD);
    const fresh = await after.visit(token, ctx => ctx.session.login('ada'));
    expect(fresh).not.to.equal(undefined);
    expect((await after.load(fresh ?? ''))?.authenticatedAs).to.equal('ada');
    expect(await sealedWith(shop, token)).to.not.equal(kidOf(token));
  });

  it('keeps the list of a user’s sessions whole', async () => {
    const shop = new Shop();
    const before = await withSecrets(shop, OLD);
    const phone = await logIn(before, 'ada');
    const [behind, ahead] = [await withSecrets(shop, OLD, NEW), await withSecrets(shop, NEW, OLD)];
    const laptop = await logIn(ahead, 'ada');
    const tablet = await logIn(behind, 'ada');
    expect(await ahead.sessions.users.list('ada')).to.have.length(3);
    expect(await behind.sessions.users.list('ada')).to.have.length(3);
    expect(await ahead.sessions.users.endAll('ada')).to.deep.equal({ ended: 3, complete: true });
    for (const token of [phone, laptop, tablet]) expect(await behind.data(token)).to.equal(undefined);
  });

  it('lets no login cross an ending unseen that another instance writes under another secret', async () => {
    const shop = new Shop();
    const [behind, ahead] = [await withSecrets(shop, OLD, NEW), await withSecrets(shop, NEW, OLD)];
    const { session } = await behind.sessions.manager.create({});
    // After the login has looked for endings, and before it is listed, all are ended.
    behind.store.beforeSwap(shop.indexKey('ada', OLD), async () => {
      await shop.clock.advance(1);
      await ahead.sessions.users.endAll('ada');
    });
    expect(await session.login('ada')).to.equal(false);
    expect(session.authenticatedWithin(DAY)).to.equal(false);
    const stored = (await shop.behind.dump()).find(({ key }) => pseudonymOf(key) === session.id);
    expect(stored && isTombstone(stored.entry)).to.equal(true);
    expect(await ahead.sessions.users.list('ada')).to.deep.equal([]);
  });
});

describe('the report on secrets', () => {
  it('counts what each one opened, by key id', async () => {
    const shop = new Shop();
    const token = await begin(await withSecrets(shop, OLD));
    const after = await withSecrets(shop, NEW, OLD);
    await after.load(token);
    const fresh = await begin(after);
    await after.load(fresh);
    await after.load(fresh);
    const [leading, old] = after.sessions.stats().secrets.keys;
    expect(leading).to.include({ kid: kidOf(fresh), leads: true, tokens: 2, records: 2, retirable: false });
    expect(old).to.include({ kid: kidOf(token), leads: false, tokens: 1, records: 1, retirable: false });
    expect(old?.lastUsed).to.be.within(shop.clock.wall() - HOUR, shop.clock.wall());
  });

  it('says that an old secret can go once nobody has needed it for as long as a session can live (ASVS 13.3.4)', async () => {
    const shop = new Shop();
    const token = await begin(await withSecrets(shop, OLD));
    const here = await withSecrets(shop, NEW, OLD);
    let fresh = await begin(here);
    await here.load(token);
    await shop.settle();
    for (let day = 0; day < 30; day += 1) {
      expect(here.sessions.stats().secrets.retirable, `on day ${day}`).to.equal(false);
      fresh = await nextDay(shop, here, fresh, day);
    }
    await here.load(fresh);
    await shop.settle();
    expect(here.sessions.stats().secrets.retirable).to.equal(true);
  });

  it('counts the uses of all instances, and survives each', async () => {
    const shop = new Shop();
    const [behind, ahead] = [await withSecrets(shop, OLD, NEW), await withSecrets(shop, NEW, OLD)];
    let fresh = await begin(ahead);
    await ahead.load(fresh);
    for (let day = 0; day < 20; day += 1) fresh = await nextDay(shop, ahead, fresh, day);
    // Here the old one still leads, and so it is needed.
    await behind.load(fresh);
    await shop.settle();
    const restarted = await withSecrets(shop, NEW, OLD);
    for (let day = 20; day < 32; day += 1) fresh = await nextDay(shop, restarted, fresh, day);
    expect(restarted.sessions.stats().secrets.retirable).to.equal(false);
    for (let day = 32; day < 52; day += 1) fresh = await nextDay(shop, restarted, fresh, day);
    expect(restarted.sessions.stats().secrets.retirable).to.equal(true);
  });

  it('knows nothing to retire where there is one secret, and asks the store nothing', async () => {
    const shop = new Shop();
    const here = await withSecrets(shop, OLD);
    const token = await begin(here);
    const before = here.store.calls;
    await here.load(token);
    await shop.clock.advance(0);
    expect(here.store.calls).to.equal(before + 1);
    expect(here.sessions.stats().secrets.retirable).to.equal(false);
  });

  it('says no while nobody can say: after a restart, and in an outage', async () => {
    const shop = new Shop();
    const first = await withSecrets(shop, NEW, OLD);
    let fresh = await begin(first);
    await first.load(fresh);
    await shop.settle();
    for (let day = 0; day < 31; day += 1) fresh = await nextDay(shop, first, fresh, day);
    expect(first.sessions.stats().secrets.retirable).to.equal(true);
    const restarted = await withSecrets(shop, NEW, OLD);
    expect(restarted.sessions.stats().secrets.retirable).to.equal(false);
    await first.cutOff();
    await shop.clock.advance(2 * HOUR);
    expect(first.sessions.stats().secrets.retirable).to.equal(false);
  });
});

/** A day passes in which one session is used; when it is at its end another begins. */
async function nextDay(shop: Shop, instance: Instance, token: string, day: number): Promise<string> {
  shop.clock.jumpWall(DAY / 2);
  await shop.clock.advance(61_000);
  const half = (await instance.load(token)) ? await write(instance, token, { day }) : await begin(instance);
  shop.clock.jumpWall(DAY / 2);
  await shop.clock.advance(61_000);
  const next = (await instance.load(half)) ? await write(instance, half, { day }) : await begin(instance);
  await shop.clock.advance(1000);
  return next;
}
