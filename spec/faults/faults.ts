/**
 * `npm run faults`: real Redis servers, a proxy that breaks what is between, real app processes under traffic.
 * `--only NAME` (more than one: separated by commas), `--long`, `--peer`: the same faults under koa-session.
 * Exit code 0: every count that must be 0 is, or is documented; 1: one is not; 2: the lab itself failed.
 */
import { parseArgs } from 'node:util';
import { stopAllServers } from '../support/redis-server.js';
import { refuseUndocumented } from './documented.js';
import { breaches, play, type Row } from './play.js';
import { AppProcess, stopAllApps, type Subject } from './processes.js';
import type { Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios/all.js';
import { legend, summary, table } from './table.js';

interface Wishes {
  readonly scenarios: readonly Scenario[];
  readonly subject: Subject;
}

function readWishes(): Wishes {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      long: { type: 'boolean', default: false },
      peer: { type: 'boolean', default: false },
    },
  });
  refuseUndocumented(SCENARIOS);
  const subject = values.peer ? 'peer' : 'library';
  const names = values.only.split(',').filter(name => name !== '');
  const unknown = names.find(name => !SCENARIOS.some(each => each.name === name));
  if (unknown !== undefined) throw new TypeError(`no such fault: ${unknown}`);
  const wanted = ({ name, long, libraryOnly }: Scenario): boolean =>
    names.length > 0 ? names.includes(name) : (values.long || long !== true) && !(values.peer && libraryOnly);
  return { scenarios: SCENARIOS.filter(wanted), subject };
}

/** A scenario can cost a process its life: then the next one gets another. */
async function living(hosts: readonly AppProcess[], subject: Subject): Promise<AppProcess[]> {
  const kept = hosts.filter(host => host.alive);
  const fresh = Array.from({ length: 2 - kept.length }, () => AppProcess.start(subject));
  return [...kept, ...(await Promise.all(fresh))];
}

/** Stories mostly wait, so two go on at once, each with processes and a Redis of its own. */
const LANES = 2;

/** What came of it; `undefined`: the lab itself failed. */
type Outcome = Row | undefined;

async function run({ scenarios, subject }: Wishes): Promise<number> {
  const outcomes = new Map<Scenario, Outcome>();
  const lane = async (waiting: Scenario[]): Promise<void> => {
    let hosts: AppProcess[] = [];
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      hosts = await living(hosts, subject);
      outcomes.set(next, await attempt(next, subject, hosts));
    }
  };
  const together = scenarios.filter(({ alone }) => !alone);
  await Promise.all(Array.from({ length: LANES }, () => lane(together)));
  await lane(scenarios.filter(({ alone }) => alone));
  return report(scenarios, outcomes, subject);
}

async function attempt(scenario: Scenario, subject: Subject, hosts: AppProcess[]): Promise<Outcome> {
  try {
    const row = await play(scenario, subject, hosts);
    console.log(summary(row));
    if (breaches(row).length > 0) row.notes.forEach(note => console.log(`    ${note}`));
    return row;
  } catch (error) {
    const said = error instanceof Error ? error.stack : String(error);
    console.log(`${scenario.name.padEnd(20)} the lab failed: ${said}`);
    return undefined;
  }
}

/** Resolves with the exit code. */
function report(
  scenarios: readonly Scenario[],
  outcomes: ReadonlyMap<Scenario, Outcome>,
  subject: Subject,
): number {
  const rows = scenarios.map(scenario => outcomes.get(scenario)).filter(row => row !== undefined);
  console.log(`\n${table(rows, subject)}\n\n${legend(rows)}\n`);
  const failing = rows.filter(row => breaches(row).length > 0).length;
  console.log(`${rows.length - failing} of ${scenarios.length} faults held, or are documented`);
  if (rows.length < scenarios.length) return 2;
  // The peer is here to be compared, not to pass.
  return failing > 0 && subject === 'library' ? 1 : 0;
}

/** Ends every process that this one started. */
let ending: Promise<never> | undefined;

function end(code: number): Promise<never> {
  ending ??= Promise.all([stopAllApps(), stopAllServers()]).then(() => process.exit(code));
  return ending;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => void end(code));
}

try {
  await end(await run(readWishes()));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await end(2);
}
