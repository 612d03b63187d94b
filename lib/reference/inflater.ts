/**
 * Inflating (RFC 1951) that can stop anywhere: when its input is used up, and when its target is full.
 *
 * Node's own synchronous functions inflate a whole buffer or nothing, which would let a bomb have its way. This compares
 * bit by bit with counts of code lengths, which needs next to no tables: quick for short messages, and a few times
 * slower than zlib for long ones. What is wrong it says in zlib's words.
 *
 *   state        takes                                          next
 *   block        3 bits: whether it is final, and its type      stored, sizes, symbol
 *   stored       the rest of a byte, a length and its inverse   bytes
 *   bytes        bytes, as long as there is room                block
 *   sizes        14 bits: how many codes of each kind           code-sizes
 *   code-sizes   3 bits for each code of code lengths           code-lengths
 *   code-lengths a code for one or several code lengths         symbol
 *   symbol       a code, its extra bits                         symbol (literal), distance, block (the block's end)
 *   distance     a code                                         distance-bits
 *   distance-bits its extra bits                                copy
 *   copy         room                                           symbol
 */
import { FIXED_DISTANCES, FIXED_LITERALS, HuffmanCodes } from './huffman-codes.js';

/** The code is not all there. */
const STARVED = -1;
const MAX_CODE_BITS = 15;
const WINDOW = 32768;
const END_OF_BLOCK = 256;
/** Symbols of code lengths that repeat: the extra bits, the least count. RFC 1951 §3.2.7 */
const REPEATS = [
  [2, 3],
  [3, 3],
  [7, 11],
];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/** For each symbol of a length from 257 on: its extra bits, and the least length. RFC 1951 §3.2.5 */
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const LENGTH_BASE = bases(LENGTH_EXTRA, 3).with(28, 258);
const DISTANCE_EXTRA = [0, 0, 0, 0, ...Array.from({ length: 26 }, (_, i) => (i >> 1) + 1)];
const DISTANCE_BASE = bases(DISTANCE_EXTRA, 1);

type State =
  | 'block'
  | 'stored'
  | 'bytes'
  | 'sizes'
  | 'code-sizes'
  | 'code-lengths'
  | 'symbol'
  | 'distance'
  | 'distance-bits'
  | 'copy';

export class Inflater {
  /** The newest `#have` bytes of what came out, up to `#at`. */
  readonly #window = new Uint8Array(WINDOW);
  /** 0 <= at < WINDOW. */
  #at = 0;
  /** 0 <= have <= WINDOW. */
  #have = 0;
  #state: State = 'block';
  /** Bits taken from the input and not used, the next one lowest; 0 <= bitCount < 28. */
  #bits = 0;
  #bitCount = 0;
  /** Bits of the code that was looked at last. */
  #codeBits = 0;
  #input: Uint8Array = this.#window;
  #from = 0;
  #to = 0;
  #target: Uint8Array = this.#window;
  #targetAt = 0;
  #targetTo = 0;
  /** The block is marked as the last. */
  #final = false;
  /** It was, and nothing has followed. */
  #ended = false;
  /** Bytes still to be copied. */
  #length = 0;
  #distance = 0;
  #distanceSymbol = 0;
  /** Of the block whose codes are being read: code lengths so far, and how many codes there are. */
  #lengths: number[] = [];
  #literalCount = 0;
  #distanceCount = 0;
  #codeCount = 0;
  #codes = FIXED_LITERALS;
  #literals = FIXED_LITERALS;
  #distances = FIXED_DISTANCES;

  /** Bytes of the input that were not taken. */
  get left(): number {
    return this.#to - this.#from;
  }

  /** True behind a final block that nothing has followed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** True where a message may end: between blocks, with no bit left over. */
  get between(): boolean {
    return this.#state === 'block' && this.#bitCount === 0;
  }

  /** Begins a message that may refer to the last `history` bytes of those before. */
  begin(history: number): void {
    this.#have = Math.min(this.#have, history);
    this.#bits = 0;
    this.#bitCount = 0;
    this.#final = false;
    this.#ended = false;
    this.#state = 'block';
  }

