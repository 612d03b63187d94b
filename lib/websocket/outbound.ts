/**
 * The sending side of a connection: messages and control frames into the output queue.
 *
 * A message is taken whole or not at all. Control frames are always taken, but of the pongs only the last one waits while
 * the queue is over its mark, so that a peer that pings without reading gets no memory of ours. RFC 6455 §5.5.3
 */
// A global is a getter in Node, which shows where it is used for each message.
import { Buffer } from 'node:buffer';
import { invalidArgType } from '../arguments.js';
import { checkAttached } from '../bytes/input-buffer.js';
import { isUnstable, type OutputBuffer } from '../bytes/output-buffer.js';
import { byteLengthOf } from '../bytes/view.js';
import { UsageError } from '../errors.js';
import type { Channel } from '../framed/channel.js';
import { BY_REFERENCE_FROM } from '../limits.js';
import { EOF, type Eof, NOT_READY, type NotReady } from '../status.js';
import { Waiters } from '../streams/waiters.js';
import type { Compressor, PieceDeflater } from './compressor.js';
import { type FrameTarget, writeFrame, writeTextFrame } from './frame-writer.js';
import { type MaskKeySource, randomMaskKey } from './mask-keys.js';
import { type MessageCursor, PlacedMessage } from './message-cursor.js';
import { FIN, fragmentByte, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, RSV1 } from './opcodes.js';
import { PreparedMessage } from './prepared-message.js';
import type { SendOptions } from './send-options.js';

/** What can be sent as a message. */
export type MessageData =
  | string
  | Uint8Array
  | ArrayBuffer
  | SharedArrayBuffer
  | DataView
  | MessageCursor
  | PreparedMessage;

/** What a send that finds the queue over its mark gets: nothing is taken in any case. */
export type FullPolicy = 'wait' | 'drop' | 'close';

export interface OutboundOptions {
  readonly keys: MaskKeySource | undefined;
  readonly deflate: Compressor | undefined;
}

/** What waits for something else to be sent first. Made when it is needed: idle connections are many. */
class Late {
  /** The last pong that found the queue over its mark. */
  pong: Buffer | undefined = undefined;
  /** Those who wait for a message in pieces to end. */
  waiters: Waiters | undefined = undefined;
  /** What deflates the fragments of `pushFragment`. */
  deflating: PieceDeflater | undefined = undefined;
}

export class Outbound implements FrameTarget {
  readonly #channel: Channel;
  /** See FrameTarget. Another one while `unlikeRole` sends. */
  keys: MaskKeySource | undefined;
  /** What messages are deflated with, and inflated, where that was agreed on. */
  readonly deflater: Compressor | undefined;
  /** A close frame has been queued: nothing may follow it. RFC 6455 §5.5.1. Or the peer is gone. */
  #closed = false;
  /** A message is being written in pieces. */
  #inPieces = false;
  #late: Late | undefined;

  constructor(channel: Channel, { keys, deflate }: OutboundOptions) {
    this.#channel = channel;
    this.keys = keys;
    this.deflater = deflate;
  }

  /** See FrameTarget. */
  get output(): OutputBuffer {
    return this.#channel.output;
  }

  get lends(): boolean {
    return this.#channel.lends;
  }

  get reuses(): boolean {
    return this.#channel.reuses;
  }

