/** Attributes of the session cookie. The name is fixed at construction. */
export interface CookieAttributes {
  readonly domain?: string | undefined;
  readonly path?: string | undefined;
  readonly secure?: boolean | undefined;
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined;
  readonly httpOnly?: boolean | undefined;
  readonly partitioned?: boolean | undefined;
  readonly priority?: 'low' | 'medium' | 'high' | undefined;
}

const MAX_AGE_LIMIT = 400 * 24 * 3600;
// RFC 6265bis §4.1.1 and what browsers refuse: no control characters, no separators that end an attribute.
const UNSAFE_ATTRIBUTE = /[^\x20-\x3a\x3c-\x7e]/;
/** All that follows name and value. Browsers ignore an attribute of more than 1,024 bytes (RFC 6265bis §5.6). */
const ATTRIBUTES_LIMIT = 1024;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The one value under `name` in a Cookie header. Two different ones are none: nobody can say whose is right. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  const values = valuesOf(header, name);
  const [first] = values;
  return values.length === 1 || values.every(value => value === first) ? first : undefined;
}

/** Whether a Cookie header has anything at all under `name`. */
export function hasCookie(header: string | undefined, name: string): boolean {
  return valuesOf(header, name).length > 0;
}

function valuesOf(header: string | undefined, name: string): readonly string[] {
  const values: string[] = [];
  if (!header || !header.includes(name)) return values;
  for (let start = 0; start < header.length;) {
    const semicolon = header.indexOf(';', start);
    const end = semicolon < 0 ? header.length : semicolon;
    const value = valueIn(header, start, end, name);
    if (value !== undefined) values.push(value);
    start = end + 1;
  }
  return values;
}

/** What the pair from `start` to `end` has under `name`, if it is of that name. */
function valueIn(header: string, start: number, end: number, name: string): string | undefined {
  let at = start;
  while (at < end && isBlank(header, at)) at += 1;
  if (!header.startsWith(name, at)) return undefined;
  at += name.length;
  while (at < end && isBlank(header, at)) at += 1;
  return at < end && header[at] === '=' ? unquote(trimmed(header.slice(at + 1, end))) : undefined;
}

/** A Set-Cookie value. `seconds` 0 ends the cookie; the lifetime is capped at 400 days (RFC 6265bis §5.5). */
export function writeCookie(
  name: string,
  value: string,
  seconds: number,
  attributes: CookieAttributes,
): string {
  const { domain, path = '/', secure, sameSite = 'lax', httpOnly = true, partitioned, priority } = attributes;
  const age = Math.max(0, Math.min(MAX_AGE_LIMIT, Math.ceil(seconds)));
  const parts = [`${name}=${value}`, `Max-Age=${age}`, `Path=${path}`];
  if (age === 0) parts.push('Expires=Thu, 01 Jan 1970 00:00:00 GMT');
  if (domain) parts.push(`Domain=${domain}`);
  if (httpOnly) parts.push('HttpOnly');
  if (secure) parts.push('Secure');
  parts.push(`SameSite=${capital(sameSite)}`);
  if (partitioned) parts.push('Partitioned');
  if (priority) parts.push(`Priority=${capital(priority)}`);
  return parts.join('; ');
}

/** What browsers would refuse, or read as something else. `undefined`: nothing. */
export function cookieProblem(name: string, attributes: CookieAttributes): string | undefined {
  const { domain, path, secure, sameSite, partitioned } = attributes;
  // Browsers compare prefixes without case (RFC 6265bis §4.1.3).
  const prefixed = (prefix: string): boolean => name.toLowerCase().startsWith(prefix);
  const host = prefixed('__host-');
  if (!NAME.test(name) || name.length > 256)
    return 'name must be a token of RFC 6265 of at most 256 characters';
  if (host && (domain !== undefined || (path !== undefined && path !== '/')))
    return '__Host- allows neither a domain nor a path';
  if ((host || prefixed('__secure-')) && !secure) return 'a __Host- or __Secure- name needs secure';
  if (sameSite === 'none' && !secure) return "sameSite 'none' needs secure";
  if (partitioned && !secure) return 'partitioned needs secure';
  if (domain !== undefined && !/^[A-Za-z0-9.-]+$/.test(domain)) return 'domain must be a host name';
  if (path !== undefined && (!path.startsWith('/') || UNSAFE_ATTRIBUTE.test(path))) {
    return 'path must begin with / and hold no control characters or semicolons';
  }
  // An expired cookie has the longest ones.
  if (writeCookie('', '', 0, attributes).length > ATTRIBUTES_LIMIT)
    return `attributes must not exceed ${ATTRIBUTES_LIMIT} bytes in all`;
  return undefined;
}

/**
 * Without the spaces and tabs around it (RFC 6265bis §5.6). `trim()` would take more than browsers do, such as the byte A0:
 * behind that a sibling domain could bring a name with a prefix that only this host may set.
 */
function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text, start)) start += 1;
  while (end > start && isBlank(text, end - 1)) end -= 1;
  return text.slice(start, end);
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t';
}

function unquote(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
