import type { Clock } from '../clock.js';
import { StoreFault } from './fault.js';
import { redisFault } from './redis-faults.js';
import type { ServerFacts } from './redis-link.js';

/** What an inspection sends its questions through. */
export interface Inspected {
  sendCommand(args: readonly string[]): Promise<unknown>;
  incr(key: string): Promise<unknown>;
}

export interface InspectionOptions {
  readonly counter: string;
  readonly tracks: boolean;
  readonly clock: Clock;
  /** One server has all the data: what it says of itself is true of them. */
  readonly whole: boolean;
}

const OLDEST = [6, 2] as const;

/** Asks a server about itself. Throws for a version that is too old, in words. */
export async function inspect(client: Inspected, options: InspectionOptions): Promise<ServerFacts> {
  const { counter, tracks, clock, whole } = options;
  const asked = clock.wall();
  // In one packet: a canary on a slow link should not take longer than it must.
  const [info, generation, time] = await Promise.all([
    whole ? answer(client, 'INFO') : undefined,
    countUp(client, counter),
    whole ? answer(client, 'TIME') : undefined,
  ]);
  const version = field(info, 'redis_version');
  refuseOld(version);
  return {
    version,
    runId: field(info, 'run_id'),
    role: field(info, 'role'),
    replicationId: field(info, 'master_replid'),
    generation,
    tracks,
    mayEvict: evicts(field(info, 'maxmemory'), field(info, 'maxmemory_policy')),
    clockOffset: offset(time, (asked + clock.wall()) / 2),
  };
}

/** Whether the server does not know a command, or does not let this user have it. */
export function isForbidden(error: unknown): boolean {
  return error instanceof Error && /^(NOPERM|NOPROTO|ERR unknown|ERR Unknown)/.test(error.message);
}

/** Managed servers may forbid INFO or TIME: then those facts are unknown, and that is no reason to fail. */
async function answer(client: Inspected, command: string): Promise<unknown> {
  return client.sendCommand([command]).catch((error: unknown) => {
    if (isForbidden(error)) return undefined;
    throw error;
  });
}

/** A server that takes no writes cannot count, and says so where writes are tried. */
async function countUp(client: Inspected, counter: string): Promise<number | undefined> {
  try {
    const count = Number(await client.incr(counter));
    return Number.isSafeInteger(count) ? count : undefined;
  } catch (error) {
    const fault = redisFault(error);
    if (fault.writeOnly || fault.class === 'ours' || isForbidden(error)) return undefined;
    throw fault;
  }
}

/** The version ends up in a log line: no server gets anything else in there (ASVS 16.4.1). */
function field(info: unknown, name: string): string | undefined {
  return new RegExp(`^${name}:([\\w.-]{0,64})\\r?$`, 'm').exec(String(info))?.[1];
}

function evicts(memory: string | undefined, policy: string | undefined): boolean {
  return policy !== undefined && policy !== 'noeviction' && memory !== '0';
}

function refuseOld(version: string | undefined): void {
  if (version === undefined) return;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  if (!old) return;
  const words = `Redis ${version} is too old: ${OLDEST.join('.')} or later is needed`;
  throw new StoreFault('ours', 'other', words);
}

/** How far the server's clock is ahead of this one, at `here`, wall-clock ms. */
function offset(reply: unknown, here: number): number | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [seconds, micros] = reply.map(Number);
  if (seconds === undefined || micros === undefined) return undefined;
  return seconds * 1000 + micros / 1000 - here;
}
