/**
 * A message that is written in pieces, each a fragment. RFC 6455 §5.4
 *
 * Its length need not be known. Control frames may go between the pieces; other messages wait until it has ended.
 */
import { checkSignal } from '../arguments.js';
import { UsageError } from '../errors.js';
import type { Channel } from '../framed/channel.js';
import { NOT_READY, type NotReady } from '../status.js';
import type { ReadyOptions } from '../streams/byte-stream.js';
import type { Compressor, PieceDeflater } from './compressor.js';
import { fragmentByte } from './opcodes.js';
import { bytesOf, type Outbound } from './outbound.js';
import type { SendOptions } from './send-options.js';

export class MessageWriter {
  readonly #outbound: Outbound;
  readonly #channel: Channel;
  readonly #deflating: PieceDeflater | undefined;
  readonly #form: { binary: boolean; compressed: boolean };
  #isFirst = true;
  /** The first half of a surrogate pair, whose second has not come; '' mostly. */
  #half = '';
  #ended = false;

  /** Internal: `beginMessage` makes it. */
  constructor(outbound: Outbound, channel: Channel, deflate: Compressor | undefined, options: SendOptions) {
    this.#outbound = outbound;
    this.#channel = channel;
    // A threshold without end: what we send is never compressed.
    const compresses = deflate !== undefined && deflate.threshold < Number.POSITIVE_INFINITY;
    const compressed = compresses && (options.compress ?? true);
    this.#deflating = compressed ? deflate.beginDeflate() : undefined;
    this.#form = { binary: options.type !== 'text', compressed };
  }

  /**
   * Takes a piece, if there is room.
   * @throws ERR_INVALID_ARG_TYPE; UsageError ERR_STREAM_ENDED after `end` or once the connection is closing.
   */
  tryWrite(piece: string | Uint8Array): true | NotReady {
    this.#check();
    if (this.#channel.full) return NOT_READY;
    this.#send(piece, false);
    return true;
  }

  /** Takes a piece as soon as there is room. */
  async write(piece: string | Uint8Array, options: ReadyOptions = {}): Promise<void> {
    checkSignal('options.signal', options.signal);
    options.signal?.throwIfAborted();
    while (this.tryWrite(piece) === NOT_READY) await this.#channel.ready(options.signal);
  }

  /** Ends the message, with a last piece or without. */
  end(piece: string | Uint8Array = ''): void {
    this.#check();
    this.#send(piece, true);
    this.#ended = true;
  }

  #check(): void {
    if (this.#ended || this.#outbound.closed || this.#channel.failed) {
      throw new UsageError('ERR_STREAM_ENDED', { protocol: 'websocket' });
    }
  }

  #send(piece: string | Uint8Array, isLast: boolean): void {
    const given = this.#bytesOf(piece, isLast);
    const bytes =
      this.#deflating === undefined ? given : this.#deflating.write(given, 0, given.length, { final: isLast });
    // A deflater may keep a piece to itself until there is more.
    if (bytes.length === 0 && !isLast) return;
    const first = fragmentByte({ isFirst: this.#isFirst, isLast }, this.#form);
    this.#isFirst = false;
    this.#outbound.writeFragment(first, bytes, 0, bytes.length, false);
  }

  /** The bytes of a piece. A character of two halves may be cut between two strings: its first half waits for the second. */
  #bytesOf(piece: string | Uint8Array, isLast: boolean): Buffer {
    const half = this.#half;
    if (typeof piece !== 'string') {
      const bytes = bytesOf(piece);
      this.#half = '';
      return half === '' ? bytes : Buffer.concat([Buffer.from(half), bytes]);
    }
    const text = half + piece;
    const last = text.charCodeAt(text.length - 1);
    const waits = !isLast && last >= 0xd800 && last <= 0xdbff;
    this.#half = waits ? text.slice(-1) : '';
    return Buffer.from(waits ? text.slice(0, -1) : text);
  }
}
