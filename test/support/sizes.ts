/**
 * The sizes and alignments at which vector code changes what it does, and memory to place bytes in at an alignment.
 */

/** Around every register width and its multiples, and around 64 KiB. */
export const SIZES = [0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 65, 125, 126, 127, 65535, 65536];
export const ALIGNMENTS = Array.from({ length: 64 }, (_, alignment) => alignment);

/** Bytes of memory around what is looked at, so that reading beside it meets something. */
const MARGIN = 64;

export interface Placed {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** Memory of `filler` in which [from, to) has `size` bytes and starts `alignment` bytes after a multiple of 64. */
export function place(size: number, alignment: number, filler = 0): Placed {
  const bytes = new Uint8Array(MARGIN + 64 + size + MARGIN).fill(filler);
  const from = MARGIN + ((alignment - MARGIN - bytes.byteOffset) & 63);
  return { bytes, from, to: from + size };
}

/** Places in a range of `size` where something is likely to be missed: ends, and both sides of register borders. */
export function spots(size: number): number[] {
  const all = [0, 1, 7, 8, 15, 16, 31, 32, 63, 64, size >> 1, size - 33, size - 17, size - 2, size - 1];
  return [...new Set(all.filter((spot) => spot >= 0 && spot < size))];
}
