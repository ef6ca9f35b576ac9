import type { SessionOptions } from '../../src/options.js';
import { DATA_FAULTS, EVICTION, type Fault, LINK_FAULTS, PROCESS_FAULTS, SERVER_FAULTS } from './faults.js';
import type { Random } from './random.js';

export interface PlannedFault {
  readonly name: string;
  readonly fault: Fault;
  readonly at: number;
  readonly ms: number;
}

/** What a seed will do: how many instances and users, with which options, and which faults when. */
export interface Plan {
  readonly instances: number;
  readonly users: number;
  readonly think: number;
  readonly padding: number;
  readonly until: number;
  readonly skew: number;
  readonly mayEvict: boolean;
  /** Redis reports changes. */
  readonly tracks: boolean;
  readonly options: SessionOptions;
  readonly faults: readonly PlannedFault[];
}

const KINDS = { plain: 60, roomless: 10, evicting: 10, brief: 10, patient: 10 } as const;
type Kind = keyof typeof KINDS;

const evict: Fault = ({ redis }, random) => {
  const keys = redis.keyspace.keys().filter(() => random.chance(0.3));
  redis.evict(keys.filter(key => key !== 'sess:generation'));
  return undefined;
};

export function planOf(random: Random): Plan {
  const kind = random.weighted(KINDS);
  const until = kind === 'brief' ? random.between(90_000, 150_000) : random.between(6_000, 16_000);
  return {
    instances: random.whole(2, 3),
    users: random.whole(2, 4),
    think: kind === 'brief' ? 2_500 : random.between(100, 400),
    padding: kind === 'roomless' ? 6_000 : 0,
    until,
    skew: random.pick([0, 20, 2_000]),
    mayEvict: kind === 'evicting',
    tracks: random.chance(0.85),
    faults: faultsOf(kind, random, until),
    options: { ...optionsOf(kind), cache: random.chance(0.4) },
  };
}

function optionsOf(kind: Kind): SessionOptions {
  switch (kind) {
    case 'roomless':
      return { journal: { maxBytes: 64 * 1024 }, shadow: { maxBytes: 64 * 1024 } };
    case 'brief':
      return { idleTimeout: 10_000 };
    case 'patient':
      return { maxOutage: 5_000 };
    default:
      return {};
  }
}

/** Half of the seeds lose no data, so that there the strict promises hold. */
function faultsOf(kind: Kind, random: Random, until: number): PlannedFault[] {
  const forgets = kind === 'patient' || (kind !== 'brief' && random.chance(0.4));
  const catalogue = Object.entries({
    ...SERVER_FAULTS,
    ...LINK_FAULTS,
    ...PROCESS_FAULTS,
    ...(forgets && DATA_FAULTS),
    ...(kind === 'evicting' && { [EVICTION]: evict }),
  });
  return Array.from({ length: random.whole(1, 5) }, () => {
    const [name, fault] = random.pick<[string, Fault]>(catalogue);
    const at = random.between(500, kind === 'brief' ? until / 4 : until * 0.8);
    const ms = kind === 'brief' ? random.between(20_000, 90_000) : random.between(50, 6_000);
    return { name, fault, at, ms };
  });
}
