const assert = require('node:assert/strict');
const { session, healthRoutes } = require('koa-resilient-session');

assert.equal(typeof healthRoutes, 'function');
const sessions = session({ redis: false, secret: crypto.randomUUID(), logger: false });
sessions.ready().then(async () => {
  assert.deepEqual(await sessions.close(), { items: 0, bytes: 0 });
  console.log('require works');
});
