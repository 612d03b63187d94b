/**
 * permessage-deflate of one connection: messages whole, or in pieces. RFC 7692 §7.2
 *
 * Synchronous: the way to another thread and back costs more than a small message (bench/deflate.mjs). Memory is the thread's
 * but for what context takeover has to keep, and that is taken with the first messages. What is inflated never gets
 * longer than the caller allows, whatever the sender meant it to become.
 */
import {
  DEFLATE_HELD,
  type DeflateInterface,
  INFLATER_OWN,
  INFLATER_SHARED,
  type MessagePart,
  PART_END,
  PART_FLUSH,
  PART_MORE,
} from '../../deflate-interface.js';
import { LimitError, type MiniprotoError, ProtocolError, TransportError, UsageError } from '../../errors.js';
import { nativeDeflate } from '../../native.js';
import type { Compressor, PieceDeflater } from '../compressor.js';
import type { AgreedDeflate } from '../established.js';
import { InflatedPieces } from './inflated-pieces.js';
import type { DeflateSettings } from './options.js';
import { deflateScratch, inflateScratch, SCRATCH } from './scratch.js';

const PROTOCOL = 'websocket';
/** The smallest window that zlib writes. With it no distance is over 250 bytes, so it also does for a window of 8 bits. */
const LEAST_WINDOW_BITS = 9;

export class MessageDeflate implements Compressor {
  readonly threshold: number;
  readonly ownWindowBits: number;
  readonly #codec: DeflateInterface;
  readonly #agreed: AgreedDeflate;
  /** The codec's number for this connection; 0 before the first message. */
  #id = 0;
  #destroyed = false;
  #deflatesPieces = false;
  #inflatesPieces = false;
  /** The first error is sticky: what follows it in the stream refers to what is lost. */
  #inflateError: MiniprotoError | undefined;
  /** Where in the stream the message begins that is inflated, where that was said. */
  #offset: number | undefined;

  /** @param codec who does the work; default: the addon, or the reference. */
  constructor(agreed: AgreedDeflate, codec: DeflateInterface = nativeDeflate()) {
    this.threshold = agreed.settings.threshold;
    this.ownWindowBits = agreed.own.windowBits;
    this.#agreed = agreed;
    this.#codec = codec;
  }

