/**
 * A message from its frames: fragments joined, deflated payloads inflated, the limit on the whole kept.
 *
 * Fragments are copied together as they come, into memory that doubles: ten thousand tiny ones cost their bytes and no
 * object each, so they need no limit of their own. The framer has checked their order and uncompressed text.
 */
import { isUtf8 } from 'node:buffer';
import { ProtocolError } from '../errors.js';
import type { Compressor } from './compressor.js';
import { messageTooLarge } from './faults.js';
import { FIN, OP_BINARY, OP_TEXT, OPCODE_MASK, RSV1 } from './opcodes.js';

/** Bytes. Memory for the first fragment of a message. */
const SMALLEST = 256;

/** A message that is complete. */
export interface Assembled {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  readonly isText: boolean;
  /** The memory is somebody else's: the frame's, or the thread's for what is inflated next. */
  readonly lent: boolean;
}

export class MessageAssembly {
  readonly #maxLength: number;
  readonly #deflate: Compressor | undefined;
  /** Of inflated text; what is not compressed the framer has looked at. */
  readonly #checkUtf8: boolean;
  #joined: Buffer = NOTHING;
  #length = 0;
  /** Where in the stream the message at hand begins. */
  #offset = 0;
  #open = false;
  #isText = false;
  #compressed = false;

  constructor(maxLength: number, deflate: Compressor | undefined, { checkUtf8 = true } = {}) {
    this.#maxLength = maxLength;
    this.#deflate = deflate;
    this.#checkUtf8 = checkUtf8;
  }

  /** A message has begun and not ended. */
  get open(): boolean {
    return this.#open;
  }

  /**
   * Gives up the message that is open, for somebody who reads it in pieces.
   * @returns its first byte, what has come, and where in the stream it begins.
   */
  takeOpen(): { first: number; bytes: Buffer; offset: number } | undefined {
    if (!this.#open) return undefined;
    const first = (this.#isText ? OP_TEXT : OP_BINARY) | (this.#compressed ? RSV1 : 0);
    const bytes = this.#joined.subarray(0, this.#length);
    this.#open = false;
    this.#joined = NOTHING;
    this.#length = 0;
    return { first, bytes, offset: this.#offset };
  }

  /**
   * Adds a frame's payload.
   * @param offset where in the stream the frame is; that of a message's first is its errors'.
   * @returns the message, where this was its last frame; its memory is the caller's until the next call.
   * @throws LimitError ERR_MESSAGE_TOO_LARGE; ProtocolError ERR_INVALID_DEFLATE, ERR_INVALID_UTF8
   */
  add(first: number, bytes: Buffer, from: number, to: number, offset: number): Assembled | undefined {
    if (!this.#open) {
      this.#open = true;
      this.#offset = offset;
      this.#isText = (first & OPCODE_MASK) === OP_TEXT;
      this.#compressed = (first & RSV1) !== 0;
      if ((first & FIN) !== 0) {
        if (!this.#compressed && to - from > this.#maxLength) throw messageTooLarge(this.#maxLength, this.#offset);
        return this.#complete(bytes, from, to);
      }
    }
    const most = this.#compressed ? mostCompressed(this.#maxLength) : this.#maxLength;
    if (this.#length + to - from > most) throw messageTooLarge(this.#maxLength, this.#offset);
    this.#join(bytes, from, to);
    return (first & FIN) === 0 ? undefined : this.#complete(this.#joined, 0, this.#length);
  }

  #join(bytes: Buffer, from: number, to: number): void {
    const length = this.#length + to - from;
    if (length > this.#joined.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(SMALLEST, 2 * this.#joined.length, length));
      this.#joined.copy(grown, 0, 0, this.#length);
      this.#joined = grown;
    }
    bytes.copy(this.#joined, this.#length, from, to);
    this.#length = length;
  }

  #complete(bytes: Buffer, from: number, to: number): Assembled {
    const offset = this.#offset;
    const isText = this.#isText;
    const compressed = this.#compressed;
    const lent = bytes !== this.#joined;
    this.#open = false;
    this.#joined = NOTHING;
    this.#length = 0;
    if (!compressed) return { bytes, from, to, isText, lent };
    const inflated = this.#deflate!.inflate(bytes, from, to, this.#maxLength, offset);
    if (isText && this.#checkUtf8 && !isUtf8(inflated)) {
      const message = 'Cannot take the text: it is not valid UTF-8 (RFC 6455 §8.1)';
      throw new ProtocolError('ERR_INVALID_UTF8', { protocol: 'websocket', offset, message });
    }
    return { bytes: inflated, from: 0, to: inflated.length, isText, lent: true };
  }
}

const NOTHING = Buffer.alloc(0);

/** Bytes. What a message of `length` bytes has at most when deflating does not make it smaller: five per stored block. */
export function mostCompressed(length: number): number {
  return length + 64 + Math.ceil(length / 1024);
}

/** Bytes. Payloads of frames up to here are within a limit of which `mostCompressed` is `most`, compressed or not. */
export function surelyWithin(most: number): number {
  return most - mostCompressed(0) - Math.ceil(most / 1024);
}
