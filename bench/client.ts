import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** One keep-alive connection that sends one GET at a time: Node's own client costs more than the app that is measured. */
export class Connection {
  readonly #socket: Socket;
  #text = '';
  #settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setNoDelay(true).setEncoding('latin1');
    this.#socket.on('data', (chunk: string) => this.#read(chunk));
    this.#socket.on('error', error => this.#settle?.reject(error));
    this.#socket.on('close', () => this.#settle?.reject(new Error('connection closed')));
  }

  get(path: string, cookie: string): Promise<Answer> {
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\nCookie: ${cookie}\r\n\r\n`);
    return new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    this.#text += chunk;
    const cut = this.#text.indexOf('\r\n\r\n');
    if (cut < 0) return;
    const head = this.#text.slice(0, cut);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#text.length < cut + 4 + length) return;
    const body = this.#text.slice(cut + 4, cut + 4 + length);
    this.#text = '';
    this.#settle?.resolve({ status: Number(head.slice(9, 12)), head, body });
  }
}

/** The `name=value` that a response sets, or the one that was there. */
export function cookieAfter(answer: Answer, before: string): string {
  return /^set-cookie: (sid=[^;]+)/im.exec(answer.head)?.[1] ?? before;
}

/** Cookies of `count` users that the app at `port` has just met. */
export async function meet(port: number, count: number): Promise<string[]> {
  const connection = new Connection(port);
  const cookies: string[] = [];
  for (let user = 0; user < count; user += 1) cookies.push(cookieAfter(await connection.get('/new', ''), ''));
  connection.close();
  return cookies;
}
