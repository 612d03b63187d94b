/** What the symbols of a block stand for. RFC 1951 §3.2.5, §3.2.7 */

/** The symbol behind those of single bytes. */
export const END_OF_BLOCK = 256;
/** Symbols of code lengths that repeat: the extra bits, the least count. RFC 1951 §3.2.7 */
export const REPEATS = [
  [2, 3],
  [3, 3],
  [7, 11],
];
export const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/** For each symbol of a length from 257 on: its extra bits, and the least length. RFC 1951 §3.2.5 */
export const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
export const LENGTH_BASE = bases(LENGTH_EXTRA, 3).with(28, 258);
export const DISTANCE_EXTRA = [0, 0, 0, 0, ...Array.from({ length: 26 }, (_, i) => (i >> 1) + 1)];
export const DISTANCE_BASE = bases(DISTANCE_EXTRA, 1);

/** Where ranges begin that are so many bits wide, one behind the other. */
function bases(extraBits: readonly number[], least: number): number[] {
  let base = least;
  return extraBits.map((bits) => {
    base += 1 << bits;
    return base - (1 << bits);
  });
}
