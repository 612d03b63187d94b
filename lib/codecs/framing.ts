/**
 * Running a framer over an input buffer, whose bytes may lie in several segments.
 *
 * The framer sees one segment at a time. Where a record straddles two, the straddling bytes are gathered: exactly the
 * record when its length is known, or where its end can be searched for in the segments as they are, so that each byte is
 * copied once; else a little more each time, doubling. What a framer has to remember is kept with the input buffer.
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
  OVERFLOW_NONE,
  R_END,
  R_FLAGS,
  R_LENGTH,
  R_OFFSET,
} from '../frame-table.js';
import { EOF, type Eof, type NotReady } from '../status.js';
import type { Framing, Memory, RecordEnding } from './codec.js';

/** Bytes. Gathered at first where a record of unknown length straddles two segments, and behind its end: a few lines. */
const SEAM = 256;
/** Bytes of an unfinished record up to which it may lie in as many segments as came: each search walks along all of them. */
const MOST_SCATTERED = 4 * 1024 * 1024;

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
  const { ending } = framing;
  for (;;) {
    const front = input.front();
    if (front === undefined) {
      input.need(framing.least);
      return 0;
    }
    const present = front.end - front.start;
    // The front was searched, and what follows it: the framer would only begin again.
    if (ending !== undefined && input.searched > present && input.length > present && !input.awaitedBack) {
      if (!gatherRecord(input, ending, ended)) return 0;
      continue;
    }
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
    if (!gatherMore(input, framing, present, table[H_NEED]!, ended)) return 0;
  }
}

/** Puts more together than the front, which holds no row. @returns false when more has to arrive first. */
function gatherMore<R>(
  input: InputBuffer,
  framing: Framing<R>,
  present: number,
  need: number,
  ended: boolean,
): boolean {
  const { ending } = framing;
  if (input.length === present || (need > input.length && !ended)) {
    input.need(need === 0 ? input.length + 1 : need);
    return false;
  }
  // Memory that others wait for is copied in any case: then all of it had better lie behind the front.
  const searched = ending !== undefined && input.overflow === OVERFLOW_NONE && !input.awaitedBack;
  if (searched) return gatherRecord(input, ending, ended);
  input.gather(Math.min(input.length, need > 0 ? need : present + Math.max(present, SEAM)));
  return true;
}

/**
 * Gathers the record at the front, whose end is searched for where the bytes lie; what is too long, as far as that shows;
 * or, at the stream's end, what is left.
 * @returns false when none of these is there: then nothing was copied, and `searched` tells how far it was looked.
 */
function gatherRecord(input: InputBuffer, { separator, tooLong }: RecordEnding, ended: boolean): boolean {
  const at = input.indexOf(separator, Math.min(input.searched, input.length));
  const searched = at < 0 ? Math.max(0, input.length - separator.length + 1) : at;
  if (at < 0 && !ended && input.length < Math.min(tooLong, MOST_SCATTERED)) {
    input.searched = searched;
    input.need(input.length + 1);
    return false;
  }
  const together = Math.min(tooLong, at < 0 ? input.length : at + separator.length);
  // A little of what follows comes with it: where that is all, it is framed in the same call.
  input.gather(Math.min(input.length, together + SEAM));
  // Of what lies together the framer has seen nothing that ends the record, and goes on behind it.
  input.searched = Math.min(searched, together);
  return true;
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
