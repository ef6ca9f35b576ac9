import { isPersistent, refuseKey, refuseLarge, refuseUnfit, stringify } from './data.js';
import { isUnopened, Nested } from './nested.js';

export type Field = string | number | boolean | null | Nested;

/**
 * The data of one version of a session, key by key, so that what nobody has looked at is not parsed, compared or written
 * anew. Never changes.
 */
export class Fields {
  static readonly none = new Fields(new Map(), '{}');
  /** All of them as JSON. */
  readonly text: string;
  readonly #fields: ReadonlyMap<string, Field>;

  private constructor(fields: ReadonlyMap<string, Field>, text = jsonOfAll(fields)) {
    this.#fields = fields;
    this.text = text;
  }

  /** `data`: what JSON made of `text`. */
  static of(data: object, text: string): Fields {
    const fields = new Map<string, Field>();
    for (const [key, value] of Object.entries(data)) fields.set(key, fieldOf(value));
    return new Fields(fields, text);
  }

  /** The data that `source` holds. What is as in `known` is taken from there. Throws as `serialise` does. */
  static from(source: object, known: Fields, maxBytes: number): Fields {
    const fields = new Map<string, Field>();
    for (const key of Object.keys(source)) {
      const before = known.#fields.get(key);
      const field = before !== undefined && shows(source, key, before) ? before : fieldFrom(source, key);
      if (field !== undefined) fields.set(key, field);
    }
    const found = new Fields(fields);
    refuseLarge(found.text, maxBytes);
    return found;
  }

  has(key: string): boolean {
    return this.#fields.has(key);
  }

  keys(): IterableIterator<string> {
    return this.#fields.keys();
  }

  get(key: string): Field | undefined {
    return this.#fields.get(key);
  }

  /** Whether `source` shows what is here under `key`: also nothing for nothing. */
  shownBy(source: object, key: string): boolean {
    const field = this.#fields.get(key);
    return field === undefined
      ? !Object.hasOwn(source, key)
      : Object.hasOwn(source, key) && shows(source, key, field);
  }

  /** Whether both have the same under `key`. */
  agrees(other: Fields, key: string): boolean {
    const [mine, theirs] = [this.#fields.get(key), other.#fields.get(key)];
    if (mine === theirs) return true;
    return mine !== undefined && theirs !== undefined && jsonOf(mine) === jsonOf(theirs);
  }

  /** Each with its key: for whoever makes an object of them. */
  [Symbol.iterator](): IterableIterator<[string, Field]> {
    return this.#fields[Symbol.iterator]();
  }

  /** Whether `source` shows these and nothing else. A no may be wrong: what becomes the same as JSON may look different. */
  fit(source: object): boolean {
    let shown = 0;
    // To compare these costs most: what is known to have changed without them need not wait for that.
    const last: [string, Nested][] = [];
    for (const key of Object.keys(source)) {
      const field = this.#fields.get(key);
      if (field instanceof Nested) last.push([key, field]);
      else if (field === undefined ? isPersistent(key, valueOf(source, key)) : !shows(source, key, field))
        return false;
      if (field !== undefined) shown += 1;
    }
    return shown === this.#fields.size && last.every(([key, nested]) => shows(source, key, nested));
  }
}

function valueOf(source: object, key: string): unknown {
  return Reflect.get(source, key);
}

function shows(source: object, key: string, field: Field): boolean {
  if (field instanceof Nested && isUnopened(source, key, field)) return true;
  const value = valueOf(source, key);
  return value === field || stringify(value) === jsonOf(field);
}

function fieldFrom(source: object, key: string): Field | undefined {
  const value = valueOf(source, key);
  if (!isPersistent(key, value)) return undefined;
  const text = stringify(value);
  if (text === undefined) return undefined;
  refuseKey(key);
  refuseUnfit(text, 1);
  return isNested(text) ? new Nested(text) : fieldOf(JSON.parse(text));
}

function isNested(text: string): boolean {
  return text.startsWith('{') || text.startsWith('[');
}

/** Of a value that JSON has made. */
function fieldOf(value: unknown): Field {
  if (typeof value === 'object' && value !== null) return new Nested(JSON.stringify(value));
  // JSON makes nothing else.
  return value as string | number | boolean | null;
}

function jsonOf(field: Field): string {
  return field instanceof Nested ? field.text : JSON.stringify(field);
}

function jsonOfAll(fields: ReadonlyMap<string, Field>): string {
  let json = '';
  for (const [key, field] of fields)
    json += `${json === '' ? '' : ','}${JSON.stringify(key)}:${jsonOf(field)}`;
  return `{${json}}`;
}
