import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, field, type Site } from './site.js';
import type { Meter, Phase } from './meter.js';
import type { Verdict } from './verdict.js';

/** A write that was answered with 200: from then on it may not be lost. */
interface Acknowledged {
  readonly site: Site;
  readonly phase: Phase;
  readonly kind: string;
  readonly item: number;
}

const POLL = 50;
/** Patience, not a measure. */
const LIMIT = 4_000;

/** One user with one browser, who remembers everything that the app has acknowledged. */
export class Shopper {
  readonly name: string;
  /** Cookies from before a login, and of sessions that were logged out: nobody may get in with them again. */
  readonly retired: string[] = [];
  readonly #meter: Meter;
  readonly #verdict: Verdict;
  readonly #acknowledged: Acknowledged[] = [];
  /**
   * Instances that could not read the session, until they have again. "Unavailable" is an answer that the promises allow.
   * What is written then is blind: it only adds what Redis lacks, and until Redis answers, the instance knows no more.
   */
  readonly #lost = new Set<Site>();
  /** Reads that were answered without Redis, and those of them that said that the session was unavailable. */
  readonly fallback = { reads: 0, unavailable: 0 };
  #cookie: string | undefined;
  #items = 0;

  constructor(name: string, meter: Meter, verdict: Verdict) {
    this.name = name;
    this.#meter = meter;
    this.#verdict = verdict;
  }

  get writes(): number {
    return this.#acknowledged.length;
  }

  /** As an anonymous visitor with something in the cart, who then logs in: the cart stays, the cookie does not. */
  async login(site: Site): Promise<void> {
    await this.write(site, 'tea');
    const before = this.#cookie;
    const answer = await this.#visit(site, 'POST', '/api/login', { user: this.name });
    this.#expectAnswer(answer, `${this.name} logs in at ${site.name}`);
    const changed = before !== undefined && this.#cookie !== before;
    this.#verdict.check('P3', changed, `${this.name} keeps the cookie from before the login at ${site.name}`);
    if (before !== undefined && changed) this.retired.push(before);
  }

