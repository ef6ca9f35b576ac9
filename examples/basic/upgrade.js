// A session in an HTTP upgrade, where no middleware runs. In a checkout: npm run build && node examples/basic/upgrade.js
// Visit / for a session, then: curl -i -H 'Connection: Upgrade' -H 'Upgrade: greeting' -b <cookie> localhost:3000
import Koa from 'koa';
import session from 'koa-resilient-session';

const app = new Koa();
const sessions = session();
app.use(sessions);
app.use(ctx => {
  ctx.session.name = 'Ada';
  ctx.body = 'now upgrade';
});

/** The token is the value of the session cookie. */
function tokenOf(request) {
  const pairs = (request.headers.cookie ?? '').split(';').map(pair => pair.trim().split('='));
  return pairs.find(([name]) => name === sessions.cookieName)?.[1];
}

async function greet(request, socket) {
  const token = tokenOf(request);
  const found = token && (await sessions.manager.load(token));
  if (!found) return socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
  socket.end(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: greeting\r\nConnection: Upgrade\r\n\r\nhello ${found.name}\n`,
  );
}

app.listen(3000).on('upgrade', (request, socket) => {
  socket.on('error', () => socket.destroy());
  // Nobody can say now whether there is a session.
  greet(request, socket).catch(() =>
    socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n'),
  );
});
