import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect } from 'chai';
import { RedisServer } from '../support/redis-server.js';
import {
  anchorsOf,
  type Block,
  blocksOf,
  codesIn,
  documents,
  linksOf,
  ROOT,
  source,
  tableUnder,
} from './markdown.js';
import { checkTypes, createProject, runProgram } from './programs.js';

const LANGUAGES = ['js', 'ts', 'sh', 'mermaid'];

/**
 * Where each npm line of the documentation runs in CI: the line of `.ci/run` that does it, or why none does.
 */
const NPM_LINES: Readonly<Record<string, { readonly step: string } | { readonly because: string }>> = {
  'npm ci && npm test': { step: 'npm ci && npm test' },
  'npm ci': { step: 'npm ci' },
  'npm ci && npm run demo': { because: 'the demo serves until it is ended; CI plays it with --once' },
  'npm run demo -- --once': { step: 'npm run demo -- --once' },
  'npm run lint && npm run format && npm run types': {
    step: 'npm run lint && npm run format && npm run types',
  },
  'npm run build': { step: 'npm run build' },
  'npm run package': { step: 'npm run package' },
  'npm run bench -- --quick': { step: 'npm run bench -- --quick' },
  'npm run fuzz -- --seconds 15': { step: 'npm run fuzz -- --seconds 15' },
  'npm run faults': { step: 'npm run faults' },
  'npm install --prefix spec/faults/peer': {
    because: 'the peer is compared by hand: ten minutes of waiting',
  },
  'npm run faults -- --peer': { because: 'see above; and nobody has promised that the peer holds' },
  'npm run model': { step: 'npm run model' },
  'npm run simulate -- --seeds 1000': { step: 'npm run simulate -- --seeds 1000' },
  'npm run bench': {
    because: 'numbers from a shared CI machine mean nothing, and it takes half an hour',
  },
};

const blocks = documents().flatMap(blocksOf);
const programs = blocks.filter(block => ['js', 'ts'].includes(block.language));
const examples = ['app.js', 'upgrade.js'].map(name => `examples/basic/${name}`);

const nameOf = ({ file, line }: Block): string => `${file}:${line}`;

function fileOf(block: Block): string {
  const name = nameOf(block).replaceAll(/\W/g, '-');
  return `${name}.${block.language === 'ts' ? 'mts' : 'mjs'}`;
}

/** The string literals that a pattern finds in a part of a source file. */
function literals(path: string, part: RegExp, pattern: RegExp): string[] {
  const text = part.exec(source(path))?.[0] ?? '';
  return [...text.matchAll(pattern)].map(([, literal = '']) => literal);
}

function npmLines(): string[] {
  const shell = blocks.filter(block => ['sh', 'shell', 'bash'].includes(block.language));
  return shell.flatMap(block => block.text.split('\n').filter(line => line.includes('npm ')));
}

