import { pseudonymOf } from '../vault/token.js';
import { checkedUser } from './login.js';
import type { Manager } from './manager.js';
import { Session } from './session.js';

/** One session of a user, for a page that shows them all. */
export interface UserSession {
  /** The pseudonym of the session, as in `ctx.session.id`. */
  readonly id: string;
  readonly createdAt: Date;
  readonly authenticatedAt: Date;
  /** When it was used last, to a tenth of `idleTimeout`. */
  readonly usedAt: Date;
  /** When it ends if nobody uses it again. */
  readonly expiresAt: Date;
  readonly label: string | undefined;
}

export interface EndedSessions {
  readonly ended: number;
  /** False: Redis could not be asked. What it holds besides ends when it can be reached again. */
  readonly complete: boolean;
}

/**
 * All sessions that `ctx.session.login()` has bound to a user (ASVS 7.4.2, 7.5.2). Errors: `DATA_INVALID` for what is no user;
 * `STORE_UNAVAILABLE` where nobody can say, or keep it; `CLOSED` after `close()`.
 */
export interface SessionUsers {
  /** The one used last comes first. */
  list(user: string): Promise<readonly UserSession[]>;
  /** Ends one by its `id`. Resolves false if this user has none of that name. */
  end(user: string, id: string): Promise<boolean>;
  /** Ends all, or all but one: after a change of password, or as "log out everywhere". */
  endAll(user: string, options?: { readonly except?: Session | undefined }): Promise<EndedSessions>;
}

export function sessionUsers(manager: Manager): SessionUsers {
  return Object.freeze({
    async list(user: string) {
      manager.refuseIfClosed();
      const listed = await manager.indexing.list(checkedUser(user));
      const all = [...listed].map(([key, { created, login, used, until, label }]) => ({
        id: pseudonymOf(key),
        createdAt: new Date(created),
        authenticatedAt: new Date(login),
        usedAt: new Date(used),
        expiresAt: new Date(until),
        label,
      }));
      return all.toSorted((one, other) => other.usedAt.getTime() - one.usedAt.getTime());
    },
    async end(user: string, id: string) {
      manager.refuseIfClosed();
      return manager.indexing.end(checkedUser(user), key => pseudonymOf(key) === id);
    },
    async endAll(user: string, { except }: { readonly except?: Session | undefined } = {}) {
      manager.refuseIfClosed();
      return manager.indexing.endAll(checkedUser(user), except && Session.stateOf(except).identity?.key);
    },
  });
}
