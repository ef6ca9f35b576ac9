import { type Context, HttpError, type Next } from 'koa';
import { SessionError } from '../../src/index.js';
import type { Pages } from './pages.js';

/** Around everything else: what goes wrong is a page too, with the headers that all pages have. */
export function explainErrors(pages: Pages) {
  return async (ctx: Context, next: Next): Promise<void> => {
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined) pages.say(ctx, 404, 'There is no such page.');
    } catch (error) {
      explain(ctx, error, pages);
    }
  };
}

function explain(ctx: Context, error: unknown, pages: Pages): void {
  if (error instanceof SessionError && error.status === 503) {
    ctx.set(error.headers);
    return pages.say(ctx, 503, 'Sessions are not to be had right now. Please try again.');
  }
  if (error instanceof HttpError) {
    ctx.set(error.headers ?? {});
    return pages.say(ctx, error.status, error.message);
  }
  ctx.app.emit('error', error, ctx);
  pages.say(ctx, 500, 'Something went wrong.');
}
