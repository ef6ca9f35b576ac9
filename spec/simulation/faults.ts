import type { Cluster } from './cluster.js';
import type { Instance } from './instance.js';
import type { Random } from './random.js';
import type { Mishap } from './redis-model.js';

/** A fault does its harm and returns how it is undone; `ms` is how long it lasts. */
export type Fault = (cluster: Cluster, random: Random, ms: number) => (() => void) | undefined;

const none = undefined;

/** Everything that befalls Redis. */
export const SERVER_FAULTS = {
  'crash, all data kept': crash(() => Infinity),
  freeze({ redis }) {
    redis.freeze();
    return () => redis.thaw();
  },
  'script flush'({ redis }) {
    redis.flushScripts();
    return none;
  },
  flapping: flap,
  'out of memory': mishap('OOM'),
  'read-only': mishap('READONLY'),
  'cannot persist': mishap('MISCONF'),
  loading: mishap('LOADING'),
  'password changed': mishap('NOAUTH'),
  'busy script': mishap('BUSY'),
} satisfies Record<string, Fault>;

/** Everything that makes Redis forget what it had acknowledged. */
export const DATA_FAULTS = {
  'crash, old snapshot': crash((now, random) => now - random.between(10, 8_000)),
  'crash, empty': crash(() => -1),
  'failover to a lagging replica'({ redis, timeline }, random) {
    redis.failOver(timeline.now - random.between(0, 2_000));
    return none;
  },
  flushall({ redis }) {
    redis.flushAll();
    return none;
  },
  'spoilt value'({ redis, timeline, book }, random) {
    const keys = [...book.lives.keys()];
    if (keys.length === 0) return none;
    const value = random.pick(['list' as const, Buffer.from('junk'), Buffer.from(`\u0001${'x'.repeat(80)}`)]);
    redis.spoil(`sess:${random.pick(keys)}`, { value, expires: timeline.now + 3_600_000 });
    return none;
  },
} satisfies Record<string, Fault>;

/** Everything that comes between one instance and Redis. */
export const LINK_FAULTS = {
  slow: onCable((cable, random) => {
    cable.slowness = random.pick([
      [5, 60],
      [50, 240],
      [200, 400],
    ] as const);
    return () => (cable.slowness = [0.2, 1.5]);
  }),
  blackhole: onCable(cable => {
    cable.blocked.up = cable.blocked.down = true;
    return () => cable.unblock();
  }),
  'partition on the way there': onCable(cable => {
    cable.blocked.up = true;
    return () => cable.unblock();
  }),
  'partition on the way back': onCable(cable => {
    cable.blocked.down = true;
    return () => cable.unblock();
  }),
  refused: onCable((cable, random, { connections }) => {
    cable.refuses = true;
    for (const connection of connections) connection.break(random.chance(0.5));
    return () => (cable.refuses = false);
  }),
  reset: onCable((_, random, { connections }) => {
    for (const connection of connections) connection.break(random.chance(0.5));
    return none;
  }),
  'reply lost after apply': onCable((cable, random) => {
    cable.loseReplies = random.whole(1, 3);
    return () => (cable.loseReplies = 0);
  }),
  'late packet': onCable((_, random, { connections }) => {
    for (const connection of connections) connection.up.stall(random.between(300, 6_000));
    return none;
  }),
  'late reply': onCable((_, random, { connections }) => {
    for (const connection of connections) connection.down.stall(random.between(100, 2_000));
    return none;
  }),
} satisfies Record<string, Fault>;

/** Everything that befalls a process of the app. */
export const PROCESS_FAULTS = {
  'instance killed'(cluster, random) {
    const instance = random.pick(cluster.open());
    cluster.kill(instance);
    return () => cluster.start(instance.cable);
  },
  'instance stopped'(cluster, random) {
    const instance = random.pick(cluster.open());
    void cluster.stop(instance);
    return () => cluster.start(instance.cable);
  },
} satisfies Record<string, Fault>;

export const EVICTION = 'eviction';

function crash(then: (now: number, random: Random) => number): Fault {
  return ({ redis, timeline }, random) => {
    if (!redis.up) return none;
    redis.crash();
    const restored = then(timeline.now, random);
    return () => {
      if (!redis.up) redis.start(restored, restored > timeline.now ? 'restart' : 'restart with old data');
    };
  };
}

function flap({ redis, timeline }: Cluster, random: Random, ms: number): () => void {
  let over = false;
  const next = (): void => {
    if (over) return;
    if (redis.up) redis.crash();
    else redis.start(Infinity, 'restart');
    timeline.after(random.between(20, 200), next);
  };
  timeline.after(Math.min(ms, 50), next);
  return () => {
    over = true;
    if (!redis.up) redis.start(Infinity, 'restart');
  };
}

function mishap(kind: Mishap): Fault {
  return ({ redis }) => {
    redis.mishap = kind;
    return () => {
      if (redis.mishap === kind) redis.mishap = undefined;
    };
  };
}

function onCable(
  act: (cable: Instance['cable'], random: Random, instance: Instance) => (() => void) | undefined,
): Fault {
  return (cluster, random) => {
    const open = cluster.open();
    // Mostly one instance is cut off while the others are not.
    const hit = random.chance(0.25) ? open : [random.pick(open)];
    const undo = hit.map(instance => act(instance.cable, random, instance));
    return () => undo.forEach(each => each?.());
  };
}
