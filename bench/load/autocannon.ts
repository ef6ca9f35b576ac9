import { readFileSync } from 'node:fs';
import { peer } from '../apps/peer.js';
import type { Seen } from './shot.js';

/** The load where wrk is not installed: `node autocannon.js <port> <cookies> <writing> <seconds> <connections>`. */
interface Client {
  setRequests(requests: readonly Request[]): void;
}

interface Request {
  readonly method: 'GET';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Result {
  readonly requests: { readonly total: number };
  readonly duration: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly non2xx: number;
  readonly latency: { readonly p50: number; readonly p99: number };
}

interface Autocannon {
  readonly default: (options: object) => Promise<Result>;
}

const [port = '', file = '', writing = '0', seconds = '1', connections = '32'] = process.argv.slice(2);
const cookies = readFileSync(file, 'utf8').trimEnd().split('\n');
const requests = cookies.map((cookie, turn): Request => {
  const path = turn % 10 < Number(writing) ? '/write' : '/read';
  return { method: 'GET', path, headers: { Cookie: cookie } };
});

let clients = 0;
const share = Math.ceil(requests.length / Number(connections));

/** Each connection has users of its own, so that no two requests meet over one session. */
function setupClient(client: Client): void {
  const from = (clients * share) % requests.length;
  clients += 1;
  client.setRequests(requests.slice(from, from + share));
}

const { default: autocannon } = await peer<Autocannon>('autocannon');
const result = await autocannon({
  url: `http://127.0.0.1:${port}`,
  connections: Number(connections),
  duration: Number(seconds),
  setupClient,
});
const { latency, duration, errors, timeouts, non2xx } = result;
const seen: Seen = {
  requests: result.requests.total,
  seconds: duration,
  bad: errors + timeouts + non2xx,
  p50: latency.p50,
  p99: latency.p99,
};
process.stdout.write(`${JSON.stringify(seen)}\n`);
