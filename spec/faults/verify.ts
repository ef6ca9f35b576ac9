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
  const answers = await Promise.all(sites.map(site => final(site, account.cookie)));
  const [first] = answers;
  const views = answers.map(({ status, user, values }) => JSON.stringify([status, user, sorted(values)]));
  if (!first || views.some(view => view !== views[0]))
    book.add('disagree', `${account.label}: ${views.join(' and ')}`);
  const unsettled = answers.find(({ source }) => source === 'journal' || source === 'shadow');
  if (unsettled) book.add('disagree', `${account.label} comes from ${unsettled.source}`);
  // The worst view counts once: a write that one instance cannot see is as good as lost.
  for (const [key, number] of account.acknowledged) {
    const missing = number - Math.min(...answers.map(({ values }) => values[key] ?? 0));
    if (missing > 0)
      book.add('lost', `${account.label} lacks ${missing} of ${number} writes at ${key}`, missing);
  }
  for (const [key, number] of account.blind) {
    const missing = number - Math.min(...answers.map(({ values }) => values[key] ?? 0));
    if (missing > 0) book.blindLost += missing;
  }
  if (account.home && answers.some(({ user }) => user !== account.user))
    book.add('lost', `${account.label}: the login is gone`);
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
