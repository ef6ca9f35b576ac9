import type { Context, Middleware } from 'koa';

export type Answer = { readonly [name: string]: unknown };
export type Handler = (ctx: Context, input: Answer) => Promise<Answer> | Answer;

const BODY_LIMIT = 4_096;

/** Answers in JSON what is asked for by `METHOD /path`, and passes everything else on. */
export function serve(handlers: Record<string, Handler>): Middleware {
  return async (ctx, next) => {
    const route = `${ctx.method} ${ctx.path}`;
    const handler = Object.hasOwn(handlers, route) ? handlers[route] : undefined;
    if (!handler) return next();
    const input = ctx.method === 'POST' ? await readInput(ctx) : {};
    ctx.body = await handler(ctx, input);
  };
}

async function readInput(ctx: Context): Promise<Answer> {
  // A form on another site cannot send this type, so nobody else's page presses these buttons.
  if (ctx.request.type !== 'application/json') ctx.throw(415, 'send application/json');
  let text = '';
  for await (const chunk of ctx.req.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > BODY_LIMIT) ctx.throw(413);
  }
  const input = parse(text || '{}');
  if (typeof input !== 'object' || input === null) ctx.throw(400, 'send a JSON object');
  return { ...input };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
