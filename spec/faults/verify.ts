import { setTimeout as sleep } from 'node:timers/promises';
import type { Account, Book } from './book.js';
import type { Answer, Site } from './site.js';
import { isShut } from './user.js';

const POLL = 50;
/** Patience, not a measure. */
const LIMIT = 5_000;

/** After all has come back and all users have gone: what everybody was told is true at both instances. */
export async function verify(book: Book, sites: readonly Site[]): Promise<void> {
  const live = book.accounts.filter(({ life, cookie }) => life === 'live' && cookie !== undefined);
  await inTurns(live, account => compare(book, account, sites));
  for (const site of sites) {
    await inTurns(book.retired, async ({ account, cookie }) => {
      const answer = await final(site, cookie, isShut);
      if (!isShut(answer))
        book.add('alive', `${account.label} at ${site.name} at the end, from ${answer.source}`);
    });
  }
}

async function compare(book: Book, account: Account, sites: readonly Site[]): Promise<void> {
  const answers = await converged(account, sites);
  if (!agree(answers)) book.add('disagree', `${account.label}: ${answers.map(viewOf).join(' and ')}`);
  const waiting = answers.find(({ source }) => source === 'journal' || source === 'shadow');
  if (waiting) book.add('disagree', `${account.label} comes from ${waiting.source}`);
  for (const [key, number] of account.acknowledged) {
    const missing = missingOf(answers, key, number);
    if (missing > 0)
      book.add('lost', `${account.label} lacks ${missing} of ${number} writes at ${key}`, missing);
  }
  for (const [key, number] of account.blind) book.blindLost += missingOf(answers, key, number);
  if (account.home && answers.some(({ user }) => user !== account.user))
    book.add('lost', `${account.label}: the login is gone`);
}

/** After a loss of data a session may be whole again only once its user has come to each instance that knew it. */
async function converged(account: Account, sites: readonly Site[]): Promise<readonly Answer[]> {
  const ask = (): Promise<Answer[]> => Promise.all(sites.map(site => final(site, account.cookie)));
  const late = performance.now() + LIMIT;
  let answers = await ask();
  while (!isWhole(account, answers) && performance.now() < late) {
    await sleep(POLL);
    answers = await ask();
  }
  return answers;
}

function isWhole({ acknowledged }: Account, answers: readonly Answer[]): boolean {
  return agree(answers) && [...acknowledged].every(([key, number]) => missingOf(answers, key, number) === 0);
}

/** The worst view counts: a write that one instance cannot see is as good as lost. */
function missingOf(answers: readonly Answer[], key: string, number: number): number {
  return Math.max(0, number - Math.min(...answers.map(({ values }) => values[key] ?? 0)));
}

function agree(answers: readonly Answer[]): boolean {
  return new Set(answers.map(viewOf)).size === 1;
}

function viewOf({ status, user, values }: Answer): string {
  return JSON.stringify([status, user, sorted(values)]);
}

/** What Redis holds: asked again until the answer is not one of the fallback, or is already final. */
async function final(
  site: Site,
  cookie: string | undefined,
  enough: (answer: Answer) => boolean = () => false,
): Promise<Answer> {
  const late = performance.now() + LIMIT;
  const done = (answer: Answer): boolean => enough(answer) || isFinal(answer);
  let answer = await site.ask('/me', { cookie });
  while (!done(answer) && performance.now() < late) {
    await sleep(POLL);
    answer = await site.ask('/me', { cookie });
  }
  return answer;
}

/** Comes from Redis, be it that nothing is there. */
function isFinal({ status, source }: Answer): boolean {
  return status === 200 && ['primary', 'new', null].includes(source);
}

function sorted(values: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Some at a time: hundreds at once would measure this process. */
async function inTurns<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await act(item);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
