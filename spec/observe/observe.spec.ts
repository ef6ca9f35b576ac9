import { inspect } from 'node:util';
import { expect } from 'chai';
import { SessionEvents } from '../../src/observe/events.js';
import { logEvents, type Logger } from '../../src/observe/log.js';
import { healthOf } from '../../src/observe/health.js';
import { type Instance, Shop } from '../support/instances.js';
import { ManualClock } from '../support/manual-clock.js';

describe('events', () => {
  function emitter(): { events: SessionEvents; failed: string[] } {
    const failed: string[] = [];
    return { events: new SessionEvents(event => failed.push(event)), failed };
  }

  const payload = Object.freeze({ at: 1, reason: 'oom', circuit: 'write' } as const);

  it('reach every listener, whichever throws or rejects', async () => {
    const { events, failed } = emitter();
    const heard: number[] = [];
    events.on('store:degraded', () => {
      throw new Error('one');
    });
    events.on('store:degraded', () => Promise.reject(new Error('two')) as unknown as undefined);
    events.on('store:degraded', ({ at }) => void heard.push(at));
    events.emit('store:degraded', payload);
    await Promise.resolve();
    await Promise.resolve();
    expect(heard).to.deep.equal([1]);
    expect(failed).to.deep.equal(['store:degraded', 'store:degraded']);
  });

  it('are heard once with once(), and no more after off()', () => {
    const { events } = emitter();
    let heard = 0;
    const listener = (): void => void (heard += 1);
    events.once('store:degraded', listener);
    events.emit('store:degraded', payload);
    events.emit('store:degraded', payload);
    expect(heard).to.equal(1);
    events.on('store:degraded', listener);
    events.off('store:degraded', listener);
    events.emit('store:degraded', payload);
    expect(heard).to.equal(1);
  });
});

describe('the log', () => {
  function recorder(): { lines: string[]; logger: Logger } {
    const lines: string[] = [];
    const line = (level: string) => (fields: object, message: string) =>
      void lines.push(`${level} ${message} ${inspect(fields)}`);
    return { lines, logger: { info: line('info'), warn: line('warn'), error: line('error') } };
  }

  it('says transitions at info and faults at error, and nothing of single sessions', () => {
    const { lines, logger } = recorder();
    const log = logEvents(logger, new ManualClock());
    log('store:recovering', { pending: 1 });
    log('store:degraded', { reason: 'oom', circuit: 'write' });
    log('session:saved', { session: 'x', by: 'primary', ms: 1 });
    expect(lines.map(line => line.split(' ')[0])).to.deep.equal(['info', 'error']);
  });

  it('says a fault that comes a thousand times once in ten seconds', async () => {
    const { lines, logger } = recorder();
    const clock = new ManualClock();
    const log = logEvents(logger, clock);
    for (let n = 0; n < 1_000; n += 1)
      log('store:error', { operation: 'read', class: 'ambiguous', code: 'timeout' });
    expect(lines).to.have.length(1);
    log('store:error', { operation: 'read', class: 'not-applied', code: 'refused' });
    await clock.advance(10_001);
    log('store:error', { operation: 'read', class: 'ambiguous', code: 'timeout' });
    expect(lines).to.have.length(3);
  });

  it('survives a logger that throws', () => {
    const broken = (): never => {
      throw new Error('disk full');
    };
    const log = logEvents({ info: broken, warn: broken, error: broken }, new ManualClock());
    expect(() => log('store:recovering', { pending: 1 })).to.not.throw();
  });
});

