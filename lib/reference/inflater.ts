/**
 * Inflating (RFC 1951) that can stop anywhere: when its input is used up, and when its target is full.
 *
 * Node's own synchronous functions inflate a whole buffer or nothing, which would let a bomb have its way. Every state
 * goes on with whatever input and room there are; the symbols of a block, as long as there is plenty of both, by a loop
 * of their own, some times slower than zlib. What is wrong is said in zlib's words.
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
import { BitInput, dataError, STARVED } from './bit-input.js';
import {
  CODE_ORDER,
  DISTANCE_BASE,
  DISTANCE_EXTRA,
  END_OF_BLOCK,
  LENGTH_BASE,
  LENGTH_EXTRA,
  REPEATS,
} from './deflate-symbols.js';
import {
  FIXED_DISTANCES,
  FIXED_LITERALS,
  HuffmanCodes,
  LENGTH_BITS,
  LENGTH_MASK,
  LOOKUP_MASK,
} from './huffman-codes.js';

const WINDOW = 32768;
/** What one length and distance take at most, in bytes of input, with what is read ahead, and of output. */
const PLENTY_OF_INPUT = 12;
const PLENTY_OF_ROOM = 258;
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
  /** The newest `#have` bytes of what came out before this call, up to `#at`. */
  readonly #window = new Uint8Array(WINDOW);
  /** 0 <= at < WINDOW. */
  #at = 0;
  /** 0 <= have <= WINDOW. */
  #have = 0;
  #state: State = 'block';
  readonly #input = new BitInput();
  #target: Uint8Array = this.#window;
  #targetFrom = 0;
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

  /** @param history what may be referred to; of more than 32 KiB the last. */
  constructor(history: Uint8Array) {
    this.#remember(history, 0, history.length);
  }

  /** Bytes of the input that were not taken. */
  get left(): number {
    return this.#input.left;
  }

  /** True behind a final block that nothing has followed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** True where a message may end: between blocks, with no bit left over. */
  get between(): boolean {
    return this.#state === 'block' && this.#input.bitCount === 0;
  }

  /** The last `most` bytes of what came out, or was there before. */
  recent(most: number): Uint8Array {
    const length = Math.min(most, this.#have);
    const recent = new Uint8Array(length);
    const first = Math.min(length, this.#at);
    recent.set(this.#window.subarray(this.#at - first, this.#at), length - first);
    recent.set(this.#window.subarray(WINDOW - (length - first)), 0);
    return recent;
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
    this.#input.give(bytes, from, to);
    this.#target = target;
    this.#targetFrom = targetFrom;
    this.#targetAt = targetFrom;
    this.#targetTo = targetTo;
    while (this.#step());
    this.#remember(target, targetFrom, this.#targetAt);
    return this.#targetAt - targetFrom;
  }

  /** Puts what came out into the window. */
  #remember(bytes: Uint8Array, from: number, to: number): void {
    const kept = bytes.subarray(Math.max(from, to - WINDOW), to);
    const first = Math.min(kept.length, WINDOW - this.#at);
    this.#window.set(kept.subarray(0, first), this.#at);
    this.#window.set(kept.subarray(first), 0);
    this.#at = (this.#at + kept.length) & (WINDOW - 1);
    this.#have = Math.min(WINDOW, this.#have + kept.length);
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
    if (!this.#input.need(3)) return false;
    const header = this.#input.take(3);
    this.#ended = false;
    this.#final = (header & 1) === 1;
    this.#literals = FIXED_LITERALS;
    this.#distances = FIXED_DISTANCES;
    if (header >> 1 === 3) throw dataError('invalid block type');
    this.#state = header >> 1 === 0 ? 'stored' : header >> 1 === 1 ? 'symbol' : 'sizes';
    this.#lengths = [];
    return true;
  }

  /** What follows a final block begins with a byte of its own. RFC 7692 §7.2.3.4 */
  #endBlock(): void {
    this.#state = 'block';
    if (!this.#final) return;
    this.#ended = true;
    this.#input.take(this.#input.bitCount & 7);
  }

  #beginStored(): boolean {
    this.#input.take(this.#input.bitCount & 7);
    const { length } = this.#lengths;
    if (!this.#input.need(8)) return false;
    this.#lengths[length] = this.#input.take(8);
    if (length < 3) return true;
    const [low, high, notLow, notHigh] = this.#lengths;
    if ((low ^ notLow) !== 0xff || (high ^ notHigh) !== 0xff) throw dataError('invalid stored block lengths');
    this.#length = low | (high << 8);
    this.#state = 'bytes';
    return true;
  }

  #copyStored(): boolean {
    for (; this.#length > 0; this.#length--) {
      if (this.#targetAt === this.#targetTo || !this.#input.need(8)) return false;
      this.#target[this.#targetAt++] = this.#input.take(8);
    }
    this.#endBlock();
    return true;
  }

  #readSizes(): boolean {
    if (!this.#input.need(14)) return false;
    this.#literalCount = this.#input.take(5) + 257;
    this.#distanceCount = this.#input.take(5) + 1;
    this.#codeCount = this.#input.take(4) + 4;
    if (this.#literalCount > 286 || this.#distanceCount > 30) throw dataError('too many length or distance symbols');
    this.#state = 'code-sizes';
    return true;
  }

  #readCodeSizes(): boolean {
    while (this.#lengths.length < this.#codeCount) {
      if (!this.#input.need(3)) return false;
      this.#lengths.push(this.#input.take(3));
    }
    const ordered = new Array<number>(CODE_ORDER.length).fill(0);
    for (const [index, length] of this.#lengths.entries()) ordered[CODE_ORDER[index]] = length;
    this.#codes = new HuffmanCodes(ordered);
    if (this.#codes.left !== 0) throw dataError('invalid code lengths set');
    this.#lengths = [];
    this.#state = 'code-lengths';
    return true;
  }

  #readCodeLengths(): boolean {
    const wanted = this.#literalCount + this.#distanceCount;
    while (this.#lengths.length < wanted) {
      const symbol = this.#input.peek(this.#codes, 'invalid code lengths set');
      const [extraBits, least] = REPEATS[symbol - 16] ?? [0, 1];
      if (symbol === STARVED || !this.#input.need(this.#input.codeBits + extraBits)) return false;
      this.#input.take(this.#input.codeBits);
      const repeated = symbol < 16 ? symbol : symbol === 16 ? this.#lengths.at(-1) : 0;
      const count = least + this.#input.take(extraBits);
      if (repeated === undefined || this.#lengths.length + count > wanted) throw dataError('invalid bit length repeat');
      for (let i = 0; i < count; i++) this.#lengths.push(repeated);
    }
    this.#useCodes();
    return true;
  }

  #useCodes(): void {
    if (this.#lengths[END_OF_BLOCK] === 0) throw dataError('invalid code -- missing end-of-block');
    this.#literals = new HuffmanCodes(this.#lengths.slice(0, this.#literalCount));
    if (!this.#literals.usable) throw dataError('invalid literal/lengths set');
    this.#distances = new HuffmanCodes(this.#lengths.slice(this.#literalCount));
    if (!this.#distances.usable) throw dataError('invalid distances set');
    this.#state = 'symbol';
  }

  #readSymbols(): boolean {
    while (this.#targetAt < this.#targetTo) {
      this.#readManySymbols();
      if (this.#state !== 'symbol') return true;
      if (this.#targetAt === this.#targetTo) return false;
      const symbol = this.#input.peek(this.#literals, 'invalid literal/length code');
      const index = symbol - END_OF_BLOCK - 1;
      if (index >= LENGTH_BASE.length) throw dataError('invalid literal/length code');
      const extraBits = index < 0 ? 0 : LENGTH_EXTRA[index];
      if (symbol === STARVED || !this.#input.need(this.#input.codeBits + extraBits)) return false;
      this.#input.take(this.#input.codeBits);
      if (symbol < END_OF_BLOCK) {
        this.#target[this.#targetAt++] = symbol;
        continue;
      }
      if (symbol === END_OF_BLOCK) {
        this.#endBlock();
        return true;
      }
      this.#length = LENGTH_BASE[index] + this.#input.take(extraBits);
      this.#state = 'distance';
      return true;
    }
    return false;
  }

  #readDistance(): boolean {
    const symbol = this.#input.peek(this.#distances, 'invalid distance code');
    if (symbol === STARVED) return false;
    if (symbol >= DISTANCE_BASE.length) throw dataError('invalid distance code');
    this.#input.take(this.#input.codeBits);
    this.#distanceSymbol = symbol;
    this.#state = 'distance-bits';
    return true;
  }

  #readDistanceBits(): boolean {
    const extraBits = DISTANCE_EXTRA[this.#distanceSymbol];
    if (!this.#input.need(extraBits)) return false;
    this.#distance = DISTANCE_BASE[this.#distanceSymbol] + this.#input.take(extraBits);
    if (this.#distance > this.#have + this.#targetAt - this.#targetFrom)
      throw dataError('invalid distance too far back');
    this.#state = 'copy';
    return true;
  }

  #copy(): boolean {
    const target = this.#target;
    const start = this.#targetFrom;
    for (; this.#length > 0; this.#length--) {
      if (this.#targetAt === this.#targetTo) return false;
      const source = this.#targetAt - this.#distance;
      target[this.#targetAt++] =
        source < start ? this.#window[(this.#at + source - start) & (WINDOW - 1)] : target[source];
    }
    this.#state = 'symbol';
    return true;
  }

  /**
   * Reads symbols with short codes as long as there is plenty of input and room, and leaves the first that is anything
   * else. All state is in variables here, which is what makes it fast, and what makes it long.
   */
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: parts of it would have to give each other all variables.
  #readManySymbols(): void {
    const { lookup: literals } = this.#literals;
    const { lookup: distances } = this.#distances;
    const { bytes: input, from: first } = this.#input;
    const target = this.#target;
    const start = this.#targetFrom;
    const lastFrom = this.#input.to - PLENTY_OF_INPUT;
    const lastAt = this.#targetTo - PLENTY_OF_ROOM;
    let from = first;
    let at = this.#targetAt;
    let { bits } = this.#input;
    let count = this.#input.bitCount;
    while (from <= lastFrom && at <= lastAt) {
      for (; count < 24; count += 8) bits |= input[from++] << count;
      const entry = literals[bits & LOOKUP_MASK];
      const index = (entry >> LENGTH_BITS) - END_OF_BLOCK - 1;
      if (entry === 0 || index === -1 || index >= LENGTH_BASE.length) break;
      bits >>>= entry & LENGTH_MASK;
      count -= entry & LENGTH_MASK;
      if (index < 0) {
        target[at++] = entry >> LENGTH_BITS;
        continue;
      }
      let length = LENGTH_BASE[index] + (bits & ((1 << LENGTH_EXTRA[index]) - 1));
      bits >>>= LENGTH_EXTRA[index];
      count -= LENGTH_EXTRA[index];
      for (; count < 24; count += 8) bits |= input[from++] << count;
      const distanceEntry = distances[bits & LOOKUP_MASK];
      const symbol = distanceEntry >> LENGTH_BITS;
      if (distanceEntry === 0 || symbol >= DISTANCE_BASE.length) {
        this.#length = length;
        this.#state = 'distance';
        break;
      }
      bits >>>= distanceEntry & LENGTH_MASK;
      count -= distanceEntry & LENGTH_MASK;
      for (; count < 24; count += 8) bits |= input[from++] << count;
      const distance = DISTANCE_BASE[symbol] + (bits & ((1 << DISTANCE_EXTRA[symbol]) - 1));
      bits >>>= DISTANCE_EXTRA[symbol];
      count -= DISTANCE_EXTRA[symbol];
      if (distance > this.#have + at - start) throw dataError('invalid distance too far back');
      let source = at - distance;
      for (; length > 0 && source < start; length--) {
        target[at++] = this.#window[(this.#at + source++ - start) & (WINDOW - 1)];
      }
      for (; length > 0; length--) target[at++] = target[source++];
    }
    // Whole bytes that were read ahead go back to where they came from.
    for (; count >= 8 && from > first; count -= 8) from--;
    this.#input.resume(from, bits, count);
    this.#targetAt = at;
  }
}
