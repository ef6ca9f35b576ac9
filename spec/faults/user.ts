import type { Account, Book } from './book.js';
import type { Answer, Site } from './site.js';

/** A browser with one session, which remembers everything that the app has acknowledged. */
export class User {
  readonly account: Account;
  readonly #book: Book;
  readonly #padding: number;

  /** `padding`: bytes that each write carries besides its number. */
  constructor(label: string, book: Book, padding = 0) {
    this.account = book.open(label);
    this.#book = book;
    this.#padding = padding;
  }

  /** The next number under the key of this instance. */
  async write(site: Site): Promise<Answer> {
    const { account } = this;
    const value = (account.sent.get(site.name) ?? 0) + 1;
    account.sent.set(site.name, value);
    const body = { key: site.name, value, ...(this.#padding > 0 && { padding: this.#padding }) };
    const answer = await this.#ask('write', site, '/write', body);
    if (answer.status !== 200) return answer;
    // A blind write only adds what Redis turns out to lack, so it is kept apart.
    if (this.#isBlind(site, answer)) this.#keepBlind(site, value);
    else {
      account.acknowledged.set(site.name, value);
      account.own.set(site.id, value);
    }
    return answer;
  }

  /** Everything that this instance has acknowledged must be in it, unless the session cannot be read now. */
  async read(site: Site): Promise<Answer> {
    const { account } = this;
    const expected = account.own.get(site.id) ?? 0;
    const user = account.home?.id === site.id && !account.shownOut ? account.user : undefined;
    const answer = await this.#ask('read', site, '/me');
    if (answer.status !== 200 || this.#isBlind(site, answer)) return answer;
    const found = answer.values[site.name] ?? 0;
    const whose = user === undefined || answer.user === user;
    if (found >= expected && whose) return answer;
    const what = `${account.label} at ${site.name} reads ${found} of ${expected}, user ${answer.user}, ${answer.source}`;
    this.#book.add('missed', what);
    account.own.set(site.id, found);
    account.shownOut ||= !whose;
    return answer;
  }

  /** A new cookie, and the old one is over. */
  async login(site: Site): Promise<void> {
    const { account } = this;
    const before = account.cookie;
    account.user = account.label;
    const answer = await this.#ask('login', site, '/login', { user: account.label });
    if (answer.status !== 200) {
      account.life = 'unclear';
      return;
    }
    account.home = site;
    if (account.cookie === before)
      this.#book.add('alive', `${account.label} kept the cookie from before the login`);
    else if (before !== undefined) this.#book.retired.push({ account, cookie: before });
  }

  async logout(site: Site): Promise<void> {
    const { account } = this;
    const { cookie } = account;
    const answer = await this.#ask('logout', site, '/logout', {});
    account.life = answer.status === 200 ? 'ended' : 'unclear';
    if (answer.status === 200 && cookie !== undefined) this.#book.retired.push({ account, cookie });
    account.cookie = undefined;
  }

  /** The instance that acknowledged an end knows of it at once: what was retired there is tried there. */
  async replay(site: Site): Promise<void> {
    for (const { account, cookie } of this.#book.retired.filter(each => each.account === this.account)) {
      const answer = await this.#book.measure('replay', site, site.ask('/me', { cookie }));
      if (!isShut(answer)) this.#book.add('alive', `${account.label} at ${site.name}, from ${answer.source}`);
    }
  }

  /** Whether this instance could not read the session, and has no more of it than what it was told meanwhile. */
  #isBlind({ id }: Site, { source }: Answer): boolean {
    const { blindAt } = this.account;
    if (source === 'primary') blindAt.delete(id);
    return source === 'unavailable' || (source === 'journal' && blindAt.has(id));
  }

  #keepBlind(site: Site, value: number): void {
    const { account } = this;
    account.blindAt.add(site.id);
    if (!account.acknowledged.has(site.name)) account.blind.set(site.name, value);
  }

  async #ask(what: string, site: Site, path: string, body?: object): Promise<Answer> {
    const { account } = this;
    const asked = site.ask(path, { cookie: account.cookie, ...(body && { body }) });
    const answer = await this.#book.measure(`${what} by ${account.label}`, site, asked);
    if (answer.cookie !== undefined && path !== '/logout') account.cookie = answer.cookie;
    return answer;
  }
}

/** Nobody's session, with nothing in it. */
export function isShut({ status, user, values }: Answer): boolean {
  return status !== 200 || (user === null && Object.keys(values).length === 0);
}
