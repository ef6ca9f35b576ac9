import { randomFillSync } from 'node:crypto';

/** A pending callback. `cancel` is harmless after it ran. */
export interface Timer {
  cancel(): void;
}

/**
 * All time and chance that the library uses, so that a test or a simulator can own both.
 * Times are milliseconds. `wall` may jump; `monotonic` never does, and every duration is measured with it.
 */
export interface Clock {
  wall(): number;
  monotonic(): number;
  /** Runs `callback` once after `ms`. Never keeps the process alive. */
  after(ms: number, callback: () => void): Timer;
  /** Shifts `wall` by `ms` from now on, where another clock (Redis TIME) is the one that instances share. */
  correct(ms: number): void;
  /** Cryptographically strong bytes. */
  bytes(count: number): Buffer;
  /** A number in [0, 1) for jitter. */
  fraction(): number;
}

/** How far apart two clocks may be without consequence, in ms. */
export const ALLOWED_SKEW = 60_000;

/** Settles with `work`. Timers of the library keep no process alive, so somebody who waits for them must. */
export async function keepAwake<T>(work: Promise<T>): Promise<T> {
  const forever = setInterval(() => undefined, 2 ** 30);
  try {
    return await work;
  } finally {
    clearInterval(forever);
  }
}

const POOL_SIZE = 4096;

/** Random bytes drawn from a pool, because one call into the kernel for each nonce costs more than the seal. */
class RandomPool {
  readonly #pool = Buffer.alloc(POOL_SIZE);
  #used = POOL_SIZE;

  take(count: number): Buffer {
    if (count > POOL_SIZE) return randomFillSync(Buffer.alloc(count));
    if (this.#used + count > POOL_SIZE) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const taken = Buffer.allocUnsafe(count);
    this.#pool.copy(taken, 0, this.#used, this.#used + count);
    this.#pool.fill(0, this.#used, this.#used + count);
    this.#used += count;
    return taken;
  }
}

/** The clock of the machine. */
export function systemClock(): Clock {
  const pool = new RandomPool();
  let offset = 0;
  return {
    wall: () => Date.now() + offset,
    monotonic: () => performance.now(),
    after(ms, callback) {
      const handle = setTimeout(callback, ms).unref();
      return { cancel: () => clearTimeout(handle) };
    },
    correct(ms) {
      offset += ms;
    },
    bytes: count => pool.take(count),
    fraction: () => pool.take(4).readUInt32BE() / 0x1_0000_0000,
  };
}
