// The ten lines of the README. In a checkout: npm run build && node examples/basic/app.js
import Koa from 'koa';
import session, { healthRoutes } from 'koa-resilient-session';

const app = new Koa();
const sessions = session(); // REDIS_URL, SESSION_SECRET_KEY, SESSION_TIMEOUT_HOURS
app.use(sessions);
app.use(healthRoutes(sessions)); // GET /health/session
app.use(ctx => {
  ctx.session.views = (ctx.session.views ?? 0) + 1;
  ctx.body = `${ctx.session.views} views`;
});

sessions.events.on('store:degraded', ({ reason }) => console.error('sessions degraded:', reason));
sessions.events.on('store:recovered', report => console.info('sessions recovered:', report));
const server = app.listen(3000);
process.on('SIGTERM', () => server.close(() => sessions.close()));
