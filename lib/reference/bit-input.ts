/**
 * Input that is read in bits, the lowest of each byte first, and may end anywhere: then nothing is taken. RFC 1951 §3.1.1
 */
import type { HuffmanCodes } from './huffman-codes.js';

/** The code is not all there. */
export const STARVED = -1;
const MAX_CODE_BITS = 15;

export class BitInput {
  bytes: Uint8Array = new Uint8Array(0);
  from = 0;
  to = 0;
  /** Bits taken from the bytes and not used, the next one lowest; 0 <= bitCount < 32. */
  bits = 0;
  bitCount = 0;
  /** Bits of the code that was looked at last. */
  codeBits = 0;

  /** Bytes that were not taken. */
  get left(): number {
    return this.to - this.from;
  }

  /** Goes on with other bytes. */
  give(bytes: Uint8Array, from: number, to: number): void {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  /** Takes bytes until so many bits are there, 20 at most. @returns false when the bytes end before. */
  need(count: number): boolean {
    while (this.bitCount < count) {
      if (this.from === this.to) return false;
      this.bits |= this.bytes[this.from++] << this.bitCount;
      this.bitCount += 8;
    }
    return true;
  }

  /** Pre: so many bits are there. */
  take(count: number): number {
    const value = this.bits & ((1 << count) - 1);
    this.bits >>>= count;
    this.bitCount -= count;
    return value;
  }

  /**
   * Looks at the next symbol and leaves its code where it is; `codeBits` tells how long that is.
   * @returns STARVED when the bytes end inside it.
   * @throws dataError(wrong) when no code begins like this.
   */
  peek(codes: HuffmanCodes, wrong: string): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      if (this.bitCount < length && !this.need(length)) return STARVED;
      code |= (this.bits >> (length - 1)) & 1;
      const count = codes.counts[length];
      if (code - first < count) {
        this.codeBits = length;
        return codes.symbols[index + code - first];
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw dataError(wrong);
  }

  /** Puts back what somebody took out to read by himself; `bits` may have more than the `bitCount` that count. */
  resume(from: number, bits: number, bitCount: number): void {
    this.from = from;
    this.bits = bits & ((1 << bitCount) - 1);
    this.bitCount = bitCount;
  }
}

/** zlib's error for input that is not valid. */
export function dataError(message: string): Error {
  return Object.assign(new Error(message), { code: 'Z_DATA_ERROR' });
}