  /**
   * Goes on until the input is used up or the target is full.
   * @returns bytes written
   * @throws an Error with zlib's message and the code Z_DATA_ERROR
   */
  inflate(
    bytes: Uint8Array,
    from: number,
    to: number,
    target: Uint8Array,
    targetFrom: number,
    targetTo: number,
  ): number {
    this.#input = bytes;
    this.#from = from;
    this.#to = to;
    this.#target = target;
    this.#targetAt = targetFrom;
    this.#targetTo = targetTo;
    while (this.#step());
    return this.#targetAt - targetFrom;
  }

  /** @returns false when it cannot go on without input or room. */
  #step(): boolean {
    switch (this.#state) {
      case 'block':
        return this.#beginBlock();
      case 'stored':
        return this.#beginStored();
      case 'bytes':
        return this.#copyStored();
      case 'sizes':
        return this.#readSizes();
      case 'code-sizes':
        return this.#readCodeSizes();
      case 'code-lengths':
        return this.#readCodeLengths();
      case 'symbol':
        return this.#readSymbols();
      case 'distance':
        return this.#readDistance();
      case 'distance-bits':
        return this.#readDistanceBits();
      default:
        return this.#copy();
    }
  }

  #beginBlock(): boolean {
    if (!this.#need(3)) return false;
    const header = this.#take(3);
    this.#ended = false;
    this.#final = (header & 1) === 1;
    this.#literals = FIXED_LITERALS;
    this.#distances = FIXED_DISTANCES;
    if (header >> 1 === 3) throw invalid('invalid block type');
    this.#state = header >> 1 === 0 ? 'stored' : header >> 1 === 1 ? 'symbol' : 'sizes';
    this.#lengths = [];
    return true;
  }

  /** What follows a final block begins with a byte of its own. RFC 7692 §7.2.3.4 */
  #endBlock(): void {
    this.#state = 'block';
    if (!this.#final) return;
    this.#ended = true;
    this.#bits = 0;
    this.#bitCount = 0;
  }

  #beginStored(): boolean {
    this.#take(this.#bitCount & 7);
    const { length } = this.#lengths;
    if (!this.#need(8)) return false;
    this.#lengths[length] = this.#take(8);
    if (length < 3) return true;
    const [low, high, notLow, notHigh] = this.#lengths;
    if ((low ^ notLow) !== 0xff || (high ^ notHigh) !== 0xff) throw invalid('invalid stored block lengths');
    this.#length = low | (high << 8);
    this.#state = 'bytes';
    return true;
  }

  #copyStored(): boolean {
    for (; this.#length > 0; this.#length--) {
      if (this.#targetAt === this.#targetTo || !this.#need(8)) return false;
      this.#put(this.#take(8));
    }
    this.#endBlock();
    return true;
  }

