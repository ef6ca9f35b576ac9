import { randomBytes } from 'node:crypto';
import { obey } from '../support/orders.js';

/** How long a fresh process takes to import the library and to build its sessions, ms. */
export interface Start {
  /** Koa alone, which an app has anyway. */
  readonly koa: number;
  readonly imported: number;
  readonly constructed: number;
  /** Until Redis has answered. */
  readonly ready: number;
}

/** What is imported once is quick ever after, so a process can measure this once. */
async function measure({ url, phrase }: { url: string; phrase: boolean }): Promise<Start> {
  const began = performance.now();
  await import('koa');
  const koa = performance.now();
  const { session } = await import('../../src/index.js');
  const imported = performance.now();
  const secret = phrase
    ? `a phrase ${randomBytes(4).toString('hex')} for sessions`
    : randomBytes(32).toString('hex');
  const sessions = session({ redis: url, secret, logger: false });
  const constructed = performance.now();
  await sessions.ready();
  const ready = performance.now();
  await sessions.close();
  return {
    koa: koa - began,
    imported: imported - koa,
    constructed: constructed - imported,
    ready: ready - constructed,
  };
}

obey({ measure });
