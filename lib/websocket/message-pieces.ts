/**
 * Messages in pieces as they arrive: for those that are too large to be held.
 *
 * While somebody reads so, the connection reads nothing by itself: a peer that sends faster than the pieces are taken is
 * held by its own system's buffers. Control frames are handled when they are met. The framer still checks every header;
 * of a frame that is not whole the payload is taken from behind its header as it comes.
 *
 *   state      the front of the input              left by
 *   between    the header of a frame               a header that is complete
 *   payload    #left bytes of a frame's payload    the last of them
 */
import { isUtf8 } from 'node:buffer';
import { ProtocolError } from '../errors.js';
import { HEADER_WORDS, R_FLAGS, R_LENGTH, R_OFFSET, ROW_WORDS, WS_FIRST_SHIFT } from '../frame-table.js';
import { native } from '../native.js';
import { EOF, type Eof, NOT_READY } from '../status.js';
import type { Compressor, PieceInflater } from './compressor.js';
import { type FrameRun, type FrameSource, isRun, offsetOf } from './frame-source.js';
import type { Inbound } from './inbound.js';
import { FIN, OP_CLOSE, OP_CONTINUATION, OP_TEXT, OPCODE_MASK, RSV1 } from './opcodes.js';

/** Bytes of a piece at most. */
const LARGEST_PIECE = 64 * 1024;

/** A message that is being read in pieces. */
export interface MessagePieces extends AsyncIterable<Buffer> {
  readonly type: 'text' | 'binary';
}

/** What reading in pieces needs of the connection. */
export interface PiecesHost {
  readonly source: FrameSource;
  readonly inbound: Inbound;
  readonly deflate: Compressor | undefined;
  control(opcode: number, bytes: Buffer, from: number, to: number): void;
  /** Waits for bytes. */
  ready(): Promise<void>;
  inputEnded(): void;
  inputFailed(error: unknown): void;
  /** @throws what has ended the connection, where that was a failure. */
  checkEnd(): void;
  /** Nobody reads in pieces any more. */
  over(): void;
}

/** A stretch of a message. */
interface Stretch {
  /** The message's first frame begins here; its first byte. */
  readonly first: number;
  readonly bytes: Buffer;
  readonly isLast: boolean;
  /** Where in the stream its frame begins. */
  readonly offset: number;
}

/** A frame whose header has been taken and whose payload comes. */
interface OpenedFrame {
  /** Its first byte. */
  readonly opened: number;
  /** That of its next stretch. */
  first: number;
  readonly key: number;
  phase: number;
  unmasked: number;
  readonly offset: number;
}

/** Every message of a connection, one after the other. */
export class IncomingPieces implements AsyncIterableIterator<MessagePieces> {
  readonly #host: PiecesHost;
  #current: PiecesOfOne | undefined;
  #run: FrameRun | undefined;
  /** Payload bytes of the frame at the front that have not been taken. */
  #left = 0;
  #frame: OpenedFrame | undefined;
  #ended = false;

  constructor(host: PiecesHost) {
    this.#host = host;
    host.inbound.suspend();
    host.source.checksText(false);
  }

