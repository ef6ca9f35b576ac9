/** What every contestant keeps in a session, and what its handler does with it: the same for all. */
export interface Shopper {
  user?: string;
  count?: number;
  [key: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Item {
  readonly id: number;
  readonly name: string;
  readonly price: number;
  readonly quantity: number;
}

/** A session that is not there is an error: a contestant that forgets its users, or makes them anew, is not fast. */
const GONE: Answer = { status: 410, body: 'no such session' };

const templates = new Map<number, Shopper>();

export function userName(user: number): string {
  return `user-${String(user).padStart(7, '0')}`;
}

/** Data of `bytes` bytes of JSON: some settings, and a cart that fills the rest. */
export function shopper(user: number, bytes: number): Shopper {
  const template = templates.get(bytes) ?? fill(bytes);
  templates.set(bytes, template);
  return { ...template, user: userName(user) };
}

function fill(bytes: number): Shopper {
  const cart: Item[] = [];
  const data = {
    user: userName(0),
    count: 0,
    locale: 'en-GB',
    seen: { help: true, offers: 3 },
    cart,
    note: '',
  };
  const size = (): number => JSON.stringify(data).length;
  while (size() + 100 < bytes) {
    cart.push({ id: 100_000 + cart.length, name: 'something that somebody likes', price: 1999, quantity: 1 });
  }
  data.note = 'n'.repeat(Math.max(0, bytes - size()));
  return data;
}

/** `/read` shows one field, `/write` changes one, `/new?user=1&bytes=300` begins a session. */
export function answer(url: string, session: Shopper): Answer {
  if (url.startsWith('/new?')) Object.assign(session, requested(url));
  if (session.user === undefined) return GONE;
  if (url !== '/write') return { status: 200, body: session.user };
  session.count = (session.count ?? 0) + 1;
  return { status: 200, body: String(session.count) };
}

function requested(url: string): Shopper {
  const query = new URLSearchParams(url.slice('/new?'.length));
  return shopper(Number(query.get('user')), Number(query.get('bytes')));
}