  #readSizes(): boolean {
    if (!this.#need(14)) return false;
    this.#literalCount = this.#take(5) + 257;
    this.#distanceCount = this.#take(5) + 1;
    this.#codeCount = this.#take(4) + 4;
    if (this.#literalCount > 286 || this.#distanceCount > 30) throw invalid('too many length or distance symbols');
    this.#state = 'code-sizes';
    return true;
  }

  #readCodeSizes(): boolean {
    while (this.#lengths.length < this.#codeCount) {
      if (!this.#need(3)) return false;
      this.#lengths.push(this.#take(3));
    }
    const ordered = new Array<number>(CODE_ORDER.length).fill(0);
    for (const [index, length] of this.#lengths.entries()) ordered[CODE_ORDER[index]] = length;
    this.#codes = new HuffmanCodes(ordered);
    if (this.#codes.left !== 0) throw invalid('invalid code lengths set');
    this.#lengths = [];
    this.#state = 'code-lengths';
    return true;
  }

  #readCodeLengths(): boolean {
    const wanted = this.#literalCount + this.#distanceCount;
    while (this.#lengths.length < wanted) {
      const symbol = this.#peekSymbol(this.#codes, 'invalid code lengths set');
      const [extraBits, least] = REPEATS[symbol - 16] ?? [0, 1];
      if (symbol === STARVED || !this.#need(this.#codeBits + extraBits)) return false;
      this.#take(this.#codeBits);
      const repeated = symbol < 16 ? symbol : symbol === 16 ? this.#lengths.at(-1) : 0;
      const count = least + this.#take(extraBits);
      if (repeated === undefined || this.#lengths.length + count > wanted) throw invalid('invalid bit length repeat');
      for (let i = 0; i < count; i++) this.#lengths.push(repeated);
    }
    this.#useCodes();
    return true;
  }

  #useCodes(): void {
    if (this.#lengths[END_OF_BLOCK] === 0) throw invalid('invalid code -- missing end-of-block');
    this.#literals = new HuffmanCodes(this.#lengths.slice(0, this.#literalCount));
    if (!this.#literals.usable) throw invalid('invalid literal/lengths set');
    this.#distances = new HuffmanCodes(this.#lengths.slice(this.#literalCount));
    if (!this.#distances.usable) throw invalid('invalid distances set');
    this.#state = 'symbol';
  }

  #readSymbols(): boolean {
    while (this.#targetAt < this.#targetTo) {
      const symbol = this.#peekSymbol(this.#literals, 'invalid literal/length code');
      const index = symbol - END_OF_BLOCK - 1;
      if (index >= LENGTH_BASE.length) throw invalid('invalid literal/length code');
      const extraBits = index < 0 ? 0 : LENGTH_EXTRA[index];
      if (symbol === STARVED || !this.#need(this.#codeBits + extraBits)) return false;
      this.#take(this.#codeBits);
      if (symbol < END_OF_BLOCK) {
        this.#put(symbol);
        continue;
      }
      if (symbol === END_OF_BLOCK) {
        this.#endBlock();
        return true;
      }
      this.#length = LENGTH_BASE[index] + this.#take(extraBits);
      this.#state = 'distance';
      return true;
    }
    return false;
  }

  #readDistance(): boolean {
    const symbol = this.#peekSymbol(this.#distances, 'invalid distance code');
    if (symbol === STARVED) return false;
    if (symbol >= DISTANCE_BASE.length) throw invalid('invalid distance code');
    this.#take(this.#codeBits);
    this.#distanceSymbol = symbol;
    this.#state = 'distance-bits';
    return true;
  }

  #readDistanceBits(): boolean {
    const extraBits = DISTANCE_EXTRA[this.#distanceSymbol];
    if (!this.#need(extraBits)) return false;
    this.#distance = DISTANCE_BASE[this.#distanceSymbol] + this.#take(extraBits);
    if (this.#distance > this.#have) throw invalid('invalid distance too far back');
    this.#state = 'copy';
    return true;
  }

  #copy(): boolean {
    const window = this.#window;
    for (; this.#length > 0; this.#length--) {
      if (this.#targetAt === this.#targetTo) return false;
      this.#put(window[(this.#at - this.#distance) & (WINDOW - 1)]);
    }
    this.#state = 'symbol';
    return true;
  }

  #put(byte: number): void {
    this.#target[this.#targetAt++] = byte;
    this.#window[this.#at] = byte;
    this.#at = (this.#at + 1) & (WINDOW - 1);
    if (this.#have < WINDOW) this.#have++;
  }

  /**
   * Looks at the next symbol and leaves its code where it is; `#codeBits` tells how long that is.
   * @returns STARVED when the input ends inside it.
   */
  #peekSymbol(codes: HuffmanCodes, wrong: string): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      if (this.#bitCount < length && !this.#need(length)) return STARVED;
      code |= (this.#bits >> (length - 1)) & 1;
      const count = codes.counts[length];
      if (code - first < count) {
        this.#codeBits = length;
        return codes.symbols[index + code - first];
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw invalid(wrong);
  }

  /** Takes bytes of the input until so many bits are there. @returns false when the input ends before. */
  #need(count: number): boolean {
    while (this.#bitCount < count) {
      if (this.#from === this.#to) return false;
      this.#bits |= this.#input[this.#from++] << this.#bitCount;
      this.#bitCount += 8;
    }
    return true;
  }

  /** Pre: so many bits are there. */
  #take(count: number): number {
    const value = this.#bits & ((1 << count) - 1);
    this.#bits >>>= count;
    this.#bitCount -= count;
    return value;
  }
}

function bases(extraBits: readonly number[], least: number): number[] {
  let base = least;
  return extraBits.map((bits) => {
    base += 1 << bits;
    return base - (1 << bits);
  });
}

function invalid(message: string): Error {
  return Object.assign(new Error(message), { code: 'Z_DATA_ERROR' });
}
