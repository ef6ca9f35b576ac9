import type { Context, Middleware } from 'koa';
import type { HealthDetails, HealthReport } from '../observe/health.js';

export interface HealthRouteOptions {
  /** Default `/health/session`. */
  readonly path?: string;
  /** Callers for whom this returns true also get `details`. Default: nobody. A throw or rejection is a no. */
  readonly authorize?: (ctx: Context) => boolean | Promise<boolean>;
}

export interface HealthSource {
  health(ctx?: Context): HealthReport;
  healthDetails(): HealthDetails;
}

export const DEFAULT_HEALTH_PATH = '/health/session';

/** GET and HEAD: 200, or 503 where no session can be kept. Tells what was last seen, and asks the store nothing. */
export function createHealthRoute(
  source: HealthSource,
  path: string,
  authorize: HealthRouteOptions['authorize'],
): Middleware {
  const answer = async (ctx: Context): Promise<void> => {
    const report = source.health(ctx);
    const details = (await admitted(ctx, authorize)) ? { details: source.healthDetails() } : {};
    ctx.status = report.status === 'unhealthy' ? 503 : 200;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { ...report, ...details };
  };
  return routed(path, answer);
}

/** The router is loaded by apps that have such a route, and beside the rest of their start (docs/decisions/0025). */
function routed(path: string, answer: (ctx: Context) => Promise<void>): Middleware {
  const loading = import('@koa/router').then(
    ({ default: Router }) => new Router().get(path, answer).routes() as Middleware,
  );
  // Each request that comes here hears of it.
  loading.catch(() => undefined);
  return async (ctx, next) => {
    const routes = await loading;
    await routes(ctx, next);
  };
}

async function admitted(ctx: Context, authorize: HealthRouteOptions['authorize']): Promise<boolean> {
  try {
    return (await authorize?.(ctx)) === true;
  } catch {
    return false;
  }
}
