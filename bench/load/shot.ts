/** Load at saturation: every connection asks again as soon as it is answered. */
export interface Shot {
  readonly port: number;
  /** A file with one cookie a line. */
  readonly cookies: string;
  /** So many of ten requests write. */
  readonly writing: number;
  readonly seconds: number;
  readonly connections: number;
}

/** What it saw. Latencies are ms. */
export interface Seen {
  readonly requests: number;
  readonly seconds: number;
  /** Not answered, or not with 200. */
  readonly bad: number;
  readonly p50: number;
  readonly p99: number;
}

export function isSeen(value: unknown): value is Seen {
  if (typeof value !== 'object' || value === null) return false;
  const numbers: Record<string, unknown> = { ...value };
  return ['requests', 'seconds', 'bad', 'p50', 'p99'].every(key => Number.isFinite(numbers[key]));
}
