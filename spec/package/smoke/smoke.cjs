const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { session, healthRoutes } = require('koa-resilient-session');

assert.equal(typeof healthRoutes, 'function');
const sessions = session({ redis: false, secret: crypto.randomUUID(), logger: false });
sessions.ready().then(async () => {
  assert.deepEqual(await sessions.close(), { items: 0, bytes: 0 });
  console.log('require works');
  assert.match(
    execFileSync('npx', ['koa-resilient-session', 'secret'], { encoding: 'utf8' }),
    /^[0-9a-f]{64}\n$/,
  );
  console.log('the command works');
});
