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
import { TLS_SLACK, TLS_WORD_MORE, TLS_WORD_OUTGOING, TLS_WORD_STATE, type TlsInterface } from '../tls-interface.js';

/** Bytes of a page: larger than those of sockets, so that what 64 KiB become is opened in one piece. */
const PAGE_BYTES = 96 * 1024;
/** Bytes opened at once: with these a page has room for whatever comes out. */
const PIECE = PAGE_BYTES - TLS_SLACK;
/** Pages kept for the next ones, of each thread. */
const MOST_FREE = 8;
/** Bytes. Less plaintext than this is copied out of its page at once, so that a slow reader holds no page for a line. */
const COPY_BELOW = 4096;
/** Bytes. The rest of a record from this size on is opened where the record lies. */
const LARGE_REST = 64 * 1024;

const NOTHING = Buffer.alloc(0);

export class Inflow {
  readonly #tls: TlsInterface;
  readonly #words: Int32Array;
  readonly #lower: ByteStream;
  readonly #input: InputBuffer;
  /** The engine has more than there was room for, or has to be called for another reason. */
  more = false;
  /** What the last step has left: TLS_* bits, and bytes that wait to leave. */
  state = 0;
  outgoing = 0;
  /** The piece that is opened: bytes[from, to) of the stream below. */
  #bytes: Buffer = NOTHING;
  #from = 0;
  #to = 0;
  /** Pages that the input borrows, and what is used of the last one. */
  #borrowed: Buffer[] | undefined;
  #used = 0;

  constructor(tls: TlsInterface, lower: ByteStream, input: InputBuffer) {
    this.#tls = tls;
    this.#words = tls.words;
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
    this.#bytes = front === undefined ? NOTHING : front.bytes;
    this.#from = front === undefined ? 0 : front.start;
    this.#to = front === undefined ? 0 : Math.min(front.end, front.start + PIECE);
    const from = this.#from;
    const waits = this.#input.length > 0 && this.#input.needed - this.#input.length >= LARGE_REST;
    if (this.#borrowed !== undefined) this.#openBorrowed(id, this.#borrowed);
    else if (waits) this.#openRest(id);
    else this.#openOwn(id);
    // After that: the memory of a segment that is consumed may be given back.
    if (this.#to > from) input.consume(this.#to - from);
    this.#bytes = NOTHING;
    return true;
  }

  /** Opens the piece into target[at, end), and notes what that has left. @returns plaintext bytes */
  #open(id: number, target: Buffer, at: number, end: number): number {
    const count = this.#tls.open(id, this.#bytes, this.#from, this.#to, target, at, end);
    this.state = this.#words[TLS_WORD_STATE]!;
    this.outgoing = this.#words[TLS_WORD_OUTGOING]!;
    this.more = this.#words[TLS_WORD_MORE] === 1;
    return count;
  }

  #openOwn(id: number): void {
    const page = leasePage();
    const count = this.#open(id, page, 0, PAGE_BYTES);
    if (count >= COPY_BELOW) return this.#input.append(page.subarray(0, count), () => returnPage(page));
    if (count > 0) this.#input.append(Buffer.from(page.subarray(0, count)));
    returnPage(page);
  }

  /** Opens the rest of a large record where it will be read, and nothing behind it while that can be told. */
  #openRest(id: number): void {
    const { bytes, from, to } = this.#input.reserve(this.#input.needed, { pooled: this.#input.handsOn });
    this.#to = Math.min(this.#to, this.#from + to - from);
    const count = this.#open(id, bytes, from, to);
    if (count > 0) this.#input.commit(count);
  }

  #openBorrowed(id: number, pages: Buffer[]): void {
    // Behind what is there already, where there is room: then it lies in one piece.
    if (pages.length === 0 || PAGE_BYTES - this.#used < this.#to - this.#from + TLS_SLACK) {
      pages.push(leasePage());
      this.#used = 0;
    }
    const page = pages[pages.length - 1]!;
    const count = this.#open(id, page, this.#used, PAGE_BYTES);
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
    const input = this.#input;
    if (input.length > 0) {
      // What has come of a large record goes to where its rest will be opened.
      if (input.needed - input.length >= LARGE_REST) input.reserve(input.needed, { pooled: input.handsOn });
      input.keepBorrowed();
    }
    for (const page of pages) returnPage(page);
  }
}

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
