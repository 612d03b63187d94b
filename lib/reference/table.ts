/**
 * Writing the frame table: rows and the header words that every framer answers with.
 *
 * Each "out" word is written at every call, so a table never shows something of an earlier one. What a framer has more
 * to say about (H_SEARCHED, H_OVERFLOW, H_ASCII, H_SKIPPED) it writes after `writeHeader`, which sets them to 0.
 */
import {
  H_ASCII,
  H_CONSUMED,
  H_DETAIL_HIGH,
  H_DETAIL_LOW,
  H_FAULT,
  H_NEED,
  H_OVERFLOW,
  H_ROWS,
  H_SEARCHED,
  H_SKIPPED,
  H_STATUS,
  HEADER_WORDS,
  R_END,
  R_FLAGS,
  R_LENGTH,
  R_OFFSET,
  ROW_WORDS,
} from '../frame-table.js';

/** Rows that may be written: what was asked for, and what fits. */
export function rowLimit(table: Int32Array, maxRows: number): number {
  return Math.min(maxRows, ((table.length - HEADER_WORDS) / ROW_WORDS) | 0);
}

export function writeRow(
  table: Int32Array,
  row: number,
  offset: number,
  length: number,
  end: number,
  flags: number,
): void {
  const at = HEADER_WORDS + row * ROW_WORDS;
  table[at + R_OFFSET] = offset;
  table[at + R_LENGTH] = length;
  table[at + R_END] = end;
  table[at + R_FLAGS] = flags;
}

/** `detail` is an integer of at most 2^53 either way; the table holds it as two words of two's complement. */
export function writeHeader(
  table: Int32Array,
  rows: number,
  consumed: number,
  status: number,
  fault = 0,
  detail = 0,
  need = 0,
): void {
  table[H_ROWS] = rows;
  table[H_CONSUMED] = consumed;
  table[H_NEED] = need;
  table[H_SEARCHED] = 0;
  table[H_STATUS] = status;
  table[H_FAULT] = fault;
  table[H_ASCII] = 0;
  table[H_OVERFLOW] = 0;
  table[H_DETAIL_LOW] = detail;
  table[H_DETAIL_HIGH] = Math.floor(detail / 2 ** 32);
  table[H_SKIPPED] = 0;
}
