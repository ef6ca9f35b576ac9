import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

describe('the types of the package', () => {
  it('fit an app that declares its session data, and refuse each wrong use that it marks', async () => {
    const compiled = await run(
      process.execPath,
      ['node_modules/typescript/bin/tsc', '-p', 'spec/package/types'],
      { cwd: root },
    ).catch((error: unknown) => error);
    expect(compiled).to.not.be.instanceOf(Error);
    expect(compiled).to.have.property('stdout', '');
  }).timeout(60_000);
});
