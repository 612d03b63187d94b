/**
 * Records of one size, in TypeScript: the twin of native/framing/fixed_framer.
 *
 * The end of record n is known without looking at a byte, so this is arithmetic and table rows. Bytes left over when
 * the stream ends are UNEXPECTED_EOF.
 */
import { checkInteger } from '../arguments.js';
import { FRAME_ERROR, FRAME_FULL, FRAME_MORE, FrameFault, H_FINAL } from '../frame-table.js';
import type { Framer } from '../native-interface.js';
import { rowLimit, writeHeader, writeRow } from './table.js';

const LARGEST = 2 ** 30;

export function createFixedFramer(size: number): Framer {
  checkInteger('size', size, 1, LARGEST);
  return new FixedFramer(size);
}

class FixedFramer implements Framer {
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  frame(_bytes: Uint8Array, from: number, to: number, table: Int32Array, maxRows: number): number {
    const size = this.#size;
    const final = table[H_FINAL] !== 0;
    const limit = rowLimit(table, maxRows);
    let start = from;
    let rows = 0;
    while (rows < limit && to - start >= size) {
      writeRow(table, rows++, start, size, start + size, 0);
      start += size;
    }
    const rest = to - start;
    if (rows >= limit) {
      writeHeader(table, rows, start - from, FRAME_FULL);
    } else if (final && rest > 0) {
      writeHeader(table, rows, start - from, FRAME_ERROR, FrameFault.UNEXPECTED_EOF, rest);
    } else {
      writeHeader(table, rows, start - from, FRAME_MORE, FrameFault.NONE, 0, final ? 0 : size);
    }
    return rows;
  }
}
