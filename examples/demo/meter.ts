/** What goes on with Redis when a request is sent. */
export type Phase = 'health' | 'outage' | 'recovery' | 'freeze';

const SLOW = 200;

/** Measures every request, by the phase in which it was sent. */
export class Meter {
  phase: Phase = 'health';
  readonly #latencies = new Map<Phase, number[]>();
  readonly #inFlight = new Set<Promise<unknown>>();

  async measure<T>(request: Promise<T>): Promise<T> {
    const { phase } = this;
    const began = performance.now();
    this.#inFlight.add(request);
    try {
      return await request;
    } finally {
      this.#inFlight.delete(request);
      this.#of(phase).push(performance.now() - began);
    }
  }

  /** Whether all requests that were sent by now get an answer within `limit` ms. */
  async answered(limit: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>(resolve => {
      timer = setTimeout(() => resolve(false), limit);
    });
    const all = Promise.allSettled(this.#inFlight).then(() => true);
    const answered = await Promise.race([all, late]);
    clearTimeout(timer);
    return answered;
  }

  count(phase: Phase): number {
    return this.#of(phase).length;
  }

  /** One line for each phase. */
  table(): string[] {
    const head = ['ms', 'requests', 'p50', 'p99', 'max', `waited > ${SLOW} ms`];
    return [head, ...[...this.#latencies].map(([phase, all]) => row(phase, all))].map(cells);
  }

  #of(phase: Phase): number[] {
    const known = this.#latencies.get(phase) ?? [];
    this.#latencies.set(phase, known);
    return known;
  }
}

function row(phase: Phase, latencies: readonly number[]): string[] {
  const sorted = [...latencies].sort((a, b) => a - b);
  const quantile = (share: number): string => (sorted[Math.ceil(share * sorted.length) - 1] ?? 0).toFixed(1);
  const slow = sorted.filter(ms => ms > SLOW).length;
  return [phase, String(sorted.length), quantile(0.5), quantile(0.99), quantile(1), String(slow)];
}

function cells(values: readonly string[]): string {
  return values
    .map((value, column) => (column === 0 ? value.padEnd(10) : value.padStart(column === 5 ? 18 : 9)))
    .join('');
}
