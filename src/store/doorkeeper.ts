/** About so many of those who came last are known; a power of two. 4 bytes each. */
const PLACES = 32_768;
/** FNV-1a. Keys are random already: a few of their characters tell them apart. */
const [BASIS, PRIME, CHARACTERS] = [0x811c9dc5, 0x0100_0193, 12];

/**
 * Tells who came before, lately, from who comes for the first time: the doorkeeper of TinyLFU (Einziger, Friedman and Manes,
 * ACM TOS 13:4, 2017), whose marks are overwritten by others' one by one. What is full of those who come often should not be
 * emptied by as many who come once.
 */
export class Doorkeeper {
  /** Made when it is first needed: most apps have room for all. */
  #marks: Int32Array | undefined;

  /** Whether `key`, a store key, came before. From now on it has. */
  knows(key: string): boolean {
    const place = hash(key, 0) & (PLACES - 1);
    const mark = hash(key, CHARACTERS);
    this.#marks ??= new Int32Array(PLACES);
    const known = this.#marks[place] === mark;
    this.#marks[place] = mark;
    return known;
  }
}

function hash(key: string, from: number): number {
  let sum = BASIS;
  for (let at = from; at < from + CHARACTERS; at += 1) sum = Math.imul(sum ^ key.charCodeAt(at), PRIME);
  return sum;
}
