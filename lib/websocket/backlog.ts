/**
 * Frames that nobody has taken yet, as runs in memory of their own.
 *
 * Control frames were handled when they came, and are left out, unless they are to be taken in their order.
 */
import { countCopy } from '../bytes/buffer-counters.js';
import { HEADER_WORDS, R_END, R_FLAGS, R_LENGTH, R_OFFSET, ROW_WORDS, WS_FIRST_SHIFT } from '../frame-table.js';
import { type FrameRun, offsetOf } from './frame-source.js';
import { OP_CLOSE, OPCODE_MASK } from './opcodes.js';

export class Backlog {
  readonly #runs: FrameRun[] = [];
  #length = 0;

  /** Payload bytes that are kept, and what keeping them costs. */
  get length(): number {
    return this.#length;
  }

  /** The oldest run that has frames left. */
  get first(): FrameRun | undefined {
    return this.#runs[0];
  }

  /** Keeps the data frames from `firstRow` on, and control frames where they are wanted. @returns false when there are none. */
  keep(run: FrameRun, firstRow: number, { control }: { control: boolean }): boolean {
    const rows = rowsOf(run, firstRow, control ? OPCODE_MASK + 1 : OP_CLOSE);
    if (rows.length === 0) return false;
    const kept = copyRows(run, rows);
    this.#runs.push(kept);
    this.#length += weightOf(kept);
    return true;
  }

  /** Takes the first run out. */
  shift(): FrameRun | undefined {
    const run = this.#runs.shift();
    if (run !== undefined) this.#length -= weightOf(run);
    return run;
  }

  /** Puts a run that was taken out in front again. */
  unshift(run: FrameRun): void {
    this.#runs.unshift(run);
    this.#length += weightOf(run);
  }

  /** Drops the first run when all of it has been taken. */
  settle(): void {
    const run = this.#runs[0];
    if (run === undefined || run.row < run.rows) return;
    this.shift();
  }
}

function weightOf(run: FrameRun): number {
  return run.bytes.length + run.table.length * 4;
}

/** Rows with opcodes below `limit`. */
function rowsOf(run: FrameRun, firstRow: number, limit: number): number[] {
  const rows: number[] = [];
  for (let row = firstRow; row < run.rows; row++) {
    const at = run.base + HEADER_WORDS + row * ROW_WORDS;
    if (((run.table[at + R_FLAGS]! >>> WS_FIRST_SHIFT) & OPCODE_MASK) < limit) rows.push(at);
  }
  return rows;
}

/** Payloads one behind the other, each with room in front for the server's form of its header. */
function copyRows(run: FrameRun, rows: readonly number[]): FrameRun {
  const { table, bytes } = run;
  let size = 0;
  for (const at of rows) size += table[at + R_LENGTH]! + HEADER_ROOM;
  const copy = size < 4096 ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
  const words = new Int32Array(HEADER_WORDS + rows.length * ROW_WORDS);
  let end = 0;
  rows.forEach((at, row) => {
    const from = table[at + R_OFFSET]!;
    const length = table[at + R_LENGTH]!;
    const header = Math.min(HEADER_ROOM, from);
    bytes.copy(copy, end, from - header, from + length);
    const word = HEADER_WORDS + row * ROW_WORDS;
    words[word + R_OFFSET] = end + header;
    words[word + R_LENGTH] = length;
    words[word + R_FLAGS] = table[at + R_FLAGS]!;
    words[word + R_END] = offsetOf(run, (at - run.base - HEADER_WORDS) / ROW_WORDS) - run.offset;
    end += header + length;
  });
  countCopy(end);
  return {
    bytes: copy,
    table: words,
    base: 0,
    row: 0,
    rows: rows.length,
    lent: false,
    offset: run.offset,
    start: 0,
    pooled: false,
    kept: true,
  };
}

/** Bytes. The longest header of a server's frame. */
const HEADER_ROOM = 10;
