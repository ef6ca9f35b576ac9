import type { Context, Middleware } from 'koa';

/** As much of `ctx.session` as both libraries have. */
interface AnySession {
  [key: string]: unknown;
  toJSON(): Record<string, unknown>;
  regenerate(): unknown;
  manuallyCommit(): unknown;
}

interface Input {
  readonly key?: string;
  readonly value?: number;
  readonly user?: string;
  readonly padding?: number;
}

/** Where the session of this request came from, if the library says so. */
export type SourceOf = (ctx: Context) => string | null;

function sessionOf(ctx: Context): AnySession {
  // The two libraries type the property apart; what they share is above.
  return ctx.session as unknown as AnySession;
}

async function write(ctx: Context, { key = '', value, padding = 0 }: Input): Promise<boolean> {
  const session = sessionOf(ctx);
  session[key] = value;
  if (padding > 0) session['padding'] = `${value}`.padEnd(padding, '.');
  return (await session.manuallyCommit()) !== false;
}

async function login(ctx: Context, { user }: Input): Promise<boolean> {
  const session = sessionOf(ctx);
  session['user'] = user;
  return (await session.regenerate()) !== false;
}

function logout(ctx: Context): boolean {
  ctx.session = null;
  return true;
}

function read(): boolean {
  return true;
}

const HANDLERS: Readonly<Record<string, (ctx: Context, input: Input) => Promise<boolean> | boolean>> = {
  '/me': read,
  '/write': write,
  '/login': login,
  '/logout': logout,
};

async function inputOf(ctx: Context): Promise<Input> {
  let text = '';
  for await (const chunk of ctx.req.setEncoding('utf8')) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Input);
}

/** The whole app: a write is answered 200 only after the library said that it is kept. */
export function routes(sourceOf: SourceOf): Middleware {
  return async ctx => {
    const handler = HANDLERS[ctx.path];
    if (!handler) return;
    const saved = await handler(ctx, await inputOf(ctx));
    ctx.status = saved ? 200 : 409;
    const { user = null, padding: _, ...values } = ctx.session ? sessionOf(ctx).toJSON() : {};
    ctx.body = { user, values, source: sourceOf(ctx) };
  };
}
