/** The demo's app: a process of its own. It knows nothing of the checks, and is spoken to over HTTP alone. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Koa, { type Context } from 'koa';
import { createSessions } from '../../src/create.js';
import { healthRoutes, session, type SessionOptions, type Sessions } from '../../src/index.js';
import { EventFeed } from './feed.js';
import { type Answer, type Handler, serve } from './routes.js';
import { isSabotage, partsFor } from './sabotage.js';

declare module '../../src/index.js' {
  interface SessionData {
    user?: string;
    /** Each kind of thing is a key of its own, so that two instances can add different things at one time. */
    [kind: `cart:${string}`]: CartItem[];
  }
}

type CartItem = string | number;

const PAGE = readFileSync(new URL('./page.html', import.meta.url));
const EVENTS = '/api/events';
const CART_LIMIT = 2_000;
/** A held handler goes on by then, released or not. */
const LONGEST_HOLD = 15_000;
const NAME = /^[\w -]{1,32}$/;
/** Longer than any pause of the demo, so that no client writes into a connection that is just being closed. */
const KEEP_ALIVE = 60_000;

const { env } = process;
// Until this process listens: whoever started it says in one line what went wrong.
process.once('uncaughtException', refuse);
// Nobody may be left to read, and there is still something to put away.
process.stdout.on('error', () => undefined);

// Plain HTTP on loopback, whatever the surroundings say: a Secure cookie would not come back.
const options: SessionOptions = {
  cookie: { name: 'session', secure: false },
  ...(env['QUIET'] && { logger: false }),
};
const sessions = openSessions(env['SABOTAGE'] ?? '');
const feed = new EventFeed(sessions);

function refuse({ message }: Error): void {
  console.log(JSON.stringify({ failed: message }));
  process.exit(1);
}

function openSessions(sabotage: string): Sessions {
  if (!isSabotage(sabotage)) return session(options);
  return createSessions(options, partsFor(sabotage, env['REDIS_URL'] ?? ''));
}

/** What this visitor's session holds, as this instance sees it now. */
function me(ctx: Context): Answer {
  const { user, ...rest } = ctx.session?.toJSON() ?? {};
  const carts = Object.entries(rest).filter(([key]) => key.startsWith('cart:'));
  const info = sessions.info(ctx);
  return {
    instance: env['INSTANCE'] ?? 'A',
    pid: process.pid,
    user: user ?? null,
    cart: Object.fromEntries(carts.map(([key, items]) => [key.slice('cart:'.length), items])),
    session: info?.id ?? null,
    source: info?.source ?? null,
    created: info?.createdAt ?? null,
    expires: info?.expiresAt ?? null,
  };
}

async function login(ctx: Context, { user }: Answer): Promise<Answer> {
  if (typeof user !== 'string' || !NAME.test(user)) ctx.throw(400, 'user: 1 to 32 letters, digits, spaces');
  ctx.session.user = user;
  return answerSaved(ctx, await ctx.session.regenerate());
}

/** `hold` makes a slow handler of it, until `release`: what it has read may be over when it writes. */
async function addToCart(ctx: Context, { kind, item, hold }: Answer): Promise<Answer> {
  if (typeof kind !== 'string' || !NAME.test(kind)) ctx.throw(400, 'kind: 1 to 32 letters, digits, spaces');
  if (!isItem(item)) ctx.throw(400, 'item: a number, or 1 to 32 letters, digits, spaces');
  const items = ctx.session[`cart:${kind}`] ?? [];
  if (items.length >= CART_LIMIT) ctx.throw(422, 'the cart is full');
  if (hold === true) await released();
  ctx.session[`cart:${kind}`] = [...items, item];
  return answerSaved(ctx, await ctx.session.manuallyCommit());
}

function isItem(item: unknown): item is CartItem {
  return typeof item === 'string' ? NAME.test(item) : typeof item === 'number' && Number.isFinite(item);
}

function answerSaved(ctx: Context, saved: boolean): Answer {
  ctx.status = saved ? 200 : 409;
  return { saved, ...me(ctx) };
}

function logout(ctx: Context): Answer {
  ctx.session = null;
  return { saved: true };
}

/** The Redis buttons. Only the process that owns the Redis can press them: this app hands them on. */
async function askOwner(ctx: Context, method: 'GET' | 'POST', act: string): Promise<Answer> {
  const control = env['CONTROL_URL'];
  if (!control) {
    ctx.status = method === 'GET' ? 200 : 404;
    return { owned: false };
  }
  const answer = await fetch(`${control}/${act}`, { method });
  ctx.status = answer.status;
  const { error, ...redis } = Object(await answer.json());
  return { owned: true, redis, ...(error && { error }) };
}

const held = new Set<() => void>();

function released(): Promise<void> {
  return new Promise(resolve => {
    held.add(resolve);
    setTimeout(resolve, LONGEST_HOLD).unref();
  });
}

function release(): Answer {
  const { size } = held;
  for (const go of held) go();
  held.clear();
  return { released: size };
}

const watching: Record<string, Handler> = {
  'GET /api/stats': () => ({ ...sessions.stats() }),
  'GET /api/held': () => ({ held: held.size }),
  'POST /api/release': release,
  'GET /api/redis': ctx => askOwner(ctx, 'GET', ''),
  'POST /api/redis/kill': ctx => askOwner(ctx, 'POST', 'kill'),
  'POST /api/redis/freeze': ctx => askOwner(ctx, 'POST', 'freeze'),
  'POST /api/redis/thaw': ctx => askOwner(ctx, 'POST', 'thaw'),
  'POST /api/redis/restart': ctx => askOwner(ctx, 'POST', 'restart'),
};

const visiting: Record<string, Handler> = {
  'GET /api/me': me,
  'POST /api/login': login,
  'POST /api/cart': addToCart,
  'POST /api/logout': logout,
};

const app = new Koa();
// A page that goes away is how a feed ends: Koa would tell it as an error, with a stack.
app.on('error', (error: Error, ctx?: Context) => ctx?.path === EVENTS || app.onerror(error));
// Whoever watches needs no session: these stand before it, so that watching does not show up in what is watched.
app.use(healthRoutes(sessions, { authorize: () => true }));
app.use((ctx, next) => (ctx.path === EVENTS ? feed.serve(ctx) : next()));
app.use(serve(watching));
app.use(sessions);
app.use(serve(visiting));
app.use(ctx => {
  if (ctx.path !== '/') return;
  ctx.type = 'html';
  ctx.body = PAGE;
});

const server = createServer({ keepAliveTimeout: KEEP_ALIVE }, app.callback());
server.listen(Number(env['PORT'] ?? 0), '127.0.0.1', () => {
  process.off('uncaughtException', refuse);
  const address = server.address();
  if (typeof address === 'object' && address) console.log(JSON.stringify({ port: address.port }));
});

let stopping = false;

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  feed.close();
  server.close();
  const left = await sessions.close();
  console.log(JSON.stringify({ left }));
  server.closeAllConnections();
  process.exit(0);
}

process.on('SIGTERM', () => void stop());
// Ctrl-C in a terminal reaches the whole group; main decides when this process ends.
process.on('SIGINT', () => undefined);
// Whoever started this process holds its stdin: with them gone, nobody is left to end it.
process.stdin.on('end', () => void stop()).resume();
