/** Framed bytes and their rows: what a reader looks ahead at, and what a batch is made of. */
import type { Memory } from '../codecs/codec.js';
import { createFrameTable } from '../frame-table.js';
import { BATCH_ROWS } from '../limits.js';
import type { SpanSlabs } from './span-slabs.js';
import type { SpanText } from './span-text.js';

export interface Span {
  /** The bytes that were framed, [start, …). */
  bytes: Buffer;
  start: number;
  /** Offset in the stream of bytes[start]. */
  offset: number;
  /** Rows: see frame-table.ts. */
  table: Int32Array;
  /** Where in `table` the span's header stands: 0, unless the table holds several; a multiple of ROW_WORDS. */
  base: number;
  /** Rows are counted from the table's beginning: the first is base / ROW_WORDS, the last is rows - 1. */
  rows: number;
  /** The next row to give out; base / ROW_WORDS <= row <= rows. */
  row: number;
  /** Index in `bytes` up to which the input has been consumed. */
  position: number;
  /** What may be done with the bytes. */
  readonly memory: Memory;
  /** Somebody keeps a large record: it was given out as memory of its own, or its memory with it. */
  taken: boolean;
  /** Whether `table` goes back to the spare ones. */
  readonly leased: boolean;
  /** The rows' text, once one of them was asked for. */
  texts?: SpanText | undefined;
  /** The rows' bytes as memory of their own, once one of them was asked for. */
  slabs?: SpanSlabs | undefined;
}

/** Tables that nobody holds rows in: idle streams have none, busy ones take turns. */
const spareTables: Int32Array[] = [];
/** Spare tables kept, 64 KiB each. */
const MOST_SPARES = 16;

export function leaseTable(): Int32Array {
  return spareTables.pop() ?? createFrameTable(BATCH_ROWS);
}

export function returnTable(table: Int32Array): void {
  if (spareTables.length < MOST_SPARES) spareTables.push(table);
}
