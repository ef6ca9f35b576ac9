import type { Context, Next } from 'koa';
import { SessionError } from '../../src/index.js';
import { renewCsrfToken } from './csrf.js';
import { formOf } from './form.js';
import { localPath } from './local-path.js';
import { type Pages, passwordForm, type Question } from './pages.js';
import { fingerprint, isSame } from './password.js';
import type { Settings } from './settings.js';
import { Throttle } from './throttle.js';

declare module '../../src/index.js' {
  interface SessionData {
    /** Of the password that was given: with another APP_PASSWORD, everybody logs in anew. */
    password?: string;
  }
}

/** One password is one user. */
export const OWNER = 'owner';
const LONGEST_LABEL = 100;

/** Lets those in who know the password. Without a password: everybody. */
export class Gate {
  readonly #password: string | undefined;
  readonly #fresh: number;
  readonly #pages: Pages;
  readonly #throttle = new Throttle();

  constructor({ password, fresh }: Settings, pages: Pages) {
    this.#password = password;
    this.#fresh = fresh;
    this.#pages = pages;
  }

  /** Before all pages: who has not logged in sees the question alone, and hears of no page whether it exists. */
  readonly guard = async (ctx: Context, next: Next): Promise<void> => {
    if (ctx.path === '/login' || (await this.#admits(ctx))) return next();
    ask(ctx, isRead(ctx) ? ctx.url : '/');
  };

  /** Before what is sensitive: asks for the password again, unless that was just now (ASVS 7.5.3). */
  fresh(page: string) {
    return async (ctx: Context, next: Next): Promise<void> => {
      if (this.#isFresh(ctx)) await next();
      else ask(ctx, page);
    };
  }

  readonly question = (ctx: Context): void => {
    const next = localPath(new URLSearchParams(ctx.querystring).get('next'));
    if (this.#isFresh(ctx)) goTo(ctx, next);
    else this.#ask(ctx, { next });
  };

  readonly logIn = async (ctx: Context): Promise<void> => {
    const form = formOf(ctx);
    const next = localPath(form.get('next'));
    const wait = this.#throttle.attempt(ctx.ip);
    if (wait > 0) return this.#refuse(ctx, next, wait);
    if (this.#password === undefined || !isSame(form.get('password') ?? '', this.#password))
      return this.#ask(ctx, { next, problem: 'Wrong password.' }, 403);
    this.#throttle.forget(ctx.ip);
    await enter(ctx, this.#password);
    goTo(ctx, next);
  };

  readonly logOut = async (ctx: Context): Promise<void> => {
    try {
      await ctx.session.destroy();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return this.#pages.say(ctx, 503, LOGOUT_LOST);
    }
    goTo(ctx, '/login');
  };

  #isFresh(ctx: Context): boolean {
    return this.#password === undefined || ctx.session.authenticatedWithin(this.#fresh);
  }

  async #admits(ctx: Context): Promise<boolean> {
    if (this.#password === undefined) return true;
    if (ctx.session.authenticatedAs !== OWNER) return false;
    if (isSame(ctx.session.password ?? '', fingerprint(this.#password))) return true;
    await ctx.session.destroy();
    return false;
  }

  #refuse(ctx: Context, next: string, wait: number): void {
    ctx.set('Retry-After', String(wait));
    this.#ask(ctx, { next, problem: `Too many wrong passwords. Try again in ${wait} seconds.` }, 429);
  }

  #ask(ctx: Context, question: Question, status = 200): void {
    const title = ctx.session.authenticatedAs === OWNER ? 'Your password again, please' : 'Log in';
    ctx.status = status;
    this.#pages.show(ctx, title, passwordForm(ctx, question));
  }
}

const LOGOUT_LOST =
  'This browser is logged out, but Redis does not answer and nothing else could note it: a copy of the cookie may ' +
  'still work. Log in when Redis is back, and log out everywhere.';

/** The id of before is dead from here on, and so are its forms (ASVS 7.2.4). */
async function enter(ctx: Context, password: string): Promise<void> {
  renewCsrfToken(ctx);
  ctx.session.password = fingerprint(password);
  if (await ctx.session.login(OWNER, { label: labelOf(ctx) })) return;
  ctx.throw(503, 'The login could not be kept. Please try again.', { headers: { 'Retry-After': '1' } });
}

/** What all browsers say. Names come after it, and would be cut off. */
const BOILERPLATE = /Mozilla\/5\.0 |AppleWebKit\/\S+ \(KHTML, like Gecko\) /g;

function labelOf(ctx: Context): string {
  // A header can hold control characters, and a label cannot.
  const agent = ctx.get('User-Agent').replaceAll(BOILERPLATE, '').replaceAll(/\p{C}/gu, ' ');
  return agent.slice(0, LONGEST_LABEL).trim() || 'a browser without a name';
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof SessionError && error.code === 'STORE_UNAVAILABLE';
}

/** 303: whatever was sent, what follows is read. */
export function goTo(ctx: Context, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}

function ask(ctx: Context, next: string): void {
  goTo(ctx, `/login?next=${encodeURIComponent(next)}`);
}

function isRead(ctx: Context): boolean {
  return ctx.method === 'GET' || ctx.method === 'HEAD';
}
