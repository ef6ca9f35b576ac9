import { ALLOWED_SKEW } from '../../src/clock.js';
import type { SessionRecord } from '../../src/session/record.js';
import { isEntry, isTombstone, reasonOf, stampOf } from '../../src/store/entry.js';
import type { Book } from './book.js';
import type { Life } from './facts.js';
import type { Instance } from './instance.js';
import type { Slot } from './keyspace.js';
import type { Observer, RedisModel } from './redis-model.js';
import type { Script } from './swap-script.js';

interface Put {
  readonly script: Script;
  readonly before: Slot | undefined;
}

export const PREFIX = 'sess:';
/** A TTL is counted in whole ms, and the clock of a record too. */
const ROUNDING = 3;

/** Looks at every change of the data in Redis as it is made: opens it, and compares it with what stood there before. */
export class RedisChecks implements Observer {
  readonly #book: Book;
  readonly #instances: () => readonly Instance[];
  /** What was put under keys whose session nobody has announced yet. */
  readonly #early = new Map<string, Put[]>();
  redis: RedisModel | undefined;

  constructor(book: Book, instances: () => readonly Instance[]) {
    this.#book = book;
    this.#instances = instances;
    book.onBorn = life => {
      const { key } = life.identity;
      for (const put of this.#early.get(key) ?? []) this.#judge(life, put);
      this.#early.delete(key);
    };
  }

  put(script: Script, before: Slot | undefined): void {
    const key = script.key.slice(PREFIX.length);
    const life = this.#book.lives.get(key);
    if (life) this.#judge(life, { script, before });
    else this.#early.set(key, [...(this.#early.get(key) ?? []), { script, before }]);
  }

  lost(keys: ReadonlySet<string>, cause: string): void {
    this.#book.history.note('redis', `${cause}: ${keys.size} keys changed`);
    // A flush takes the copies too, those included that were about to bring back what had been lost before.
    const unrestored = [...this.#book.lives].filter(([, { losses }]) =>
      losses.some(({ restored }) => restored),
    );
    const more = cause === 'flushall' ? unrestored.map(([key]) => PREFIX + key) : [];
    for (const full of new Set([...keys, ...more])) {
      const key = full.slice(PREFIX.length);
      this.#early.delete(key);
      this.#book.lost(key, cause, this.#instances());
      const life = this.#book.lives.get(key);
      if (life) this.#reread(life, this.redis?.keyspace.get(full)?.value);
    }
  }

  /** What has run out is over; what others still hold of it is new. */
  expired(full: string): void {
    const life = this.#book.lives.get(full.slice(PREFIX.length));
    if (life) this.#reread(life, undefined);
  }

  #judge(life: Life, { script, before }: Put): void {
    const { entry } = script;
    life.stored.put = stampOf(entry);
    if (isTombstone(entry)) this.#tombstone(life, script, before);
    else this.#record(life, script, before);
  }

  #tombstone(life: Life, { entry }: Script, before: Slot | undefined): void {
    const { history, timeline } = this.#book;
    history.note('redis', `${life.name} ${reasonOf(entry)} ${stampOf(entry)}`);
    const { stored } = life;
    stored.tombstone ??= { at: timeline.now, reason: reasonOf(entry) };
    if (reasonOf(entry) === 'regenerated') stored.replaced = this.#opened(life, before);
  }

  #record(life: Life, script: Script, before: Slot | undefined): void {
    const { history } = this.#book;
    const record = this.#book.open(life.identity, script.entry);
    if (!record) {
      history.violated(`${life.name}: Redis was given a record that does not open`);
      return;
    }
    history.note('redis', `${life.name} put ${stampOf(script.entry)} ${record.fields.text}`);
    if (life.stored.tombstone) history.violated(`${life.name}: a record replaced a tombstone in Redis (P3)`);
    this.#contents(life, record);
    this.#ttl(life, record, script);
    const there = before?.value;
    if (Buffer.isBuffer(there) && isEntry(there) && stampOf(there) >= stampOf(script.entry))
      history.violated(`${life.name}: the stamp in Redis went back`);
  }

  #contents(life: Life, record: SessionRecord): void {
    const { history } = this.#book;
    const { stamps } = life.stored;
    if (!record.fields.text.includes(`"owner":"${life.owner}"`))
      history.violated(`${life.name}: its key holds the data of another session`);
    if (record.absolute !== life.absolute || record.created !== life.created)
      history.violated(
        `${life.name}: the absolute deadline moved from ${life.absolute} to ${record.absolute}`,
      );
    for (const [key, stamp] of stamps) {
      const now = record.stamps.get(key) ?? '';
      if (now < stamp)
        history.violated(`${life.name}: key ${key} went back in Redis from ${stamp} to ${now || 'nothing'}`);
    }
    life.stored.stamps = new Map(record.stamps);
  }

  /** Redis must keep a record as long as its own deadline says, and the allowed skew longer. */
  #ttl(life: Life, record: SessionRecord, { sent, ttl, again }: Script): void {
    const deadline = Math.min(record.idle ?? record.absolute, record.absolute) + ALLOWED_SKEW;
    const off = sent + ttl - deadline;
    // Who puts a copy back does not know its deadline, and keeps it too long rather than not long enough. And a script that
    // had to be sent again says what was true the first time.
    if (off > 0 && (this.#book.suspected || again)) return;
    const { slack, deadline: wait } = this.#book.bounds;
    // Before the first connection a write may wait for it, within its deadline.
    if (off < -slack - ROUNDING || off > slack + ROUNDING + wait)
      this.#book.history.violated(
        `${life.name}: its TTL in Redis misses its deadline by ${Math.round(off)} ms`,
      );
  }

  #opened(life: Life, slot: Slot | undefined): SessionRecord | undefined {
    const value = slot?.value;
    return Buffer.isBuffer(value) && isEntry(value) && !isTombstone(value)
      ? this.#book.open(life.identity, value)
      : undefined;
  }

  #reread(life: Life, value: Slot['value'] | undefined): void {
    const entry = Buffer.isBuffer(value) && isEntry(value) ? value : undefined;
    const tombstone =
      entry && isTombstone(entry) ? { at: this.#book.timeline.now, reason: reasonOf(entry) } : undefined;
    life.stored.tombstone = tombstone;
    const record = entry && !tombstone ? this.#book.open(life.identity, entry) : undefined;
    life.stored.stamps = new Map(record?.stamps);
  }
}
