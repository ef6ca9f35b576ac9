import { Connection, cookieAfter } from './client.js';

/** The load, in a process of its own: `tsx bench/load.ts <port> <cookies, comma-separated> <seconds> <pause ms>`. */
const [port = '', cookieList = '', seconds = '1', pause = '0'] = process.argv.slice(2);

interface Second {
  readonly latencies: number[];
  failed: number;
}

const perSecond: Second[] = [];
const began = performance.now();
const until = began + Number(seconds) * 1000;

function bucket(): Second {
  const second = Math.floor((performance.now() - began) / 1000);
  return (perSecond[second] ??= { latencies: [], failed: 0 });
}

/** One user: asks, waits for the answer, asks again. */
async function user(cookie: string): Promise<void> {
  const connection = new Connection(Number(port));
  let current = cookie;
  while (performance.now() < until) {
    const asked = performance.now();
    const answer = await connection.get('/', current);
    const { latencies } = bucket();
    latencies.push(performance.now() - asked);
    if (answer.status !== 200 || answer.body !== 'ok') bucket().failed += 1;
    current = cookieAfter(answer, current);
    if (Number(pause) > 0) await new Promise(resolve => setTimeout(resolve, Number(pause)));
  }
  connection.close();
}

await Promise.all(cookieList.split(',').map(user));
const all = Array.from(perSecond, second => second ?? { latencies: [], failed: 0 });
process.send?.(
  all.map(({ latencies, failed }) => {
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { count: sorted.length, failed, p50: at(0.5), p99: at(0.99), max: at(1) };
  }),
);
process.disconnect?.();
