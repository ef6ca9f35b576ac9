import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createSessions } from '../../src/create.js';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** Runs the command as a program. */
function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, ['--import=tsx', CLI, ...args], (error, out, err) => {
      resolve({ code: Number(error?.code ?? 0), out, err });
    });
  });
}

describe('koa-resilient-session secret', () => {
  it('prints 32 random bytes that session() takes, another each time, and nothing else (ASVS 11.5.1)', async () => {
    const [one, other] = await Promise.all([run('secret'), run('secret')]);
    expect(one).to.include({ code: 0, err: '' });
    expect(one.out).to.match(/^[0-9a-f]{64}\n$/);
    expect(one.out).not.to.equal(other.out);
    const sessions = createSessions({ redis: false, logger: false, secret: one.out.trim() }, { env: {} });
    await sessions.close();
  });

  it('says how it is used where it is asked for something else', async () => {
    const asked = await Promise.all([run(), run('secrets'), run('secret', '16'), run('--help')]);
    expect(asked.map(({ code }) => code)).to.deep.equal([1, 1, 1, 0]);
    for (const { out, err } of asked) expect(out + err).to.include('Usage: koa-resilient-session secret');
  });
});
