import { readFileSync } from 'node:fs';
import type { Scenario } from './scenario.js';

const RECOVERY = new URL('../../docs/recovery.md', import.meta.url);

/** The headings under "What cannot be promised". */
function headings(): string[] {
  const [, section = ''] = readFileSync(RECOVERY, 'utf8').split('## What cannot be promised');
  return [...section.matchAll(/^- \*\*(.+?)\.?\*\*/gm)].map(([, heading = '']) => heading);
}

/** An exception is none unless the documentation has it. */
export function refuseUndocumented(scenarios: readonly Scenario[]): void {
  const known = headings();
  for (const { name, documented = {} } of scenarios) {
    for (const heading of Object.values(documented))
      if (!known.includes(heading))
        throw new TypeError(`${name}: docs/recovery.md says nothing of "${heading}"`);
  }
}
