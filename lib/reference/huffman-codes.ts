/**
 * A set of canonical Huffman codes, as counts of codes per length and the symbols in the order of their codes.
 * RFC 1951 §3.2.2
 */

const MAX_BITS = 15;

export class HuffmanCodes {
  /** Codes of each length; index 0 counts symbols without a code. */
  readonly counts = new Uint16Array(MAX_BITS + 1);
  /** Symbols ordered by length, then by value. */
  readonly symbols: Uint16Array;
  /** How many codes could be added: less than 0 for a set that no bits can tell apart, 0 for one that is complete. */
  readonly left: number;

  /** @param lengths for each symbol the length of its code, 0 for none. */
  constructor(lengths: ArrayLike<number>) {
    const { counts } = this;
    for (let symbol = 0; symbol < lengths.length; symbol++) counts[lengths[symbol]]++;
    const offsets = new Uint16Array(MAX_BITS + 2);
    let left = 1;
    for (let length = 1; length <= MAX_BITS; length++) {
      left = left * 2 - counts[length];
      // A set that has too many codes already has no more room further down.
      if (left < 0) break;
      offsets[length + 1] = offsets[length] + counts[length];
    }
    this.left = left;
    this.symbols = new Uint16Array(lengths.length);
    if (left < 0) return;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] > 0) this.symbols[offsets[lengths[symbol]]++] = symbol;
    }
  }

  /**
   * True for a set that a block may have: complete, or at most a single code of one bit.
   */
  get usable(): boolean {
    const [without] = this.counts;
    const codes = this.symbols.length - without;
    return this.left === 0 || (this.left > 0 && (codes === 0 || (codes === 1 && this.counts[1] === 1)));
  }
}

/** The codes of blocks that bring none. RFC 1951 §3.2.6 */
export const FIXED_LITERALS = new HuffmanCodes(
  Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
);
export const FIXED_DISTANCES = new HuffmanCodes(new Array(32).fill(5));
