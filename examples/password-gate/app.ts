/** An app behind one password. In a checkout: APP_PASSWORD='…' npx tsx examples/password-gate/app.ts */
import type { Server } from 'node:http';
// In an app of your own: 'koa-resilient-session'.
import { session, type Sessions } from '../../src/index.js';
import { readSettings } from './settings.js';
import { createSite } from './site.js';

function start(): void {
  const settings = readSettings(process.env);
  if (settings.password === undefined)
    console.warn('THE GATE IS OFF: everybody is let in (REQUIRE_APP_AUTH=false)');
  const sessions = session(); // REDIS_URL, SESSION_SECRET_KEY
  const server = createSite(settings, sessions).listen(settings.port, () => console.info(whereOf(server)));
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void stop(server, sessions));
}

/** Requests under way are answered, and what waits for Redis is handed over if it answers. */
async function stop(server: Server, sessions: Sessions): Promise<void> {
  server.close();
  const { items } = await sessions.close();
  if (items > 0) console.error(`writes that Redis never got: ${items}`);
  server.closeAllConnections();
}

function whereOf(server: Server): string {
  const address = server.address();
  return `listening at http://localhost:${typeof address === 'object' ? address?.port : address}/`;
}

try {
  start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