  /**
   * Deflates a message.
   * @returns what a frame with RSV1 has to carry; good until somebody deflates in this thread.
   * @throws TransportError ERR_DEFLATE_MEMORY; UsageError ERR_RECORD_UNFINISHED while a message is deflated in pieces.
   */
  deflate(bytes: Buffer, from: number, to: number): Buffer {
    if (this.#deflatesPieces) throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: PROTOCOL });
    return this.#deflatePart(bytes, from, to, PART_END);
  }

  /** Deflates a message that refers to none before it. @returns memory of its own. @throws TransportError */
  deflateAlone(bytes: Buffer): Buffer {
    const id = contextForAlone(this.#codec, this.#agreed);
    return Buffer.from(deflateWith(this.#codec, id, bytes, 0, bytes.length, PART_END));
  }

  /** A message that was deflated elsewhere has been sent: what follows refers to nothing before. */
  forget(): void {
    if (this.#id !== 0) this.#codec.forgetSent(this.#id);
  }

  /**
   * Begins a message that is deflated in pieces. Until its end nothing else can be deflated.
   * @throws UsageError ERR_RECORD_UNFINISHED while another one is.
   */
  beginDeflate(): PieceDeflater {
    if (this.#deflatesPieces) throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: PROTOCOL });
    this.#deflatesPieces = true;
    return {
      write: (bytes, from, to, { final, flush = false }) => {
        if (!this.#deflatesPieces) throw new UsageError('ERR_STREAM_ENDED', { protocol: PROTOCOL });
        if (final) this.#deflatesPieces = false;
        return this.#deflatePart(bytes, from, to, final ? PART_END : flush ? PART_FLUSH : PART_MORE);
      },
    };
  }

  /**
   * Inflates a message.
   * @param maxLength bytes that the message may have.
   * @param offset where in the stream it begins; for errors.
   * @returns the message; good until somebody inflates in this thread.
   * @throws LimitError ERR_MESSAGE_TOO_LARGE as soon as there is a byte too many; ProtocolError ERR_INVALID_DEFLATE;
   *   TransportError ERR_DEFLATE_MEMORY. Each of them again at every later call.
   */
  inflate(bytes: Buffer, from: number, to: number, maxLength: number, offset?: number): Buffer {
    if (this.#inflatesPieces) throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: PROTOCOL });
    this.#offset = offset;
    let target = inflateScratch();
    let at = from;
    let length = 0;
    // One byte more than is allowed, so that a message which is too long shows.
    let end = Math.min(target.length, maxLength + 1);
    for (;;) {
      const answer = this.#inflateStep(bytes, at, to, PART_END, target, length, end);
      length = answer < 0 ? end : length + answer;
      if (length > maxLength) throw this.#tooLarge(maxLength);
      if (answer >= 0) return target.subarray(0, length);
      at += -1 - answer;
      target = grown(target, length);
      end = Math.min(target.length, maxLength + 1);
    }
  }

  /**
   * Begins a message that is inflated in pieces. Until its end nothing else can be inflated.
   * @param offset where in the stream it begins; for errors.
   * @param maxLength bytes that the message may have.
   */
  beginInflate(offset?: number, maxLength = Number.POSITIVE_INFINITY): InflatedPieces {
    if (this.#inflatesPieces) throw new UsageError('ERR_RECORD_UNFINISHED', { protocol: PROTOCOL });
    this.#inflatesPieces = true;
    this.#offset = offset;
    let total = 0;
    return new InflatedPieces((bytes, from, to, part, target, targetFrom, targetTo) => {
      const answer = this.#inflateStep(bytes, from, to, part, target, targetFrom, targetTo);
      total += answer < 0 ? targetTo - targetFrom : answer;
      if (total > maxLength) throw this.#tooLarge(maxLength);
      if (answer >= 0 && part === PART_END) this.#inflatesPieces = false;
      return answer;
    });
  }

  /** Gives the memory back. Nothing can be done afterwards. */
  destroy(): void {
    if (this.#id !== 0) this.#codec.closeContext(this.#id);
    this.#id = 0;
    this.#destroyed = true;
  }

  #deflatePart(bytes: Uint8Array, from: number, to: number, part: MessagePart): Buffer {
    if (this.#id === 0) this.#open();
    return deflateWith(this.#codec, this.#id, bytes, from, to, part);
  }

  #inflateStep(
    bytes: Uint8Array,
    from: number,
    to: number,
    part: MessagePart,
    target: Uint8Array,
    targetFrom: number,
    targetTo: number,
  ): number {
    if (this.#inflateError !== undefined) throw this.#inflateError;
    if (this.#id === 0) this.#open();
    try {
      return this.#codec.inflate(this.#id, bytes, from, to, part, target, targetFrom, targetTo);
    } catch (cause) {
      this.#inflateError = inflateError(cause, this.#offset);
      throw this.#inflateError;
    }
  }

  #open(): void {
    if (this.#destroyed) throw new TransportError('ERR_STREAM_DESTROYED', { protocol: PROTOCOL });
    const { own, peer, settings } = this.#agreed;
    this.#id = this.#codec.openContext(
      settings.level,
      Math.max(LEAST_WINDOW_BITS, own.windowBits),
      settings.memLevel,
      own.contextTakeover ? Math.min(settings.ownHistory, 1 << own.windowBits) : 0,
      peer.contextTakeover ? 1 << peer.windowBits : 0,
      settings.ownInflater ? INFLATER_OWN : INFLATER_SHARED,
    );
  }

  #tooLarge(maxLength: number): MiniprotoError {
    const message = `Cannot take the message: inflated it has more than maxMessageLength, ${maxLength} bytes`;
    this.#inflateError = new LimitError('ERR_MESSAGE_TOO_LARGE', { protocol: PROTOCOL, offset: this.#offset, message });
    return this.#inflateError;
  }
}

/** Deflates what one call gives, however long it becomes. */
function deflateWith(
  codec: DeflateInterface,
  id: number,
  bytes: Uint8Array,
  from: number,
  to: number,
  part: MessagePart,
): Buffer {
  const most = mostDeflated(to - from);
  let target = most <= SCRATCH ? deflateScratch() : Buffer.allocUnsafeSlow(most);
  let at = from;
  let length = 0;
  try {
    for (;;) {
      const answer = codec.deflate(id, bytes, at, to, part, target, length, target.length);
      if (answer >= 0) return target.subarray(0, length + answer);
      at += -1 - answer;
      length = target.length - DEFLATE_HELD;
      target = grown(target, length);
    }
  } catch (cause) {
    throw outOfMemory(cause);
  }
}

/** Bytes. What does not get shorter gets an eighth longer at most, with the least memory for its codes. */
function mostDeflated(length: number): number {
  return length + (length >> 3) + (length >> 6) + 64;
}

/** Memory of its own, twice as large, with the first `length` bytes. */
function grown(target: Buffer, length: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(2 * target.length);
  target.copy(larger, 0, 0, length);
  return larger;
}

/** Contexts without any history, one for each kind of stream: they serve everybody, and are never closed. */
const aloneContexts = new WeakMap<DeflateInterface, Map<number, number>>();

function contextForAlone(codec: DeflateInterface, { own, settings }: AgreedDeflate): number {
  let ids = aloneContexts.get(codec);
  if (ids === undefined) {
    ids = new Map();
    aloneContexts.set(codec, ids);
  }
  const windowBits = Math.max(LEAST_WINDOW_BITS, own.windowBits);
  const { level, memLevel }: DeflateSettings = settings;
  const key = level + 16 * (windowBits + 16 * memLevel);
  let id = ids.get(key);
  if (id === undefined) {
    id = codec.openContext(level, windowBits, memLevel, 0, 0, INFLATER_SHARED);
    ids.set(key, id);
  }
  return id;
}

function inflateError(cause: unknown, offset: number | undefined): MiniprotoError {
  const { code, message: reason } = cause as { code?: string; message?: string };
  if (code !== 'Z_DATA_ERROR') return outOfMemory(cause);
  const message = `Cannot inflate the message: ${reason} (RFC 7692 §7.2.2)`;
  return new ProtocolError('ERR_INVALID_DEFLATE', { protocol: PROTOCOL, offset, message, cause });
}

function outOfMemory(cause: unknown): MiniprotoError {
  return new TransportError('ERR_DEFLATE_MEMORY', { protocol: PROTOCOL, cause });
}
