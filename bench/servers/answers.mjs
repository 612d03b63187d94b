/**
 * Answers as one collects them by hand: all that a chunk asked for goes out in one write.
 *
 * Small answers are copied together; a large one is sent from where it lies, between what was collected before it and
 * what comes after. The memory is new for every chunk where the socket keeps what it is given, as net's does, and the
 * same again where it takes it at once, as Bun's does: `reuse` says which.
 */

/** Payloads from this size on are not copied. */
const BY_REFERENCE_FROM = 16 * 1024;
const PAGE_BYTES = 64 * 1024;

class Answers {
  /** @type {Buffer[]} what is complete, in order */
  pieces = [];
  #page;
  #at = 0;
  /** Where what is not yet in `pieces` begins. */
  #from = 0;
  #reuse;

  /** @param {{ reuse: boolean }} options */
  constructor({ reuse }) {
    this.#reuse = reuse;
  }

  /** Before a chunk. @param {number} bytes how much it may make us answer */
  begin(bytes) {
    const size = this.#reuse ? PAGE_BYTES : Math.min(bytes, PAGE_BYTES);
    if (!this.#reuse || this.#page === undefined) this.#page = Buffer.allocUnsafe(size);
    this.#at = this.#from = 0;
  }

  /** After a chunk: `pieces` holds all of it. */
  finish() {
    if (this.#at > this.#from) this.pieces.push(this.#page.subarray(this.#from, this.#at));
    this.#from = this.#at;
    return this.pieces;
  }

  /** @param {number} bytes @returns {number} where they go in `page` */
  room(bytes) {
    if (this.#at + bytes > this.#page.length) {
      this.finish();
      this.#page = Buffer.allocUnsafe(PAGE_BYTES);
      this.#at = this.#from = 0;
    }
    this.#at += bytes;
    return this.#at - bytes;
  }

  get page() {
    return this.#page;
  }

  /** @param {Buffer} bytes */
  payload(bytes, from, to) {
    if (to - from >= BY_REFERENCE_FROM) {
      this.finish();
      this.pieces.push(bytes.subarray(from, to));
      return;
    }
    const at = this.room(to - from);
    bytes.copy(this.#page, at, from, to);
  }
}

export class Len32Answers extends Answers {
  add(bytes, from, to) {
    const size = to - from;
    const at = this.room(4);
    const page = this.page;
    page[at] = size >>> 24;
    page[at + 1] = size >>> 16;
    page[at + 2] = size >>> 8;
    page[at + 3] = size;
    this.payload(bytes, from, to);
  }
}

export class LineAnswers extends Answers {
  add(bytes, from, to) {
    this.payload(bytes, from, to);
    const at = this.room(1);
    this.page[at] = 10;
  }
}
