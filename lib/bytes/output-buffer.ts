/**
 * Bytes on their way out: the queue that a codec encodes into and a byte stream takes from.
 *
 * Small writes are copied to pages that all output buffers of a thread share, each filling on where the last stopped,
 * so that an idle connection holds no memory and a busy one gives the layer below few, large pieces. Payloads from
 * BY_REFERENCE_FROM up are sent from where they lie. Page bytes are written again only once the layer below has said that
 * it is done with them: else whoever holds a piece of a page may keep it as long as it likes.
 */
import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';
import { outOfRange } from '../arguments.js';
import { UsageError } from '../errors.js';
import { BY_REFERENCE_FROM } from '../limits.js';
import { type Block, blockOf } from './blocks.js';
import { asBuffer, checkAttached } from './input-buffer.js';
import { makeRoom, page } from './output-pages.js';
import { type Finish, finish, isGone, keep, type Piece } from './output-piece.js';
import { isPage } from './pages.js';
import { viewOf } from './view.js';

/** Up to this many characters a loop beats the call into Node's encoder. */
const SHORT_TEXT = 32;
/** Bytes. Up to here a loop beats a call. */
const SHORT_BYTES = 16;

/** By how many bytes they have: what unsigned integers are below. */
const UINT_ENDS = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((byteLength) =>
  byteLength === 0 ? 0 : 2 ** Math.min(8 * byteLength, 53),
);

/** Pieces from which lent memory is copied instead: one gather write takes 64. */
const MOST_LENT_PIECES = 32;

const NO_PIECES: Piece[] = [];
/** The layer below keeps what it has taken. */
const KEPT_BELOW = { freed: false };

/** The output side of a framed stream: bytes that were encoded and have not left. */
export class OutputBuffer {
  /** Shared while nothing waits: most connections are idle. */
  #pieces: Piece[] = NO_PIECES;
  /** First piece that has bytes left. */
  #first = 0;
  #length = 0;
  #taken = 0;
  /** There may be pieces of lent memory. */
  #lent = false;

  /** Bytes waiting. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that have left since the beginning. */
  get offset(): number {
    return this.#taken;
  }

  /**
   * Queues bytes[from, to). Below 16 KiB, and for memory that may be resized or is shared, they are copied at once;
   * otherwise the memory is sent from where it lies and must not change until it has been flushed.
   * @throws UsageError ERR_PAYLOAD_DETACHED when the memory is gone: it looks like an empty payload, and is none.
   */
  write(bytes: Uint8Array, from = 0, to = bytes.length): void {
    const size = to - from;
    if (size === 0) checkAttached(bytes);
    if (size < BY_REFERENCE_FROM) this.copy(asBuffer(bytes), from, to);
    else if (isUnstable(bytes)) this.queue(Buffer.from(bytes.subarray(from, to)), 0, size);
    else this.queue(asBuffer(bytes), from, to);
  }

  /** Queues a copy of a few bytes that are known to be there: a separator, a prefix. Internal. */
  writeFew(bytes: Buffer): void {
    this.copy(bytes, 0, bytes.length);
  }

  /** Queues a copy of bytes[from, to), whatever its size. */
  writeCopy(bytes: Uint8Array, from = 0, to = bytes.length): void {
    if (to === from) checkAttached(bytes);
    if (to - from < BY_REFERENCE_FROM) this.copy(asBuffer(bytes), from, to);
    else this.queue(Buffer.from(bytes.subarray(from, to)), 0, to - from);
  }

  /**
   * Queues bytes[from, to) where they lie, whatever their size; a stretch that continues the last one costs nothing.
   * Internal. Pre: from < to.
   * @param lent the memory is the caller's again after `keepLent`; otherwise it never changes.
   */
  writeInPlace(bytes: Buffer, from: number, to: number, { lent }: { lent: boolean }): void {
    const pieces = this.#pieces;
    const count = pieces.length - this.#first;
    if (count > 0) {
      const last = pieces[pieces.length - 1]!;
      if (last.bytes === bytes && last.end === from && last.lent === lent) {
        last.end = to;
        this.#length += to - from;
        return;
      }
    }
    if (count >= MOST_LENT_PIECES) return this.writeCopy(bytes, from, to);
    this.#length += to - from;
    this.#lent ||= lent;
    this.add({ bytes, start: from, end: to, expected: bytes.length, lent });
  }

  /** Queues bytes of a block that was leased for them; it is given back when they have left. Internal. */
  writeBlock(block: Block, from: number, to: number): void {
    const { bytes, drop } = block;
    this.#length += to - from;
    this.add({ bytes, start: from, end: to, expected: bytes.length, lent: false, drop });
  }

  /** True when what waits may lie in lent memory. Internal. */
  get lent(): boolean {
    return this.#lent;
  }

