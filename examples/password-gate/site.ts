import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Router from '@koa/router';
import Koa, { type Context, type Middleware, type Next } from 'koa';
import { healthRoutes, type Sessions } from '../../src/index.js';
import { refuseForgery } from './csrf.js';
import { explainErrors } from './errors.js';
import { formOf } from './form.js';
import { Gate, goTo } from './gate.js';
import { secureHeaders } from './headers.js';
import { OwnSessions } from './own-sessions.js';
import { keyPage, notePage, Pages } from './pages.js';
import type { Settings } from './settings.js';

declare module '../../src/index.js' {
  interface SessionData {
    note?: string;
  }
}

const STYLE = readFileSync(new URL('./style.css', import.meta.url));
const LONGEST_NOTE = 200;

/** What is served, from the outside in. */
export function createSite(settings: Settings, sessions: Sessions): Koa {
  const pages = new Pages(sessions, settings.password !== undefined);
  const gate = new Gate(settings, pages);
  // Of the addresses in X-Forwarded-For the last is the proxy's word, and all before it anybody's.
  const app = new Koa({ proxy: settings.proxy, maxIpsCount: 1 });
  app.use(secureHeaders);
  app.use(explainErrors(pages));
  app.use(healthRoutes(sessions));
  app.use(serveStyle);
  app.use(sessions);
  app.use(gate.guard);
  app.use(refuseForgery);
  app.use(routes(gate, pages, new OwnSessions(sessions, pages)));
  return app;
}

function routes(gate: Gate, pages: Pages, own: OwnSessions): Middleware {
  const router = new Router();
  /** Stands for whatever nobody should see who comes by an unattended desk. */
  const apiKey = randomBytes(24).toString('base64url');
  const fresh = gate.fresh('/sessions');
  router.get('/login', gate.question).post('/login', gate.logIn).post('/logout', gate.logOut);
  router.get('/sessions', own.list);
  router.post('/sessions/end', fresh, own.end);
  router.post('/sessions/end-others', fresh, own.endOthers);
  router.post('/sessions/end-all', fresh, own.endAll);
  router.get('/api-key', gate.fresh('/api-key'), ctx => pages.show(ctx, 'API key', keyPage(apiKey)));
  router.get('/', ctx => pages.show(ctx, 'Note', notePage(ctx, ctx.session.note ?? '')));
  router.post('/note', keepNote);
  // The router brings its own additions to the context along.
  return router.routes() as Middleware;
}

function keepNote(ctx: Context): void {
  ctx.session.note = (formOf(ctx).get('note') ?? '').slice(0, LONGEST_NOTE);
  goTo(ctx, '/');
}

/** Needs no session, and is no secret. */
function serveStyle(ctx: Context, next: Next): Promise<void> | void {
  if (ctx.path !== '/style.css') return next();
  ctx.type = 'css';
  ctx.set('Cache-Control', 'max-age=3600');
  ctx.body = STYLE;
}
