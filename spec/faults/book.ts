import { now } from './protocol.js';
import type { Answer, Site } from './site.js';

/** What must be 0, unless the documentation says why not. */
export const COUNTS = ['errors', 'missed', 'lost', 'alive', 'disagree'] as const;
export type Count = (typeof COUNTS)[number];

/** What a user was told about one session. */
export class Account {
  readonly label: string;
  cookie: string | undefined;
  user: string | null = null;
  /** The site that acknowledged the login. */
  home: Site | undefined;
  /** A read has shown that the login is gone: one miss, however often it is seen. */
  shownOut = false;
  /** By site name: the number of the last write that was sent, and that was acknowledged. */
  readonly sent = new Map<string, number>();
  readonly acknowledged = new Map<string, number>();
  /** The same for writes that were acknowledged while the session could not be read. */
  readonly blind = new Map<string, number>();
  /** Ids of the sites that keep a blind write: until Redis has it they know of the session no more than that. */
  readonly blindAt = new Set<string>();
  /** By site id: what reads there must show. */
  readonly own = new Map<string, number>();
  /** Ended: by an acknowledged logout. Unclear: a login or logout failed, so nobody knows. */
  life: 'live' | 'ended' | 'unclear' = 'live';

  constructor(label: string) {
    this.label = label;
  }
}

/** A cookie that must not open anything any more. */
export interface Retired {
  readonly account: Account;
  readonly cookie: string;
}

const NOTES_KEPT = 12;

/** Everything that users were told in one scenario, and what was wrong with it. */
export class Book {
  readonly accounts: Account[] = [];
  readonly retired: Retired[] = [];
  readonly notes: string[] = [];
  readonly counts: Record<Count, number> = { errors: 0, missed: 0, lost: 0, alive: 0, disagree: 0 };
  requests = 0;
  /** ms, since the fault began. */
  slowest = 0;
  /** Reads and writes that were answered without the session, because it could not be read then. */
  unavailable = 0;
  /** Acknowledged writes whose session could not be read, and that are gone. */
  blindLost = 0;
  #origin = now();

  open(label: string): Account {
    const account = new Account(label);
    this.accounts.push(account);
    return account;
  }

  add(count: Count, what: string, times = 1): void {
    this.counts[count] += times;
    if (this.notes.length < NOTES_KEPT)
      this.notes.push(`${count}: ${what} (+${((now() - this.#origin) / 1000).toFixed(2)} s)`);
  }

  /** What was slow before, was not so because of the fault. `at`: epoch ms, from which notes count. */
  begin(at: number): void {
    this.#origin = at;
    this.slowest = 0;
  }

  /** A user's request: measured, and an error unless it was answered 200, or the instance was on its way out. */
  async measure(what: string, site: Site, answering: Promise<Answer>): Promise<Answer> {
    const answer = await answering;
    this.requests += 1;
    if (site.drained) return answer;
    this.slowest = Math.max(this.slowest, answer.ms);
    if (answer.status !== 200)
      this.add('errors', `${what} at ${site.name}: ${answer.status} ${answer.why.slice(0, 80)}`);
    if (answer.source === 'unavailable') this.unavailable += 1;
    return answer;
  }
}
