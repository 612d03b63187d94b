/**
 * Owned records of bytes, copied a group at a time.
 *
 * Small records that the user keeps must not keep the chunk they came in. Copying each on its own costs an allocation
 * and a call; instead a stretch of the span is copied once and the records are views of that, as Node's own Buffer
 * pool does it. A record of some size, and one that is alone, is made as it is.
 */
import { viewOf, viewOfMemory } from '../bytes/view.js';
import type { Framing } from '../codecs/codec.js';
import { ownedBytes, VIEW_FROM } from '../codecs/record-forms.js';
import { HEADER_WORDS, R_END, R_FLAGS, R_LENGTH, R_OFFSET, ROW_WORDS } from '../frame-table.js';
import type { Span } from './span.js';

/** Bytes of a slab, Buffer.poolSize up to Node 22: what a kept record keeps at most. */
const SLAB_BYTES = 8 * 1024;

export class SpanSlabs {
  readonly #span: Span;
  /** The memory that the rows [#first, #end) were copied to, which begins at #origin of the span. */
  #slab: ArrayBufferLike | undefined;
  #origin = 0;
  #first = 0;
  #end = 0;

  constructor(span: Span) {
    this.#span = span;
  }

  /** Makes the row's record. @param offset where in the stream it starts, for errors */
  record<R>(framing: Framing<R>, row: number, offset: number): R {
    const { bytes, table, memory } = this.#span;
    const words = HEADER_WORDS + row * ROW_WORDS;
    const from = table[words + R_OFFSET]!;
    const to = from + table[words + R_LENGTH]!;
    const flags = table[words + R_FLAGS]!;
    // Text is decoded where it lies, and a large record may be a view of its chunk.
    if (framing.text !== undefined || to - from >= VIEW_FROM)
      return framing.record(bytes, from, to, flags, memory, offset);
    if (row < this.#first || row >= this.#end) this.#copy(row, from, to);
    const slab = this.#slab;
    if (slab === undefined) return framing.record(bytes, from, to, flags, memory, offset);
    const record = viewOfMemory(slab, from - this.#origin, to - from);
    if (framing.bytesThemselves) return record as unknown as R;
    return framing.record(record, 0, to - from, flags, 'owned', offset);
  }

  /** The bytes of the rows from `first` on. */
  all(first: number): Buffer[] {
    const { bytes, table, rows, memory } = this.#span;
    const records: Buffer[] = new Array(rows - first);
    let words = HEADER_WORDS + first * ROW_WORDS;
    for (let row = first; row < rows; ) {
      const from = table[words + R_OFFSET]!;
      const to = from + table[words + R_LENGTH]!;
      if (to - from < VIEW_FROM) this.#copy(row, from, to);
      else this.#slab = undefined;
      const slab = this.#slab;
      if (slab === undefined) {
        if (to - from >= VIEW_FROM) this.#span.taken = true;
        records[row - first] = ownedBytes(bytes, from, to, memory);
        row++;
        words += ROW_WORDS;
        continue;
      }
      const end = this.#end;
      for (; row < end; row++, words += ROW_WORDS) {
        records[row - first] = viewOfMemory(slab, table[words + R_OFFSET]! - from, table[words + R_LENGTH]!);
      }
    }
    // Given out whole: nothing here may be given out again.
    this.#end = 0;
    this.#slab = undefined;
    return records;
  }

  /** Copies the stretch from this row on that fits in a slab; no slab where that is this row alone. */
  #copy(row: number, from: number, to: number): void {
    const { bytes, table, rows } = this.#span;
    let end = row + 1;
    let last = to;
    for (let words = HEADER_WORDS + end * ROW_WORDS; end < rows; end++, words += ROW_WORDS) {
      if (table[words + R_END]! - from > SLAB_BYTES) break;
      last = table[words + R_OFFSET]! + table[words + R_LENGTH]!;
    }
    this.#first = row;
    this.#end = end;
    this.#origin = from;
    this.#slab = undefined;
    if (end === row + 1) return;
    this.#slab = new Uint8Array(viewOf(bytes, from, last)).buffer;
  }
}
