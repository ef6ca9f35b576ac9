import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REGISTRY = 'https://registry.npmjs.org/';
const read = (file: string): string => readFileSync(`${ROOT}/${file}`, 'utf8');

interface Locked {
  readonly version?: string;
  readonly link?: boolean;
  readonly dependencies?: Record<string, string>;
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

  it('asks for versions, never for an address or a branch', () => {
    for (const asked of [manifest.dependencies, manifest.devDependencies, manifest.peerDependencies])
      for (const [name, version] of Object.entries(asked))
        expect(version, name).to.match(/^\^?\d+\.\d+\.\d+$/);
  });

  it('is pinned by hash, whole, in the lock file, and names no place but the public registry (ASVS 15.2.4)', () => {
    expect(locked).to.not.be.empty;
    expect(locked.filter(([path, each]) => !isPinned(path, each)).map(([path]) => path)).to.deep.equal([]);
  });

  it('would be found out if a package were pinned to anything else', () => {
    const good = { version: '1.2.3', integrity: `sha512-${'A'.repeat(86)}==` };
    expect(isPinned('node_modules/@a/b', { ...good, resolved: `${REGISTRY}@a/b/-/b-1.2.3.tgz` })).to.equal(
      true,
    );
    for (const bad of [
      { integrity: 'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=' },
      { resolved: 'http://registry.npmjs.org/@a/b/-/b-1.2.3.tgz' },
      { resolved: 'https://registry.npmjs.org.example/@a/b/-/b-1.2.3.tgz' },
      { resolved: `${REGISTRY}@a/c/-/c-1.2.3.tgz` },
      { resolved: 'git+ssh://git@github.com/a/b.git#0123456' },
      { link: true },
    ])
      expect(isPinned('node_modules/@a/b', { ...good, ...bad }), JSON.stringify(bad)).to.equal(false);
  });

  it('runs nothing at an install that its users make', () => {
    const running = locked.filter(([, { hasInstallScript, dev }]) => hasInstallScript && !dev);
    expect(running.map(([path]) => path)).to.deep.equal([]);
  });

  it('brings as many packages as the documentation says', () => {
    const all = broughtBy(packages, '', manifest.dependencies);
    const types = [...all].filter(path => /node_modules\/(@types\/|undici-types$)/.test(path)).length;
    const said = `**It brings ${all.size} packages**: ${all.size - types} of code, ${types} of types`;
    expect(read('docs/decisions/0006-dependencies.md')).to.include(said);
  });

  it('publishes what is built from src, what a user reads, and nothing else (ASVS 15.2.3)', async () => {
    await npm('run', 'build');
    // As JSON that npm has written.
    const [packed] = JSON.parse(await npm('pack', '--dry-run', '--json', '--ignore-scripts')) as Packed[];
    const sources = readdirSync(`${ROOT}/src`, { recursive: true, encoding: 'utf8' });
    const built = sources
      .filter(name => name.endsWith('.ts'))
      .map(name => `dist/${name.replace(/\.ts$/, '')}`)
      .flatMap(name => [`${name}.js`, `${name}.d.ts`]);
    const read = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'];
    expect(packed?.files.map(({ path }) => path)).to.have.members([...built, ...read]);
  }).timeout(60_000);

  it('is audited in public, and published from a tag with provenance', () => {
    const [ci, release] = [read('.github/workflows/ci.yml'), read('.github/workflows/release.yml')];
    for (const workflow of [ci, release])
      expect(workflow).to.include('npm audit --omit=dev && npm audit signatures');
    expect(release).to.include('id-token: write').and.include('npm publish --provenance');
    expect(release).to.match(/tags: \['v\*'\]/);
    expect(ci).to.not.include('id-token');
  });

  it('gives a token to publish only to what builds the package, and to no action but GitHub’s own', () => {
    const [check = '', publish = ''] = read('.github/workflows/release.yml').split(/^ {2}publish:$/m);
    expect(check)
      .to.include('.ci/run')
      .and.not.match(/id-token|secrets\./);
    expect(publish)
      .to.include('needs: check')
      .and.include('npm ci --ignore-scripts')
      .and.not.include('.ci/run');
    for (const name of readdirSync(`${ROOT}/.github/workflows`)) {
      const workflow = read(`.github/workflows/${name}`);
      const granted = [...workflow.matchAll(/^ +([\w-]+: write|write-all)\b/gm)].map(([, grant]) => grant);
      expect(granted, name).to.deep.equal(name === 'release.yml' ? ['id-token: write'] : []);
      for (const [, action] of workflow.matchAll(/uses: (\S+)/g))
        expect(action, name).to.match(/^actions\/[\w-]+@/);
      expect(workflow.match(/actions\/checkout@/g)).to.have.length(
        workflow.match(/persist-credentials: false/g)?.length ?? 0,
      );
    }
  });
});

interface Packed {
  readonly files: readonly { readonly path: string }[];
}

/** Where npm leaves `resolved` out, it asks the registry that it is set to; the bytes must be these all the same. */
function isPinned(path: string, { version, resolved, integrity, link }: Locked): boolean {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const file = `${REGISTRY}${name}/-/${name.replace(/^@[^/]+\//, '')}-${version}.tgz`;
  return !link && /^sha512-[\w+/]{86}==$/.test(integrity ?? '') && (resolved ?? file) === file;
}

/** The paths of all that comes with these dependencies. */
function broughtBy(
  packages: Readonly<Record<string, Locked>>,
  from: string,
  names: Readonly<Record<string, string>>,
  found = new Set<string>(),
): ReadonlySet<string> {
  for (const name of Object.keys(names)) {
    const path = pathsUp(from, name).find(each => Object.hasOwn(packages, each));
    if (path === undefined || found.has(path)) continue;
    broughtBy(packages, path, packages[path]?.dependencies ?? {}, found.add(path));
  }
  return found;
}

/** Where Node looks for a package: next to who asks, then further up. */
function pathsUp(from: string, name: string): string[] {
  const here = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
  if (from === '') return [here];
  return [here, ...pathsUp(from.slice(0, Math.max(0, from.lastIndexOf('node_modules/') - 1)), name)];
}

async function npm(...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)('npm', args, { cwd: ROOT })).stdout;
}
