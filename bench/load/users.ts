import { readFileSync } from 'node:fs';
import { obey } from '../support/orders.js';
import { Connection, cookiesAfter } from './client.js';

/** Users who ask, wait for the answer and ask again, and note each answer: for what changes from second to second. */
export interface Visit {
  readonly port: number;
  readonly cookies: string;
  readonly users: number;
  /** So many of ten requests write. */
  readonly writing: number;
  readonly seconds: number;
  /** Between an answer and the next request, ms. */
  readonly pause: number;
}

/** Of each request when it began (wall-clock ms) and how long it took (ms); and how many were not answered with 200. */
export interface Samples {
  readonly at: number[];
  readonly ms: number[];
  bad: number;
}

async function visit({ port, cookies, users, writing, seconds, pause }: Visit): Promise<Samples> {
  const all = readFileSync(cookies, 'utf8').trimEnd().split('\n');
  const samples: Samples = { at: [], ms: [], bad: 0 };
  const until = performance.now() + seconds * 1000;
  const user = async (index: number): Promise<void> => {
    const connection = new Connection(port);
    let cookie = all[index] ?? '';
    for (let turn = index; performance.now() < until; turn += 1) {
      const began = performance.now();
      const answer = await connection.get(turn % 10 < writing ? '/write' : '/read', cookie);
      samples.at.push(performance.timeOrigin + began);
      samples.ms.push(performance.now() - began);
      if (answer.status !== 200) samples.bad += 1;
      cookie = cookiesAfter(answer, cookie);
      if (pause > 0) await new Promise(resolve => setTimeout(resolve, pause));
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: users }, (_, index) => user(index)));
  return samples;
}

obey({ visit });
