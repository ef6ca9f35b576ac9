import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type Koa from 'koa';
import { type InstanceConfig, type Message, now, type Order, type Request, type Status } from './protocol.js';

/** An app with its session library, as the process below serves it. */
export interface Opened {
  readonly koa: Koa;
  status(): Promise<Status> | Status;
  shift(ms: number): void;
  /** Resolves with how many writes it leaves behind. */
  close(): Promise<number>;
}

export type Open = (config: InstanceConfig, tell: (name: string) => void) => Promise<Opened>;

/** Longer than any scenario: no client meets a connection that is just being closed. */
const KEEP_ALIVE = 120_000;

function send(message: Message): void {
  if (process.connected) process.send?.(message);
}

/** One app process: serves one instance at a time, as its parent orders over IPC, and ends with its parent. */
export class Host {
  readonly #open: Open;
  readonly #ballast: number[][] = [];
  #opened: Opened | undefined;
  #server: Server | undefined;

  constructor(open: Open) {
    this.#open = open;
    process.on('message', request => void this.#serve(request as Request));
    process.on('disconnect', () => process.exit(0));
    process.on('SIGTERM', () => void this.#stop());
    // Ctrl-C in a terminal reaches the whole group; the parent decides when this process ends.
    process.on('SIGINT', () => undefined);
    send({ event: { name: 'host:ready', at: now() } });
  }

  async #serve(request: Request): Promise<void> {
    const { id } = request;
    try {
      send({ id, result: await this.#obey(request) });
    } catch (error) {
      send({ id, error: error instanceof Error ? error.message : String(error) });
    }
  }

  #obey(order: Order): unknown {
    switch (order.act) {
      case 'open':
        return this.#start(order.config);
      case 'close':
        return this.#close();
      case 'status':
        return this.#instance.status();
      case 'shift':
        return this.#instance.shift(order.ms);
      case 'stall':
        return stall(order.ms);
      case 'ballast':
        return this.#fill(order.mb);
    }
  }

  get #instance(): Opened {
    if (!this.#opened) throw new Error('no instance is open');
    return this.#opened;
  }

  async #start(config: InstanceConfig): Promise<number> {
    const tell = (name: string): void => send({ event: { name, at: now() } });
    const opened = await this.#open(config, tell);
    opened.koa.silent = true;
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE }, opened.koa.callback());
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    this.#opened = opened;
    this.#server = server;
    // A server that listens on TCP has such an address.
    return (server.address() as AddressInfo).port;
  }

  async #close(): Promise<number> {
    const [opened, server] = [this.#opened, this.#server];
    this.#opened = undefined;
    server?.close();
    const left = (await opened?.close()) ?? 0;
    server?.closeAllConnections();
    return left;
  }

  async #stop(): Promise<void> {
    const left = await this.#close();
    send({ event: { name: `host:left ${left}`, at: now() } });
    process.exit(0);
  }

  #fill(mb: number): void {
    const perMb = (1024 * 1024) / 8;
    for (let count = 0; count < mb; count += 1)
      this.#ballast.push(Array.from({ length: perMb }, Math.random));
  }
}

function stall(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
