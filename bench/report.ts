/**
 * `tsx bench/report.ts [FILE]`: results of `npm run bench` → the tables of docs/benchmarks.md, each between its two
 * marks, and docs/outage.svg. What was not measured stays as it is.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { picture } from './report/picture.js';
import { SECTIONS } from './report/sections.js';
import { readResults } from './support/results.js';
import { DEFAULT_JSON } from './support/wishes.js';

const DOCS = fileURLToPath(new URL('../docs/', import.meta.url));

const results = readResults(process.argv[2] ?? DEFAULT_JSON);
const file = `${DOCS}benchmarks.md`;
let text = readFileSync(file, 'utf8');
for (const [name, section] of Object.entries(SECTIONS)) {
  const made = section(results);
  if (made !== undefined && made !== '') text = replaced(text, name, made);
}
writeFileSync(file, text);
const [run] = results.outage?.result.runs ?? [];
if (run) writeFileSync(`${DOCS}outage.svg`, picture(run));

function replaced(whole: string, name: string, section: string): string {
  const marks = new RegExp(`(<!-- bench:${name} -->\n).*?(<!-- /bench:${name} -->)`, 's');
  if (!marks.test(whole)) throw new Error(`docs/benchmarks.md has no marks for ${name}`);
  return whole.replace(marks, (_, before: string, after: string) => `${before}\n${section}\n\n${after}`);
}
