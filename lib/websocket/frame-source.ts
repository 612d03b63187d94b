/**
 * Frames from a byte stream: runs of rows, each about a stretch of memory in which payloads lie unmasked.
 *
 * Two ways in. A native socket hands over rows that were framed where the bytes were received (`adopt`). Everything else
 * is framed here, from the front of the stream's input (`tryNextRun`). What the framer has to know from one stretch to the
 * next is kept with the input: `searched` and `overflow`, see frame-table.ts.
 *
 * A run's memory is good until `done`, or, where it was lent, until the turn ends.
 */
import type { InputBuffer, Segment } from '../bytes/input-buffer.js';
import { webSocketFramer, webSocketFramingOf } from '../codecs/framers.js';
import {
  createFrameTable,
  FRAME_ERROR,
  FRAME_MORE,
  H_CONSUMED,
  H_DETAIL_HIGH,
  H_DETAIL_LOW,
  H_FAULT,
  H_NEED,
  H_OVERFLOW,
  H_SEARCHED,
  H_STATUS,
  HEADER_WORDS,
  R_END,
  ROW_WORDS,
  WS_OPEN_BINARY,
  WS_OPEN_COMPRESSED,
  WS_OPEN_MASK,
  WS_OPEN_TEXT,
} from '../frame-table.js';
import type { Framer, WebSocketFraming } from '../native-interface.js';
import type { Eof, NeedWrite, NotReady } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { webSocketFault } from './faults.js';
import { maskAgain } from './given-back.js';
import { FIN, OP_CLOSE, OP_CONTINUATION, OP_TEXT, OPCODE_MASK, RSV1 } from './opcodes.js';

/** Rows of one run that is framed here. */
const RUN_ROWS = 512;
/** Bytes. Gathered at first where a header straddles two segments. */
const SEAM = 14;
/** Bytes. From so many that are to come of a text, memory is reserved for it. */
const LARGE_REST = 64 * 1024;
/** Bytes. The longest control frame: headers and close codes are found wrong as soon as they are, however they come. */
const SHORT = 131;

/** Rows [row, rows) of a table, about payloads in `bytes`. */
export interface FrameRun {
  bytes: Buffer;
  table: Int32Array;
  /** Index of the table's header. */
  base: number;
  row: number;
  rows: number;
  /** The memory is written again after the turn. */
  lent: boolean;
  /** Offset in the stream of the first frame, and where that is in `bytes`, before frames are moved; for errors. */
  offset: number;
  start: number;
  /** It is of the backlog: what it says can be read although the connection is over. */
  kept: boolean;
  /** The table goes back to the pool. */
  pooled: boolean;
}

/** Offset in the stream at which the frame of that row begins; for errors. */
export function offsetOf({ table, base, offset, start, kept }: FrameRun, row: number): number {
  const end = base + HEADER_WORDS + row * ROW_WORDS + R_END;
  // Rows that are kept need no end, and may have lost those before them: they say there where they begin.
  if (kept) return offset + table[end]!;
  return row === 0 ? offset : offset + table[end - ROW_WORDS]! - start;
}

/** Where frames come from: a byte stream, as far as it is read. */
export type FrameInput = Pick<ByteStream, 'input' | 'tryFill' | 'sharesInput'>;

const tables: Int32Array[] = [];

export class FrameSource {
  readonly framing: WebSocketFraming;
  readonly #stream: FrameInput;
  #framer: Framer;
  /** What the framer found behind the rows that are being handed out. */
  #fault: Error | undefined;
  /** Offset in the stream up to which the framer has looked without finding a frame. */
  #examined: number;

