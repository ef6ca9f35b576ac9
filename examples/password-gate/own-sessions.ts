import type { Context } from 'koa';
import type { Sessions, SessionUsers, UserSession } from '../../src/index.js';
import { formOf } from './form.js';
import { goTo, isUnavailable, OWNER } from './gate.js';
import { html } from './html.js';
import { type Pages, sessionsPage } from './pages.js';

/** All sessions of the owner: to look at, and to end (ASVS 7.5.2). */
export class OwnSessions {
  readonly #users: SessionUsers;
  readonly #pages: Pages;

  constructor({ users }: Sessions, pages: Pages) {
    this.#users = users;
    this.#pages = pages;
  }

  readonly list = async (ctx: Context): Promise<void> => {
    this.#pages.show(ctx, 'Your sessions', sessionsPage(ctx, await this.#listed()));
  };

  readonly end = async (ctx: Context): Promise<void> => {
    const id = formOf(ctx).get('id') ?? '';
    // One's own ends like a logout: its cookie goes too.
    if (id === ctx.session.id) await ctx.session.destroy();
    else await this.#users.end(OWNER, id);
    goTo(ctx, '/sessions');
  };

  readonly endOthers = async (ctx: Context): Promise<void> => {
    const { ended, complete } = await this.#users.endAll(OWNER, { except: ctx.session });
    const rest = complete ? '' : ' Redis cannot be asked for more: those end when it is back.';
    this.#pages.show(ctx, 'Done', html`<p>Ended: ${ended}.${rest}</p>`);
  };

  readonly endAll = async (ctx: Context): Promise<void> => {
    const { complete } = await this.#users.endAll(OWNER);
    ctx.session = null;
    const rest = complete ? '' : '; what only Redis knows of ends when it is back';
    this.#pages.say(ctx, 200, `Logged out everywhere${rest}.`);
  };

  /** `undefined`: nobody can say now. */
  async #listed(): Promise<readonly UserSession[] | undefined> {
    try {
      return await this.#users.list(OWNER);
    } catch (error) {
      if (isUnavailable(error)) return undefined;
      throw error;
    }
  }
}