describe('the programs in the documentation', () => {
  let dir: string;
  let server: RedisServer;

  before(async () => {
    server = await RedisServer.start();
    dir = createProject();
    for (const block of programs) writeFileSync(join(dir, fileOf(block)), block.text);
  });

  after(async () => {
    rmSync(dir, { recursive: true, force: true });
    await server.stop();
  });

  it('are in a language that this test knows', () => {
    const unknown = blocks.filter(({ language }) => !LANGUAGES.includes(language)).map(nameOf);
    expect(unknown).to.deep.equal([]);
    expect(programs).to.not.be.empty;
  });

  it('have no type errors where they are TypeScript', async function () {
    this.timeout(60_000);
    const { code, output } = await checkTypes(dir);
    expect(output).to.equal('');
    expect(code).to.equal(0);
  });

  for (const block of programs) {
    it(`run as they stand: ${nameOf(block)}`, async function () {
      this.timeout(60_000);
      await runsWell(fileOf(block), block.text);
    });
  }

  for (const path of examples) {
    it(`run as they stand: ${path}`, async function () {
      this.timeout(60_000);
      const file = path.replaceAll('/', '-').replace('.js', '.mjs');
      writeFileSync(join(dir, file), source(path));
      await runsWell(file, source(path));
    });
  }

  it('run as they stand: examples/basic/typed.ts', async function () {
    this.timeout(60_000);
    const text = source('examples/basic/typed.ts');
    await runsWell(join('..', '..', join(ROOT, 'examples/basic/typed.ts')), text);
  });

  async function runsWell(file: string, text: string): Promise<void> {
    const { code, output } = await runProgram(dir, file, server.url, text.includes("'node:test'"));
    expect(code, output).to.equal(0);
    const listening = text.split('.listen(').length - 1;
    expect(output.match(/^answered (200|404)$/gm) ?? [], output).to.have.lengthOf(listening);
    if (text.includes('ctx.body')) expect(output).to.not.include('answered 404');
    if (text.includes("'node:test'")) expect(output).to.match(/^# fail 0$|ℹ fail 0$/m);
  }
});

describe('the README', () => {
  it('shows the same ten lines as the example', () => {
    const [first] = blocksOf('README.md').filter(block => block.language === 'js');
    expect(source('examples/basic/app.js')).to.include(first?.text);
  });

  it('lists exactly the options that are known', () => {
    const known = literals('src/options.ts', /const KNOWN = \[.*?\]/s, /'(\w+)'/g);
    const listed = tableUnder('README.md', 'Options').map(([option = '']) => codesIn(option)[0]);
    expect(known).to.not.be.empty;
    expect(listed).to.have.members(known);
  });

  it('lists exactly the error codes that there are', () => {
    const codes = literals('src/errors.ts', /export type SessionErrorCode =.*?;/s, /'(\w+)'/g);
    const listed = tableUnder('README.md', 'Errors').map(([code = '']) => codesIn(code)[0]);
    expect(codes).to.not.be.empty;
    expect(listed).to.have.members(codes);
  });
});

describe('docs/operations.md', () => {
  it('lists exactly the events that there are', () => {
    const events = literals(
      'src/observe/events.ts',
      /interface EventPayloads \{.*?^\}/ms,
      /^ {2}'([a-z:-]+)':/gm,
    );
    const listed = tableUnder('docs/operations.md', 'Events').map(([event = '']) => codesIn(event)[0]);
    expect(events).to.not.be.empty;
    expect(listed).to.have.members(events);
  });

  it('says of an event that it is reserved exactly where nothing emits it', () => {
    const reserved = tableUnder('docs/operations.md', 'Events').filter(([, , meaning = '']) =>
      meaning.startsWith('reserved'),
    );
    const emitted = ['resilience', 'session', 'http'].flatMap(emittedIn);
    for (const [event = ''] of tableUnder('docs/operations.md', 'Events')) {
      const silent = reserved.some(([other]) => other === event);
      expect(emitted.includes(codesIn(event)[0] ?? ''), event).to.equal(!silent);
    }
  });

  it('lists exactly the reasons that there are', () => {
    const reasons = literals('src/observe/snapshot.ts', /export type Reason =.*?;/s, /'(\w+)'/g);
    const listed = tableUnder('docs/operations.md', 'Reasons').map(([reason = '']) => codesIn(reason)[0]);
    expect(reasons).to.not.be.empty;
    expect(listed).to.have.members(reasons);
  });

  it('lists exactly the log lines that events make', () => {
    const lines = literals('src/observe/log.ts', /const LINES.*?^\};/ms, /\['\w+', '([^']+)'\]/g);
    const rows = tableUnder('docs/operations.md', 'Log lines').filter(([, , from = '']) =>
      /^`\w+:/.test(from),
    );
    expect(lines).to.not.be.empty;
    expect(rows.map(([, message = '']) => codesIn(message)[0])).to.have.members(lines);
  });
});

describe('docs/recovery.md', () => {
  it('lists exactly the fields of the ledger', () => {
    const fields = literals(
      'src/observe/snapshot.ts',
      /export interface Ledger \{.*?^\}/ms,
      /readonly (\w+): number/g,
    );
    const listed = tableUnder('docs/recovery.md', 'The ledger').map(([field = '']) => codesIn(field)[0]);
    expect(fields).to.not.be.empty;
    expect(listed).to.have.members(fields);
  });
});

describe('links between documents', () => {
  for (const file of documents()) {
    it(`lead somewhere: ${file}`, () => {
      const local = linksOf(file).filter(link => !/^[a-z]+:/.test(link));
      expect(local.filter(link => !leads(file, link))).to.deep.equal([]);
    });
  }
});

describe('npm lines in shell blocks', () => {
  for (const line of new Set(npmLines())) {
    it(`run in CI, or stand here with a reason: ${line}`, () => {
      const where = NPM_LINES[line];
      if (!where) return expect.fail(`"${line}" is in no table: add a step to .ci/run, or a reason here`);
      if ('because' in where) return expect(where.because).to.not.equal('');
      return expect(ciCommands(), '.ci/run has no such line').to.include(where.step);
    });
  }

  it('are all there that this test knows', () => {
    expect(Object.keys(NPM_LINES)).to.have.members([...new Set(npmLines())]);
  });

  it('name scripts that package.json has', () => {
    const { scripts } = JSON.parse(source('package.json')) as { scripts: Record<string, string> };
    const named = npmLines().flatMap(line =>
      [...line.matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name),
    );
    expect(named.filter(name => !Object.hasOwn(scripts, name))).to.deep.equal([]);
  });
});

/** The names that any file of a layer emits. */
function emittedIn(layer: string): string[] {
  const files = readdirSync(join(ROOT, 'src', layer)).map(name => source(`src/${layer}/${name}`));
  return files.flatMap(text => [...text.matchAll(/emit\(\s*'([a-z:-]+)'/g)].map(([, event = '']) => event));
}

/** What .ci/run runs: without comments, and without the names of the steps, which run nothing. */
function ciCommands(): string {
  return source('.ci/run')
    .replaceAll(/^ *#.*$/gm, '')
    .replaceAll(/\bstep ('[^']*'|"[^"]*") /g, '');
}

function leads(file: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? file : normalize(join(dirname(file), path));
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchorsOf(target).includes(anchor);
}