  /** Nothing can be sent any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes a message, if there is room. @returns EOF once nothing can be sent any more. */
  trySend(data: MessageData, options: SendOptions | undefined): true | NotReady | Eof {
    const channel = this.#channel;
    if (this.#closed || channel.failed) return EOF;
    if (this.#inPieces) return NOT_READY;
    if (channel.full) {
      if (!channel.held) channel.pushOn();
      if (channel.full) {
        channel.refused ||= channel.held;
        return NOT_READY;
      }
    }
    this.encode(data, options);
    channel.schedule();
    return true;
  }

  /** Resolves when a message is taken again, or none ever will be. */
  async ready(signal: AbortSignal | undefined): Promise<void> {
    const channel = this.#channel;
    for (;;) {
      if (channel.full) await channel.ready(signal);
      else if (this.#inPieces && !this.#closed && !channel.failed) {
        const late = this.whatIsLate();
        late.waiters ??= new Waiters();
        await late.waiters.wait(signal);
      } else return;
    }
  }

  private whatIsLate(): Late {
    this.#late ??= new Late();
    return this.#late;
  }

  /** Takes nothing any more. */
  stop(): void {
    this.#closed = true;
    this.#channel.closeBypass();
    this.#late?.waiters?.wake();
  }

  /**
   * The byte stream goes to somebody else: takes nothing any more.
   * @returns a copy of what has not left. @throws the failure of the output.
   */
  letGo(): Buffer {
    const pong = this.#late?.pong;
    if (pong !== undefined) this.control(OP_PONG, pong);
    this.stop();
    return this.#channel.failed ? Buffer.alloc(0) : this.#channel.handOver();
  }

  private encode(data: MessageData, options: SendOptions | undefined): void {
    if (typeof data === 'string') {
      const first = FIN | (options?.type === 'binary' ? OP_BINARY : OP_TEXT);
      if (this.deflater === undefined || !this.compresses(3 * data.length, options)) {
        writeTextFrame(this, first, data);
        return;
      }
      const bytes = Buffer.from(data);
      return this.writeBytes(first, bytes, 0, bytes.length, true, options);
    }
    if (data instanceof PlacedMessage) return this.encodePlaced(data, options);
    if (data instanceof PreparedMessage) return this.encodePrepared(data);
    const bytes = bytesOf(data);
    const { length } = bytes;
    // Shorter ones are copied, whoever else may write to them.
    const stable = length >= BY_REFERENCE_FROM && !isUnstable(bytes);
    this.writeBytes(firstByte(options?.type !== 'text'), bytes, 0, length, stable, options);
  }

  private encodePlaced(message: PlacedMessage, options: SendOptions | undefined): void {
    const asItIs = options?.type === undefined || options.type === message.type;
    if (asItIs && this.keys === undefined && !this.compresses(message.length, options)) {
      if (message.writeFrame(this.#channel.output, this.#channel)) return;
    }
    const { bytes, from, to, isText, lent } = message.place;
    const binary = options?.type === undefined ? !isText : options.type === 'binary';
    this.writeBytes(firstByte(binary), bytes, from, to, !lent, options);
  }

  private encodePrepared(message: PreparedMessage): void {
    const { first, bytes } = message;
    if (this.keys !== undefined) return writeFrame(this, first, bytes, 0, bytes.length, STABLE);
    const frame = this.frameOf(message);
    this.#channel.output.writeInPlace(frame, 0, frame.length, KEPT);
  }

  /** The frame of a message that is sent without a mask. It counts as sent. */
  frameOf(message: PreparedMessage): Buffer {
    if (this.deflater === undefined) return message.frame;
    const deflated = message.deflatedFor(this.deflater, this.deflater.threshold);
    if (deflated === undefined) return message.frame;
    // What was deflated without us is in the peer's window and not in ours.
    this.deflater.forget();
    return deflated;
  }

  /**
   * Lets frames of prepared messages be given to the system past us, while nothing waits that they would have to follow:
   * see Channel. @returns the stream's id, or -1.
   */
  openBypass(): number {
    return this.#closed || this.#inPieces || this.keys !== undefined ? -1 : this.#channel.openBypass();
  }

  /** Queues what the system has not taken of a frame that went past us. @param sent bytes, or a negative errno. */
  queueRest(frame: Buffer, sent: number): void {
    this.#channel.closeBypass();
    this.#channel.output.writeInPlace(frame, Math.max(0, sent), frame.length, KEPT);
  }

  /** The stream has been told of that. */
  sendRest(): void {
    this.#channel.pushOn();
  }

  private compresses(length: number, options: SendOptions | undefined): boolean {
    if (this.deflater === undefined) return false;
    return length >= this.deflater.threshold && (options?.compress ?? true);
  }

  private writeBytes(
    first: number,
    bytes: Buffer,
    from: number,
    to: number,
    stable: boolean,
    options: SendOptions | undefined,
  ): void {
    if (this.compresses(to - from, options)) {
      const deflated = this.deflater!.deflate(bytes, from, to);
      writeFrame(this, first | RSV1, deflated, 0, deflated.length, UNSTABLE);
    } else writeFrame(this, first, bytes, from, to, stable ? STABLE : UNSTABLE);
  }

  // ---------------------------------------------------------------- whatever the mark says

  /**
   * Takes a message although the queue is over its mark: for faces whose `send` never refuses. What is sent by reference
   * leaves at once, as far as it goes: their users write to it again.
   * @returns false once nothing can be sent any more.
   */
  push(data: string | Buffer, options: SendOptions): boolean {
    const channel = this.#channel;
    if (this.#closed || channel.failed || channel.ended) return false;
    // What follows fragments is the last of them.
    if (this.#inPieces) return this.pushFragment(Buffer.from(data as Buffer), { ...options, final: true });
    if (typeof data === 'string') this.encode(data, options);
    else this.pushBytes(data, options);
    this.pushed(data.length);
    return true;
  }

  private pushBytes(bytes: Buffer, options: SendOptions): void {
    const { length } = bytes;
    if (length === 0) checkAttached(bytes);
    const stable = length >= inPlaceFrom(this.#channel) && !isUnstable(bytes);
    this.writeBytes(firstByte(options.type === 'binary'), bytes, 0, length, stable, options);
  }

  /** The same for a fragment; the first one's options count. */
  pushFragment(bytes: Buffer, options: SendOptions & { final: boolean }): boolean {
    const channel = this.#channel;
    if (this.#closed || channel.failed || channel.ended) return false;
    const isFirst = !this.#inPieces;
    const isLast = options.final;
    if (isFirst && this.deflater !== undefined && (options.compress ?? true)) {
      this.whatIsLate().deflating = this.deflater.beginDeflate();
    }
    const deflating = this.#late?.deflating;
    const compressed = deflating !== undefined;
    const piece = deflating?.write(bytes, 0, bytes.length, { final: isLast, flush: true }) ?? bytes;
    if (isLast && compressed) this.#late!.deflating = undefined;
    this.#inPieces = true;
    // A deflater may keep a piece to itself until there is more; the first fragment has to say what comes.
    if (piece.length > 0 || isFirst || isLast || !compressed) {
      const first = fragmentByte({ isFirst, isLast }, { binary: options.type !== 'text', compressed });
      const stable = !compressed && piece.length >= inPlaceFrom(channel) && !isUnstable(bytes);
      this.writeFragment(first, piece, 0, piece.length, stable);
    }
    this.pushed(piece.length);
    return true;
  }

  /**
   * Whatever `send` sends is masked where our role does not mask, and the other way round: for faces that have it so. A
   * peer that keeps the rules ends the connection. RFC 6455 §5.1
   */
  unlikeRole(send: () => void): void {
    const { keys } = this;
    this.keys = keys === undefined ? randomMaskKey : undefined;
    try {
      send();
    } finally {
      this.keys = keys;
    }
  }

  private pushed(length: number): void {
    const channel = this.#channel;
    if (length >= inPlaceFrom(channel) || (channel.full && !channel.held)) channel.pushOn();
    else channel.schedule();
  }

  // ---------------------------------------------------------------- pieces

  /** A message in pieces begins. @returns false when another is being written. */
  begin(): true | NotReady | Eof {
    if (this.#closed || this.#channel.failed) return EOF;
    if (this.#inPieces || this.#channel.full) return NOT_READY;
    this.#inPieces = true;
    this.#channel.closeBypass();
    return true;
  }

  /** One fragment. */
  writeFragment(first: number, bytes: Buffer, from: number, to: number, stable: boolean): void {
    writeFrame(this, first, bytes, from, to, stable ? STABLE : UNSTABLE);
    if ((first & FIN) !== 0) {
      this.#inPieces = false;
      this.#late?.waiters?.wake();
    }
    this.#channel.schedule();
  }

  // ---------------------------------------------------------------- control frames

  /** @returns false once nothing can be sent any more. */
  ping(payload: Buffer): boolean {
    return this.control(OP_PING, payload);
  }

  pong(payload: Buffer): boolean {
    if (this.#channel.full) {
      // Only the last one has to be answered. RFC 6455 §5.5.3
      const late = this.whatIsLate();
      if (late.pong === undefined) void this.pongLater(late);
      late.pong = Buffer.from(payload);
      return !this.#closed;
    }
    return this.control(OP_PONG, payload);
  }

  private async pongLater(late: Late): Promise<void> {
    try {
      while (this.#channel.full) await this.#channel.ready(undefined);
    } catch {
      // The stream is gone, and who pinged with it.
    }
    const payload = late.pong!;
    late.pong = undefined;
    this.control(OP_PONG, payload);
  }

  /** Queues the close frame, the last one. @returns false when one has been queued. */
  close(payload: Buffer): boolean {
    if (!this.control(OP_CLOSE, payload)) return false;
    this.stop();
    return true;
  }

  private control(opcode: number, payload: Buffer): boolean {
    const channel = this.#channel;
    if (this.#closed || channel.failed || channel.ended) return false;
    writeFrame(this, FIN | opcode, payload, 0, payload.length, UNSTABLE);
    channel.schedule();
    return true;
  }
}

/**
 * Bytes. What is pushed goes by reference, and at once, only where copying it costs more than that. Where a stream holds
 * on to memory, a copy for it is of no use again.
 */
function inPlaceFrom({ reuses }: Channel): number {
  return reuses ? 4 * BY_REFERENCE_FROM : BY_REFERENCE_FROM;
}

const KEPT = { lent: false };
const STABLE = { stable: true };
const UNSTABLE = { stable: false };

function firstByte(binary: boolean): number {
  return FIN | (binary ? OP_BINARY : OP_TEXT);
}

/** @throws ERR_INVALID_ARG_TYPE; UsageError ERR_PAYLOAD_DETACHED */
export function bytesOf(data: unknown): Buffer {
  // Most are Buffers with something in them, and need no more than this.
  if (data instanceof Buffer && byteLengthOf(data) > 0) return data;
  if (data instanceof Uint8Array) {
    checkAttached(data);
    return data instanceof Buffer ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }
  try {
    if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return Buffer.from(data);
  } catch (cause) {
    throw new UsageError('ERR_PAYLOAD_DETACHED', { cause });
  }
  throw invalidArgType('data', 'a string, bytes or a message', data);
}
