import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Coverage } from './coverage.js';
import { simulate } from './run.js';

interface Report {
  readonly seed: number;
  readonly counts: readonly (readonly [string, number])[];
  readonly lines: readonly string[];
  readonly violations: readonly string[];
}

/** So many failing seeds are shown with their history; of the others the number is enough. */
const SHOWN = 1;
/** In fewer seeds than these, something rare may well be missing. */
const ENOUGH = 1_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    step: { type: 'string', default: '1' },
  },
});

if (process.send) await work(Number(values.from), Number(values.seeds), Number(values.step));
else if (values.seed !== undefined) await replay(Number(values.seed));
else await runAll(Number(values.from), Number(values.seeds));

/** In a worker: every `step`th seed. */
async function work(from: number, seeds: number, step: number): Promise<void> {
  for (let seed = from; seed < from + seeds; seed += step) {
    const { counts, lines, violations } = await simulate(seed);
    const report: Report = {
      seed,
      counts: [...counts],
      lines: violations.length > 0 ? lines : [],
      violations,
    };
    await new Promise<void>(resolve => process.send?.(report, () => resolve()));
  }
  process.disconnect();
}

async function replay(seed: number): Promise<void> {
  const { lines, violations } = await simulate(seed);
  print([...lines, '', ...violations]);
  process.exitCode = violations.length > 0 ? 1 : 0;
}

async function runAll(from: number, seeds: number): Promise<void> {
  const began = performance.now();
  const coverage = new Coverage();
  const failing: Report[] = [];
  let done = 0;
  const take = (report: Report): void => {
    done += 1;
    coverage.add(report.counts);
    if (report.violations.length > 0) failing.push(report);
  };
  const workers = Math.min(availableParallelism(), seeds);
  const share = (n: number): string[] => [`--from=${from + n}`, `--seeds=${seeds - n}`, `--step=${workers}`];
  await Promise.all(Array.from({ length: workers }, (_, n) => delegate(share(n), take)));
  const missing = seeds >= ENOUGH ? coverage.missing : [];
  print([coverage.table(), ...failing.toSorted((one, other) => one.seed - other.seed).flatMap(shown)]);
  print(missing.map(name => `never occurred: ${name}`));
  const rate = (done / (performance.now() - began)) * 1000;
  print([`${done} of ${seeds} seeds, ${failing.length} failing, ${rate.toFixed(1)} a second`]);
  process.exitCode = failing.length > 0 || missing.length > 0 || done < seeds ? 1 : 0;
}

function delegate(args: readonly string[], take: (report: Report) => void): Promise<void> {
  const worker = fork(fileURLToPath(import.meta.url), args, { execArgv: ['--import', 'tsx'] });
  worker.on('message', message => take(message as Report));
  return new Promise(resolve => worker.on('exit', () => resolve()));
}

function shown({ seed, lines, violations }: Report, place: number): string[] {
  const replayed = `seed ${seed} fails; npm run simulate -- --seed ${seed}`;
  return [...(place < SHOWN ? lines : []), replayed, ...violations.map(violation => `  ${violation}`)];
}

function print(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
}
