/**
 * `npm run bench`: what sessions cost, beside those of others. `npm run bench -- http` measures one part; `--quick` is a
 * rehearsal; `--json FILE` keeps the results there. docs/benchmarks.md says what is measured, and how long it takes.
 */
import { stopAllServers } from '../spec/support/redis-server.js';
import { http } from './parts/http.js';
import { manager } from './parts/manager.js';
import { memory } from './parts/memory.js';
import { migration } from './parts/migration.js';
import { outage } from './parts/outage.js';
import { phases } from './parts/phases.js';
import { profile } from './parts/profile.js';
import { scale } from './parts/scale.js';
import { start } from './parts/start.js';
import { build } from './support/build.js';
import { machine } from './support/machine.js';
import { note } from './support/note.js';
import { countOthers } from './support/others.js';
import { type Findings, keepResult } from './support/results.js';
import { type PartName, readWishes, type Wishes } from './support/wishes.js';

type Measure = { readonly [Name in PartName]: (wishes: Wishes) => Promise<Findings[Name]> };

const MEASURE: Measure = { http, profile, phases, scale, outage, memory, start, migration, manager };

async function run(wishes: Wishes): Promise<void> {
  const took: string[] = [];
  note('compiling');
  build();
  for (const name of wishes.parts) {
    note(name);
    const where = await machine();
    const [began, others] = [performance.now(), countOthers()];
    const result = await MEASURE[name](wishes);
    const seconds = Math.round((performance.now() - began) / 1000);
    keepResult(wishes.json, name, { ...where, quick: wishes.quick, seconds, others: others(), result });
    took.push(`${name} ${seconds} s`);
  }
  note(took.join(', '));
}

/** Children end with this process, since they hear that it is gone. */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void stopAllServers().finally(() => process.exit(1)));
}

try {
  await run(readWishes());
  process.exit(0);
} catch (error) {
  console.error(error);
  await stopAllServers();
  process.exit(1);
}
