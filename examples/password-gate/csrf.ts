import { randomBytes } from 'node:crypto';
import type { Context, Next } from 'koa';
import { readForm } from './form.js';
import { isSame } from './password.js';

// In an app of your own: 'koa-resilient-session'.
declare module '../../src/index.js' {
  interface SessionData {
    /** What each form of this session must bring along. */
    csrf?: string;
  }
}

/** Made when a form is first shown: who is shown none needs no session. */
export function csrfToken(ctx: Context): string {
  return (ctx.session.csrf ??= newToken());
}

/** At a login: a form that was shown before it is worth nothing after it. */
export function renewCsrfToken(ctx: Context): void {
  ctx.session.csrf = newToken();
}

/** Whatever changes something must come from a page of this app, shown in this very session (ASVS 3.5.1). */
export async function refuseForgery(ctx: Context, next: Next): Promise<void> {
  if (ctx.method === 'GET' || ctx.method === 'HEAD') return next();
  if (!isFromHere(ctx)) ctx.throw(403, 'This was sent by a page of another site.');
  const form = await readForm(ctx);
  const { csrf } = ctx.session;
  if (csrf === undefined || !isSame(form.get('csrf') ?? '', csrf))
    ctx.throw(403, 'This form is too old. Go back, reload the page, and send it again.');
  return next();
}

/** Browsers say so in one header or the other. What is no browser says neither, and then the token decides. */
function isFromHere(ctx: Context): boolean {
  const site = ctx.get('Sec-Fetch-Site');
  if (site !== '') return site === 'same-origin';
  const origin = ctx.get('Origin');
  return origin === '' || (URL.canParse(origin) && new URL(origin).host === ctx.host);
}

function newToken(): string {
  return randomBytes(32).toString('base64url');
}
