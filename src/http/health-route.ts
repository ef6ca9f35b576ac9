import Router from '@koa/router';
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
  const router = new Router();
  router.get(path, async ctx => {
    const report = source.health(ctx);
    const details = (await admitted(ctx, authorize)) ? { details: source.healthDetails() } : {};
    ctx.status = report.status === 'unhealthy' ? 503 : 200;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { ...report, ...details };
  });
  return router.routes() as Middleware;
}

async function admitted(ctx: Context, authorize: HealthRouteOptions['authorize']): Promise<boolean> {
  try {
    return (await authorize?.(ctx)) === true;
  } catch {
    return false;
  }
}
