import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { pageWith } from '../../bench/report/page.js';
import { picture } from '../../bench/report/picture.js';
import { SECTIONS } from '../../bench/report/sections.js';
import { readResults } from '../../bench/support/results.js';
import { ROOT, source } from './markdown.js';

const FILE = join(ROOT, 'docs/benchmarks.json');

describe('docs/benchmarks.md', () => {
  const results = readResults(FILE);
  const page = source('docs/benchmarks.md');

  it('shows what docs/benchmarks.json holds, and no other number', () => {
    expect(pageWith(results, page)).to.equal(page);
  });

  it('says of each part that was not measured that it was not', () => {
    const empty = pageWith({}, page);
    const sections = [...empty.matchAll(/<!-- bench:(\w+) -->\n(.*?)<!-- \/bench:\1 -->/gs)];
    expect(sections.map(([, name]) => name)).to.have.members(Object.keys(SECTIONS));
    for (const [, name, text = ''] of sections) expect(text.trim(), name).to.equal('Not measured yet.');
  });

  it('has a picture of the outage that was measured', () => {
    const [run] = results.outage?.result.runs ?? [];
    const drawn = existsSync(join(ROOT, 'docs/outage.svg')) ? source('docs/outage.svg') : undefined;
    expect(run && picture(run)).to.equal(drawn);
  });

  it('comes from whole runs, not from rehearsals', () => {
    for (const [part, { quick }] of Object.entries(results)) expect(quick, part).to.equal(false);
  });
});

describe('the contestants of the benchmark', () => {
  it('are dependencies of bench/package.json alone, by exact versions', () => {
    const { dependencies } = JSON.parse(source('bench/package.json')) as {
      dependencies: Record<string, string>;
    };
    const own = JSON.parse(source('package.json')) as Record<string, Record<string, string> | undefined>;
    const all = { ...own['dependencies'], ...own['devDependencies'], ...own['peerDependencies'] };
    for (const [name, version] of Object.entries(dependencies)) {
      expect(version, name).to.match(/^\d+\.\d+\.\d+$/);
      if (name !== 'redis') expect(Object.keys(all), name).to.not.include(name);
    }
  });

  it('have the redis that the library has', () => {
    const { packages } = JSON.parse(source('package-lock.json')) as {
      packages: Record<string, { version?: string }>;
    };
    const { dependencies } = JSON.parse(source('bench/package.json')) as {
      dependencies: Record<string, string>;
    };
    expect(dependencies['redis']).to.equal(packages['node_modules/redis']?.version);
  });
});
