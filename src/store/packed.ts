import { type Entry, HEADER_BYTES } from './entry.js';

declare const packedBrand: unique symbol;

/**
 * Bytes at rest, each of them one character. A string costs some 20 bytes beside its own and a Buffer some 180; and what is
 * read from it is a copy, which nobody sees changed later.
 */
export type Packed = string & { readonly [packedBrand]: true };

/** What a string takes beside its characters: its header, and what rounds it up to whole words. */
export const PACKED_BYTES = 20;

export function pack(bytes: Buffer): Packed {
  // The only place where a string becomes bytes at rest. It is flat: a part of another would keep the whole.
  return bytes.toString('latin1') as Packed;
}

export function unpack(packed: Packed): Buffer {
  return Buffer.from(packed, 'latin1');
}

/** How the stamp of one entry is to that of another: less than 0, it is older; 0, they are the same. */
export function compareVersions(packed: Packed, entry: Entry): number {
  for (let at = 1; at < HEADER_BYTES; at += 1) {
    const difference = packed.charCodeAt(at) - (entry[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
