import { type ChildProcess, fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { attempt, type Claim, type Outcome } from './claim.js';
import { CLAIMS } from './claims.js';
import { closing, failures, Results, table } from './results.js';

/** What a worker says: before it begins with a seed, in case it never ends, and after. */
export type Word = { readonly name: string; readonly seed: number } | Outcome;

/** So many inputs are made from one seed: a counterexample is found again with its seed alone. */
const BATCH = 50;
/** No batch takes a tenth of it. */
const PATIENCE = 60_000;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    runs: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    step: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
  },
});
const only = values.only ?? '';
const claims = CLAIMS.filter(({ name }) => name.includes(only));
const seed = values.seed === undefined ? randomInt(2 ** 30) : Number(values.seed);
const workers = Math.min(availableParallelism(), claims.length);

if (process.send) await work(claims.filter((_, at) => at % Number(values.step) === Number(values.first)));
else await runAll();

/** In a worker: each claim for its share of the time, or so many runs of each. */
async function work(mine: readonly Claim[]): Promise<void> {
  const runs = values.runs === undefined ? Infinity : Number(values.runs);
  const share = values.runs === undefined ? (Number(values.seconds) * 1000) / mine.length : Infinity;
  for (const each of mine) {
    const until = performance.now() + share;
    for (let done = 0; done < runs && (done === 0 || performance.now() < until); done += BATCH) {
      const next = seed + done / BATCH;
      await say({ name: each.name, seed: next });
      const outcome = attempt(each, next, Math.min(BATCH, runs - done));
      await say(outcome);
      if (outcome.failure !== undefined) break;
    }
  }
  process.disconnect();
}

function say(word: Word): Promise<void> {
  return new Promise(resolve => process.send?.(word, () => resolve()));
}

async function runAll(): Promise<void> {
  if (claims.length === 0) throw new RangeError(`no claim has "${only}" in its name`);
  const results = new Results(claims.map(({ name }) => name));
  const amount = values.runs === undefined ? `--seconds=${values.seconds ?? 60}` : `--runs=${values.runs}`;
  const args = [amount, `--seed=${seed}`, `--only=${only}`, `--step=${workers}`];
  await Promise.all(
    Array.from({ length: workers }, (_, at) => delegate([...args, `--first=${at}`], results)),
  );
  process.stdout.write(`seed ${seed}\n${table(results)}\n${failures(results)}${closing(results)}\n`);
  process.exitCode = results.failed ? 1 : 0;
}

/** A worker that says nothing for so long hangs, and its last word is what it hangs on. */
function delegate(args: readonly string[], results: Results): Promise<void> {
  const worker = fork(fileURLToPath(import.meta.url), args, { execArgv: ['--import', 'tsx'] });
  let last: Word | undefined;
  let timer = watch(worker);
  worker.on('message', message => {
    clearTimeout(timer);
    timer = watch(worker);
    // Only this file sends anything, and it sends words.
    last = message as Word;
    if ('tried' in last) results.add(last);
  });
  return new Promise(resolve =>
    worker.on('exit', code => {
      clearTimeout(timer);
      if (code !== 0) results.broke(last, code);
      resolve();
    }),
  );
}

function watch(worker: ChildProcess): NodeJS.Timeout {
  return setTimeout(() => worker.kill('SIGKILL'), PATIENCE);
}
