import type { RequestListener } from 'node:http';

/** What each file of this folder that is named here exports: an app whose sessions are in the Redis at `url`. */
export interface AppModule {
  start(url: string): Promise<RequestListener>;
}

export interface Contestant {
  /** Its file in this folder. */
  readonly file: string;
  readonly label: string;
  /** It keeps sessions at all. */
  readonly stores: boolean;
  /** It needs `bench/node_modules`. */
  readonly peer: boolean;
  /** Redis need not see its reads. */
  readonly caches?: boolean;
}

export const CONTESTANTS: readonly Contestant[] = [
  { file: 'bare', label: 'bare Koa', stores: false, peer: false },
  { file: 'floor', label: 'the floor', stores: true, peer: false },
  { file: 'library', label: 'this library', stores: true, peer: false },
  { file: 'library-cache', label: 'this library, cache: true', stores: true, peer: false, caches: true },
  { file: 'koa-session', label: 'koa-session', stores: true, peer: true },
  { file: 'koa-generic-session', label: 'koa-generic-session, koa-redis', stores: true, peer: true },
  { file: 'express-session', label: 'express-session, connect-redis', stores: true, peer: true },
  { file: 'fastify-session', label: '@fastify/session, connect-redis', stores: true, peer: true },
];
