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

  get(path: string, cookie = ''): Promise<Answer> {
    const line = cookie === '' ? '' : `Cookie: ${cookie}\r\n`;
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n${line}\r\n`);
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

/** The cookies that a browser sends after this response: `name=value; name=value`. */
export function cookiesAfter({ head }: Answer, before = ''): string {
  const jar = new Map(before.split('; ').map(pair => [nameOf(pair), pair]));
  for (const [, pair = ''] of head.matchAll(/^set-cookie: ([^;\r]+)/gim)) jar.set(nameOf(pair), pair);
  return [...jar.values()].filter(pair => pair !== '').join('; ');
}

function nameOf(pair: string): string {
  return pair.slice(0, pair.indexOf('='));
}
