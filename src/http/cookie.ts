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
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The one value under `name` in a Cookie header. Two different ones are none: nobody can say whose is right. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (!header || !header.includes(name)) return undefined;
  let found: string | undefined;
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const value = unquote(pair.slice(equals + 1).trim());
    if (found !== undefined && found !== value) return undefined;
    found = value;
  }
  return found;
}

/** Whether a Cookie header has anything at all under `name`. */
export function hasCookie(header: string | undefined, name: string): boolean {
  return (header ?? '').split(';').some(pair => pair.trim().startsWith(`${name}=`));
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
  if (domain !== undefined && (domain.length > 1024 || !/^[A-Za-z0-9.-]+$/.test(domain)))
    return 'domain must be a host name';
  if (path !== undefined && (path.length > 1024 || !path.startsWith('/') || UNSAFE_ATTRIBUTE.test(path))) {
    return 'path must begin with / and hold no control characters or semicolons';
  }
  return undefined;
}

function unquote(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
