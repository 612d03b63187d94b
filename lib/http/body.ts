/**
 * The beginning of an HTTP/1.1 body, for showing why a server refused.
 *
 * Not a reader of bodies: the connection is closed behind it, so that what is odd about a body merely ends it.
 *
 *   state   on                                 next
 *   size    the line of a chunk's size         data; end when it is 0, or none
 *   data    the last byte of a chunk           size
 *   data    the last byte of Content-Length    end
 *   any     the limit                          end
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { HeaderList } from './header-list.js';

/** Bytes. A chunk's size and extensions that nobody uses. */
const LONGEST_SIZE_LINE = 256;
const CRLF = Buffer.from('\r\n');

export class BodyBeginning {
  readonly #parts: Buffer[] = [];
  readonly #chunked: boolean;
  #state: 'size' | 'data' | 'end' = 'data';
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left: number;
  /** Bytes that may still be kept. */
  #room: number;

  /** @param limit bytes that are of use */
  constructor(headers: HeaderList, limit: number) {
    this.#chunked = /\bchunked$/i.test(headers.get('transfer-encoding') ?? '');
    this.#left = this.#chunked ? 0 : Number(headers.get('content-length') ?? limit) || 0;
    this.#room = limit;
    if (this.#chunked) this.#state = 'size';
  }

  /** What has been kept. */
  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** Takes what is there. @returns true when no more is of use. */
  take(input: InputBuffer): boolean {
    for (;;) {
      if (this.#state === 'data') this.#takeData(input);
      if (this.#state === 'size' && !this.#takeSize(input)) return false;
      if (this.#state === 'end') return true;
      if (this.#state === 'data' && input.length === 0) return false;
    }
  }

  #takeData(input: InputBuffer): void {
    const size = Math.min(this.#left, this.#room, input.length);
    this.#parts.push(input.take(size));
    this.#left -= size;
    this.#room -= size;
    if (this.#room === 0) this.#state = 'end';
    else if (this.#left === 0) this.#state = this.#chunked ? 'size' : 'end';
  }

  /** @returns false when the line is not there yet. RFC 9112 §7.1 */
  #takeSize(input: InputBuffer): boolean {
    // The end of the chunk before stands in front.
    if (this.#parts.length > 0 && input.length < 2) return false;
    const from = this.#parts.length > 0 ? 2 : 0;
    const lineEnd = input.indexOf(CRLF, from);
    if (lineEnd < 0 && input.length < LONGEST_SIZE_LINE) return false;
    const line = lineEnd < 0 ? '' : input.peek(lineEnd).toString('latin1', from);
    this.#left = Number.parseInt(/^[0-9a-f]{1,8}/i.exec(line)?.[0] ?? '0', 16);
    this.#state = this.#left === 0 ? 'end' : 'data';
    input.consume(Math.max(0, lineEnd) + (lineEnd < 0 ? 0 : 2));
    return true;
  }
}
