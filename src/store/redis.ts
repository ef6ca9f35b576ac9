import { createHash } from 'node:crypto';
import type { Clock } from '../clock.js';
import { Echoes } from './echoes.js';
import { type Entry, stampBytes } from './entry.js';
import { StoreFault } from './fault.js';
import { Incarnation } from './incarnation.js';
import { refuseBlindWrite } from './memory.js';
import { isNoScript, isWrongType, redisFault } from './redis-faults.js';
import { type RedisCommands, type RedisConnection, RedisLink, type ServerFacts } from './redis-link.js';
import type { Expected, SessionStore, StoreWatcher, Swapped } from './store.js';

/**
 * The whole of `swap`, on one key, with its one SET as the last act. For a tombstone it deletes first: a server that is
 * out of memory refuses a SET alone, and a logout must go through. The EXISTS behind the SET only tells the server that
 * this connection wants to hear of changes: its own write has ended that.
 * Answers 2 for put, 1 for done before, nil for nothing there, the entry in the way, or an empty string for a value of
 * another type or one that is too large.
 */
const SWAP = `
local entry, expected, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local tombstone = string.byte(entry, 1) == 2
local current = redis.pcall('GET', KEYS[1])
if type(current) == 'table' then
  if expected ~= 'any' then return '' end
elseif current then
  local stands = string.byte(current, 1) == 2 and #current == 18
  local stamp = string.sub(current, 2, 17)
  if stamp == string.sub(entry, 2, 17) then return 1 end
  if expected == 'any' then
    if stands then
      local left = redis.call('PTTL', KEYS[1])
      if left >= 0 and left < ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
      return 1
    end
  elseif expected == '' or (stands and not tombstone) or stamp ~= expected then
    return #current > tonumber(ARGV[4]) and '' or current
  end
elseif expected ~= 'any' and expected ~= '' then
  return nil
end
if tombstone then redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], entry, 'PX', ttl)
redis.call('EXISTS', KEYS[1])
return 2
`;

/** What the script answers where it put the entry. */
const PUT = 2;

const SWAP_SHA = createHash('sha1').update(SWAP).digest('hex');

/** Behind the prefix; no store key is as short. */
const COUNTER = 'generation';

const FOREIGN: Entry = Buffer.alloc(0);

export interface RedisStoreOptions {
  readonly prefix: string;
  /** How long an operation waits for the very first connection, ms. */
  readonly firstWait: number;
  /** What is larger is foreign. */
  readonly maxEntryBytes: number;
  /** The server reports to a connection what it changes itself, too. Default: what others change alone. */
  readonly echoes?: boolean;
}

/** Sessions in Redis 6.2 or later: `read` is one GETRANGE, `swap` one script. Every throw is a {@link StoreFault}. */
export class RedisStore implements SessionStore {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #options: RedisStoreOptions;
  readonly #incarnation = new Incarnation();
  #facts: ServerFacts | undefined;
  #watcher: StoreWatcher | undefined;
  #echoes: Echoes | undefined;

  constructor(options: RedisStoreOptions, clock: Clock, open: () => RedisConnection) {
    this.#options = options;
    this.#prefix = options.prefix;
    const link = { open, counter: `${options.prefix}${COUNTER}`, firstWait: options.firstWait };
    this.#link = new RedisLink(link, clock, {
      inspected: facts => this.#inspected(facts),
      ready: () => this.#ready(),
      invalidated: key => this.#invalidated(key),
    });
  }

  async read(key: string): Promise<Entry | undefined> {
    const name = this.#prefix + key;
    try {
      const value = await this.#range(name);
      this.#echoes?.answered();
      if (isFilled(value)) return this.#within(value);
      // Redis answers alike for what is not there and for an empty string, which would be foreign; and between two questions
      // something may have come.
      const there = Number(await this.#link.send(commands => commands.exists(name))) === 1;
      return there ? this.#within(await this.#range(name)) : undefined;
    } catch (error) {
      if (isWrongType(error)) return FOREIGN;
      throw redisFault(error);
    }
  }

  /** A foreign value may be huge: no more of it comes here than shows that. */
  #range(name: string): Promise<unknown> {
    return this.#link.send(commands => commands.getRange(name, 0, this.#options.maxEntryBytes));
  }

  #within(value: unknown): Entry | undefined {
    if (!Buffer.isBuffer(value)) return undefined;
    return value.length > this.#options.maxEntryBytes ? FOREIGN : value;
  }

  async swap(key: string, entry: Entry, expected: Expected, ttl: number): Promise<Swapped> {
    refuseBlindWrite(entry, expected);
    const { maxEntryBytes } = this.#options;
    const args = [entry, expectedBytes(expected), String(Math.max(1, Math.ceil(ttl))), String(maxEntryBytes)];
    const options = { keys: [this.#prefix + key], arguments: args };
    const echoes = this.#echoes;
    let put = false;
    echoes?.depart(key);
    try {
      const reply = await this.#link.send(commands => run(commands, options));
      put = reply === PUT;
      return swapped(reply);
    } catch (error) {
      throw redisFault(error);
    } finally {
      if (echoes?.arrive(key, put)) this.#watcher?.changed(key);
    }
  }

  async inspect(): Promise<void> {
    try {
      await this.#link.inspect();
    } catch (error) {
      throw redisFault(error);
    }
  }

  watch(watcher: StoreWatcher): void {
    this.#watcher = watcher;
  }

  watching(): number | undefined {
    return this.#link.watch;
  }

  incarnation(): string | undefined {
    return this.#incarnation.name;
  }

  lossCause(): string | undefined {
    return this.#incarnation.cause;
  }

  mayEvict(): boolean {
    return this.#facts?.mayEvict ?? false;
  }

  clockOffset(): number | undefined {
    return this.#facts?.clockOffset;
  }

  /** What the server last said of itself. */
  get facts(): ServerFacts | undefined {
    return this.#facts;
  }

  close(): Promise<void> {
    this.#link.close();
    return Promise.resolve();
  }

  #inspected(facts: ServerFacts): void {
    this.#facts = facts;
    this.#incarnation.observe(facts);
  }

  #invalidated(key: string | null): void {
    if (key === null) {
      this.#incarnation.flushed();
      this.#watcher?.flushed();
    } else if (key.startsWith(this.#prefix)) {
      this.#reported(key.slice(this.#prefix.length));
    }
  }

  #reported(key: string): void {
    const what = this.#echoes?.report(key) ?? 'news';
    if (what === 'news') this.#watcher?.changed(key);
    else if (what === 'unknown') this.#watcher?.doubted?.(key);
  }

  /** Each connection has echoes of its own. */
  #ready(): void {
    this.#echoes = this.#options.echoes ? new Echoes() : undefined;
    this.#watcher?.reached();
  }
}

function isFilled(value: unknown): boolean {
  return Buffer.isBuffer(value) && value.length > 0;
}

function expectedBytes(expected: Expected): Buffer | string {
  if (expected === null) return '';
  return expected === 'any' ? 'any' : stampBytes(expected);
}

async function run(
  commands: RedisCommands,
  options: { keys: string[]; arguments: (Buffer | string)[] },
): Promise<unknown> {
  try {
    return await commands.evalSha(SWAP_SHA, options);
  } catch (error) {
    if (!isNoScript(error)) throw error;
    return commands.eval(SWAP, options);
  }
}

function swapped(reply: unknown): Swapped {
  if (reply === PUT || reply === 1) return { done: true };
  if (reply === null) return { done: false, current: undefined };
  if (Buffer.isBuffer(reply)) return { done: false, current: reply };
  throw new StoreFault('ours', 'other');
}