  constructor(stream: FrameInput, framing: WebSocketFraming) {
    this.#stream = stream;
    // What came before, the head of a handshake, is somebody else's.
    this.#examined = stream.input.offset;
    this.#framer = webSocketFramer(framing);
    // Connections share it as they share the framer.
    this.framing = webSocketFramingOf(this.#framer);
    // A server's framer unmasks in place.
    if (framing.role === 'server' && stream.sharesInput === true) stream.input.copyChunks();
  }

  /** What the stream may frame with by itself: nothing while a frame or a message is unfinished. */
  get framer(): Framer | undefined {
    const { input } = this.#stream;
    return this.#fault === undefined && input.overflow === 0 && input.searched === 0 ? this.#framer : undefined;
  }

  /** Takes rows that were framed where they arrived: they are about the whole input. */
  adopt(table: Int32Array, base: number, rows: number): FrameRun {
    const { input } = this.#stream;
    const { offset } = input;
    const { bytes, start } = input.front()!;
    const run = { bytes, table, base, row: 0, rows, lent: true, offset, start, pooled: false, kept: false };
    this.settle(table, base);
    // A full table says nothing of what is behind its rows.
    if (table[base + H_STATUS] === FRAME_MORE) this.#examined = input.offset + input.length;
    return run;
  }

  /**
   * Frames what is at the front of the input, and gets more where that is not enough.
   * @param mostRows frames of one run.
   * @returns a run of at least one row; a status of the stream.
   * @throws what the framer found, once the rows before it are done; the stream's failure.
   */
  tryNextRun(mostRows = RUN_ROWS): FrameRun | NotReady | NeedWrite | Eof {
    const { input } = this.#stream;
    for (;;) {
      if (this.#fault !== undefined) throw this.#fault;
      // Not only when a frame is complete: text fails as soon as a byte of it is wrong.
      if (input.offset + input.length > this.#examined) {
        const run = this.frameFront(mostRows);
        if (run !== undefined) return run;
        if (this.#fault !== undefined) continue;
      }
      const answer = this.#stream.tryFill(Math.max(input.needed, input.length + 1));
      if (typeof answer !== 'number' && input.offset + input.length <= this.#examined) return answer;
    }
  }

  private frameFront(mostRows: number): FrameRun | undefined {
    const { input } = this.#stream;
    const table = tables.pop() ?? createFrameTable(RUN_ROWS);
    for (;;) {
      const front = input.front()!;
      const present = front.end - front.start;
      table[H_SEARCHED] = input.searched;
      table[H_OVERFLOW] = input.overflow;
      const rows = this.#framer.frame(front.bytes, front.start, front.end, table, mostRows);
      if (rows > 0) return this.runOf(front, table, rows);
      this.settle(table, 0);
      const need = table[H_NEED]!;
      const together = this.wanted(present, need);
      if (this.#fault !== undefined || together === 0) {
        this.#examined = input.offset + input.length;
        tables.push(table);
        return undefined;
      }
      // A long text is looked at as it comes: then it had better come to where it stays. Streams that lend memory see to it.
      if (need - together >= LARGE_REST && !input.awaitedBack) input.reserve(need, { pooled: false });
      else input.gather(together);
    }
  }

  private runOf({ bytes, start, recycle }: Segment, table: Int32Array, rows: number): FrameRun {
    const { input } = this.#stream;
    const { offset } = input;
    const lent = recycle !== undefined;
    // Consumed before it is looked at: whoever handles a message may come back for the next one.
    input.pin();
    this.settle(table, 0);
    return { bytes, table, base: 0, row: 0, rows, lent, offset, start, pooled: true, kept: false };
  }

  /** How many bytes have to lie together for another try to get further; 0 when more have to arrive first. */
  private wanted(present: number, need: number): number {
    const { input } = this.#stream;
    if (input.length === present) return 0;
    if (need === 0) return Math.min(input.length, present + SEAM);
    if (need <= input.length) return need;
    // Text, and what is short, is looked at as it comes; other frames are put together once, when they are complete.
    return need <= SHORT || this.isText() ? input.length : 0;
  }

  private isText(): boolean {
    const { input } = this.#stream;
    const first = input.byteAt(0);
    const opcode = first & OPCODE_MASK;
    if (opcode === OP_TEXT) return (first & RSV1) === 0;
    return opcode === OP_CONTINUATION && (input.overflow & (WS_OPEN_MASK | WS_OPEN_COMPRESSED)) === WS_OPEN_TEXT;
  }

  /** Consumes the frames of the table, and notes what is behind them. */
  private settle(table: Int32Array, base: number): void {
    const { input } = this.#stream;
    const { offset } = input;
    input.consume(table[base + H_CONSUMED]!);
    // A later look begins with what is behind these frames.
    this.#examined = input.offset;
    input.searched = table[base + H_SEARCHED]!;
    input.overflow = table[base + H_OVERFLOW]!;
    const need = table[base + H_NEED]!;
    if (need > 0) input.need(need);
    if (table[base + H_STATUS] !== FRAME_ERROR) return;
    const detail = (table[base + H_DETAIL_HIGH]! >>> 0) * 2 ** 32 + (table[base + H_DETAIL_LOW]! >>> 0);
    const at = offset + table[base + H_CONSUMED]!;
    this.#fault = webSocketFault(table[base + H_FAULT]!, detail, this.framing.maxLength, at);
  }

  // ---------------------------------------------------------------- frames in pieces

  get input(): InputBuffer {
    return this.#stream.input;
  }

  /** One attempt at more input. */
  tryFill(): number | NotReady | NeedWrite | Eof {
    return this.#stream.tryFill(1);
  }

  /** Has the framer check text, or leave that to whoever takes it in pieces. Between messages. */
  checksText(checks: boolean): void {
    this.#framer = webSocketFramer(checks ? this.framing : { ...this.framing, utf8: false });
  }

  /**
   * Takes the header of an unfinished frame of data off the input, once the framer has found it to be right.
   * @returns what it says, and how many bytes behind it are unmasked already; undefined while it is not complete, and for
   * control frames, which come whole.
   */
  tryOpenFrame(): { first: number; length: number; key: number; done: number } | undefined {
    const { input } = this;
    if (input.length < 2 || (input.byteAt(0) & OPCODE_MASK) >= OP_CLOSE) return undefined;
    const short = input.byteAt(1) & 0x7f;
    const unmasked = short < 126 ? 2 : short === 126 ? 4 : 10;
    const size = unmasked + (this.framing.role === 'server' ? 4 : 0);
    if (input.length < size) return undefined;
    const first = input.byteAt(0);
    // The framer has seen that the upper two bytes of eight are zero.
    const length = short < 126 ? short : short === 126 ? input.peekUint(2, 2) : input.peekUint(4, 6);
    const key = size === unmasked ? 0 : input.peekUint(unmasked, 4, 'little');
    const done = input.searched;
    input.consume(size);
    return { first, length, key, done };
  }

  /** The payload of an opened frame has been consumed: the framer goes on behind it. */
  closeFrame(first: number): void {
    const { input } = this;
    this.#examined = input.offset;
    if ((first & FIN) !== 0) input.overflow = 0;
    else if ((first & OPCODE_MASK) !== OP_CONTINUATION) {
      const open = (first & OPCODE_MASK) === OP_TEXT ? WS_OPEN_TEXT : WS_OPEN_BINARY;
      input.overflow = open | ((first & RSV1) === 0 ? 0 : WS_OPEN_COMPRESSED);
    }
  }

  /**
   * Puts frames in front of the input again, and makes that what the peer has sent: somebody else goes on with it.
   * @param frames what was taken off the front and handed to nobody.
   */
  putBack(frames: readonly Buffer[]): void {
    const { input } = this.#stream;
    const done = input.searched;
    const rest = input.take(input.length);
    if (done > 0 && this.framing.role === 'server') maskAgain(rest, done);
    input.append(Buffer.concat([...frames, rest]));
  }

  /** The run has been looked at. */
  done(run: FrameRun): void {
    if (!run.pooled) return;
    run.pooled = false;
    this.#stream.input.unpin();
    tables.push(run.table);
  }
}

/** True for frames, false for a reason why there are none now. */
export function isRun(answer: FrameRun | NotReady | NeedWrite | Eof): answer is FrameRun {
  return typeof answer === 'object';
}
