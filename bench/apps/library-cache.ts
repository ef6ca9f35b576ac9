import type { RequestListener } from 'node:http';
import { appOf, sessionsAt } from './library.js';

/** This library with its coherent cache: what this process has read, and Redis has not reported as changed since. */
export async function start(url: string): Promise<RequestListener> {
  const sessions = sessionsAt(url, { cache: true });
  await sessions.ready();
  return appOf(sessions);
}
