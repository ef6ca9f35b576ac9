import type { Context } from 'koa';
import { SessionError } from '../errors.js';
import { hasSlot } from './slot.js';

export interface Names {
  readonly as: string;
  readonly cookieName: string;
}

const installed = new WeakMap<object, Map<string, object>>();

/**
 * Throws `DUPLICATE_MIDDLEWARE` where somebody else than `owner` has one of these names in the app: two with one cookie, or
 * one property, would overwrite each other's sessions in silence.
 */
export function claimNames(ctx: Context, names: Names, owner: object): void {
  if (installed.get(ctx.app)?.get(cookieOf(names)) !== owner) claim(ctx, names, owner);
  if (hasSlot(ctx, names.as)) throw duplicate(propertyOf(names));
}

function claim(ctx: Context, names: Names, owner: object): void {
  const claimed = installed.get(ctx.app) ?? new Map<string, object>();
  installed.set(ctx.app, claimed);
  // Koa's own names, and what other middleware has put there.
  const isTaken = !claimed.has(propertyOf(names)) && names.as in ctx.app.context;
  if (isTaken) throw duplicate(propertyOf(names));
  for (const name of [propertyOf(names), cookieOf(names)]) {
    if ((claimed.get(name) ?? owner) !== owner) throw duplicate(name);
    claimed.set(name, owner);
  }
}

function propertyOf({ as }: Names): string {
  return `property ${as}`;
}

function cookieOf({ cookieName }: Names): string {
  return `cookie ${cookieName}`;
}

function duplicate(name: string): SessionError {
  return new SessionError('DUPLICATE_MIDDLEWARE', `this app already has the ${name}`);
}
