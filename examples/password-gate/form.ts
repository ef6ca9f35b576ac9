import type { Context } from 'koa';

/** No form of this app is longer. */
const MAX_BYTES = 4_096;

const forms = new WeakMap<Context, URLSearchParams>();

/** Reads what a form has sent; `formOf` has it from then on. */
export async function readForm(ctx: Context): Promise<URLSearchParams> {
  if (!ctx.is('application/x-www-form-urlencoded')) ctx.throw(415, 'This app takes forms alone.');
  const form = new URLSearchParams(await readBody(ctx));
  forms.set(ctx, form);
  return form;
}

export function formOf(ctx: Context): URLSearchParams {
  return forms.get(ctx) ?? new URLSearchParams();
}

async function readBody(ctx: Context): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Left early, an ordinary loop would take the connection with it, and the answer.
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    if (bytes > MAX_BYTES) break;
  }
  if (bytes <= MAX_BYTES) return Buffer.concat(chunks).toString();
  ctx.req.resume();
  return ctx.throw(413, 'This is more than any form here sends.');
}
