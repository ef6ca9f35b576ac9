import { expect } from 'chai';
import { systemClock } from '../../src/clock.js';
import { createSessions } from '../../src/create.js';
import { Recall } from '../../src/session/recall.js';
import { decodeRecord, encodeRecord, type SessionRecord } from '../../src/session/record.js';
import { Session } from '../../src/session/session.js';
import { recordEntry, Stamps } from '../../src/store/entry.js';
import { StoreFault } from '../../src/store/fault.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { SessionStore } from '../../src/store/store.js';
import { Vault, type VerifiedToken } from '../../src/vault/vault.js';
import { newSecret } from '../support/app.js';
import { ManualClock } from '../support/manual-clock.js';

const MINUTE = 60_000;

describe('what is remembered of tokens and records', () => {
  const clock = new ManualClock();
  const stamps = new Stamps(clock);
  const vault = new Vault({ secrets: [newSecret()], cookieName: 'session', prefix: 'sess:' }, clock);
  let recall: Recall;
  beforeEach(() => {
    recall = new Recall(clock);
  });
  afterEach(() => recall.close());

  const recordOf = (text: string): SessionRecord => {
    const meta = { c: 1, a: 0, u: 1, i: null, x: 2 };
    const record = decodeRecord(`${JSON.stringify(meta)}\n${text}`);
    if (!record) throw new Error('no record');
    return record;
  };
  const one = (
    text = '{"a":1}',
  ): { token: string; verified: VerifiedToken; entry: Buffer; record: SessionRecord } => {
    const token = vault.issue(vault.newIdentity(), 0);
    const verified = vault.verify(token);
    if (typeof verified === 'string') throw new Error(verified);
    const record = recordOf(text);
    return { token, verified, entry: recordEntry(stamps.next(), Buffer.from(encodeRecord(record))), record };
  };
  const keep = ({ token, verified, entry, record }: ReturnType<typeof one>): void =>
    recall.keep(token, verified, entry, record);

  it('is the claims of a token, and the record of exactly those bytes', () => {
    const known = one();
    keep(known);
    expect(recall.token(known.token)).to.equal(known.verified);
    expect(recall.opened(known.token, Buffer.from(known.entry))?.record).to.equal(known.record);
  });

  it('says nothing of any other bytes, be they of the same stamp', () => {
    const known = one();
    keep(known);
    for (let at = 0; at < known.entry.length; at += 1) {
      const other = Buffer.from(known.entry);
      other.writeUInt8((other[at] ?? 0) ^ 1, at);
      expect(recall.opened(known.token, other), `byte ${at}`).to.equal(undefined);
    }
    expect(recall.opened(known.token, known.entry.subarray(0, -1))).to.equal(undefined);
  });

  it('does not change with the buffer that it was read from', () => {
    const known = one();
    const packet = Buffer.from(known.entry);
    keep({ ...known, entry: packet });
    packet.fill(0);
    expect(recall.opened(known.token, known.entry)?.record).to.equal(known.record);
    expect(recall.opened(known.token, packet)).to.equal(undefined);
  });

  it('says nothing of one session under the token of another', () => {
    const [mine, theirs] = [one(), one()];
    keep(mine);
    keep(theirs);
    expect(recall.opened(mine.token, theirs.entry)).to.equal(undefined);
  });

  it('is a newer version once that was written, and only of a token that is known', () => {
    const [known, newer, stranger] = [one(), one('{"a":2}'), one()];
    keep(known);
    recall.renew(known.token, known.verified.identity.key, newer.entry, newer.record);
    expect(recall.opened(known.token, known.entry)).to.equal(undefined);
    expect(recall.opened(known.token, newer.entry)?.record).to.equal(newer.record);
    recall.renew(stranger.token, stranger.verified.identity.key, stranger.entry, stranger.record);
    expect(recall.token(stranger.token)).to.equal(undefined);
  });

  it('is nothing once what the token named goes on under another id', () => {
    const [known, moved] = [one(), one()];
    keep(known);
    recall.renew(known.token, moved.verified.identity.key, moved.entry, moved.record);
    expect(recall.token(known.token)).to.equal(undefined);
  });

  it('is nothing after an end', () => {
    const known = one();
    keep(known);
    recall.forget(known.token);
    expect(recall.token(known.token)).to.equal(undefined);
    expect(recall.size).to.equal(0);
  });

  it('stays while it is used, and goes when nobody has come back for two minutes', async () => {
    const [used, unused] = [one(), one()];
    keep(used);
    keep(unused);
    for (let turn = 0; turn < 5; turn += 1) {
      await clock.advance(MINUTE / 2);
      expect(recall.token(used.token)).to.equal(used.verified);
    }
    expect(recall.token(unused.token)).to.equal(undefined);
    await clock.advance(2 * MINUTE);
    expect(recall.size).to.equal(0);
    expect(clock.timers, 'timers of nothing').to.equal(0);
  });

  it('is nothing after the end, whoever was under way then', () => {
    const [known, late] = [one(), one()];
    keep(known);
    recall.close();
    keep(late);
    expect(recall.token(known.token)).to.equal(undefined);
    expect(recall.token(late.token)).to.equal(undefined);
    expect(clock.timers, 'timers of nothing').to.equal(0);
  });

  it('takes no more memory than it may, and once it is full nobody makes way for who comes once', () => {
    const text = JSON.stringify({ fill: 'x'.repeat(20_000) });
    const all = Array.from({ length: 1_000 }, () => one(text));
    const kept = (): typeof all =>
      all.filter(({ token, entry }) => recall.opened(token, entry) !== undefined);
    for (const each of all) keep(each);
    expect(recall.size * 3 * text.length).to.be.within(28 * 2 ** 20, 32 * 2 ** 20);
    expect(kept()).to.deep.equal(all.slice(0, recall.size));
    const again = all.slice(-100);
    for (const each of again) keep(each);
    expect(recall.size * 3 * text.length).to.be.within(28 * 2 ** 20, 32 * 2 ** 20);
    expect(kept().filter(each => again.includes(each)).length).to.be.above(95);
    expect(kept()).to.not.include(all[0]);
  });
});

describe('the version that a request has written', () => {
  const AWAY: SessionStore = {
    read: () => Promise.reject(new StoreFault('not-applied', 'refused')),
    swap: () => Promise.reject(new StoreFault('not-applied', 'refused')),
  };
  const PLACES = { 'the store': new MemoryStore(1024 * 1024, systemClock()), 'the journal': AWAY };

  for (const [place, store] of Object.entries(PLACES)) {
    it(`is remembered in ${place}: the next one does not open it`, async () => {
      const sessions = createSessions({ store, secret: newSecret(), logger: false }, {});
      try {
        const { token } = await sessions.manager.create({});
        const recordOf = (session: Session): unknown => Session.stateOf(session).base?.record;
        const load = async (): Promise<Session> => {
          const session = await sessions.manager.load(token);
          if (!session) throw new Error('the session is gone');
          return session;
        };
        const first = await load();
        Reflect.set(first, 'step', 1);
        await sessions.manager.save(first);
        const second = await load();
        expect(second.toJSON()).to.deep.equal({ step: 1 });
        // What is opened anew is as good, and another object.
        expect(recordOf(second) === recordOf(first)).to.equal(true);
      } finally {
        await sessions.close();
      }
    });
  }
});