  /** The next item of `kind` into the cart. Remembered if it was acknowledged by an instance that knew the session. */
  async write(site: Site, kind: string): Promise<void> {
    const item = ++this.#items;
    const answer = await this.#visit(site, 'POST', '/api/cart', { kind, item });
    this.#expectAnswer(answer, `${this.name} puts ${kind} into the cart at ${site.name}`);
    if (isUnavailable(answer)) this.#lost.add(site);
    if (answer.status !== 200 || this.#lost.has(site)) return;
    this.#acknowledged.push({ site, kind, item, phase: this.#meter.phase });
  }

  /** A write that nobody will miss, because a logout follows. */
  writeLoosely(site: Site, kind: string): Promise<Answer> {
    return this.#visit(site, 'POST', '/api/cart', { kind, item: ++this.#items });
  }

  /** The same by a handler that stops between reading and writing, until `site.release()`. */
  writeSlowly(site: Site, kind: string): Promise<Answer> {
    const body = { kind, item: ++this.#items, hold: true };
    return site.visitSlowly('POST', '/api/cart', { cookie: this.#cookie, body });
  }

  /** Reads, and checks that everything acknowledged here before is in it. Returns where it came from. */
  async read(site: Site): Promise<unknown> {
    const expected = this.#acknowledged.filter(each => each.site === site);
    const answer = await this.#visit(site, 'GET', '/api/me');
    this.#expectAnswer(answer, `${this.name} reads at ${site.name}`);
    this.#expectWarning(answer, site);
    const { source } = answer.body;
    if (isUnavailable(answer)) this.#lost.add(site);
    else if (source !== 'journal') this.#lost.delete(site);
    if (source !== 'primary') this.fallback.reads++;
    if (this.#lost.has(site)) this.fallback.unavailable++;
    else this.#expectOwnWrites(answer, site, expected);
    return source;
  }

  #expectOwnWrites(answer: Answer, site: Site, expected: readonly Acknowledged[]): void {
    const missing = this.#missing(answer, expected);
    const whose = answer.body['user'] === this.name;
    const at = `at ${site.name} in ${this.#meter.phase}`;
    this.#verdict.check('P1', whose, `${this.name} is read as ${String(answer.body['user'])} ${at}`);
    this.#verdict.check('P1', missing.length === 0, `${this.name} misses ${missing.length} own writes ${at}`);
  }

  visit(site: Site): Promise<Answer> {
    return this.#visit(site, 'GET', '/api/me');
  }

  /** Reads until the answer comes from Redis: then the instance has seen what Redis holds. */
  visitPrimary(site: Site): Promise<Answer> {
    return until(
      () => this.visit(site),
      ({ body }) => body['source'] === 'primary',
    );
  }

  /** After all has come back: everything acknowledged anywhere is here. */
  async verify(site: Site): Promise<void> {
    const answer = await this.visitPrimary(site);
    this.#expectAnswer(answer, `${this.name} reads at ${site.name}`);
    const source = String(answer.body['source']);
    this.#verdict.check(
      'P2',
      source === 'primary',
      `${this.name} at ${site.name} comes from ${source}, not from Redis`,
    );
    const missing = new Set(this.#missing(answer, this.#acknowledged));
    for (const write of this.#acknowledged) {
      const { site: from, kind, item, phase } = write;
      const breach = `${this.name}'s ${kind} no. ${item}, acknowledged by ${from.name} in ${phase}, is not at ${site.name}`;
      this.#verdict.check(phase === 'health' ? 'P4' : 'P2', !missing.has(write), breach);
    }
  }

  async logout(site: Site): Promise<void> {
    const before = this.#cookie;
    const answer = await this.#visit(site, 'POST', '/api/logout', {});
    this.#expectAnswer(answer, `${this.name} logs out at ${site.name}`);
    if (answer.status === 200 && before !== undefined) this.retired.push(before);
    // A browser would drop the cookie here; whoever copied it would not.
    this.#cookie = before;
  }

  /**
   * Tries every cookie that must not open anything any more. `patient`: this instance may not have heard of the end yet,
   * so an answer that did not come from Redis is asked for again.
   */
  async replay(site: Site, patient = false): Promise<void> {
    for (const cookie of this.retired) {
      const final = (answer: Answer): boolean => !patient || shut(answer) || answer.warning === undefined;
      const answer = await until(() => site.visit('GET', '/api/me', { cookie }), final);
      this.#expectAnswer(answer, `an old cookie of ${this.name} at ${site.name}`);
      const breach = `an old cookie of ${this.name} still opens a session at ${site.name} in ${this.#meter.phase}`;
      this.#verdict.check('P3', shut(answer), breach);
    }
  }

  async #visit(site: Site, method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
    const answer = await site.visit(method, path, { cookie: this.#cookie, ...(body && { body }) });
    if (answer.cookie !== undefined) this.#cookie = answer.cookie;
    return answer;
  }

  #expectAnswer({ status, body }: Answer, what: string): void {
    const why = status === 0 ? String(body['error']) : `answered ${status}`;
    this.#verdict.check('P6', status === 200, `${what} in ${this.#meter.phase}: ${why}`);
  }

  #expectWarning({ body, warning }: Answer, site: Site): void {
    const fallback = body['source'] !== 'primary';
    const honest = !fallback || warning === 'fallback';
    const breach = `${this.name} was served from ${String(body['source'])} at ${site.name} without X-Session-Warning`;
    this.#verdict.check('P9', honest, breach);
  }

  #missing({ body }: Answer, expected: readonly Acknowledged[]): Acknowledged[] {
    const carts = new Map<string, Set<unknown>>();
    for (const kind of new Set(expected.map(each => each.kind))) {
      const items = field(body['cart'], kind);
      carts.set(kind, new Set(Array.isArray(items) ? items : []));
    }
    return expected.filter(({ kind, item }) => carts.get(kind)?.has(item) !== true);
  }
}

function isUnavailable({ body, warning }: Answer): boolean {
  return body['source'] === 'unavailable' && warning === 'fallback';
}

/** Nobody's session, with nothing in it. */
function shut({ body: { user, cart } }: Answer): boolean {
  return user === null && Object.keys(Object(cart)).length === 0;
}

async function until(ask: () => Promise<Answer>, final: (answer: Answer) => boolean): Promise<Answer> {
  const late = performance.now() + LIMIT;
  let answer = await ask();
  while (!final(answer) && performance.now() < late) {
    await sleep(POLL);
    answer = await ask();
  }
  return answer;
}
