import type { Book } from './book.js';
import type { Instance } from './instance.js';
import type { Cable } from './network.js';
import type { RedisModel } from './redis-model.js';
import type { Timeline } from './time.js';

/** Several instances of the app before one Redis. */
export class Cluster {
  readonly instances: Instance[] = [];
  readonly timeline: Timeline;
  readonly redis: RedisModel;
  readonly book: Book;
  readonly #open: (name: string, cable: Cable | undefined) => Instance;
  #started = 0;

  constructor(
    timeline: Timeline,
    redis: RedisModel,
    book: Book,
    open: (name: string, cable: Cable | undefined) => Instance,
  ) {
    this.timeline = timeline;
    this.redis = redis;
    this.book = book;
    this.#open = open;
  }

  /** Those that take requests. */
  open(): Instance[] {
    return this.instances.filter(instance => instance.alive && !instance.closing);
  }

  start(cable?: Cable): Instance {
    const instance = this.#open(`i${(this.#started += 1)}`, cable);
    this.instances.push(instance);
    return instance;
  }

  kill(instance: Instance): void {
    this.book.history.note(instance.name, 'killed');
    instance.kill();
    this.book.buried(instance);
  }

  /** As SIGTERM: what it cannot bring home in time it says, and dies with it. */
  async stop(instance: Instance): Promise<void> {
    const { history } = this.book;
    history.note(instance.name, 'close()');
    instance.closing = true;
    const left = await instance.sessions.close();
    history.note(instance.name, `closed, leaving ${JSON.stringify(left)}`);
    if (left.items !== instance.journal.size)
      history.violated(`${instance.name} left ${instance.journal.size} items and said ${left.items} (P9)`);
    await this.timeline.sleep(1_000);
    if (instance.clock.timers > 0)
      history.violated(`${instance.name} left ${instance.clock.timers} timers after close()`);
    instance.kill();
    this.book.buried(instance);
  }
}
