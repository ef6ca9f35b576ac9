/**
 * `npx tsx bench/report.ts`: docs/benchmarks.json, which `npm run bench -- --json docs/benchmarks.json` has made, → the
 * tables of docs/benchmarks.md, and docs/outage.svg.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pageWith } from './report/page.js';
import { picture } from './report/picture.js';
import { readResults } from './support/results.js';

const DOCS = fileURLToPath(new URL('../docs/', import.meta.url));

const results = readResults(process.argv[2] ?? `${DOCS}benchmarks.json`);
const page = `${DOCS}benchmarks.md`;
writeFileSync(page, pageWith(results, readFileSync(page, 'utf8')));
const [run] = results.outage?.result.runs ?? [];
const file = `${DOCS}outage.svg`;
if (run) writeFileSync(file, picture(run));
else rmSync(file, { force: true });
