import { type IncomingMessage, request } from 'node:http';

export interface Page {
  readonly status: number;
  readonly path: string;
  readonly text: string;
  header(name: string): string;
}

export interface BrowserOptions {
  readonly agent?: string;
  /** Where it calls from. */
  readonly address?: string;
}

export interface Call {
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

type Fields = Readonly<Record<string, string>>;

const FORM = 'application/x-www-form-urlencoded';

/** What a browser does with the pages of this app: keeps cookies, fills forms in, follows redirects. */
export class Browser {
  cookie = '';
  readonly #url: URL;
  readonly #agent: string;
  readonly #address: string;

  constructor(url: string, { agent = 'Test/1.0', address = '127.0.0.1' }: BrowserOptions = {}) {
    this.#url = new URL(url);
    this.#agent = agent;
    this.#address = address;
  }

  /** Another browser that has got hold of the cookie. */
  copy(url = this.#url.href): Browser {
    const copy = new Browser(url, { agent: this.#agent, address: this.#address });
    copy.cookie = this.cookie;
    return copy;
  }

  async open(path: string): Promise<Page> {
    return this.#follow(await this.send('GET', path));
  }

  /** Sends the form of `page` that leads to `action`, with what is hidden in it. */
  async submit(page: Page, action: string, fields: Fields = {}): Promise<Page> {
    return this.#follow(await this.post(action, { ...hiddenIn(page, action), ...fields }));
  }

  post(path: string, fields: Fields, headers: Fields = {}): Promise<Page> {
    const own = { 'Content-Type': FORM, 'Sec-Fetch-Site': 'same-origin', Origin: this.#url.origin };
    return this.send('POST', path, {
      body: new URLSearchParams(fields).toString(),
      headers: { ...own, ...headers },
    });
  }

  /** One request, as it stands. An empty header is left out. */
  async send(method: string, path: string, { body, headers = {} }: Call = {}): Promise<Page> {
    const all = { 'User-Agent': this.#agent, Cookie: this.cookie, ...headers };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const { hostname, port } = this.#url;
      const call = request({ hostname, port, method, path, localAddress: this.#address, agent: false });
      for (const [name, value] of Object.entries(all)) if (value !== '') call.setHeader(name, value);
      call.on('response', resolve).on('error', reject).end(body);
    });
    this.#keep(response.headers['set-cookie'] ?? []);
    return read(response, path);
  }

  #keep(cookies: readonly string[]): void {
    for (const cookie of cookies)
      this.cookie = cookie.includes('Max-Age=0') ? '' : (cookie.split(';')[0] ?? '');
  }

  async #follow(page: Page): Promise<Page> {
    return page.status === 303 ? this.open(page.header('location')) : page;
  }
}

/** What the form that leads to `action` has hidden in it. */
export function hiddenIn({ text, path }: Page, action: string): Fields {
  const form = text.split('<form ').find(part => part.includes(`action="${action}"`));
  if (form === undefined) throw new Error(`${path} has no form that leads to ${action}:\n${text}`);
  const inputs = form.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g);
  return Object.fromEntries(Array.from(inputs, ([, name = '', value = '']) => [name, value]));
}

async function read(response: IncomingMessage, path: string): Promise<Page> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  const header = (name: string): string => String(response.headers[name] ?? '');
  return { status: response.statusCode ?? 0, path, text, header };
}
