import { SessionError } from '../errors.js';
import { isObject } from '../rules.js';
import type { Login } from './record.js';

const MAX_USER = 256;
const MAX_LABEL = 100;
/** Half a character: in UTF-8 all of them look the same, and so would two users. */
const LONE = /\p{Cs}/u;

/** What `login()` was given: a label as it can be shown. Throws `DATA_INVALID`, and never quotes it: a user may be an address. */
export function loginOf(user: unknown, options: unknown, at: number): Login {
  if (!isObject(options)) throw invalid('login options are an object');
  const { label, ...others } = options;
  const unknown = Object.keys(others).length > 0;
  if (unknown) throw invalid('login options are: label');
  if (label !== undefined && typeof label !== 'string') throw invalid('a label is a string');
  return { at, user: checkedUser(user), label: label && shown(label) };
}

/** Throws `DATA_INVALID`. */
export function checkedUser(user: unknown): string {
  if (typeof user !== 'string' || user.length === 0 || user.length > MAX_USER || LONE.test(user))
    throw invalid(`a user is a string of 1 to ${MAX_USER} characters`);
  return user;
}

/** Labels come from headers, and a login must not fail for what a browser calls itself. */
function shown(label: string): string {
  return label.slice(0, MAX_LABEL).replaceAll(/[\p{Cc}\p{Cs}]/gu, ' ');
}

function invalid(rule: string): SessionError {
  return new SessionError('DATA_INVALID', rule);
}
