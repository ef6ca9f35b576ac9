import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A fenced block: where it stands, its language and its text. */
export interface Block {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

export function source(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The Markdown of the project, as paths from its root. */
export function documents(): string[] {
  const top = readdirSync(ROOT).filter(name => name.endsWith('.md'));
  return [...top, ...documentsIn('docs'), ...documentsIn('examples')].toSorted();
}

function documentsIn(folder: string): string[] {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names.filter(name => name.endsWith('.md')).map(name => `${folder}/${name}`);
}

export function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  const fences = /^```(\w*)\n(.*?)^```$/gms;
  const text = source(file);
  for (const { 1: language = '', 2: body = '', index } of text.matchAll(fences)) {
    blocks.push({ file, line: text.slice(0, index).split('\n').length, language, text: body });
  }
  return blocks;
}

/** The text without its blocks, in which nothing is a link or a heading. */
function prose(file: string): string {
  return source(file).replaceAll(/^```.*?^```$/gms, '');
}

/** The anchors that GitHub gives to the headings of a document. */
export function anchorsOf(file: string): string[] {
  const headings = [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return headings.map(heading =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

export function linksOf(file: string): string[] {
  return [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** The rows of the table under a heading, each as its cells. */
export function tableUnder(file: string, heading: string): string[][] {
  const after = prose(file).split(new RegExp(`^#+ ${heading}$`, 'm'))[1];
  if (after === undefined) throw new Error(`${file} has no heading ${heading}`);
  const [section = ''] = after.split(/^#/m);
  const rows = section.split('\n').filter(line => line.startsWith('|'));
  return rows.slice(2).map(row =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(cell => cell.trim()),
  );
}

/** The words in backquotes of a cell. */
export function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}
