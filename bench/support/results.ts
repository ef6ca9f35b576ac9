import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { HttpResult } from '../parts/http.js';
import type { ManagerResult } from '../parts/manager.js';
import type { MemoryResult } from '../parts/memory.js';
import type { MigrationResult } from '../parts/migration.js';
import type { OutageResult } from '../parts/outage.js';
import type { PhasesResult } from '../parts/phases.js';
import type { ProfileResult } from '../parts/profile.js';
import type { ScaleResult } from '../parts/scale.js';
import type { StartResult } from '../parts/start.js';
import type { Machine } from './machine.js';
import type { PartName } from './wishes.js';

/** What each part finds. */
export interface Findings {
  readonly http: HttpResult;
  readonly profile: ProfileResult;
  readonly phases: PhasesResult;
  readonly scale: ScaleResult;
  readonly outage: OutageResult;
  readonly memory: MemoryResult;
  readonly start: StartResult;
  readonly migration: MigrationResult;
  readonly manager: ManagerResult;
}

/** What one run of one part gave, and where. */
export type Run<Name extends keyof Findings> = Machine & {
  readonly quick: boolean;
  readonly seconds: number;
  /** So many cores were busy with what others did on this machine meanwhile; none: nobody counted. */
  readonly others?: number;
  readonly result: Findings[Name];
};

export type Results = { readonly [Name in keyof Findings]?: Run<Name> };

export function readResults(file: string): Results {
  if (!existsSync(file)) return {};
  // Written by `keepResult` alone.
  return JSON.parse(readFileSync(file, 'utf8')) as Results;
}

export function keepResult(file: string, name: PartName, record: object): void {
  const text = JSON.stringify({ ...readResults(file), [name]: record }, (_, value: unknown) =>
    rounded(value),
  );
  // A line for each thing that was measured, so that a diff can be read.
  writeFileSync(file, `${text.replaceAll(/(?<=[[,])(?=\{|"\w+":\{"day")/g, '\n')}\n`);
}

/** More digits than these say nothing. */
function rounded(value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(5)) : value;
}
