/**
 * The miniprotocol of HTTP/1.1 heads: a start line, header lines, an empty line. Bodies are none of its business.
 *
 *   state       on                         next
 *   start line  a whole line               header lines
 *   header      a line that is not empty   header lines; one more field
 *   header      an empty line              start line; the head is given out, and consumed
 *
 * Every byte is looked at once, and a line is judged as soon as it has ended, so that a peer that speaks another protocol
 * is told so before it has sent a whole head. Nothing is consumed before the head is complete.
 */
import { checkInteger, checkObject } from '../arguments.js';
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import type { Codec } from '../codecs/codec.js';
import { LimitError, ProtocolError } from '../errors.js';
import { LARGEST_MAX_LENGTH, MAX_HEAD_BYTES, MAX_HEADER_COUNT } from '../limits.js';
import type { NotReady } from '../status.js';
import {
  HTTP_HEAD,
  invalidHead,
  parseFieldLine,
  parseRequestLine,
  parseStatusLine,
  type RequestHead,
  type ResponseHead,
  serializeRequestHead,
  serializeResponseHead,
} from './head.js';

/** How large a head may be. */
export interface HeadLimits {
  /** Bytes of a whole head, its empty line included. Default 16 KiB. */
  maxHeaderBytes?: number;
  /** Header fields of one head. Default 128. */
  maxHeaderCount?: number;
}

/** A codec for the heads of requests. It keeps state, so it serves one stream. */
export function requestHeads(limits: HeadLimits = {}): HeadCodec<RequestHead> {
  return new HeadCodec(parseRequestLine, serializeRequestHead, limits);
}

/** A codec for the heads of responses. It keeps state, so it serves one stream. */
export function responseHeads(limits: HeadLimits = {}): HeadCodec<ResponseHead> {
  return new HeadCodec(parseStatusLine, serializeResponseHead, limits);
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE */
export function checkHeadLimits(limits: HeadLimits): Required<HeadLimits> {
  checkObject('options', limits);
  const { maxHeaderBytes = MAX_HEAD_BYTES, maxHeaderCount = MAX_HEADER_COUNT } = limits;
  checkInteger('options.maxHeaderBytes', maxHeaderBytes, 1, LARGEST_MAX_LENGTH);
  checkInteger('options.maxHeaderCount', maxHeaderCount, 0, LARGEST_MAX_LENGTH);
  return { maxHeaderBytes, maxHeaderCount };
}

const LF = 0x0a;
const CR = 0x0d;
const HTAB = 0x09;
const SPACE = 0x20;
const DELETE = 0x7f;

/** See `requestHeads`, `responseHeads`. */
export class HeadCodec<H extends RequestHead | ResponseHead> implements Codec<H> {
  readonly name = HTTP_HEAD;
  readonly #parseStart: (line: string, offset: number) => H;
  readonly #serialize: (head: H) => string;
  readonly #limits: Required<HeadLimits>;
  /** What has been read of the head so far. */
  #head: H | undefined;
  /** Bytes of the head that were looked at; 0 <= examined <= maxHeaderBytes. */
  #examined = 0;
  /** Where the line begins that is being looked at. */
  #lineStart = 0;

  constructor(parseStart: (line: string, offset: number) => H, write: (head: H) => string, limits: HeadLimits) {
    this.#parseStart = parseStart;
    this.#serialize = write;
    this.#limits = checkHeadLimits(limits);
  }

  /** True once the start line is there: what came so far is a head of HTTP. */
  get begun(): boolean {
    return this.#head !== undefined;
  }

  decode(input: InputBuffer): H | NotReady {
    const { maxHeaderBytes } = this.#limits;
    const { offset } = input;
    const end = Math.min(input.length, maxHeaderBytes);
    if (end > this.#examined && this.#examine(input.peek(end), offset)) return this.#take(input);
    if (end < maxHeaderBytes) return input.need(end + 1);
    const message = `the head is longer than maxHeaderBytes, ${maxHeaderBytes} bytes`;
    throw new LimitError('ERR_HEAD_TOO_LARGE', { message, offset, protocol: HTTP_HEAD });
  }

  /** @returns true when the head is complete, and ends where `#examined` is. */
  #examine(bytes: Buffer, offset: number): boolean {
    while (this.#examined < bytes.length) {
      const at = this.#examined++;
      const byte = bytes[at]!;
      const afterCr = at > this.#lineStart && bytes[at - 1] === CR;
      if (byte === LF) {
        if (!afterCr) throw new ProtocolError('ERR_BARE_LF', { offset, protocol: HTTP_HEAD });
        if (this.#line(bytes.toString('latin1', this.#lineStart, at - 1), offset)) return true;
        this.#lineStart = at + 1;
      } else if (afterCr) throw new ProtocolError('ERR_BARE_CR', { offset, protocol: HTTP_HEAD });
      else if ((byte < SPACE && byte !== HTAB && byte !== CR) || byte === DELETE) {
        throw invalidHead(`a line has the control character 0x${byte.toString(16).padStart(2, '0')}`, offset);
      }
    }
    return false;
  }

  /** @returns true for the empty line that ends a head. */
  #line(line: string, offset: number): boolean {
    if (this.#head === undefined) {
      this.#head = this.#parseStart(line, offset);
      return false;
    }
    if (line === '') return true;
    const { headers } = this.#head;
    const { maxHeaderCount } = this.#limits;
    if (headers.size >= maxHeaderCount) {
      const message = `the head has more fields than maxHeaderCount, ${maxHeaderCount}`;
      throw new LimitError('ERR_TOO_MANY_HEADERS', { message, offset, protocol: HTTP_HEAD });
    }
    parseFieldLine(line, headers, offset);
    return false;
  }

  #take(input: InputBuffer): H {
    const head = this.#head!;
    input.consume(this.#examined);
    this.#head = undefined;
    this.#examined = 0;
    this.#lineStart = 0;
    return head;
  }

  encode(head: H, output: OutputBuffer): true {
    output.write(Buffer.from(this.#serialize(head), 'latin1'));
    return true;
  }
}
