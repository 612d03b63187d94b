/**
 * A message that is framed once, and deflated at most once, to be sent to any number of connections.
 *
 * A server's frame has no mask, so every connection sends the same bytes from where they lie. Clients mask, each with a
 * key of its own. A deflated frame can be shared between connections only if it refers to no message before it, so it is
 * made without context, with the smallest window that was agreed on.
 */
import { invalidArgType } from '../arguments.js';
import type { Compressor } from './compressor.js';
import { putHeader } from './frame-writer.js';
import { FIN, headerSize, OP_BINARY, OP_TEXT, RSV1 } from './opcodes.js';
import { checkSendOptions, type SendOptions } from './send-options.js';

export class PreparedMessage {
  readonly type: 'text' | 'binary';
  /** The payload. Internal. */
  readonly bytes: Buffer;
  /** The frame of a server. Internal. */
  readonly frame: Buffer;
  /** The frame's first byte. Internal. */
  readonly first: number;
  /** Deflated frames by the window they were made for. */
  #deflated: Map<number, Buffer> | undefined;
  readonly #compress: boolean | undefined;

  /** Use `prepareMessage`. Internal. */
  constructor(bytes: Buffer, type: 'text' | 'binary', compress: boolean | undefined) {
    this.type = type;
    this.first = FIN | (type === 'text' ? OP_TEXT : OP_BINARY);
    this.frame = frameOf(this.first, bytes);
    this.bytes = this.frame.subarray(this.frame.length - bytes.length);
    this.#compress = compress;
  }

  /** Payload bytes. */
  get length(): number {
    return this.bytes.length;
  }

  /** The deflated frame for a connection; undefined where it is better sent as it is. Internal. */
  deflatedFor(deflate: Compressor, threshold: number): Buffer | undefined {
    if (threshold === Number.POSITIVE_INFINITY || !(this.#compress ?? this.length >= threshold)) return undefined;
    const windowBits = deflate.ownWindowBits;
    let frame = this.#deflated?.get(windowBits);
    if (frame === undefined) {
      frame = frameOf(this.first | RSV1, deflate.deflateAlone(this.bytes));
      this.#deflated ??= new Map();
      this.#deflated.set(windowBits, frame);
    }
    return frame;
  }
}

/**
 * Frames a message once, for many connections.
 * @param data a string is sent as text, bytes as binary; copied.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
 * @example
 * const news = prepareMessage('it is noon');
 * for (const socket of server.connections) socket.send(news);
 */
export function prepareMessage(data: string | Uint8Array, options: SendOptions = {}): PreparedMessage {
  checkSendOptions(options);
  const isText = typeof data === 'string';
  if (!isText && !(data instanceof Uint8Array)) throw invalidArgType('data', 'a string or a Uint8Array', data);
  const bytes = isText ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return new PreparedMessage(bytes, options.type ?? (isText ? 'text' : 'binary'), options.compress);
}

function frameOf(first: number, bytes: Buffer): Buffer {
  const header = headerSize(bytes.length);
  const frame = Buffer.allocUnsafeSlow(header + bytes.length);
  putHeader(frame, 0, first, bytes.length, 0);
  bytes.copy(frame, header);
  return frame;
}
