/** An object or an array of the data, as its JSON text: nobody can change what others will be given. */
export class Nested {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

interface Place {
  readonly nested: Nested;
  opened: boolean;
  value: unknown;
}

type Accessor = Required<Omit<PropertyDescriptor, 'value' | 'writable'>>;

/** Where an object keeps what nobody has looked at yet. A symbol, so that it is found through an app's Proxy as well. */
const PLACES = Symbol('nested');
/** Shorter texts are parsed at once: that costs less than to put it off. */
const WORTH = 256;
/** Engines share the shape of objects only among accessors that are the same: one for each name, and not for every name. */
const MAX_NAMES = 1_000;
const accessors = new Map<string, Accessor>();

/** Shows `nested` as the property `key` of `target`, parsed when somebody looks at it. False: it is not worth that. */
export function showLater(target: object, key: string, nested: Nested): boolean {
  const accessor = nested.text.length < WORTH ? undefined : accessorOf(key);
  if (!accessor) return false;
  placesOf(target).set(key, { nested, opened: false, value: undefined });
  Object.defineProperty(target, key, accessor);
  return true;
}

/** Whether the property `key` of `target` is `nested` still, and nobody has looked at it. */
export function isUnopened(target: object, key: string, nested: Nested): boolean {
  const place = knownPlaces(target)?.get(key);
  if (place?.nested !== nested || place.opened) return false;
  return Object.getOwnPropertyDescriptor(target, key)?.get === accessors.get(key)?.get;
}

function accessorOf(key: string): Accessor | undefined {
  const known = accessors.get(key);
  if (known || accessors.size >= MAX_NAMES) return known;
  const accessor: Accessor = {
    enumerable: true,
    configurable: true,
    get(this: object) {
      const place = knownPlaces(this)?.get(key);
      return place && open(place);
    },
    set(this: object, value: unknown) {
      const place = knownPlaces(this)?.get(key);
      if (place) Object.assign(place, { value, opened: true });
    },
  };
  accessors.set(key, accessor);
  return accessor;
}

function open(place: Place): unknown {
  if (place.opened) return place.value;
  place.value = JSON.parse(place.nested.text);
  place.opened = true;
  return place.value;
}

function placesOf(target: object): Map<string, Place> {
  const known = knownPlaces(target);
  if (known) return known;
  const places = new Map<string, Place>();
  Object.defineProperty(target, PLACES, { value: places });
  return places;
}

function knownPlaces(target: object): Map<string, Place> | undefined {
  // Nobody else has this symbol, and nothing else is put there.
  return Reflect.get(target, PLACES) as Map<string, Place> | undefined;
}
