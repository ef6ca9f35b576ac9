import { createSessions, type Sessions } from './create.js';
import type { SessionOptions } from './options.js';
import type { Session, SessionData } from './session/session.js';

/**
 * A Koa middleware that gives each request a session. Options are checked here, at construction; see
 * {@link SessionOptions} for each with its default.
 */
export function session(options?: SessionOptions): Sessions {
  return createSessions(options);
}

export default session;

export { healthRoutes, type Sessions } from './create.js';
export { ConfigRangeError, ConfigTypeError, SessionError, type SessionErrorCode } from './errors.js';
export type { CookieAttributes } from './http/cookie.js';
export type { HealthRouteOptions } from './http/health-route.js';
export type { SessionInfo } from './http/slot.js';
export type { EventMap, EventName, SessionEvent, SessionEvents } from './observe/events.js';
export type { HealthDetails, HealthReport, HealthStatus } from './observe/health.js';
export type { Logger } from './observe/log.js';
export type { Stats } from './observe/stats.js';
export type { CookieOptions, SessionOptions } from './options.js';
export type { LeftBehind } from './resilience/supervisor.js';
export type { EndedSessions, SessionUsers, UserSession } from './session/users.js';
export type { CheckReport, SessionManager } from './session/public-manager.js';
export type { LoginOptions, Session, SessionData } from './session/session.js';
export type { SessionSource } from './session/state.js';
export type { Entry, Stamp } from './store/entry.js';
export { type FaultClass, type Reason, StoreFault } from './store/fault.js';
export type { Expected, SessionStore, Swapped } from './store/store.js';

declare module 'koa' {
  interface ExtendableContext {
    /** Reads as null after it was set to null in the same request. */
    get session(): Session & SessionData;
    set session(data: SessionData | null);
    /** With `lazy: true`. */
    loadSession(): Promise<Session & SessionData>;
  }
}
