const HERE = 'http://here.invalid';
const LONGEST = 500;

/** Where `?next=` leads, if that is a page of this app, and else to the first page: never to another site (ASVS 3.7.2). */
export function localPath(wish: string | null | undefined): string {
  if (!wish?.startsWith('/') || wish.length > LONGEST || !URL.canParse(wish, HERE)) return '/';
  // Browsers read it as URL does: what looks like a path can name a host, and what names none can end up as `//host`.
  const { origin, pathname, search } = new URL(wish, HERE);
  return origin === HERE && !pathname.startsWith('//') ? pathname + search : '/';
}
