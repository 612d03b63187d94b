/**
 * Running a framer over an input buffer, whose bytes may lie in several segments.
 *
 * The framer sees one segment at a time. Where a record straddles two, the straddling bytes are gathered: exactly the
 * record when its length is known, else a little more each time, doubling, so that a long record costs one copy of
 * each byte and a short one a few hundred bytes. What a framer has to remember is kept with the input buffer.
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import {
  createFrameTable,
  FRAME_ERROR,
  H_CONSUMED,
  H_DETAIL_HIGH,
  H_DETAIL_LOW,
  H_FAULT,
  H_FINAL,
  H_NEED,
  H_OVERFLOW,
  H_SEARCHED,
  H_STATUS,
  HEADER_WORDS,
  R_END,
  R_FLAGS,
  R_LENGTH,
  R_OFFSET,
} from '../frame-table.js';
import { EOF, type Eof, type NotReady } from '../status.js';
import type { Framing, Memory } from './codec.js';

/** Bytes. Gathered at first where a record of unknown length straddles two segments: a few lines. */
const SEAM = 256;

/**
 * Fills the table with rows from the front of the input. Nothing but dropped bytes is consumed: the caller consumes
 * rows as it gives them out, then calls `afterRows`.
 * @param ended no more input will come.
 * @returns the count of rows; 0 when more bytes are needed, `input.needed` says how many.
 * @throws what `framing.fault` makes of a fault at the front.
 */
export function frameFront<R>(
  input: InputBuffer,
  framing: Framing<R>,
  table: Int32Array,
  maxRows: number,
  ended: boolean,
): number {
  for (;;) {
    const front = input.front();
    if (front === undefined) {
      input.need(framing.least);
      return 0;
    }
    const present = front.end - front.start;
    table[H_SEARCHED] = input.searched;
    table[H_OVERFLOW] = input.overflow;
    table[H_FINAL] = ended && present === input.length ? 1 : 0;
    const rows = framing.framer.frame(front.bytes, front.start, front.end, table, maxRows);
    if (rows > 0) return rows;
    const dropped = table[H_CONSUMED]!;
    input.consume(dropped);
    input.searched = table[H_SEARCHED]!;
    input.overflow = table[H_OVERFLOW]!;
    if (table[H_STATUS] === FRAME_ERROR) throw faultOf(framing, table, input.offset);
    if (dropped > 0) continue;
    const need = table[H_NEED]!;
    if (input.length === present || (need > input.length && !ended)) {
      input.need(need === 0 ? input.length + 1 : need);
      return 0;
    }
    input.gather(Math.min(input.length, need > 0 ? need : present + Math.max(present, SEAM)));
  }
}

/**
 * After the last row was given out: drops what the framer dropped behind it and notes where it is.
 * @param position index in the framed span up to which the caller has consumed.
 * @param start where the framed span began.
 * @param base where the table's header stands.
 */
export function afterRows(input: InputBuffer, table: Int32Array, start: number, position: number, base = 0): void {
  input.consume(start + table[base + H_CONSUMED]! - position);
  input.searched = table[base + H_SEARCHED]!;
  input.overflow = table[base + H_OVERFLOW]!;
}

function faultOf<R>(framing: Framing<R>, table: Int32Array, offset: number): Error {
  const detail = (table[H_DETAIL_HIGH]! >>> 0) * 2 ** 32 + (table[H_DETAIL_LOW]! >>> 0);
  return framing.fault(table[H_FAULT]!, detail, offset);
}

const single = createFrameTable(1);

/** `decode` for a codec that has a framing: one record, for codecs that are built of others. */
export function decodeFramed<R>(input: InputBuffer, framing: Framing<R>): R | NotReady {
  if (frameFront(input, framing, single, 1, false) === 0) return input.need(input.needed);
  return takeSingle(input, framing);
}

/** `finish` for a codec that has a framing. */
export function finishFramed<R>(input: InputBuffer, framing: Framing<R>): R | Eof {
  if (frameFront(input, framing, single, 1, true) === 0) return EOF;
  return takeSingle(input, framing);
}

function takeSingle<R>(input: InputBuffer, framing: Framing<R>): R {
  const { bytes, start } = input.front()!;
  const from = single[HEADER_WORDS + R_OFFSET]!;
  const to = from + single[HEADER_WORDS + R_LENGTH]!;
  const record = framing.record(bytes, from, to, single[HEADER_WORDS + R_FLAGS]!, memoryOf(input), input.offset);
  input.consume(single[HEADER_WORDS + R_END]! - start);
  afterRows(input, single, start, single[HEADER_WORDS + R_END]!);
  return record;
}

/** What may be done with the bytes at the front of the input. */
export function memoryOf(input: InputBuffer): Memory {
  return input.front()?.recycle === undefined ? 'kept' : 'reused';
}
