import type { Results } from '../support/results.js';
import { SECTIONS } from './sections.js';

const NOTHING = 'Not measured yet.';

/** The page with the tables that these results make, each between its two marks. */
export function pageWith(results: Results, page: string): string {
  let text = page;
  for (const [name, section] of Object.entries(SECTIONS)) {
    const made = section(results) ?? '';
    text = replaced(text, name, made === '' ? NOTHING : made);
  }
  return text;
}

function replaced(page: string, name: string, section: string): string {
  const marks = new RegExp(`(<!-- bench:${name} -->\n).*?(<!-- /bench:${name} -->)`, 's');
  if (!marks.test(page)) throw new Error(`the page has no marks for ${name}`);
  return page.replace(marks, (_, before: string, after: string) => `${before}\n${section}\n\n${after}`);
}
