import { setTimeout as sleep } from 'node:timers/promises';
import { Book, type Count, COUNTS } from './book.js';
import { type Instance, Lab } from './lab.js';
import type { AppProcess, Subject } from './processes.js';
import { now } from './protocol.js';
import type { Scenario, Stage } from './scenario.js';
import { Traffic } from './traffic.js';
import { verify } from './verify.js';

export interface Row {
  readonly scenario: Scenario;
  readonly requests: number;
  readonly slowest: number;
  readonly counts: Readonly<Record<Count, number>>;
  /** Losses that the library has counted itself. */
  readonly ledger: number;
  readonly unavailable: number;
  readonly blindLost: number;
  /** ms; `undefined`: no instance noticed anything. */
  readonly detected: number | undefined;
  /** ms; `undefined`: no instance had anything to recover from. */
  readonly recovered: number | undefined;
  readonly notes: readonly string[];
}

const CALM = 400;
const HOLD = 1_500;
/** Patience, not a measure: what has not come back by then will not. */
const SETTLE_LIMIT = 15_000;

/** Plays one scenario on a fresh Redis. */
export async function play(scenario: Scenario, subject: Subject, hosts: readonly AppProcess[]): Promise<Row> {
  const began = now();
  const lab = await Lab.open(subject, scenario.setup ?? {}, hosts);
  try {
    const book = new Book();
    const sites = {
      get a() {
        return lab.a.site;
      },
      get b() {
        return lab.b.site;
      },
    };
    return await perform(scenario, { lab, book, traffic: new Traffic(book, sites) }, began);
  } finally {
    await lab.close();
  }
}

async function perform(scenario: Scenario, stage: Stage, began: number): Promise<Row> {
  const { lab, book, traffic } = stage;
  await traffic.prepare();
  traffic.start();
  let times: Times;
  try {
    await sleep(CALM);
    await scenario.before?.(stage);
    times = await breakAndHeal(scenario, stage, began);
    if (!(await lab.settled(SETTLE_LIMIT))) book.add('disagree', `not back in ${SETTLE_LIMIT} ms`);
    await scenario.after?.(stage);
    await sleep(CALM);
  } finally {
    await traffic.stop();
  }
  if (!(await lab.settled(SETTLE_LIMIT))) book.add('disagree', 'something still waits for Redis');
  await verify(book, [lab.a.site, lab.b.site]);
  return rowOf(scenario, stage, times);
}

interface Times {
  readonly broken: number;
  readonly healed: number;
}

async function breakAndHeal(scenario: Scenario, stage: Stage, began: number): Promise<Times> {
  const { lab, book, traffic } = stage;
  const half = (scenario.hold ?? HOLD) / 2;
  // With Redis away from the start, the fault is as old as the instances.
  const broken = lab.setup.down ? began : now();
  book.begin(broken);
  await scenario.begin(stage);
  await sleep(half);
  await scenario.during?.(stage);
  // They may wait for Redis, and must not make the fault last longer.
  const leaving = scenario.during ? undefined : traffic.leave();
  await sleep(half);
  await scenario.end(stage);
  const healed = now();
  await leaving;
  return { broken, healed };
}

async function rowOf(scenario: Scenario, { lab, book }: Stage, { broken, healed }: Times): Promise<Row> {
  const status = await lab.status();
  const { requests, slowest, counts, unavailable, blindLost, notes } = book;
  return {
    scenario,
    requests,
    slowest: Math.round(slowest),
    counts,
    ledger: status.reduce((sum, { losses }) => sum + losses, 0),
    unavailable,
    blindLost,
    // An instance that was opened in the middle of it has not detected anything.
    detected: latest(lab.veterans, instance => firstAfter(instance, 'store:degraded', broken)),
    recovered: latest(lab.instances, instance => firstAfter(instance, 'store:recovered', healed)),
    notes,
  };
}

/** Of the two instances, the one that took longer. */
function latest(
  instances: readonly Instance[],
  timeOf: (instance: Instance) => number | undefined,
): number | undefined {
  const times = instances.map(timeOf).filter(time => time !== undefined);
  return times.length > 0 ? Math.round(Math.max(...times)) : undefined;
}

function firstAfter({ app }: Instance, name: string, since: number): number | undefined {
  const event = app.events.find(each => each.name === name && each.at >= since);
  return event && event.at - since;
}

/** Counts that must be 0 and are not, without a documented reason. */
export function breaches({ scenario, counts }: Row): Count[] {
  return COUNTS.filter(count => counts[count] > 0 && scenario.documented?.[count] === undefined);
}

/** Counts that are more than 0 for a documented reason. */
export function exceptions({ scenario, counts }: Row): string[] {
  const named = COUNTS.filter(count => counts[count] > 0).map(count => scenario.documented?.[count]);
  return [...new Set(named.filter(name => name !== undefined))];
}
