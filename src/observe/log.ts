import type { Clock } from '../clock.js';
import type { EventName, EventPayloads } from './events.js';

/** A pino-shaped logger: fields first, then the message. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

type Level = 'info' | 'warn' | 'error';

/** Transitions at info, faults at error; what single sessions do is for events and stats. */
const LINES: Partial<Record<EventName, readonly [Level, string]>> = {
  'store:degraded': ['error', 'session store degraded: serving from the fallback'],
  'store:recovering': ['info', 'session store is back: migrating'],
  'store:recovered': ['info', 'session store recovered'],
  'store:data-loss': ['error', 'session store may have lost data'],
  'circuit:open': ['info', 'session store circuit opened'],
  'circuit:close': ['info', 'session store circuit closed'],
  'store:error': ['error', 'session store fault'],
  'journal:full': ['error', 'session journal is full: a write was lost'],
  'migration:quarantined': ['error', 'a waiting session write met what cannot be opened'],
  'security:undecryptable': ['error', 'a session record cannot be opened'],
  'security:flood': ['warn', 'too many anonymous sessions begin: they live briefly'],
  'security:unknown-key': ['error', 'a session was sealed with a secret that is not held here'],
};

/** A fault that comes a thousand times a second is said once in so many ms. */
const QUIET = 10_000;

/** Log lines from events. A logger that throws is its own problem, never the supervisor's. */
export function logEvents(
  logger: Logger,
  clock: Clock,
): <N extends EventName>(name: N, payload: EventPayloads[N]) => void {
  const said = new Map<string, number>();
  return (name, payload) => {
    const line = LINES[name];
    if (!line) return;
    const [level, message] = line;
    const topic = name + ('code' in payload ? payload.code : 'reason' in payload ? payload.reason : '');
    const repeats = name === 'store:error' || name.startsWith('security:') || name === 'journal:full';
    const now = clock.monotonic();
    if (repeats && now - (said.get(topic) ?? -Infinity) < QUIET) return;
    said.set(topic, now);
    say(logger, level, { event: name, ...payload }, message);
  };
}

export function say(logger: Logger, level: Level, fields: object, message: string): void {
  try {
    const result: unknown = logger[level](fields, message);
    if (result instanceof Promise) result.catch(() => undefined);
  } catch {
    // There is nowhere left to report a logger that fails.
  }
}

/** One line each on the console. */
export const consoleLogger: Logger = {
  info: (fields, message) => console.info(lineOf(fields, message)),
  warn: (fields, message) => console.warn(lineOf(fields, message)),
  error: (fields, message) => console.error(lineOf(fields, message)),
};

/** JSON leaves some characters as they are that end a line, or that a terminal obeys (ASVS 16.4.1). */
function lineOf(fields: object, message: string): string {
  return `${message} ${JSON.stringify(fields)}`.replaceAll(/[\u007f-\u009f\u2028\u2029]/g, character => {
    const code = character.charCodeAt(0).toString(16);
    return `\\u${code.padStart(4, '0')}`;
  });
}

export const silentLogger: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