  /** Copies what is left of lent memory: it is its owner's again. Internal. */
  keepLent(): void {
    if (!this.#lent) return;
    this.#lent = false;
    for (let i = this.#first; i < this.#pieces.length; i++) {
      const piece = this.#pieces[i]!;
      if (!piece.lent) continue;
      const block = blockOf(piece.bytes);
      if (block === undefined) {
        keep(piece);
        continue;
      }
      piece.lent = false;
      block.hold();
      piece.drop = block.drop;
    }
  }

  /** Copies what is left of `bytes`, which were queued by reference: they are their owner's again. Internal. */
  keepOf(bytes: Uint8Array): void {
    const { buffer, byteOffset, byteLength } = bytes;
    for (let i = this.#first; i < this.#pieces.length; i++) {
      const piece = this.#pieces[i]!;
      // Memory that is gone has nothing to copy; the next `peek` says so.
      if (piece.bytes.buffer !== buffer || isGone(piece)) continue;
      const start = piece.bytes.byteOffset + piece.start;
      const end = piece.bytes.byteOffset + piece.end;
      if (start < byteOffset + byteLength && end > byteOffset) keep(piece);
    }
  }

  /**
   * Memory for `most` bytes at the end of the queue, from `roomStart` on: for headers and payloads that are written by
   * hand. Say with `fill` how many there are. Internal.
   */
  room(most: number): Buffer {
    makeRoom(most);
    return page.bytes;
  }

  /** Where in `room` to begin. Internal. */
  get roomStart(): number {
    return page.end;
  }

  /** So many bytes have been written at `roomStart`. Internal. Pre: `room` was asked for as many, and nothing written since. */
  fill(byteCount: number): void {
    this.claim(byteCount);
  }

  /**
   * The same, but `finish` changes them before anybody takes them: once for all that have come to lie one behind the other
   * by then, which costs less than for each. Internal.
   */
  fillUnfinished(byteCount: number, finish: Finish): void {
    this.claim(byteCount, finish);
  }

  /** Queues a byte. @throws ERR_OUT_OF_RANGE */
  writeByte(byte: number): void {
    if (byte !== (byte & 0xff)) throw outOfRange('byte', '>= 0 && <= 255', byte);
    const at = this.claim(1);
    page.bytes[at] = byte;
  }

  /**
   * Queues an unsigned integer of 1 to 8 bytes.
   * @throws ERR_OUT_OF_RANGE for one that does not fit: a length that was cut would put the peer out of step for good.
   */
  writeUint(value: number, byteLength: number, endian: 'big' | 'little' = 'big'): void {
    if (!(Number.isInteger(value) && value >= 0 && value < UINT_ENDS[byteLength]!)) {
      throw outOfRange('value', `an integer of ${byteLength} bytes, at most 2^53 - 1`, value);
    }
    const at = this.claim(byteLength);
    if (byteLength === 4) return writeUint32(value, at, endian);
    const { bytes } = page;
    let rest = value;
    for (let i = 0; i < byteLength; i++) {
      bytes[endian === 'little' ? at + i : at + byteLength - 1 - i] = rest % 256;
      // Division, not a shift: the value may have 53 bits.
      rest = Math.floor(rest / 256);
    }
  }

  /** Queues a text. @returns its bytes. */
  writeText(text: string, encoding: 'utf8' | 'latin1' = 'utf8'): number {
    const size = text.length;
    const most = encoding === 'utf8' ? 3 * size : size;
    if (most >= BY_REFERENCE_FROM) {
      const bytes = Buffer.from(text, encoding);
      this.queue(bytes, 0, bytes.length);
      return bytes.length;
    }
    if (size === 0) return 0;
    makeRoom(most);
    const written = (size <= SHORT_TEXT && writeAscii(text, page.end)) || writeLong(text, most, encoding);
    this.claim(written);
    return written;
  }

  private copy(bytes: Buffer, from: number, to: number): void {
    const size = to - from;
    if (size === 0) return;
    const at = this.claim(size);
    const target = page.bytes;
    if (size <= SHORT_BYTES) for (let i = 0; i < size; i++) target[at + i] = bytes[from + i]!;
    // Without the view that `copy` makes of a part.
    else if (size === bytes.length) target.set(bytes, at);
    else bytes.copy(target, at, from, to);
  }

  /** Takes `size` bytes of the page for this buffer. @returns where they begin. */
  private claim(size: number, finishing?: Finish): number {
    makeRoom(size);
    const { bytes } = page;
    const at = page.claim(size);
    this.#length += size;
    const pieces = this.#pieces;
    if (pieces.length > this.#first) {
      const last = pieces[pieces.length - 1]!;
      if (last.bytes === bytes && last.end === at && last.finish === finishing) {
        last.end = at + size;
        return at;
      }
    }
    this.add({
      bytes,
      start: at,
      end: at + size,
      expected: bytes.length,
      lent: false,
      page,
      finish: finishing,
      finished: at,
    });
    return at;
  }

  private queue(bytes: Buffer, from: number, to: number): void {
    if (to === from) return;
    this.#length += to - from;
    this.add({ bytes, start: from, end: to, expected: bytes.length, lent: false });
  }

  private add(piece: Piece): void {
    if (this.#pieces === NO_PIECES) this.#pieces = [piece];
    else this.#pieces.push(piece);
  }

  /** Takes back what was written since so many bytes were waiting. Pre: nothing was consumed in between. */
  rollback(length: number): void {
    let excess = this.#length - length;
    this.#length = length;
    while (excess > 0) {
      const last = this.#pieces[this.#pieces.length - 1]!;
      const size = last.end - last.start;
      if (size > excess) {
        last.end -= excess;
        last.page?.free(excess);
        if (last.finished !== undefined) last.finished = Math.min(last.finished, last.end);
      } else {
        this.#pieces.pop();
        last.page?.free(size);
      }
      excess -= size;
    }
  }

  /**
   * What waits, oldest first, as views for one gather write; at most `most` of them.
   * @throws UsageError ERR_PAYLOAD_DETACHED when a payload sent by reference has lost or changed its memory.
   */
  peek(most = 64): Buffer[] {
    const views: Buffer[] = [];
    const end = Math.min(this.#pieces.length, this.#first + most);
    for (let i = this.#first; i < end; i++) {
      const piece = this.#pieces[i]!;
      if (isGone(piece)) throw new UsageError('ERR_PAYLOAD_DETACHED', { offset: this.#taken });
      finish(piece);
      views.push(viewOf(piece.bytes, piece.start, piece.end));
    }
    return views;
  }

  /**
   * The piece that waits, where it is a single one: for layers that take a range. Internal.
   * @throws UsageError ERR_PAYLOAD_DETACHED, as `peek`.
   */
  single(): Readonly<Pick<Piece, 'bytes' | 'start' | 'end'>> | undefined {
    if (this.#pieces.length - this.#first !== 1) return undefined;
    const piece = this.#pieces[this.#first]!;
    if (isGone(piece)) throw new UsageError('ERR_PAYLOAD_DETACHED', { offset: this.#taken });
    finish(piece);
    return piece;
  }

  /**
   * Drops the first `byteCount` bytes: they have been taken by the layer below.
   * @param freed it is done with their memory, which may be written again.
   */
  consume(byteCount: number, { freed }: { freed: boolean } = KEPT_BELOW): void {
    this.#length -= byteCount;
    this.#taken += byteCount;
    let left = byteCount;
    while (left > 0) {
      const piece = this.#pieces[this.#first]!;
      const size = piece.end - piece.start;
      if (left < size) {
        piece.start += left;
        if (freed) piece.page?.free(left);
        return;
      }
      left -= size;
      if (freed) piece.page?.free(size);
      piece.drop?.();
      this.#first++;
    }
    if (this.#first === this.#pieces.length) {
      this.#pieces = NO_PIECES;
      this.#first = 0;
    } else if (this.#first >= 64) {
      this.#pieces.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Drops everything: the stream is gone. */
  clear(): void {
    for (let i = this.#first; i < this.#pieces.length; i++) this.#pieces[i]!.drop?.();
    this.#pieces = NO_PIECES;
    this.#first = 0;
    this.#length = 0;
    this.#lent = false;
  }

  [inspect.custom](): string {
    return `OutputBuffer { length: ${this.#length}, offset: ${this.#taken} }`;
  }
}

/** True for memory that can change its size under us, is written by other threads, or is a record's that was borrowed. */
export function isUnstable(bytes: Uint8Array): boolean {
  const buffer = bytes.buffer as ArrayBufferLike & { resizable?: boolean };
  return buffer.resizable === true || !(buffer instanceof ArrayBuffer) || isPage(buffer);
}

/** The width that most protocols use. */
function writeUint32(value: number, at: number, endian: 'big' | 'little'): void {
  const { bytes } = page;
  const [first, step] = endian === 'big' ? [at + 3, -1] : [at, 1];
  bytes[first] = value & 0xff;
  bytes[first + step] = (value >>> 8) & 0xff;
  bytes[first + 2 * step] = (value >>> 16) & 0xff;
  bytes[first + 3 * step] = value >>> 24;
}

/** Writes an ASCII text to the page. @returns its length, or 0 when a character is not ASCII. */
function writeAscii(text: string, at: number): number {
  const { bytes } = page;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return 0;
    bytes[at + i] = code;
  }
  return text.length;
}

function writeLong(text: string, most: number, encoding: 'utf8' | 'latin1'): number {
  return encoding === 'utf8'
    ? page.bytes.utf8Write(text, page.end, most)
    : page.bytes.latin1Write(text, page.end, most);
}
