import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT, source, tableUnder } from '../docs/markdown.js';
import { CONFIGURATIONS, MODEL, resultOf, VARIANTS } from './model.js';

const model = readFileSync(MODEL, 'utf8');

describe('the text of the model', () => {
  const named = [...model.matchAll(/models: ([^*]*?)\./g)].length;
  const names = [...model.matchAll(/models: ((?:[A-Za-z]+(?:\.[A-Za-z]+)?(?:, )?)+)/g)].flatMap(
    ([, list = '']) => list.split(', '),
  );

  it('names a function for every step', () => {
    expect(named).to.be.greaterThan(20);
  });

  for (const name of new Set(names)) {
    it(`names a function that there is: ${name}`, () => {
      expect(defined(name)).to.equal(true);
    });
  }

  it('has every switch that a variant turns', () => {
    for (const { bounds } of VARIANTS) expect(model).to.match(new RegExp(`#if.*\\b${bounds}\\b`));
  });
});

describe('the search', () => {
  const whole =
    'Full statespace search for:\nState-vector 60 byte, depth reached 9, errors: 0\n 7 states, stored\n';

  it('counts when it was exhaustive', () => {
    expect(resultOf(whole, 1)).to.include({ states: 7, depth: 9, vector: 60, violated: undefined });
  });

  for (const flaw of [
    'error: max search depth too small',
    'pan: out of memory',
    'pan: reached -DMEMLIM bound',
    'Bit statespace search for:',
    'Warning: Search not completed',
  ]) {
    it(`does not count with "${flaw}"`, () => {
      expect(() => resultOf(`${flaw}\n${whole}`, 1)).to.throw('not exhaustive');
    });
  }

  it('does not count when it says nothing of its states', () => {
    expect(() => resultOf('', 1)).to.throw('pan failed');
  });
});

describe('docs/protocol.md', () => {
  it('lists exactly what is explored, with its bounds', () => {
    const listed = tableUnder('docs/protocol.md', 'What was explored').map(row => row.slice(0, 2));
    expect(listed).to.deep.equal(CONFIGURATIONS.map(({ name, bounds }) => [name, bounds]));
  });

  it('lists exactly the broken variants', () => {
    const listed = tableUnder('docs/protocol.md', 'Broken on purpose').map(([name = '']) => name);
    expect(listed).to.deep.equal(VARIANTS.map(({ name }) => name));
  });
});

/** `Class.method`, private or not, or a function. */
function defined(name: string): boolean {
  const [owner = '', method] = name.split('.');
  const head = method === undefined ? `function ${owner}\\b` : `class ${owner}\\b`;
  const file = sources().find(text => new RegExp(head).test(text));
  return file !== undefined && (method === undefined || hasMethod(file, method));
}

function hasMethod(file: string, method: string): boolean {
  return new RegExp(`^  (?:async |readonly )?#?${method}(?:<\\w+>)?(?:\\(| = \\()`, 'm').test(file);
}

function sources(): string[] {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  return files.filter(name => name.endsWith('.ts')).map(name => source(`src/${name}`));
}
