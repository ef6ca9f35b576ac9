import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { codesIn, ROOT, source, tableUnder } from './markdown.js';

const PAGE = 'docs/security.md';
const PAGES = [PAGE, 'docs/threat-model.md'];
const NUMBER = /\b\d+\.\d+\.\d+\b/g;

/** A test as a page names it: `security/ids`: "a part of its title". */
interface Named {
  readonly file: string;
  readonly phrase: string;
}

const specs = readdirSync(join(ROOT, 'spec'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.spec.ts'))
  .map(name => `spec/${name}`);

/** The titles in a spec. What a template fills in stands as `${…}`. */
function titlesIn(file: string): string[] {
  const titles = /\b(?:it|describe)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/gs;
  return [...source(file).matchAll(titles)].map(([, , title = '']) => title.replaceAll(/\\(.)/g, '$1'));
}

/** Phrases belong to the file that was named last before them. */
function namedIn(text: string): Named[] {
  const named: Named[] = [];
  let file = '';
  const words = text.replaceAll(/\s+/g, ' ');
  for (const [, path, phrase] of words.matchAll(/`([a-z-]+\/[a-z-]+)`|"([^"]+)"/g)) {
    if (path !== undefined)
      file = existsSync(join(ROOT, `spec/${path}.spec.ts`)) ? `spec/${path}.spec.ts` : path;
    else if (phrase !== undefined) named.push({ file, phrase });
  }
  return named;
}

function found({ file, phrase }: Named): string[] {
  return specs.includes(file) ? titlesIn(file).filter(title => title.includes(phrase)) : [];
}

/** The text of a page without its programs, in which quotes mean something else. */
function proseOf(page: string): string {
  return source(page).replaceAll(/^```.*?^```$/gms, '');
}

function numbersIn(text: string): string[] {
  return [...text.matchAll(NUMBER)].map(([number]) => number);
}

/** Each number that stands after "ASVS" in a text. */
function asvsIn(text: string): string[] {
  const lists = text.matchAll(/ASVS ((?:\d+\.\d+\.\d+(?:, (?:and )?| and )?)+)/g);
  return [...lists].flatMap(([, list = '']) => numbersIn(list));
}

const rows = tableUnder(PAGE, 'Requirements').map(([numbers = '', , , , tests = '']) => ({
  numbers: numbersIn(numbers),
  tests: namedIn(tests),
}));

describe('the pages on security', () => {
  for (const page of PAGES)
    it(`name no test that is not there: ${page}`, () => {
      const named = namedIn(proseOf(page));
      expect(named).to.have.length.above(20);
      const missing = named.filter(test => found(test).length === 0);
      expect(missing.map(({ file, phrase }) => `${file}: ${phrase}`)).to.deep.equal([]);
    });

  for (const { numbers, tests } of rows)
    it(`name for each number a test that has it in its title: ${numbers.join(', ')}`, () => {
      expect(numbers).to.not.be.empty;
      const shown = tests.flatMap(test => found(test)).flatMap(asvsIn);
      expect(numbers.filter(number => !shown.includes(number))).to.deep.equal([]);
    });

  it('have each number once, and each that a spec or the source names', () => {
    const listed = rows.flatMap(({ numbers }) => numbers);
    expect(listed).to.have.length(new Set(listed).size);
    const src = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => `src/${name}`);
    for (const file of [...specs, ...src]) {
      const unlisted = asvsIn(source(file)).filter(number => !listed.includes(number));
      expect(unlisted, `${file} names what ${PAGE} has no row for`).to.deep.equal([]);
    }
  });

  it('would be found out if they were wrong', () => {
    const [row] = namedIn(
      '`security/ids`: "that was planted is worth nothing after", "that nobody has written"',
    );
    const [, other] = namedIn(
      '`security/ids`: "that was planted is worth nothing after", "that nobody has written"',
    );
    expect(row && found(row)).to.have.length(1);
    expect(other && found(other)).to.deep.equal([]);
    expect(namedIn('`no/such`: "is 256 bits"').flatMap(found)).to.deep.equal([]);
    expect(asvsIn("it('does so (ASVS 7.2.3, 11.5.1)')")).to.deep.equal(['7.2.3', '11.5.1']);
  });
});

describe('the cryptography that docs/security.md lists', () => {
  const listed = new Map(
    tableUnder(PAGE, 'Cryptography').flatMap(([files = '', functions = '']) =>
      codesIn(files).map(file => [file, codesIn(functions)] as const),
    ),
  );

  it('is the only one in the source: each file that uses any, with each function (ASVS 11.1.2, 11.1.3, 11.1.4, 11.3.1)', () => {
    const used = new Map<string, string[]>();
    for (const file of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue;
      const names = importsOf(source(`src/${file}`));
      if (names.length > 0) used.set(file, names);
    }
    expect([...used.keys()]).to.have.members([...listed.keys()]);
    for (const [file, names] of used) expect(listed.get(file), file).to.have.members(names);
  });

  it('knows one cipher, and one hash for what matters', () => {
    const text = [...listed.keys()].map(file => source(`src/${file}`)).join('\n');
    expect(
      new Set([...text.matchAll(/'((?:aes|des|chacha20|camellia|aria)-[\w-]+)'/g)].map(([, name]) => name)),
    ).to.deep.equal(new Set(['aes-256-gcm']));
    const hashes = [...text.matchAll(/(?:\bhash|createHash|createHmac|hkdfSync)\(\s*'(\w+)'/g)].map(
      ([, name]) => name,
    );
    expect(new Set(hashes)).to.deep.equal(new Set(['sha256', 'sha1']));
    expect(hashes.filter(name => name === 'sha1')).to.have.length(1);
    expect(source('src/store/redis.ts')).to.include("createHash('sha1')");
  });
});

/** What a file takes from node:crypto, but for types. */
function importsOf(text: string): string[] {
  const [, names = ''] = /import \{([^}]*)\} from 'node:crypto'/.exec(text) ?? [];
  return names
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '' && !name.startsWith('type '));
}
