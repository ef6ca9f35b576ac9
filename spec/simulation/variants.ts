import type { Clock } from '../../src/clock.js';
import type { Parts } from '../../src/create.js';
import type { Copy } from '../../src/resilience/copy.js';
import { Graveyard } from '../../src/resilience/graveyard.js';
import type { JournalItem } from '../../src/resilience/journal-item.js';
import { Shadow } from '../../src/resilience/shadow.js';
import { type Entry, isTombstone, reasonOf, stampOf } from '../../src/store/entry.js';
import type { Expected, SessionStore, Swapped } from '../../src/store/store.js';
import type { Instance } from './instance.js';
import type { Twist } from './run.js';
import { WatchedJournal } from './watched-journal.js';

type Swap = (key: string, entry: Entry, expected: Expected, ttl: number) => Promise<Swapped>;

const SHADOW = { maxBytes: 32 * 1024 * 1024, maxStaleness: 300_000 };
const JOURNAL = 64 * 1024 * 1024;

/** The usual store with some members replaced. Everything else of it is as it was. */
function replacing(usual: SessionStore, members: Partial<SessionStore>): SessionStore {
  return new Proxy(usual, {
    get(target, name) {
      if (Object.hasOwn(members, name)) return Reflect.get(members, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function withSwap(make: (usual: SessionStore) => Swap): Twist {
  return parts => ({ ...parts, store: usual => replacing(usual, { swap: make(usual) }) });
}

/** What others change is told to nobody. */
function unheard(parts: Parts): Parts {
  const deaf = (usual: SessionStore): SessionStore =>
    replacing(usual, { watch: watcher => usual.watch?.({ ...watcher, changed: () => undefined }) });
  return { ...parts, store: deaf };
}

function withJournal(make: (instance: Instance, clock: Clock) => WatchedJournal): Twist {
  return (parts, instance) => ({ ...parts, journal: make(instance, instance.clock) });
}

class NoGraveyard extends Graveyard {
  override get(): undefined {
    return undefined;
  }
}

class Trusting extends Shadow {
  override changed(): void {
    // Whatever others do, the copy stays what it is.
  }

  override warm(key: string): Copy | undefined {
    return this.newest(key);
  }
}

class Forgetful extends WatchedJournal {
  override put(item: JournalItem): JournalItem[] | undefined {
    return isTombstone(item.entry) ? super.put(item) : [];
  }
}

class Overbearing extends WatchedJournal {
  override put(item: JournalItem): JournalItem[] | undefined {
    const merge = (): JournalItem => item;
    return super.put(item.intent ? { ...item, intent: { merge } } : item);
  }
}

class Patient extends WatchedJournal {
  readonly #instance: Instance;

  constructor(instance: Instance) {
    super(JOURNAL);
    this.#instance = instance;
  }

  override keys(): string[] {
    return this.#instance.mode === 'recovering' ? super.keys() : [];
  }
}

class Rejuvenating extends WatchedJournal {
  readonly #clock: Clock;
  readonly #lives = new Map<string, number>();

  constructor(clock: Clock) {
    super(JOURNAL);
    this.#clock = clock;
  }

  override put(item: JournalItem): JournalItem[] | undefined {
    this.#lives.set(item.key, item.expires - this.#clock.monotonic());
    return super.put(item);
  }

  override get(key: string): JournalItem | undefined {
    const item = super.get(key);
    const life = this.#lives.get(key);
    if (item && life !== undefined) item.expires = this.#clock.monotonic() + life;
    return item;
  }
}

/** Each lookup asks the store, whatever the circuits say. */
function probing(parts: Parts, instance: Instance): Parts {
  let usual: SessionStore | undefined;
  class Curious extends Graveyard {
    override get(key: string): Entry | undefined {
      void usual?.read(key).catch(() => undefined);
      return super.get(key);
    }
  }
  return { ...parts, graveyard: new Curious(instance.clock), store: store => (usual = store) };
}

/** Mistakes that the protocol is there to prevent, made on purpose: each must be found out. */
export const VARIANTS: Readonly<Record<string, Twist>> = {
  'no tombstones': withSwap(
    usual => async (key, entry, expected, ttl) =>
      isTombstone(entry) ? { done: true } : usual.swap(key, entry, expected, ttl),
  ),
  'no graveyard': (parts, { clock }) => ({ ...parts, graveyard: new NoGraveyard(clock) }),
  'blind SET': withSwap(usual => async (key, entry, expected, ttl) => {
    const swapped = await usual.swap(key, entry, expected, ttl);
    const current = swapped.done ? undefined : swapped.current;
    if (!current || isTombstone(current) || isTombstone(entry)) return swapped;
    return usual.swap(key, entry, stampOf(current), ttl);
  }),
  'what waited wins whole': withJournal(() => new Overbearing(JOURNAL)),
  "'any' in regenerate": withSwap(
    usual => (key, entry, expected, ttl) =>
      usual.swap(key, entry, isTombstone(entry) && reasonOf(entry) === 'regenerated' ? 'any' : expected, ttl),
  ),
  'the drain only while recovering': withJournal(instance => new Patient(instance)),
  'an unacknowledged item forgotten': withJournal(() => new Forgetful(JOURNAL)),
  'user traffic probes': probing,
  'the TTL reset on migration': withJournal((_, clock) => new Rejuvenating(clock)),
  'a change elsewhere unheard': unheard,
  'stale copies served': parts => ({ ...parts, shadow: new Trusting(SHADOW) }),
  'a lost reply taken for success': withSwap(
    usual => async (key, entry, expected, ttl) =>
      usual.swap(key, entry, expected, ttl).catch(() => ({ done: true }) as const),
  ),
};
