/**
 * What comes from the stream below, on its way through the engine into the input.
 *
 * Everything that the stream below has is opened where it lies, one crossing for each piece, straight into memory of the
 * input: large pieces into pages of the thread's pool, small ones into one that is copied from. While a watcher is called
 * the input borrows the page, and what it does not consume is copied then.
 */

import { bufferCounters } from '../bytes/buffer-counters.js';
import type { InputBuffer } from '../bytes/input-buffer.js';
import { allocatePage } from '../bytes/pages.js';
import { EOF, type Eof, type NeedWrite, type NotReady } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { TLS_SLACK, type TlsInterface } from '../tls-interface.js';

/** Bytes of a page: larger than those of sockets, so that what 64 KiB become is opened in one piece. */
const PAGE_BYTES = 96 * 1024;
/** Bytes opened at once: with these a page has room for whatever comes out. */
const PIECE = PAGE_BYTES - TLS_SLACK;
/** Pages kept for the next ones, of each thread. */
const MOST_FREE = 8;
/** Bytes. Less plaintext than this is copied out of its page at once, so that a slow reader holds no page for a line. */
const COPY_BELOW = 4096;

export class Inflow {
  readonly #tls: TlsInterface;
  readonly #lower: ByteStream;
  readonly #input: InputBuffer;
  /** The engine has more than there was room for, or has to be called for another reason. */
  more = false;
  /** Pages that the input borrows, and what is used of the last one. */
  #borrowed: Buffer[] | undefined;
  #used = 0;

  constructor(tls: TlsInterface, lower: ByteStream, input: InputBuffer) {
    this.#tls = tls;
    this.#lower = lower;
    this.#input = input;
  }

  /**
   * Opens one piece. @returns true when there was one; what the stream below said when not.
   * @throws the failure of the stream below.
   */
  step(id: number): true | NotReady | NeedWrite | Eof {
    const { input } = this.#lower;
    if (!this.more && input.length === 0) {
      const answer = this.#lower.tryFill(1);
      if (answer === EOF || typeof answer !== 'number') return answer;
    }
    const front = this.more ? undefined : input.front();
    const size = front === undefined ? 0 : Math.min(front.end - front.start, PIECE);
    this.more = false;
    const [bytes, from] = front === undefined ? [NOTHING, 0] : [front.bytes, front.start];
    if (this.#borrowed !== undefined) this.#openBorrowed(id, bytes, from, from + size);
    else this.#openOwn(id, bytes, from, from + size);
    // After that: the memory of a segment that is consumed may be given back.
    if (size > 0) input.consume(size);
    return true;
  }

  #openOwn(id: number, bytes: Buffer, from: number, to: number): void {
    const page = leasePage();
    const count = this.#tls.open(id, bytes, from, to, page, 0, PAGE_BYTES);
    if (count === PAGE_BYTES) this.more = this.#tls.hasMore(id) === 1;
    if (count >= COPY_BELOW) return this.#input.append(page.subarray(0, count), () => returnPage(page));
    if (count > 0) this.#input.append(Buffer.from(page.subarray(0, count)));
    returnPage(page);
  }

  #openBorrowed(id: number, bytes: Buffer, from: number, to: number): void {
    const pages = this.#borrowed!;
    // Behind what is there already, where there is room: then it lies in one piece.
    if (pages.length === 0 || PAGE_BYTES - this.#used < to - from + TLS_SLACK) {
      pages.push(leasePage());
      this.#used = 0;
    }
    const page = pages[pages.length - 1]!;
    const count = this.#tls.open(id, bytes, from, to, page, this.#used, PAGE_BYTES);
    if (count === PAGE_BYTES - this.#used) this.more = this.#tls.hasMore(id) === 1;
    if (count > 0) this.#input.appendBorrowed(page, this.#used, this.#used + count);
    this.#used += count;
  }

  /** From here to `keep` the input borrows what is opened. Pre: it is empty. */
  borrow(): void {
    this.#borrowed = [];
  }

  /** What is opened from here on is the input's own. */
  own(): Buffer[] {
    const pages = this.#borrowed ?? [];
    this.#borrowed = undefined;
    return pages;
  }

  /** Copies what the input has not consumed, and gives the pages back. @param pages as `own` gave them */
  keep(pages: readonly Buffer[]): void {
    if (this.#input.length > 0) this.#input.keepBorrowed();
    for (const page of pages) returnPage(page);
  }
}

const NOTHING = Buffer.alloc(0);
const free: Buffer[] = [];

function leasePage(): Buffer {
  const page = free.pop();
  if (page !== undefined) return page;
  bufferCounters.pooledBytes += PAGE_BYTES;
  return allocatePage(PAGE_BYTES);
}

function returnPage(page: Buffer): void {
  if (free.length < MOST_FREE) free.push(page);
  else bufferCounters.pooledBytes -= PAGE_BYTES;
}
