import { request, Server } from 'node:http';
import { pathToFileURL } from 'node:url';
import type { AddressInfo, ListenOptions } from 'node:net';

/**
 * Runs one program of the documentation: `tsx run-block.ts <file>`. Whatever port it asks for it gets a free one; each
 * server that it starts is sent one GET, and then the process ends: a server, or a connection to Redis, never would.
 */
const started: Promise<number>[] = [];
// An object takes the port and host of net.Server's own listen(), which http inherits.
const listen: (this: Server, options: ListenOptions, listener?: () => void) => Server =
  Server.prototype.listen;

Server.prototype.listen = function (this: Server, ...args: readonly unknown[]): Server {
  started.push(
    new Promise((resolve, reject) => {
      this.once('error', reject);
      // A TCP server's address is an object.
      this.once('listening', () => resolve((this.address() as AddressInfo).port));
    }),
  );
  const listener = args.at(-1);
  if (typeof listener === 'function') this.once('listening', () => void Reflect.apply(listener, this, []));
  return listen.call(this, { port: 0, host: '127.0.0.1' });
};

function get(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path: '/', agent: false })
      .on('response', response => response.resume().on('end', () => resolve(response.statusCode ?? 0)))
      .on('error', reject)
      .end();
  });
}

async function main(): Promise<void> {
  await import(pathToFileURL(process.argv[2] ?? '').href);
  for (const port of await Promise.all(started)) process.stdout.write(`answered ${await get(port)}\n`);
}

/** A program that brings tests of its own ends by itself, with their outcome as its exit code. */
const ends = process.argv.includes('--ends-itself');

main().then(
  () => (ends ? undefined : process.exit()),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
