import type { Actions } from './actions.js';
import type { Book } from './book.js';
import type { Cluster } from './cluster.js';
import type { Life } from './facts.js';
import type { Instance } from './instance.js';
import { KEYS } from './user-checks.js';

interface View {
  readonly instance: Instance;
  readonly data: Record<string, unknown> | undefined;
}

/** After all faults are over: nothing waits, all agree, what was acknowledged is there, and what has ended is not. */
export class FinalChecks {
  readonly #book: Book;
  readonly #cluster: Cluster;
  readonly #actions: Actions;

  constructor(cluster: Cluster, actions: Actions) {
    this.#book = cluster.book;
    this.#cluster = cluster;
    this.#actions = actions;
  }

  async run(): Promise<void> {
    const open = this.#cluster.open();
    for (const instance of open) this.#home(instance);
    await this.#visit(open);
    for (const life of this.#book.lives.values()) {
      const views: View[] = [];
      for (const instance of open) {
        const loaded = await this.#actions.load(instance, life);
        views.push({ instance, data: loaded?.session.toJSON() });
      }
      this.#judge(life, views);
    }
  }

  /** What an instance knows more than a Redis that lost data it merges when the user comes. */
  async #visit(open: readonly Instance[]): Promise<void> {
    for (const life of this.#book.lives.values()) {
      if (life.losses.length === 0) continue;
      for (const instance of open) {
        const loaded = await this.#actions.load(instance, life);
        if (loaded) await this.#actions.save(instance, loaded, [], false);
      }
    }
  }

  #home(instance: Instance): void {
    const { mode, backlog } = instance.sessions.stats().store;
    const { history } = this.#book;
    if (mode !== 'healthy') history.violated(`${instance.name} is ${mode} long after the last fault`);
    if (backlog.items > 0)
      history.violated(`${instance.name} still holds ${backlog.items} items long after the last fault (P2)`);
  }

  #judge(life: Life, views: readonly View[]): void {
    const { history } = this.#book;
    const told = new Set(views.map(({ data }) => JSON.stringify(Object.entries(data ?? {}).toSorted())));
    // What Redis lost for good an instance may still know: a tombstone in its graveyard, or a newer copy.
    const known = life.losses.every(({ restored }) => restored);
    if (told.size > 1 && known && !this.#runsOut(life))
      history.violated(`${life.name}: the instances do not agree: ${[...told].join(' / ')}`);
    const data = views[0]?.data;
    if (data) this.#living(life, data);
    else this.#gone(life);
  }

  #living(life: Life, data: Record<string, unknown>): void {
    const { history } = this.#book;
    const ended = life.ends.find(
      ({ operation, excused }) => operation.outcome === 'acknowledged' && !excused,
    );
    if (ended) history.violated(`${life.name} lives after it was ${ended.kind} (P3)`);
    const due = life.pledges.filter(
      ({ operation, excused }) => !excused && operation.outcome === 'acknowledged',
    );
    for (const key of KEYS) {
      const forbids = this.#book.forbids(life, key, data[key], due);
      if (forbids && !this.#reported(life, forbids.operation.instance))
        history.violated(
          `${life.name}: ${forbids.write.value ?? `the removal of ${key}`} was acknowledged by ${forbids.operation.instance} and is lost: there is ${String(data[key])} (P2)`,
        );
    }
    this.#carried(life);
  }

  /** What the tombstone of a regenerate replaced in Redis is in the session that took its place. */
  #carried(life: Life): void {
    const replaced = life.from?.stored.replaced;
    if (!replaced || life.losses.length > 0 || life.from?.losses.length) return;
    // Of two logins at once each has a session of its own, and only one of them replaced what was there.
    if (life.from.ends.filter(({ kind }) => kind === 'regenerated').length > 1) return;
    for (const [key, stamp] of replaced.stamps) {
      const now = life.stored.stamps.get(key) ?? '';
      if (now < stamp)
        this.#book.history.violated(`${life.name}: regenerate lost the last change of ${key} (P4)`);
    }
  }

  #gone(life: Life): void {
    if (this.#mayBeGone(life)) return;
    this.#book.history.violated(`${life.name} is gone although nobody ended it (P2)`);
  }

  #mayBeGone(life: Life): boolean {
    if (
      life.ends.some(
        ({ operation }) => operation.outcome !== 'refused' || operation.name.startsWith('regenerate'),
      )
    )
      return true;
    if (this.#book.endsWithAnother(life)) return true;
    if (life.birthExcused || life.reported.length > 0) return true;
    if (this.#runsOut(life)) return true;
    // Gone with its last acknowledged copy; but a write that was still waiting here would have brought it back.
    return (
      life.losses.length > 0 &&
      life.pledges.every(({ excused, operation }) => excused || operation.outcome !== 'acknowledged')
    );
  }

  /** Clocks that are apart do not agree about the moment. */
  #runsOut(life: Life): boolean {
    const { bounds, timeline } = this.#book;
    return timeline.now - life.birth.started >= bounds.idleTimeout - bounds.slack;
  }

  #reported(life: Life, instance: string): boolean {
    return life.reported.some(each => each.instance === instance);
  }
}
