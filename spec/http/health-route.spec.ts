import { expect } from 'chai';
import type { Context } from 'koa';
import { createSessions, healthRoutes, type Sessions } from '../../src/create.js';
import type { HealthRouteOptions } from '../../src/http/health-route.js';
import type { SessionOptions } from '../../src/options.js';
import { RedisServer } from '../support/redis-server.js';
import { newSecret, recordEvents, TestApp, until } from '../support/app.js';

const PATH = '/health/session';

describe('the health route', () => {
  let app: TestApp;
  let sessions: Sessions;
  const open = async (options: SessionOptions = {}, route: HealthRouteOptions = {}): Promise<void> => {
    sessions = createSessions({ secret: newSecret(), redis: false, logger: false, ...options }, { env: {} });
    app = await TestApp.serve(sessions, healthRoutes(sessions, route), ctx => void (ctx.body = 'the app'));
  };
  afterEach(async () => {
    await app.close();
    await sessions.close();
  });
  const body = async (path = PATH): Promise<Record<string, unknown>> => {
    const parsed: unknown = JSON.parse((await app.visitor().get(path)).text);
    // The route answers with an object, which the assertions look into.
    return parsed as Record<string, unknown>;
  };

  it('keeps the shape that monitors read, with memory alone as a disabled Redis', async () => {
    await open();
    await sessions.ready();
    expect(await body()).to.deep.equal({
      status: 'healthy',
      session_health: {
        redis_session_middleware_installed: true,
        session_middleware_available: true,
        redis_session_service: { status: 'disabled', redis_connected: false, encryption_enabled: true },
        session_accessible: true,
      },
    });
  });

  it('is never cached, and answers JSON with 200', async () => {
    await open();
    await sessions.ready();
    const answer = await app.visitor().get(PATH);
    expect(answer.status).to.equal(200);
    expect(answer.header('cache-control')).to.equal('no-store');
    expect(answer.header('content-type')).to.match(/^application\/json/);
    expect(answer.setCookies).to.deep.equal([]);
  });

  it('answers HEAD as GET, without a body, and leaves other methods and paths to the app', async () => {
    await open();
    await sessions.ready();
    const head = await app.visitor().send('HEAD', PATH);
    expect(head.status).to.equal(200);
    expect(head.text).to.equal('');
    expect(head.header('cache-control')).to.equal('no-store');
    for (const [method, path] of [
      ['POST', PATH],
      ['GET', `${PATH}/more`],
      ['GET', '/health'],
    ] as const) {
      expect((await app.visitor().send(method, path)).text, `${method} ${path}`).to.equal('the app');
    }
  });

  it('stands at the path that the app chose', async () => {
    await open({}, { path: '/internal/up' });
    expect(await body('/internal/up')).to.have.property('session_health');
    expect((await app.visitor().get(PATH)).text).to.equal('the app');
  });

  it('answers 503 once closed', async () => {
    await open();
    await sessions.ready();
    await sessions.close();
    // The middleware refuses requests by now, so the route stands before it, or on an app of its own.
    const alone = await TestApp.serve(healthRoutes(sessions));
    try {
      const answer = await alone.visitor().get(PATH);
      expect(answer.status).to.equal(503);
      expect(JSON.parse(answer.text)).to.deep.include({ status: 'unhealthy' });
      expect(JSON.parse(answer.text)).to.have.nested.property('session_health.session_accessible', false);
    } finally {
      await alone.close();
    }
  });

  it('knows that an app does not use the middleware', async () => {
    await open();
    const alone = await TestApp.serve(healthRoutes(sessions));
    try {
      const answer = JSON.parse((await alone.visitor().get(PATH)).text) as unknown;
      expect(answer).to.have.nested.property('session_health.redis_session_middleware_installed', false);
    } finally {
      await alone.close();
    }
  });

  describe('with authorize', () => {
    const details = ['mode', 'backlog', 'lastOutage', 'latencyMs', 'errorRate', 'canary'];

    it('shows details to callers that it admits, and to nobody else', async () => {
      const authorize = (ctx: Context): boolean => ctx.get('x-key') === 'k';
      await open({}, { authorize });
      await sessions.ready();
      expect(await body()).to.have.all.keys('status', 'session_health');
      const answer = JSON.parse((await app.visitor().get(PATH, { 'x-key': 'k' })).text) as unknown;
      expect(answer).to.have.property('details').that.has.all.keys(details);
      expect(answer)
        .to.have.nested.property('details.canary')
        .that.includes({ ok: true, connect: true, operate: true, seal: true });
      expect(answer)
        .to.have.nested.property('details.backlog')
        .that.deep.equals({ items: 0, bytes: 0, oldestMs: 0 });
    });

    it('waits for a promise', async () => {
      await open({}, { authorize: () => Promise.resolve(true) });
      expect(await body()).to.have.property('details');
    });

    const refusals: Record<string, () => boolean | Promise<boolean>> = {
      throws: () => {
        throw new Error('no database');
      },
      rejects: () => Promise.reject(new Error('no database')),
      'answers something that is merely truthy': () => 'yes' as unknown as boolean,
    };
    for (const [what, authorize] of Object.entries(refusals)) {
      it(`that ${what} shows no details, and is no error`, async () => {
        await open({}, { authorize });
        await sessions.ready();
        const answer = await app.visitor().get(PATH);
        expect(answer.status).to.equal(200);
        expect(JSON.parse(answer.text)).not.to.have.property('details');
        expect(app.errors).to.deep.equal([]);
      });
    }
  });

  describe('over a Redis that comes and goes', () => {
    let server: RedisServer;
    before(async () => (server = await RedisServer.start()));
    after(() => server.stop());

    it('follows it: healthy, degraded with 200, healthy again', async () => {
      await open({ redis: server.url, probe: { interval: 20, maxInterval: 50 } });
      const events = recordEvents(sessions);
      await sessions.ready();
      expect(await body()).to.have.property('status', 'healthy');
      expect(await body())
        .to.have.nested.property('session_health.redis_session_service')
        .that.deep.equals({
          status: 'healthy',
          redis_connected: true,
          encryption_enabled: true,
        });
      await server.kill();
      await until(async () => {
        await sessions.manager.check();
        return events.some(({ name }) => name === 'store:degraded');
      });
      const answer = await app.visitor().get(PATH);
      expect(answer.status).to.equal(200);
      expect(JSON.parse(answer.text)).to.deep.include({ status: 'degraded' });
      expect(JSON.parse(answer.text)).to.have.nested.property(
        'session_health.redis_session_service.redis_connected',
        false,
      );
      expect(JSON.parse(answer.text)).to.have.nested.property('session_health.session_accessible', true);
      await server.restart();
      await until(() => events.some(({ name }) => name === 'store:recovered'));
      expect(await body()).to.have.property('status', 'healthy');
    });

    it("answers 503 where the app chose 'reject' and nothing can be read", async () => {
      await open({ redis: server.url, onUnavailable: 'reject', probe: { interval: 20, maxInterval: 50 } });
      const events = recordEvents(sessions);
      await sessions.ready();
      await server.kill();
      await until(async () => {
        await sessions.manager.check();
        return events.some(({ name }) => name === 'store:degraded');
      });
      const answer = await app.visitor().get(PATH);
      expect(answer.status).to.equal(503);
      expect(JSON.parse(answer.text)).to.have.property('status', 'unhealthy');
      await server.restart();
    });
  });
});
