import assert from 'node:assert/strict';
import Koa from 'koa';
import session, { healthRoutes, session as named } from 'koa-resilient-session';
import { storeContract } from 'koa-resilient-session/testing';

assert.equal(session, named);
assert.equal(typeof storeContract, 'function');

const sessions = session({ redis: false, secret: crypto.randomUUID(), logger: false });
const app = new Koa();
app.use(healthRoutes(sessions));
app.use(sessions);
app.use(ctx => {
  ctx.session.views = (ctx.session.views ?? 0) + 1;
  ctx.body = String(ctx.session.views);
});
const server = app.listen(0, '127.0.0.1');
await new Promise(resolve => server.once('listening', resolve));
const url = `http://127.0.0.1:${server.address().port}`;
const first = await fetch(url);
const cookie = first.headers.get('set-cookie').split(';')[0];
assert.equal(await first.text(), '1');
assert.equal(await (await fetch(url, { headers: { cookie } })).text(), '2');
assert.equal((await (await fetch(`${url}/health/session`)).json()).status, 'healthy');
await sessions.close();
server.close();
server.closeAllConnections();
console.log('import works');
