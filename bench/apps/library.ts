import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import Koa from 'koa';
import { session, type Sessions, type SessionOptions } from '../../src/index.js';
import { answer, type Shopper } from './shopper.js';

declare module '../../src/index.js' {
  interface SessionData {
    count?: number;
  }
}

/** This library with its defaults. */
export async function start(url: string): Promise<RequestListener> {
  const sessions = sessionsAt(url);
  await sessions.ready();
  return appOf(sessions);
}

/** Users of this benchmark do not come at 100 a second: more of them would begin with short sessions. */
export function sessionsAt(url: string, options: SessionOptions = {}): Sessions {
  const secret = randomBytes(32).toString('hex');
  return session({ redis: url, secret, logger: false, anonymous: { perSecond: 1_000_000 }, ...options });
}

export function appOf(sessions: Sessions): RequestListener {
  const app = new Koa();
  app.use(sessions);
  app.use(ctx => {
    const { status, body } = answer(ctx.url, shopperOf(ctx.session));
    ctx.status = status;
    ctx.body = body;
  });
  return app.callback();
}

/** Which data a session holds is the app's word. */
export function shopperOf(held: object): Shopper {
  return held as Shopper;
}
