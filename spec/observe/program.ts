// The shop as a program of its own, with the default logger. Its words come in WORDS, all else as in any app.
import Koa from 'koa';
import session, { healthRoutes, type Sessions } from '../../src/index.js';
import { serve, type Words } from './shop.js';

const words = JSON.parse(process.env['WORDS'] ?? '{}') as Words;

/** Ways for a program to end by an error of the library that nobody catches. */
const ENDS: Readonly<Record<string, () => unknown>> = {
  'is not ready': async () => session({ logger: false }).ready(),
  'has a weak secret': () => session({ redis: false, secret: words.password.slice(0, 20).repeat(2) }),
  'has no proper URL': () => session({ redis: `no-${process.env['REDIS_URL']}` }),
  'has a secret in the wrong place': () => session({ deadline: process.env['SESSION_SECRET_KEY'] as never }),
  'has a password in the wrong place': () => session({ merge: { password: words.password } as never }),
  'creates what cannot be written': async () =>
    session({ redis: false }).manager.create({ [words.key]: [words.data, 1n] }),
  'sets what is reserved': async () => {
    const { manager } = session({ redis: false });
    const { session: created } = await manager.create({ [words.key]: words.data });
    setImmediate(() => Object.assign(created, { maxAge: words.data }));
  },
  'saves what has ended': async () => {
    const { manager } = session({ redis: false });
    const { session: created, token } = await manager.create({ [words.key]: words.data });
    await manager.destroy(token);
    await manager.save(Object.assign(created, { [words.key]: words.label }));
  },
  'loads after the end': async () => {
    const sessions = session({ redis: false });
    const { token } = await sessions.manager.create({ [words.key]: words.data });
    await sessions.close();
    await sessions.manager.load(token);
  },
};

function open(): void {
  const sessions: Sessions = session({ probe: { interval: 20, maxInterval: 50 }, maxDataBytes: 4_096 });
  const app = new Koa();
  app.use(healthRoutes(sessions, { authorize: () => true }));
  app.use(sessions);
  app.use(async ctx => {
    console.log(ctx.session, { session: ctx.session }, sessions.info(ctx));
    await serve(ctx, words);
  });
  const server = app.listen(0, '127.0.0.1', () => process.send?.(server.address()));
  process.once('SIGTERM', () => {
    process.disconnect();
    server.closeAllConnections();
    server.close(() => void sessions.close().then(left => console.log('closed', left)));
  });
}

const [ending = ''] = process.argv.slice(2);
if (ending === '') open();
else await ENDS[ending]?.();
