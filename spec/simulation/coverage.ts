import { DATA_FAULTS, EVICTION, LINK_FAULTS, PROCESS_FAULTS, SERVER_FAULTS } from './faults.js';

const FAULTS = [SERVER_FAULTS, DATA_FAULTS, LINK_FAULTS, PROCESS_FAULTS].flatMap(each => Object.keys(each));
const FATES = ['migrated', 'merged', 'superseded', 'tombstones', 'expired', 'quarantined', 'evicted'];
const MOVES = [
  'healthy → degraded',
  'degraded → recovering',
  'recovering → healthy',
  'recovering → degraded',
];
const SOURCES = ['primary', 'cache', 'journal', 'shadow', 'nowhere'];

/** What must occur in a run of many seeds, or the run says nothing about it. */
export const REQUIRED: readonly string[] = [
  ...[...FAULTS, EVICTION].map(name => `fault ${name}`),
  ...FATES.map(name => `fate ${name}`),
  ...SOURCES.map(name => `load from ${name}`),
  ...MOVES,
];

export class Coverage {
  readonly #counts = new Map<string, number>();

  add(counts: Iterable<readonly [string, number]>): void {
    for (const [name, times] of counts) this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
  }

  get missing(): string[] {
    return REQUIRED.filter(name => !this.#counts.has(name));
  }

  table(): string {
    const rows = [...this.#counts].toSorted(([one], [other]) => one.localeCompare(other));
    return rows.map(([name, times]) => `${String(times).padStart(9)}  ${name}`).join('\n');
  }
}
