import type { SupervisorSnapshot } from './snapshot.js';
import type { Stats } from './stats.js';

export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy';

/** What anybody may see: the shape that existing monitors read. */
export interface HealthReport {
  readonly status: HealthStatus;
  readonly session_health: {
    readonly redis_session_middleware_installed: boolean;
    readonly session_middleware_available: boolean;
    readonly redis_session_service: {
      readonly status: HealthStatus | 'disabled';
      readonly redis_connected: boolean;
      readonly encryption_enabled: boolean;
    };
    readonly session_accessible: boolean;
  };
}

/** What callers that `authorize` admits see besides. Times are ms. */
export interface HealthDetails {
  readonly mode: SupervisorSnapshot['mode'];
  readonly backlog: SupervisorSnapshot['backlog'];
  readonly lastOutage: { readonly at: number; readonly ms: number; readonly reason: string } | null;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly errorRate: number;
  readonly canary: {
    readonly at: number;
    readonly ok: boolean;
    readonly connect: boolean;
    readonly operate: boolean;
    readonly seal: boolean;
  } | null;
}

export interface HealthFacts {
  readonly snapshot: SupervisorSnapshot;
  readonly installed: boolean;
  /** `false`: memory alone, as the app asked. */
  readonly redis: boolean;
  readonly rejects: boolean;
}

/** `unhealthy`: no session can be kept. `degraded`: served from the fallback, or not proved yet. */
export function healthOf({ snapshot, installed, redis, rejects }: HealthFacts): HealthReport {
  const canary = snapshot.canary?.ok ?? false;
  const lost = snapshot.closed || snapshot.journalFull || (rejects && !snapshot.reads);
  const proved = snapshot.mode === 'healthy' && canary;
  const status = lost ? 'unhealthy' : proved ? 'healthy' : 'degraded';
  return {
    status,
    session_health: {
      redis_session_middleware_installed: installed,
      session_middleware_available: !snapshot.closed,
      redis_session_service: {
        status: redis ? status : 'disabled',
        redis_connected: redis && (snapshot.canary?.connect ?? false) && snapshot.reads,
        encryption_enabled: true,
      },
      session_accessible: !lost,
    },
  };
}

export function detailsOf(snapshot: SupervisorSnapshot, stats: Stats): HealthDetails {
  const { canary, lastOutage, mode, backlog } = snapshot;
  return {
    mode,
    backlog,
    lastOutage: lastOutage ?? null,
    latencyMs: { p50: stats.latencyMs.load.p50, p99: stats.latencyMs.load.p99 },
    errorRate: stats.rates.errorRate,
    canary: canary
      ? { at: canary.at, ok: canary.ok, connect: canary.connect, operate: canary.operate, seal: canary.seal }
      : null,
  };
}
