import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Weighed } from './weigh.js';

/** Of 300 bytes of data, and a little less than what is sealed then. */
const SEALED = 430;

function weigh(where: 'shadow' | 'backlog'): Weighed {
  const file = fileURLToPath(new URL('weigh.ts', import.meta.url));
  const command = ['--expose-gc', '--import', 'tsx', file, where];
  return JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8' })) as Weighed;
}

describe('what a session weighs, with all that is needed to keep it', () => {
  it('is for a warm copy no more than 250 bytes beside what is sealed, and as counted', () => {
    const { weight, counted } = weigh('shadow');
    expect(weight).to.be.below(SEALED + 250);
    expect(counted).to.be.within(weight * 0.93, weight * 1.07);
  }).timeout(60_000);

  it('is for a write that waits no more than 500 bytes beside what is sealed, and as counted', () => {
    const { weight, counted } = weigh('backlog');
    expect(weight).to.be.below(SEALED + 500);
    expect(counted).to.be.within(weight * 0.93, weight * 1.07);
  }).timeout(60_000);
});
