/**
 * Separated records in pieces: payload is given as it arrives, up to what might be the start of a separator.
 *
 * A piece is checked against the separators only, not against maxLength: it costs no memory beyond the chunk it is in.
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import type { MiniprotoError } from '../errors.js';
import {
  createFrameTable,
  FRAME_ERROR,
  FrameFault,
  H_CONSUMED,
  H_DETAIL_LOW,
  H_FAULT,
  H_FINAL,
  H_OVERFLOW,
  H_SEARCHED,
  H_STATUS,
  HEADER_WORDS,
  OVERFLOW_NONE,
  OVERFLOW_SKIPPING,
  R_END,
  R_LENGTH,
  R_OFFSET,
} from '../frame-table.js';
import type { Framer, SeparatorFraming } from '../native-interface.js';
import type { NotReady } from '../status.js';
import type { PieceCodec, PieceReader, PieceWriter } from './codec.js';
import { faultError } from './faults.js';
import { separatorFramer } from './framers.js';
import type { SeparatorGuard } from './separator-guard.js';

/** Bytes looked at in one step: what a piece is at most. */
const STEP = 64 * 1024;

export function separatedPieces(name: string, config: SeparatorFraming, guard: SeparatorGuard): PieceCodec {
  // A framer whose limit no step reaches: what it has searched without a find is payload.
  const unlimited = { ...config, keep: false, maxLength: 2 ** 30, overflow: 'error' } as const;
  const skipping = { ...unlimited, newline: 'plain', overflow: 'skip', tail: 'give' } as const;
  return {
    open: (input) => {
      if (!skipRest(input, separatorFramer(skipping)) || input.length === 0) return input.need(input.length + 1);
      // What a record that is being cut has left is read as one of its own, and what follows is no piece of it.
      input.overflow = OVERFLOW_NONE;
      return new SeparatedPieceReader(name, config, separatorFramer(unlimited), input.offset);
    },
    begin: () => new SeparatedPieceWriter(guard),
  };
}

const table = createFrameTable(1);

/**
 * Ends the skipping of a record that was too long: its rest is no record. Nothing behind its separator is touched, since
 * in pieces no record is too long.
 * @returns false when its end has not come.
 */
function skipRest(input: InputBuffer, framer: Framer): boolean {
  while (input.overflow === OVERFLOW_SKIPPING) {
    if (input.length === 0) return false;
    const size = Math.min(input.length, STEP);
    table[H_SEARCHED] = 0;
    table[H_OVERFLOW] = OVERFLOW_SKIPPING;
    table[H_FINAL] = 0;
    const rows = framer.frame(input.peek(size), 0, size, table, 1);
    const skipped = rows > 0 ? table[HEADER_WORDS + R_OFFSET]! : table[H_CONSUMED]!;
    input.consume(skipped);
    input.overflow = rows > 0 ? OVERFLOW_NONE : table[H_OVERFLOW]!;
    // What may be the start of a separator stays.
    if (skipped === 0 && input.overflow === OVERFLOW_SKIPPING) return false;
  }
  return true;
}

class SeparatedPieceReader implements PieceReader {
  readonly length = undefined;
  readonly #name: string;
  readonly #config: SeparatorFraming;
  readonly #framer: Framer;
  /** Where in the stream the record starts, for errors. */
  readonly #start: number;
  /** Bytes of what ends the record, once that is found: they follow the payload, which may still be at the front. */
  #closing: number | undefined;

  constructor(name: string, config: SeparatorFraming, framer: Framer, start: number) {
    this.#name = name;
    this.#config = config;
    this.#framer = framer;
    this.#start = start;
  }

  next(input: InputBuffer, ended: boolean): number | NotReady {
    if (this.#closing !== undefined) return this.#close(input);
    if (input.length === 0) return ended ? this.#endOfStream(input) : input.need(1);
    const size = Math.min(input.length, STEP);
    const view = input.peek(size);
    table[H_SEARCHED] = 0;
    table[H_OVERFLOW] = OVERFLOW_NONE;
    table[H_FINAL] = ended && size === input.length ? 1 : 0;
    if (this.#framer.frame(view, 0, size, table, 1) === 1) return this.#found(input);
    if (table[H_STATUS] === FRAME_ERROR) throw this.#fault(input, table[H_FAULT]!, table[H_DETAIL_LOW]!);
    // A 'drop' tail was consumed by the framer; in pieces it has been given already, so its rest is given too.
    const payload = table[H_CONSUMED]! > 0 ? size : this.#withoutPartial(view, table[H_SEARCHED]!);
    return payload > 0 ? payload : input.need(input.length + 1);
  }

  #found(input: InputBuffer): number | NotReady {
    const row = HEADER_WORDS;
    const length = table[row + R_LENGTH]!;
    this.#closing = table[row + R_END]! - table[row + R_OFFSET]! - length;
    return length > 0 ? length : this.#close(input);
  }

  #close(input: InputBuffer): 0 {
    input.consume(this.#closing!);
    this.#closing = 0;
    return 0;
  }

  /** A CR at the end may belong to the separator: it stays. */
  #withoutPartial(view: Buffer, searched: number): number {
    const stripsCr = this.#config.newline === 'strip-cr';
    return stripsCr && searched > 0 && view[searched - 1] === 0x0d ? searched - 1 : searched;
  }

  #endOfStream(input: InputBuffer): 0 {
    if (this.#config.tail === 'refuse') throw this.#fault(input, FrameFault.UNEXPECTED_EOF, 0);
    return 0;
  }

  /** @param detail a count of bytes from the front; the error counts from the record's start. */
  #fault(input: InputBuffer, fault: number, detail: number): MiniprotoError {
    const given = input.offset - this.#start;
    return faultError({ protocol: this.#name, maxLength: 2 ** 30 }, fault, given + detail, this.#start);
  }
}

class SeparatedPieceWriter implements PieceWriter {
  readonly #guard: SeparatorGuard;
  /** The last bytes written, in which a separator could have begun. */
  #seam: Buffer = Buffer.alloc(0);
  /** The first bytes written, which might go with the separator before them. */
  #start: Buffer = Buffer.alloc(0);

  constructor(guard: SeparatorGuard) {
    this.#guard = guard;
  }

  part(bytes: Uint8Array, output: OutputBuffer): void {
    const seam = Buffer.concat([this.#seam, bytes.subarray(0, 256)]);
    this.#guard.checkInside(seam, 0, seam.length);
    this.#guard.checkInside(bytes, 0, bytes.length);
    const start = this.#start.length < 256 ? Buffer.concat([this.#start, bytes.subarray(0, 256)]) : this.#start;
    this.#guard.checkStart(start, 0, start.length, 'start');
    this.#start = start;
    const both = bytes.length >= 256 ? bytes.subarray(bytes.length - 256) : seam;
    this.#seam = Buffer.from(both.subarray(Math.max(0, both.length - 256)));
    output.write(bytes);
  }

  end(output: OutputBuffer): void {
    if (this.#start.length < 256) this.#guard.checkStart(this.#start, 0, this.#start.length, 'whole');
    this.#guard.checkBytes(this.#seam, 0, this.#seam.length);
    output.write(this.#guard.separator);
  }
}
