/** An estimate of what one slot costs beside key and value, in bytes: map entry, slot object, buffer header. */
export const SLOT_BYTES = 200;

interface Slot<V> {
  readonly value: V;
  readonly bytes: number;
}

/** A map that counts bytes and lets go of what was used longest ago when it would exceed its cap. */
export class BoundedMap<V> {
  readonly #slots = new Map<string, Slot<V>>();
  readonly #maxBytes: number;
  readonly #sizeOf: (value: V) => number;
  #bytes = 0;

  constructor(maxBytes: number, sizeOf: (value: V) => number) {
    this.#maxBytes = maxBytes;
    this.#sizeOf = sizeOf;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Of all values, the one used last at the end. */
  keys(): string[] {
    return [...this.#slots.keys()];
  }

  get(key: string): V | undefined {
    return this.#slots.get(key)?.value;
  }

  /** As `get`, and counts as a use. */
  use(key: string): V | undefined {
    const slot = this.#slots.get(key);
    if (!slot) return undefined;
    this.#slots.delete(key);
    this.#slots.set(key, slot);
    return slot.value;
  }

  /** Returns how many others had to go. A value larger than the whole cap is not kept. */
  set(key: string, value: V): number {
    this.delete(key);
    const bytes = this.#sizeOf(value) + key.length + SLOT_BYTES;
    if (bytes > this.#maxBytes) return 0;
    this.#slots.set(key, { value, bytes });
    this.#bytes += bytes;
    return this.#shrink();
  }

  delete(key: string): boolean {
    const slot = this.#slots.get(key);
    if (!slot) return false;
    this.#bytes -= slot.bytes;
    return this.#slots.delete(key);
  }

  #shrink(): number {
    let evicted = 0;
    for (const key of this.#slots.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(key);
      evicted += 1;
    }
    return evicted;
  }
}
