/**
 * Framing as one writes it by hand, and as well as we can: for net and for Bun alike.
 *
 * A cutter is given chunks and calls `take(bytes, from, to)` for each record where it lies, so no view is made for it.
 * Chunks are joined only where a record lies across them: a long one is copied once, into memory of its size, and
 * what follows a short rest is read on from the chunk. It keeps views of chunks, which must therefore not be reused.
 */

/** A record of more is refused: 16 MiB, so that a length read amiss does not ask for all memory. */
const MOST_BYTES = 1 << 24;

/** Records behind their length: 4 bytes, big-endian. */
export class Len32Cutter {
  #take;
  /** A record that has not arrived whole: header and payload; `#have` bytes of it are there. */
  #partial = undefined;
  #have = 0;
  /** The header, while even that is not there. */
  #header = Buffer.allocUnsafe(4);
  #headerHave = 0;

  /** @param {(bytes: Buffer, from: number, to: number) => void} take */
  constructor(take) {
    this.#take = take;
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    let at = this.#partial === undefined && this.#headerHave === 0 ? 0 : this.#complete(chunk);
    const end = chunk.length;
    while (end - at >= 4) {
      const size = lengthAt(chunk, at);
      if (end - at - 4 < size) break;
      this.#take(chunk, at + 4, at + 4 + size);
      at += 4 + size;
    }
    if (at < end) this.#keep(chunk, at);
  }

  /** Goes on with what an earlier chunk began. @returns {number} where the next record begins */
  #complete(chunk) {
    let at = 0;
    if (this.#partial === undefined) {
      while (this.#headerHave < 4 && at < chunk.length) this.#header[this.#headerHave++] = chunk[at++];
      if (this.#headerHave < 4) return at;
      this.#partial = Buffer.allocUnsafe(lengthAt(this.#header, 0));
      this.#have = this.#headerHave = 0;
    }
    const part = Math.min(this.#partial.length - this.#have, chunk.length - at);
    chunk.copy(this.#partial, this.#have, at, at + part);
    this.#have += part;
    if (this.#have === this.#partial.length) {
      const record = this.#partial;
      this.#partial = undefined;
      this.#take(record, 0, record.length);
    }
    return at + part;
  }

  #keep(chunk, from) {
    for (let at = from; at < chunk.length && this.#headerHave < 4; at++) this.#header[this.#headerHave++] = chunk[at];
    if (this.#headerHave < 4) return;
    this.#partial = Buffer.allocUnsafe(lengthAt(this.#header, 0));
    this.#headerHave = 0;
    chunk.copy(this.#partial, 0, from + 4);
    this.#have = chunk.length - from - 4;
  }
}

function lengthAt(bytes, at) {
  const length = ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
  if (length > MOST_BYTES) throw new Error(`a record of ${length} bytes`);
  return length;
}

/** Lines, ended by LF. */
export class LineCutter {
  #take;
  /** Chunks that hold the begin of a line and no end. @type {Buffer[]} */
  #parts = [];
  #partBytes = 0;

  /** @param {(bytes: Buffer, from: number, to: number) => void} take without the LF */
  constructor(take) {
    this.#take = take;
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    let at = 0;
    let end = chunk.indexOf(10);
    if (end >= 0 && this.#partBytes > 0) {
      this.#parts.push(chunk.subarray(0, end));
      const line = Buffer.concat(this.#parts);
      this.#parts = [];
      this.#partBytes = 0;
      this.#take(line, 0, line.length);
      at = end + 1;
      end = chunk.indexOf(10, at);
    }
    for (; end >= 0; end = chunk.indexOf(10, at)) {
      this.#take(chunk, at, end);
      at = end + 1;
    }
    if (at === chunk.length) return;
    this.#parts.push(chunk.subarray(at));
    this.#partBytes += chunk.length - at;
    if (this.#partBytes > MOST_BYTES) throw new Error(`a line of ${this.#partBytes} bytes`);
  }
}