describe('what can be observed', () => {
  let shop: Shop;
  let app: Instance;
  const lines: string[] = [];

  beforeEach(async () => {
    shop = new Shop();
    lines.length = 0;
    const line = (fields: object, message: string): void =>
      void lines.push(message + inspect(fields, { depth: 9 }));
    app = await shop.open({ logger: { info: line, warn: line, error: line } });
  });

  afterEach(async () => {
    await shop.during(app.sessions.close());
  });

  it('never holds token, id, store key or data, through an outage and back (ASVS 16.2.5)', async () => {
    const { token, session } = await app.sessions.manager.create({ user: 'data-canary' });
    await app.cutOff();
    await app.change(token, { more: 'data-canary' });
    await app.sessions.manager.destroy((await app.sessions.manager.create({ user: 'data-canary' })).token);
    await app.rejoin();
    const bytes = Buffer.from(token, 'base64url').subarray(6, 38);
    const { sessions } = app;
    const shown = [
      app.events,
      sessions.stats(),
      sessions.health(),
      sessions.healthDetails(),
      sessions,
      session,
    ].map(value => inspect(value, { depth: 12, showHidden: true, maxArrayLength: null }));
    const all = [...shown, ...lines, JSON.stringify([app.events, sessions.stats(), sessions.health()])].join(
      '\n',
    );
    expect(app.events.length).to.be.above(5);
    for (const secret of [
      'data-canary',
      token,
      bytes.toString('hex'),
      bytes.toString('base64url'),
      bytes.toString('base64'),
    ]) {
      expect(all.includes(secret), `${secret.slice(0, 4)}…`).to.equal(false);
    }
  });

  it('is frozen: events, stats and all within', async () => {
    await app.sessions.manager.create({ user: 'ada' });
    const stats = app.sessions.stats();
    for (const value of [stats, stats.counters, stats.rates, stats.store.backlog, app.events[0]?.event]) {
      expect(value).to.be.frozen;
    }
    expect(app.events[0]?.event).to.have.property('at').that.is.a('number');
  });

  it('counts what happened, and how long it took', async () => {
    const { token } = await app.sessions.manager.create({ user: 'ada' });
    await app.data(token);
    const stats = app.sessions.stats();
    expect(stats.counters).to.include({ 'session:created': 1, 'session:loaded': 1, 'session:saved': 1 });
    expect(stats.sources).to.deep.equal({ primary: 1 });
    expect(stats.latencyMs.load.max).to.be.at.least(0);
    expect(stats.rates.loads).to.be.above(0);
  });
});

describe('health', () => {
  const zero = {
    migrated: 0,
    merged: 0,
    superseded: 0,
    tombstones: 0,
    expired: 0,
    quarantined: 0,
    evicted: 0,
  };
  const canary = { at: 1, ms: 1, ok: true, connect: true, operate: true, seal: true };
  const snapshot = {
    mode: 'healthy',
    reads: true,
    backlog: { items: 0, bytes: 0, oldestMs: 0 },
    journalFull: false,
    shadow: { items: 0, bytes: 0 },
    lastOutage: undefined,
    canary,
    ledger: zero,
    closed: false,
  } as const;
  const facts = { installed: true, redis: true, rejects: false };

  it('is healthy only with a canary that came back', () => {
    expect(healthOf({ ...facts, snapshot }).status).to.equal('healthy');
    expect(healthOf({ ...facts, snapshot: { ...snapshot, canary: undefined } }).status).to.equal('degraded');
    expect(
      healthOf({ ...facts, snapshot: { ...snapshot, canary: { ...canary, ok: false } } }).status,
    ).to.equal('degraded');
  });

  it('is degraded while the fallback serves, and unhealthy when nothing can be kept', () => {
    expect(healthOf({ ...facts, snapshot: { ...snapshot, mode: 'recovering' } }).status).to.equal('degraded');
    const away = { ...snapshot, mode: 'degraded', reads: false } as const;
    expect(healthOf({ ...facts, snapshot: away }).status).to.equal('degraded');
    expect(healthOf({ ...facts, rejects: true, snapshot: away }).status).to.equal('unhealthy');
    expect(healthOf({ ...facts, snapshot: { ...away, journalFull: true } }).status).to.equal('unhealthy');
    expect(healthOf({ ...facts, snapshot: { ...snapshot, closed: true } }).status).to.equal('unhealthy');
  });

  it('says disabled of a Redis that nobody asked for', () => {
    const service = healthOf({ ...facts, redis: false, snapshot }).session_health.redis_session_service;
    expect(service).to.deep.equal({ status: 'disabled', redis_connected: false, encryption_enabled: true });
  });
});
