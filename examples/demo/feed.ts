import { PassThrough } from 'node:stream';
import type { Context } from 'koa';
import type { EventName, Sessions } from '../../src/index.js';

/** The type asks for every event, so that none is forgotten here. */
const EVENTS: Record<EventName, true> = {
  'store:degraded': true,
  'store:recovering': true,
  'store:recovered': true,
  'store:error': true,
  'store:data-loss': true,
  'circuit:open': true,
  'circuit:close': true,
  'journal:added': true,
  'journal:full': true,
  'journal:evicted': true,
  'migration:progress': true,
  'migration:conflict': true,
  'migration:quarantined': true,
  'session:created': true,
  'session:loaded': true,
  'session:saved': true,
  'session:touched': true,
  'session:regenerated': true,
  'session:authenticated': true,
  'session:destroyed': true,
  'session:expired': true,
  'session:gone': true,
  'session:conflict': true,
  'session:unavailable': true,
  'session:cookie-lost': true,
  'security:forged-token': true,
  'security:undecryptable': true,
  'security:unknown-key': true,
  'security:flood': true,
};

/** A reader that has fallen this far behind misses events, rather than filling this process's memory. */
const BACKLOG_LIMIT = 256 * 1024;

/** The library's events as server-sent events. */
export class EventFeed {
  readonly #readers = new Set<PassThrough>();

  constructor(sessions: Sessions) {
    // Object.keys forgets the type of the keys of a Record.
    for (const name of Object.keys(EVENTS) as EventName[]) {
      sessions.events.on(name, (event: object) => this.#send({ name, ...event }));
    }
  }

  serve(ctx: Context): void {
    const reader = new PassThrough();
    this.#readers.add(reader);
    ctx.req.on('close', () => this.#readers.delete(reader));
    ctx.type = 'text/event-stream';
    ctx.set('Cache-Control', 'no-store');
    ctx.body = reader;
    reader.write(': events of the session library\n\n');
  }

  close(): void {
    for (const reader of this.#readers) reader.end();
  }

  #send(event: object): void {
    const text = `data: ${JSON.stringify(event)}\n\n`;
    for (const reader of this.#readers) if (reader.writableLength < BACKLOG_LIMIT) reader.write(text);
  }
}
