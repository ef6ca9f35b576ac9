/**
 * Things that come and go all the time, in no order. A Set would do, but V8 links the tables that it outgrows one to the
 * next: once one of them is old, all that was ever in the later ones outlives every small collection.
 */
export class Bag<T> {
  readonly #places: (T | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.length - this.#free.length;
  }

  /** Returns the place to take it from again. */
  put(thing: T): number {
    const place = this.#free.pop() ?? this.#places.length;
    this.#places[place] = thing;
    return place;
  }

  /** Once for each `put`. */
  take(place: number): void {
    this.#places[place] = undefined;
    this.#free.push(place);
  }

  /** What is in it now; what comes or goes meanwhile may be among it. */
  *[Symbol.iterator](): Generator<T, void> {
    for (const thing of this.#places) if (thing !== undefined) yield thing;
  }
}
