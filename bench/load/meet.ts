import { Connection, cookiesAfter } from './client.js';

const WIDTH = 32;

/** Cookies of `count` users, each with a session of `bytes` bytes that the app at `port` has made. */
export async function meet(port: number, count: number, bytes: number): Promise<string[]> {
  const cookies: string[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    const connection = new Connection(port);
    for (let user = next++; user < count; user = next++) {
      const answer = await connection.get(`/new?user=${user}&bytes=${bytes}`);
      if (answer.status !== 200) throw new Error(`a session was not made: ${answer.head}`);
      cookies[user] = cookiesAfter(answer);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, count) }, worker));
  return cookies;
}
