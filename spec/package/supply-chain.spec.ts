import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(`${ROOT}/${file}`, 'utf8');

interface Locked {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
}

describe('the supply chain', () => {
  // Both files are this repository's own, and npm's shape.
  const manifest = JSON.parse(read('package.json')) as Manifest;
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> };
  const locked = Object.entries(packages).filter(([path]) => path !== '');

  it('has a line of justification for each dependency, and for nothing else', () => {
    const decision = read('docs/decisions/0006-dependencies.md');
    const rows = [...decision.matchAll(/^\| (`[^|]+) \|/gm)].map(([, cell = '']) => cell);
    const justified = rows.flatMap(cell => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
    const { dependencies, devDependencies } = manifest;
    expect(justified).to.have.members([...Object.keys(dependencies), ...Object.keys(devDependencies)]);
    for (const peer of Object.keys(manifest.peerDependencies)) expect(decision).to.include(`\`${peer}\``);
  });

  it('is pinned by hash, whole, in the lock file', () => {
    expect(locked).to.not.be.empty;
    for (const [path, { integrity }] of locked) expect(integrity, path).to.match(/^sha512-/);
  });

  it('names no place but the public registry to fetch from', () => {
    for (const [path, { resolved }] of locked)
      expect(resolved ?? 'https://registry.npmjs.org/', path).to.match(/^https:\/\/registry\.npmjs\.org\//);
  });

  it('runs nothing at an install that its users make', () => {
    const running = locked.filter(([, { hasInstallScript, dev }]) => hasInstallScript && !dev);
    expect(running.map(([path]) => path)).to.deep.equal([]);
  });

  it('is audited in public, and published from a tag with provenance', () => {
    const [ci, release] = [read('.github/workflows/ci.yml'), read('.github/workflows/release.yml')];
    for (const workflow of [ci, release])
      expect(workflow).to.include('npm audit --omit=dev && npm audit signatures');
    expect(release).to.include('id-token: write').and.include('npm publish --provenance');
    expect(release).to.match(/tags: \['v\*'\]/);
    expect(ci).to.not.include('id-token');
  });
});
