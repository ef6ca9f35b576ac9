import type { OutgoingHttpHeader, ServerResponse } from 'node:http';

const HOOK = Symbol('before headers');

/** What is to happen, and the method that it comes before. Shows nothing of either to whoever looks at a response. */
class Hook {
  // One function stands for all signatures of this method.
  readonly #writeHead: (...args: unknown[]) => ServerResponse;
  #act: () => void;

  constructor(res: ServerResponse, act: () => void) {
    this.#writeHead = res.writeHead as (...args: unknown[]) => ServerResponse;
    this.#act = act;
  }

  add(act: () => void): void {
    const before = this.#act;
    this.#act = () => {
      before();
      act();
    };
  }

  writeHead(res: ServerResponse, status: unknown, rest: readonly unknown[]): ServerResponse {
    if (res.headersSent) return this.#writeHead.call(res, status, ...rest);
    const [reason, headers] = typeof rest[0] === 'string' ? rest : [undefined, rest[0] ?? rest[1]];
    if (headers !== undefined && headers !== null) take(res, headers);
    this.#act();
    return reason === undefined
      ? this.#writeHead.call(res, status)
      : this.#writeHead.call(res, status, reason);
  }
}

interface Hooked extends ServerResponse {
  [HOOK]?: Hook;
}

/**
 * Runs `act` when the headers of `res` are about to leave, whoever sends them: what handlers and errors make of the headers
 * happens before that, and Node has no event for it.
 */
export function beforeHeaders(res: ServerResponse, act: () => void): void {
  const hooked: Hooked = res;
  if (hooked[HOOK]) {
    hooked[HOOK].add(act);
  } else {
    hooked[HOOK] = new Hook(res, act);
    res.writeHead = attended;
  }
}

function attended(this: Hooked, status: unknown, ...rest: unknown[]): ServerResponse {
  const hook = this[HOOK];
  if (!hook) throw new TypeError('writeHead() was taken from its response');
  return hook.writeHead(this, status, rest);
}

/** What is given to `writeHead` would overrule all that `act` sets: it becomes part of the headers first, as Node has it. */
function take(res: ServerResponse, given: unknown): void {
  const pairs = pairsOf(given);
  for (const [name] of pairs) res.removeHeader(name);
  // A name may stand in a list several times.
  for (const [name, value] of pairs) {
    if (res.hasHeader(name)) res.appendHeader(name, listed(value));
    else res.setHeader(name, value);
  }
}

/** An object, a list of names and values in turn, or one of pairs: what Node takes. Node itself checks what is in it. */
function pairsOf(given: unknown): [string, OutgoingHttpHeader][] {
  if (!Array.isArray(given)) return Object.entries((given ?? {}) as Record<string, OutgoingHttpHeader>);
  const list: unknown[] = given;
  if (Array.isArray(list[0])) return list as [string, OutgoingHttpHeader][];
  const pairs = list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1]]] : []));
  return pairs as [string, OutgoingHttpHeader][];
}

function listed(value: OutgoingHttpHeader): string | readonly string[] {
  return typeof value === 'number' ? String(value) : value;
}
