/**
 * WebSocket as miniprotocols, for framed streams: raw frames, or whole messages. Both without I/O.
 *
 * For whoever composes a protocol of his own, or takes one apart: a head, a switch, frames. A server or a client is better
 * served by a WebSocketConnection, which is faster and knows the closing handshake.
 */
import { checkBoolean, checkFunction, checkInteger, checkObject, checkOneOf, invalidArgType } from '../arguments.js';
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { OutputBuffer } from '../bytes/output-buffer.js';
import type { Codec } from '../codecs/codec.js';
import { UsageError } from '../errors.js';
import { HEADER_WORDS, R_FLAGS, R_LENGTH, R_OFFSET, WS_FIRST_SHIFT } from '../frame-table.js';
import { DEFAULT_MAX_MESSAGE_LENGTH, DEFAULT_WRITE_HIGH_WATER_MARK, LARGEST_MAX_LENGTH } from '../limits.js';
import {
  CONTINUE,
  type Continue,
  EOF,
  type Eof,
  NEED_WRITE,
  type NeedWrite,
  NOT_READY,
  type NotReady,
} from '../status.js';
import { CLOSE_NORMAL, closeCodeOf } from './close-codes.js';
import { closedAbnormally } from './faults.js';
import { FrameSource, isRun } from './frame-source.js';
import { type FrameTarget, writeFrame, writeTextFrame } from './frame-writer.js';
import { type MaskKeySource, randomMaskKey } from './mask-keys.js';
import { MessageAssembly } from './message-assembly.js';
import { FIN, LONGEST_CONTROL, OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, OPCODE_MASK, RSV1 } from './opcodes.js';

/** One frame. RFC 6455 §5.2 */
export interface WebSocketFrame {
  /** 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
  readonly opcode: number;
  /** The last frame of its message. */
  readonly fin: boolean;
  /** RSV1: the message is deflated. RFC 7692 §6 */
  readonly compressed: boolean;
  readonly payload: Buffer;
}

/** A frame to be written. */
export interface OutgoingFrame {
  opcode: number;
  /** Default true. */
  fin?: boolean;
  /** Default false. */
  compressed?: boolean;
  payload: string | Uint8Array;
}

export interface WebSocketCodecOptions {
  /** Which side this is: a client masks what it writes, a server takes only what is masked. */
  role: 'server' | 'client';
  /** Bytes of a frame, and of a message. Default 16 MiB. */
  maxMessageLength?: number;
  /** RSV1 is allowed: something was agreed on that uses it. Frames only. Default false. */
  compression?: boolean;
  /** Gives mask keys, for tests. */
  maskKeys?: MaskKeySource;
}

interface Checked {
  readonly role: 'server' | 'client';
  readonly maxLength: number;
  readonly compression: boolean;
  readonly keys: MaskKeySource | undefined;
}

/**
 * A codec for frames as they are, control frames included. What breaks a rule of RFC 6455 is ERR_INVALID_FRAME; text is
 * checked to be UTF-8 across its frames.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 */
export function webSocketFrames(options: WebSocketCodecOptions): Codec<WebSocketFrame, OutgoingFrame> {
  return new FrameCodec(checkOptions(options));
}

/**
 * A codec for messages: text as strings, binary as Buffers. Pings are answered; the peer's close is answered and is the
 * last that is read; our end is a close with 1000.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE
 * @example
 * const talk = framed(stream, webSocketMessages({ role: 'server' }));
 * for await (const message of talk) await talk.write(message);
 */
export function webSocketMessages(options: WebSocketCodecOptions): Codec<string | Buffer, string | Uint8Array> {
  return new MessageCodec({ ...checkOptions(options), compression: false });
}

function checkOptions(options: WebSocketCodecOptions): Checked {
  checkObject('options', options);
  const { role, maxMessageLength = DEFAULT_MAX_MESSAGE_LENGTH, compression = false, maskKeys } = options;
  checkOneOf('options.role', role, ['server', 'client']);
  checkInteger('options.maxMessageLength', maxMessageLength, 0, LARGEST_MAX_LENGTH);
  checkBoolean('options.compression', compression);
  if (maskKeys !== undefined) checkFunction('options.maskKeys', maskKeys);
  const keys = role === 'client' ? (maskKeys ?? randomMaskKey) : undefined;
  return { role, maxLength: maxMessageLength, compression, keys };
}

/** A frame where it lies. */
type TakeFrame<T> = (first: number, bytes: Buffer, from: number, to: number, offset: number) => T;

/** Frames off the front of an input, and into an output. */
class Frames {
  readonly #options: Checked;
  #input: InputBuffer | undefined;
  #source: FrameSource | undefined;
  #target: FrameTarget | undefined;

  constructor(options: Checked) {
    this.#options = options;
  }

  /** Hands the next frame to `take`, whose view of it ends with the call. */
  tryTake<T>(input: InputBuffer, take: TakeFrame<T>): T | NotReady {
    const run = this.#sourceOf(input).tryNextRun(1);
    if (!isRun(run)) return input.need(Math.max(input.needed, input.length + 1));
    try {
      const at = run.base + HEADER_WORDS;
      const from = run.table[at + R_OFFSET]!;
      const first = (run.table[at + R_FLAGS]! >>> WS_FIRST_SHIFT) & 0xff;
      return take(first, run.bytes, from, from + run.table[at + R_LENGTH]!, run.offset);
    } finally {
      this.#source!.done(run);
    }
  }

