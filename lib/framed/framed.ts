/** `framed`: puts a codec on whatever carries bytes. */
import { checkInteger, checkObject } from '../arguments.js';
import type { Codec } from '../codecs/codec.js';
import { DEFAULT_WRITE_HIGH_WATER_MARK, LARGEST_MAX_LENGTH } from '../limits.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { DuplexStream } from '../streams/duplex-stream.js';
import type { NodeStreamLike } from '../streams/node-sides.js';
import { fromWeb, isWeb, type WebStreamLike } from '../streams/web-stream.js';
import { Channel } from './channel.js';
import { checkNoConversation } from './conversations.js';
import { checkCodec, FramedStream } from './framed-stream.js';

export { closeConversation, letGo, unsentOn } from './conversations.js';

/** How much a framed stream may hold. */
export interface FramedOptions {
  /** Bytes of output queued before writes are refused. Default 64 KiB. */
  writeHighWaterMark?: number;
  /** Bytes of output that have to be left before refused writes are taken again. Default: the high mark. */
  writeLowWaterMark?: number;
  /** Bytes read ahead of the reader, where `source` is a Node or Web stream. Default 64 KiB. */
  readHighWaterMark?: number;
  /**
   * True: no byte past a record is taken from the system, so that the descriptor can go to somebody else between two
   * records. Only on native sockets; a system call more per read, and batches are of one record. Default false.
   */
  exact?: boolean;
}

/** What `framed` can put a codec on. */
export type FramedSource = ByteStream | NodeStreamLike | WebStreamLike;

/**
 * Reads and writes records on a byte stream.
 * @param source a byte stream; a Node Duplex, Readable or Writable, or `{ readable, writable }`; Web streams, one or a pair.
 * A socket of Node's stays Node's: give `adopt(socket)` for a native one.
 * @param codec the protocol it begins with.
 * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE; UsageError ERR_STREAM_IN_USE, ERR_CODEC_IN_USE, ERR_EXACT_UNSUPPORTED
 * @example
 * for await (const line of framed(socket, lines())) console.log(line);
 */
export function framed<R, W = R>(
  source: FramedSource,
  codec: Codec<R, W>,
  options: FramedOptions = {},
): FramedStream<R, W> {
  checkCodec(codec);
  checkObject('options', options);
  const { writeHighWaterMark = DEFAULT_WRITE_HIGH_WATER_MARK } = options;
  checkInteger('options.writeHighWaterMark', writeHighWaterMark, 1, LARGEST_MAX_LENGTH);
  const { writeLowWaterMark = writeHighWaterMark } = options;
  checkInteger('options.writeLowWaterMark', writeLowWaterMark, 0, writeHighWaterMark);
  const stream = asByteStream(source, options);
  checkNoConversation(stream, 'the byte stream has a framed stream, or another one, on it already');
  const channel = new Channel(stream, writeHighWaterMark, writeLowWaterMark);
  if (options.exact !== undefined) channel.readExactly(options.exact);
  return new FramedStream(channel, codec);
}

/** A byte stream over whatever carries bytes; one that is a byte stream already is given back as it is. */
export function asByteStream(source: FramedSource, options: { readHighWaterMark?: number } = {}): ByteStream {
  if (isByteStream(source)) return source;
  if (isWeb(source)) return fromWeb(source, options);
  return new DuplexStream(source, options);
}

function isByteStream(source: unknown): source is ByteStream {
  const stream = source as Partial<ByteStream> | null | undefined;
  return typeof stream?.tryFill === 'function' && typeof stream.tryWriteStable === 'function';
}
