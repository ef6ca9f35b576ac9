import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** From the outside in: a file imports from its own layer and from those after it, never from those before. */
const ORDER = [
  'cli',
  'index',
  'testing',
  'create',
  'options',
  'http',
  'session',
  'vault',
  'resilience',
  'store',
  'observe',
  'rules',
  'errors',
  'clock',
];

/** Who may import what from outside. Types count. */
const PACKAGES: Record<string, readonly string[]> = {
  koa: [
    'create.ts',
    'http/headers.ts',
    'http/health-route.ts',
    'http/middleware.ts',
    'http/names.ts',
    'http/slot.ts',
    'options.ts',
  ],
  '@koa/router': ['http/health-route.ts'],
  cockatiel: ['resilience/circuit.ts'],
  eventemitter3: ['observe/events.ts'],
  redis: [
    'options.ts',
    'store/redis-client.ts',
    'store/redis-commands.ts',
    'store/redis-link.ts',
    'store/redis-target.ts',
  ],
};

/** Files that hold one idea in more than 300 lines, with the reason. */
const LONG: Record<string, string> = {
  'options.ts': 'every option with its default and its rule, in one place',
  'resilience/supervisor.ts': 'routing by state, and the parts that it is made of',
  'testing.ts': 'every clause of the store contract',
};

type Graph = ReadonlyMap<string, readonly string[]>;

describe('the layers', () => {
  const graph = readGraph();

  it('are imported one way', () => {
    expect(upward(graph)).to.deep.equal([]);
  });

  it('are imported in no circle', () => {
    expect(circles(graph)).to.deep.equal([]);
  });

  it('would be found out if they were not', () => {
    const bad: Graph = new Map([
      ['store/a.ts', ['session/b.ts']],
      ['session/b.ts', ['session/c.ts']],
      ['session/c.ts', ['session/b.ts', 'store/a.ts']],
    ]);
    expect(upward(bad)).to.deep.equal(['store/a.ts → session/b.ts']);
    expect(circles(bad)).to.not.deep.equal([]);
  });

  it('reach each package only where it belongs', () => {
    for (const [name, homes] of Object.entries(PACKAGES)) {
      const users = [...graph.keys()].filter(file => packagesOf(file).includes(name));
      expect(users, name).to.have.members(homes);
    }
  });

  it('have files of one idea: more than 300 lines need a reason here', () => {
    const long = [...graph.keys()].filter(file => source(file).split('\n').length > 300);
    expect(long.filter(file => !Object.hasOwn(LONG, file))).to.deep.equal([]);
  });

  it('leave nothing to be done, nothing untyped, and print nowhere but in the log', () => {
    for (const file of graph.keys()) {
      const text = source(file);
      expect(text, file).to.not.match(
        /TODO|FIXME|XXX|@ts-(ignore|expect-error|nocheck)|\bas any\b|: any\b|<any>/,
      );
      if (file !== 'observe/log.ts') expect(text, file).to.not.match(/console\./);
    }
  });
});

describe('the package', () => {
  it('exports exactly this', async () => {
    const names = Object.keys(await import('../../src/index.js'));
    expect(names).to.have.members([
      'default',
      'session',
      'healthRoutes',
      'SessionError',
      'ConfigTypeError',
      'ConfigRangeError',
      'StoreFault',
    ]);
  });
});

function readGraph(): Graph {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'));
  return new Map(
    files.map(file => [
      file,
      specifiers(file)
        .filter(isOwn)
        .map(name => resolve(file, name)),
    ]),
  );
}

function specifiers(file: string): string[] {
  const named = /^(?:import|export)[^;]*? from '([^']+)'|\bimport\('([^']+)'\)/gm;
  return [...source(file).matchAll(named)].map(([, name, later]) => name ?? later ?? '');
}

function packagesOf(file: string): string[] {
  return specifiers(file).filter(name => !isOwn(name));
}

function isOwn(name: string): boolean {
  return name.startsWith('.');
}

function resolve(file: string, name: string): string {
  return relative(SRC, normalize(join(SRC, dirname(file), name))).replace(/\.js$/, '.ts');
}

function source(file: string): string {
  return readFileSync(join(SRC, file), 'utf8');
}

function rank(file: string): number {
  return ORDER.indexOf(file.split('/')[0]?.replace(/\.ts$/, '') ?? '');
}

function upward(graph: Graph): string[] {
  const edges = [...graph].flatMap(([from, tos]) => tos.map(to => [from, to] as const));
  return edges.filter(([from, to]) => rank(to) < rank(from)).map(([from, to]) => `${from} → ${to}`);
}

/** Each file from which one can come back to it. */
function circles(graph: Graph): string[] {
  return [...graph.keys()].filter(start => {
    const seen = new Set<string>();
    const next = [...(graph.get(start) ?? [])];
    for (let file = next.pop(); file !== undefined; file = next.pop()) {
      if (file === start) return true;
      if (!seen.has(file)) next.push(...(graph.get(file) ?? []));
      seen.add(file);
    }
    return false;
  });
}