  #sourceOf(input: InputBuffer): FrameSource {
    if (this.#source !== undefined && this.#input === input) return this.#source;
    const { role, maxLength, compression } = this.#options;
    this.#input = input;
    this.#source = new FrameSource(
      { input, tryFill: () => NOT_READY, sharesInput: true },
      { role, maxLength, compression, utf8: true },
    );
    return this.#source;
  }

  write(first: number, payload: string | Uint8Array, output: OutputBuffer): void {
    if (this.#target?.output !== output) this.#target = { output, keys: this.#options.keys, lends: false };
    if (typeof payload === 'string') {
      writeTextFrame(this.#target, first, payload);
      return;
    }
    if (!(payload instanceof Uint8Array)) throw invalidArgType('record', 'a string or a Uint8Array', payload);
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    writeFrame(this.#target, first, bytes, 0, bytes.length, { stable: true });
  }
}

class FrameCodec implements Codec<WebSocketFrame, OutgoingFrame> {
  readonly name = 'websocket';
  readonly #frames: Frames;

  constructor(options: Checked) {
    this.#frames = new Frames(options);
  }

  decode(input: InputBuffer): WebSocketFrame | NotReady {
    return this.#frames.tryTake(input, frameOf);
  }

  encode(frame: OutgoingFrame, output: OutputBuffer): true {
    checkObject('record', frame);
    const { opcode, fin = true, compressed = false, payload } = frame;
    checkInteger('record.opcode', opcode, 0, OPCODE_MASK);
    const first = opcode | (fin ? FIN : 0) | (compressed ? RSV1 : 0);
    if (opcode >= OP_CLOSE && (!fin || Buffer.byteLength(payload as string) > LONGEST_CONTROL)) {
      const message = 'a control frame is whole and has at most 125 bytes (RFC 6455 §5.5)';
      throw new UsageError('ERR_RECORD_NOT_ENCODABLE', { protocol: this.name, message });
    }
    this.#frames.write(first, payload, output);
    return true;
  }
}

function frameOf(first: number, bytes: Buffer, from: number, to: number): WebSocketFrame {
  return {
    opcode: first & OPCODE_MASK,
    fin: (first & FIN) !== 0,
    compressed: (first & RSV1) !== 0,
    payload: Buffer.from(bytes.subarray(from, to)),
  };
}

/** Bytes of pongs that wait to leave, from which nothing more is read. */
const MOST_PONGS = DEFAULT_WRITE_HIGH_WATER_MARK;

class MessageCodec implements Codec<string | Buffer, string | Uint8Array> {
  readonly name = 'websocket';
  readonly #frames: Frames;
  readonly #assembly: MessageAssembly;
  /** We have said goodbye: nothing more may be written. RFC 6455 §5.5.1 */
  #sentClose = false;
  #receivedClose = false;
  /** Bytes of pongs, counted again from none once the last of them has left; and the output's offset behind that. */
  #pongLength = 0;
  #pongsEnd = 0;

  constructor(options: Checked) {
    this.#frames = new Frames(options);
    this.#assembly = new MessageAssembly(options.maxLength, undefined);
  }

  decode(input: InputBuffer, output: OutputBuffer): string | Buffer | NotReady | NeedWrite | Continue {
    if (this.#receivedClose) return this.#ignore(input);
    // A peer that pings and does not read gets no memory beyond that.
    if (this.#pongLength >= MOST_PONGS && output.offset < this.#pongsEnd) return NEED_WRITE;
    try {
      return this.#frames.tryTake(input, (first, bytes, from, to, offset) => {
        if ((first & OP_CLOSE) !== 0) return this.#control(first & OPCODE_MASK, bytes.subarray(from, to), output);
        const message = this.#assembly.add(first, bytes, from, to, offset);
        if (message === undefined) return CONTINUE;
        const payload = message.bytes.subarray(message.from, message.to);
        return message.isText ? payload.toString() : Buffer.from(payload);
      });
    } catch (error) {
      const code = closeCodeOf(error);
      this.#close(Uint8Array.of(code >> 8, code & 0xff), output);
      throw error;
    }
  }

  #control(opcode: number, payload: Buffer, output: OutputBuffer): Continue {
    if (opcode === OP_PING && !this.#sentClose) this.#pong(payload, output);
    if (opcode === OP_CLOSE) {
      this.#receivedClose = true;
      this.#close(payload, output);
    }
    return CONTINUE;
  }

  #pong(payload: Buffer, output: OutputBuffer): void {
    if (output.offset >= this.#pongsEnd) this.#pongLength = 0;
    const before = output.length;
    this.#frames.write(FIN | OP_PONG, payload, output);
    this.#pongLength += output.length - before;
    this.#pongsEnd = output.offset + output.length;
  }

  /** What follows a close frame means nothing. RFC 6455 §5.5.1 */
  #ignore(input: InputBuffer): NotReady | Continue {
    if (input.length === 0) return input.need(1);
    input.consume(input.length);
    return CONTINUE;
  }

  encode(message: string | Uint8Array, output: OutputBuffer): true {
    if (this.#sentClose) throw new UsageError('ERR_STREAM_ENDED', { protocol: this.name });
    this.#frames.write(FIN | (typeof message === 'string' ? OP_TEXT : OP_BINARY), message, output);
    return true;
  }

  end(output: OutputBuffer): void {
    this.#close(Uint8Array.of(CLOSE_NORMAL >> 8, CLOSE_NORMAL & 0xff), output);
  }

  /** A stream that ends without a close frame has lost something, if only that. RFC 6455 §7.1.4 */
  finish(input: InputBuffer): Eof {
    if (!this.#receivedClose) throw closedAbnormally(input.offset);
    return EOF;
  }

  #close(payload: Uint8Array, output: OutputBuffer): void {
    if (this.#sentClose) return;
    this.#sentClose = true;
    this.#frames.write(FIN | OP_CLOSE, payload, output);
  }
}
