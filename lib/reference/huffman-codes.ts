/**
 * A set of canonical Huffman codes, as counts of codes per length and the symbols in the order of their codes.
 * RFC 1951 §3.2.2
 */

const MAX_BITS = 15;
/** Bits of codes that are found in one look. */
const LOOKUP_BITS = 9;
export const LOOKUP_MASK = (1 << LOOKUP_BITS) - 1;
/** Bits of an entry of the lookup that are the code's length; the others are the symbol. */
export const LENGTH_BITS = 4;
export const LENGTH_MASK = (1 << LENGTH_BITS) - 1;

export class HuffmanCodes {
  /** Codes of each length; index 0 counts symbols without a code. */
  readonly counts: Uint16Array = new Uint16Array(MAX_BITS + 1);
  /** Symbols ordered by length, then by value. */
  readonly symbols: Uint16Array;
  /** By the next bits of the input: symbol and length of a short code; 0 for a longer one. */
  readonly lookup: Uint16Array = new Uint16Array(1 << LOOKUP_BITS);
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
    this.#fillLookup();
  }

  /** Codes are given out in the order of their symbols, and stand in the input with their first bit lowest. */
  #fillLookup(): void {
    let code = 0;
    let index = 0;
    for (let length = 1; length <= LOOKUP_BITS; length++) {
      for (let left = this.counts[length]; left > 0; left--, code++) {
        const entry = (this.symbols[index++] << LENGTH_BITS) | length;
        for (let at = reversed(code, length); at <= LOOKUP_MASK; at += 1 << length) this.lookup[at] = entry;
      }
      code <<= 1;
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

function reversed(code: number, length: number): number {
  let turned = 0;
  for (let i = 0; i < length; i++) turned |= ((code >> i) & 1) << (length - 1 - i);
  return turned;
}

/** The codes of blocks that bring none. RFC 1951 §3.2.6 */
export const FIXED_LITERALS = new HuffmanCodes(
  Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
);
export const FIXED_DISTANCES = new HuffmanCodes(new Array(32).fill(5));
