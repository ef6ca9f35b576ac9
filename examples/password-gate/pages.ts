import type { Context } from 'koa';
import type { Sessions, UserSession } from '../../src/index.js';
import { csrfToken } from './csrf.js';
import { type Html, html } from './html.js';

const NOTICES = {
  healthy: undefined,
  degraded:
    'Redis does not answer. Everything here goes on all the same, and what happens now reaches Redis when it is back.',
  unhealthy: 'Redis does not answer, and there is no room left to keep changes here: they may be lost.',
};

/** Puts content into the frame that all pages share. */
export class Pages {
  readonly #sessions: Sessions;
  readonly #gated: boolean;

  constructor(sessions: Sessions, gated: boolean) {
    this.#sessions = sessions;
    this.#gated = gated;
  }

  show(ctx: Context, title: string, content: Html): void {
    const loggedIn = ctx.session.authenticatedAs !== undefined;
    this.#write(ctx, title, content, loggedIn || !this.#gated ? this.#menu(ctx, loggedIn) : undefined);
  }

  /** For when there may be no session any more: no menu, and no form. */
  say(ctx: Context, status: number, message: string): void {
    ctx.status = status;
    this.#write(ctx, message, html`<p><a href="/">To the first page</a></p>`, undefined);
  }

  /** On each page there is a way out (ASVS 7.4.4). */
  #menu(ctx: Context, loggedIn: boolean): Html {
    return html`<nav>
      <a href="/">Note</a> <a href="/api-key">API key</a>
      ${loggedIn ? html`<a href="/sessions">Sessions</a> ${button(ctx, '/logout', 'Log out')}` : undefined}
    </nav>`;
  }

  #write(ctx: Context, title: string, content: Html, menu: Html | undefined): void {
    ctx.type = 'html';
    ctx.body = html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width" />
          <title>${title}</title>
          <link rel="stylesheet" href="/style.css" />
        </head>
        <body>
          ${notice(NOTICES[this.#sessions.health().status])}
          ${notice(this.#gated ? undefined : 'The gate is off: everybody comes in, as a guest.')} ${menu}
          <main>
            <h1>${title}</h1>
            ${content}
          </main>
        </body>
      </html>`.text;
  }
}

export interface Question {
  readonly next: string;
  readonly problem?: string | undefined;
}

export function passwordForm(ctx: Context, { next, problem }: Question): Html {
  return html`${problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`}
    <form method="post" action="/login">
      ${hidden('csrf', csrfToken(ctx))} ${hidden('next', next)}
      <label>
        Password
        <input type="password" name="password" autocomplete="current-password" required autofocus />
      </label>
      <button>Go on</button>
    </form>`;
}

export function notePage(ctx: Context, note: string): Html {
  return html`<p>Whatever you note here stays in your session, and with it in Redis, sealed.</p>
    <form method="post" action="/note">
      ${hidden('csrf', csrfToken(ctx))}
      <label>Note <input name="note" maxlength="200" value="${note}" /></label>
      <button>Keep</button>
    </form>`;
}

export function keyPage(key: string): Html {
  return html`<p>Shown to whoever has just given the password.</p>
    <p><code>${key}</code></p>`;
}

/** `listed` is `undefined` where nobody can say now; what ends sessions works all the same. */
export function sessionsPage(ctx: Context, listed: readonly UserSession[] | undefined): Html {
  return html`${listed ? table(ctx, listed) : html`<p>The list is in Redis, and cannot be read now.</p>`}
    <p>
      ${button(ctx, '/sessions/end-others', 'End all others')}
      ${button(ctx, '/sessions/end-all', 'Log out everywhere')}
    </p>`;
}

function table(ctx: Context, listed: readonly UserSession[]): Html {
  return html`<table>
    <tr>
      <th>Browser</th>
      <th>Since</th>
      <th>Last used</th>
      <th></th>
    </tr>
    ${listed.map(
      ({ id, label, createdAt, usedAt }) =>
        html`<tr>
          <td>${label} ${id === ctx.session.id ? html`<strong>(this one)</strong>` : undefined}</td>
          <td>${time(createdAt)}</td>
          <td>${time(usedAt)}</td>
          <td>${button(ctx, '/sessions/end', 'End', hidden('id', id))}</td>
        </tr> `,
    )}
  </table>`;
}

function button(ctx: Context, action: string, label: string, fields?: Html): Html {
  return html`<form method="post" action="${action}">
    ${hidden('csrf', csrfToken(ctx))} ${fields}<button>${label}</button>
  </form>`;
}

function hidden(name: string, value: string): Html {
  return html`<input type="hidden" name="${name}" value="${value}" />`;
}

function notice(text: string | undefined): Html | undefined {
  return text === undefined ? undefined : html`<p class="notice" role="status">${text}</p>`;
}

function time(date: Date): Html {
  const text = date.toISOString();
  return html`<time datetime="${text}">${text.slice(0, 16).replace('T', ' ')} UTC</time>`;
}
