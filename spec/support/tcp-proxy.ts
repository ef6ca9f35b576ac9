import { type Server, type Socket, connect, createServer } from 'node:net';

/**
 * - pass: forwards.
 * - blackhole: reads and discards both ways; connections stay open, a close is not passed on.
 * - drop-requests: discards requests, and forwards replies; a close is lost as bytes are.
 * - drop-replies: forwards requests, and discards replies; a close is lost as bytes are.
 * - refuse: destroys the connections there are, and closes new ones at once.
 */
export type ProxyMode = 'pass' | 'blackhole' | 'drop-requests' | 'drop-replies' | 'refuse';

const HOST = '127.0.0.1';

interface Delivery {
  due: number;
  run: () => void;
}

/** Runs what is put into it in that order, each no sooner than its delay, even if delays shrink. */
class Lane {
  #queue: Delivery[] = [];
  #timer: NodeJS.Timeout | undefined;
  #idleAt = 0;

  /** `sending`: ms for which the lane is busy with this, and the next one has to wait. */
  put(delay: number, sending: number, run: () => void): void {
    const now = performance.now();
    if (delay <= 0 && sending <= 0 && this.#queue.length === 0 && this.#idleAt <= now) {
      run();
      return;
    }
    this.#idleAt = Math.max(now, this.#idleAt) + sending;
    this.#queue.push({ due: this.#idleAt + delay, run });
    this.#arm();
  }

  clear(): void {
    this.#queue = [];
    this.#idleAt = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    const [next] = this.#queue;
    if (next === undefined || this.#timer !== undefined) return;
    const wait = Math.max(0, next.due - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, wait);
  }

  #flush(): void {
    for (;;) {
      const [next] = this.#queue;
      if (next === undefined || next.due > performance.now()) break;
      this.#queue.shift();
      next.run();
    }
    this.#arm();
  }
}

/** What a proxy shares with its links. */
interface Wire {
  mode: ProxyMode;
  delay: number;
  rate: number;
  lost: number;
}

type Direction = 'requests' | 'replies';

function isLost(mode: ProxyMode, direction: Direction): boolean {
  return mode === 'blackhole' || mode === `drop-${direction}`;
}

function loses(mode: ProxyMode): boolean {
  return isLost(mode, 'requests') || isLost(mode, 'replies');
}

/** A client's connection, and the one to the server that goes with it. */
class Link {
  readonly #wire: Wire;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #lanes = { requests: new Lane(), replies: new Lane() };

  constructor(wire: Wire, client: Socket, server: Socket, onOver: () => void) {
    this.#wire = wire;
    this.#client = client.setNoDelay();
    this.#server = server.setNoDelay();
    this.#join('requests', client, server);
    this.#join('replies', server, client);
    const check = (): void => {
      if (client.destroyed && server.destroyed) onOver();
    };
    client.on('close', check);
    server.on('close', check);
  }

  destroy(): void {
    this.#lanes.requests.clear();
    this.#lanes.replies.clear();
    this.#client.destroy();
    this.#server.destroy();
  }

  // No backpressure: a test's traffic is small, and a paused socket would not notice a blackhole.
  #join(direction: Direction, from: Socket, to: Socket): void {
    from.on('data', chunk => this.#later(direction, chunk.length, () => this.#forward(direction, chunk, to)));
    from.on('end', () => this.#later(direction, 0, () => this.#unlessLost(direction, () => to.end())));
    from.on('error', () => this.#later(direction, 0, () => this.#unlessLost(direction, () => to.destroy())));
  }

  #later(direction: Direction, bytes: number, run: () => void): void {
    const { delay, rate } = this.#wire;
    this.#lanes[direction].put(delay, (bytes * 1000) / rate, run);
  }

  #forward(direction: Direction, chunk: Buffer, to: Socket): void {
    if (isLost(this.#wire.mode, direction)) this.#wire.lost += chunk.length;
    else if (to.writable) to.write(chunk);
  }

  // A cut cable does not carry the news that the other end is gone.
  #unlessLost(direction: Direction, run: () => void): void {
    if (!isLost(this.#wire.mode, direction)) run();
  }
}

/** Stands between a client and a server on loopback, and breaks what is between them on demand. */
export class TcpProxy {
  readonly port: number;
  readonly url: string;
  readonly #wire: Wire = { mode: 'pass', delay: 0, rate: Infinity, lost: 0 };
  readonly #links = new Set<Link>();
  #targetPort: number;
  readonly #listener: Server;

  static async start(targetPort: number): Promise<TcpProxy> {
    const listener = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject).listen(0, HOST, resolve);
    });
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('no port to listen on');
    return new TcpProxy(listener, address.port, targetPort);
  }

  private constructor(listener: Server, port: number, targetPort: number) {
    this.#listener = listener;
    this.#targetPort = targetPort;
    this.port = port;
    this.url = `redis://${HOST}:${port}`;
    listener.on('connection', client => this.#accept(client));
  }

  get mode(): ProxyMode {
    return this.#wire.mode;
  }

  /**
   * Applies to the connections there are, too. When bytes begin to flow again, all that lived
   * through a mode that loses some are destroyed: what such a stream says is no longer in step.
   */
  set mode(mode: ProxyMode) {
    const before = this.#wire.mode;
    this.#wire.mode = mode;
    if (mode === before) return;
    if (mode === 'refuse' || (loses(before) && mode !== 'blackhole')) this.reset();
  }

  /** Milliseconds added in each direction, for what arrives from now on. */
  get delay(): number {
    return this.#wire.delay;
  }

  set delay(ms: number) {
    this.#wire.delay = ms;
  }

  /** Bytes a second in each direction, for what arrives from now on. Infinity: no limit. */
  get rate(): number {
    return this.#wire.rate;
  }

  set rate(bytes: number) {
    this.#wire.rate = bytes;
  }

  /** How many bytes were discarded so far: a test can wait for the loss instead of sleeping. */
  get lost(): number {
    return this.#wire.lost;
  }

  /** Leads to another server from now on, as when a name does: the connections there are end. */
  retarget(port: number): void {
    this.#targetPort = port;
    this.reset();
  }

  /** Destroys the connections there are. */
  reset(): void {
    for (const link of this.#links) link.destroy();
  }

  /** Harmless if closed already. */
  async close(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#listener.close(() => resolve());
      this.reset();
    });
  }

  #accept(client: Socket): void {
    if (this.#wire.mode === 'refuse') {
      client.on('error', () => undefined).destroy();
      return;
    }
    const server = connect({ port: this.#targetPort, host: HOST, allowHalfOpen: true });
    const link = new Link(this.#wire, client, server, () => this.#links.delete(link));
    this.#links.add(link);
  }
}