  /** The next message; what was not read of the last one is dropped. */
  async next(): Promise<IteratorResult<MessagePieces, undefined>> {
    await this.#current?.finish();
    this.#current = undefined;
    const stretch = this.#ended ? EOF : await this.#firstStretch();
    if (stretch === EOF) {
      this.#end();
      return { done: true, value: undefined };
    }
    this.#current = new PiecesOfOne(this, stretch as Stretch, this.#host);
    return { done: false, value: this.#current };
  }

  /** The beginning of a message. What fails ends this: nobody calls `return` then. */
  async #firstStretch(): Promise<Stretch | Eof> {
    try {
      return await this.nextStretch();
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** Leaving the loop drops the rest of the message at hand; the connection reads by itself again. */
  async return(): Promise<IteratorResult<MessagePieces, undefined>> {
    try {
      await this.#current?.finish();
    } finally {
      this.#end();
    }
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#current = undefined;
    if (this.#run !== undefined) this.#host.inbound.keepRest(this.#run);
    this.#run = undefined;
    this.#host.source.checksText(this.#host.source.framing.utf8);
    this.#host.inbound.proceed();
    this.#host.over();
  }

  /** The message at hand is wrong: the connection fails, and there are no messages behind it. Internal. */
  failed(error: unknown): void {
    this.#host.inputFailed(error);
    this.#host.inbound.drop();
  }

  /** The next stretch of data; control frames on the way are handled. Internal. */
  async nextStretch(): Promise<Stretch | Eof> {
    for (;;) {
      const stretch = this.#tryNext();
      if (stretch !== NOT_READY) {
        if (stretch === EOF) this.#host.checkEnd();
        return stretch as Stretch | Eof;
      }
      await this.#host.ready();
    }
  }

  #tryNext(): Stretch | typeof NOT_READY | Eof {
    const { inbound, source } = this.#host;
    try {
      for (;;) {
        if (this.#ended || inbound.dropped) return EOF;
        if (this.#frame !== undefined) return this.#takePayload();
        const open = inbound.takeOpen();
        if (open !== undefined) return { ...open, isLast: false };
        const run = this.#run ?? inbound.takeKept();
        if (run !== undefined) {
          const stretch = this.#takeRow(run);
          if (stretch !== undefined) return stretch;
          continue;
        }
        if (inbound.over) return EOF;
        const answer = source.tryNextRun();
        if (isRun(answer)) this.#run = answer;
        else if (answer === EOF) {
          this.#host.inputEnded();
          return EOF;
        } else if (!this.#openFrame()) return NOT_READY;
      }
    } catch (error) {
      this.#host.inputFailed(error);
      throw error;
    }
  }

  /** One row of a run. @returns undefined where there was no data in it. */
  #takeRow(run: FrameRun): Stretch | undefined {
    this.#run = run;
    if (run.row === run.rows) {
      this.#host.source.done(run);
      this.#run = undefined;
      return undefined;
    }
    const at = run.base + HEADER_WORDS + run.row * ROW_WORDS;
    const first = (run.table[at + R_FLAGS]! >>> WS_FIRST_SHIFT) & 0xff;
    const from = run.table[at + R_OFFSET]!;
    const to = from + run.table[at + R_LENGTH]!;
    const offset = offsetOf(run, run.row);
    run.row++;
    if ((first & OPCODE_MASK) >= OP_CLOSE) {
      // The framer leaves all text to us now, that of reasons too.
      const isClose = (first & OPCODE_MASK) === OP_CLOSE && this.#host.source.framing.utf8;
      if (isClose && !isUtf8(run.bytes.subarray(Math.min(to, from + 2), to))) throw notText(offset);
      this.#host.control(first & OPCODE_MASK, run.bytes, from, to);
      return undefined;
    }
    return { first, bytes: Buffer.from(run.bytes.subarray(from, to)), isLast: (first & FIN) !== 0, offset };
  }

  /** Takes the header of a frame that is not whole off the input. @returns false when that is not complete either. */
  #openFrame(): boolean {
    const { source } = this.#host;
    const { offset } = source.input;
    const opened = source.tryOpenFrame();
    if (opened === undefined) return false;
    const { first, length, key, done } = opened;
    this.#left = length;
    this.#frame = { opened: first, first, key, phase: 0, unmasked: done, offset };
    return true;
  }

  #takePayload(): Stretch | typeof NOT_READY | Eof {
    const frame = this.#frame!;
    const { input } = this.#host.source;
    if (input.length === 0) {
      const answer = this.#host.source.tryFill();
      if (answer === EOF) {
        this.#host.inputEnded();
        return EOF;
      }
      if (typeof answer !== 'number') return NOT_READY;
    }
    const size = Math.min(this.#left, input.frontLength, LARGEST_PIECE);
    const { bytes, start } = input.front()!;
    const piece = Buffer.allocUnsafeSlow(size);
    const clear = Math.min(size, frame.unmasked);
    bytes.copy(piece, 0, start, start + clear);
    if (this.#host.source.framing.role === 'client') bytes.copy(piece, clear, start + clear, start + size);
    else {
      const phase = (frame.phase + clear) & 3;
      native().maskCopy(bytes, start + clear, start + size, piece, clear, frame.key, phase);
    }
    frame.phase = (frame.phase + size) & 3;
    frame.unmasked -= clear;
    input.consume(size);
    this.#left -= size;
    const isLast = this.#left === 0 && (frame.first & FIN) !== 0;
    const { first, offset } = frame;
    // The stretches behind the first continue its message.
    frame.first = OP_CONTINUATION | (frame.first & FIN);
    if (this.#left === 0) {
      this.#frame = undefined;
      this.#host.source.closeFrame(frame.opened);
    }
    return { first, bytes: piece, isLast, offset };
  }
}

/** One message. */
class PiecesOfOne implements MessagePieces, AsyncIterableIterator<Buffer> {
  readonly type: 'text' | 'binary';
  readonly #pieces: IncomingPieces;
  readonly #inflater: PieceInflater | undefined;
  #stretch: Stretch | undefined;
  #inflating = false;
  #done = false;
  readonly #checks: boolean;
  /** The connection has ended before the message. */
  #cut = false;
  #utf8 = 0;
  /** Where in the stream the frame at hand begins, or the message, where it is inflated: errors say so. */
  #offset: number;
  readonly #source: FrameSource;

  constructor(pieces: IncomingPieces, first: Stretch, { deflate, source }: PiecesHost) {
    this.#pieces = pieces;
    this.#stretch = first;
    this.#offset = first.offset;
    this.#source = source;
    this.type = (first.first & OPCODE_MASK) === OP_TEXT ? 'text' : 'binary';
    this.#checks = this.type === 'text' && source.framing.utf8;
    this.#inflater = (first.first & RSV1) === 0 ? undefined : deflate!.beginInflate(first.offset);
  }

  async next(): Promise<IteratorResult<Buffer, undefined>> {
    const piece = await this.#nextChecked();
    if (piece !== undefined) return { done: false, value: piece };
    if (this.#cut) throw cutOff(this.#source.input.offset);
    return { done: true, value: undefined };
  }

  async #nextChecked(): Promise<Buffer | undefined> {
    try {
      for (;;) {
        const piece = await this.#nextPiece();
        if (piece !== undefined && piece.length === 0) continue;
        this.#check(piece);
        return piece;
      }
    } catch (error) {
      this.#done = true;
      this.#utf8 = 0;
      this.#inflating = false;
      this.#stretch = undefined;
      this.#pieces.failed(error);
      throw error;
    }
  }

  async #nextPiece(): Promise<Buffer | undefined> {
    if (this.#inflating) {
      const piece = this.#inflater!.read(LARGEST_PIECE);
      if (piece.length > 0) return piece;
      this.#inflating = false;
    }
    if (this.#done) return undefined;
    const stretch = this.#stretch ?? (await this.#pieces.nextStretch());
    this.#stretch = undefined;
    if (stretch === EOF) {
      this.#done = true;
      this.#cut = true;
      return undefined;
    }
    const { bytes, isLast, offset } = stretch as Stretch;
    this.#done = isLast;
    if (this.#inflater === undefined) {
      this.#offset = offset;
      return bytes;
    }
    this.#inflater.write(bytes, { final: isLast });
    this.#inflating = true;
    return EMPTY;
  }

  /** The framer cannot check text that is not held together; undefined for its end. RFC 6455 §8.1 */
  #check(piece: Buffer | undefined): void {
    if (!this.#checks || this.#cut) return;
    if (piece !== undefined) this.#utf8 = native().validateUtf8(piece, 0, piece.length, this.#utf8);
    if (piece === undefined ? this.#utf8 === 0 : this.#utf8 >= 0) return;
    throw notText(this.#offset);
  }

  /** Drops what is left. Internal. */
  async finish(): Promise<void> {
    while (!this.#done || this.#inflating) if ((await this.#nextChecked()) === undefined) return;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function notText(offset: number): ProtocolError {
  const message = 'Cannot take the text: it is not valid UTF-8 (RFC 6455 §8.1)';
  return new ProtocolError('ERR_INVALID_UTF8', { protocol: 'websocket', offset, message });
}

const EMPTY = Buffer.alloc(0);

function cutOff(offset: number): ProtocolError {
  const message = 'the connection ended inside a message';
  return new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: 'websocket', offset, message });
}
