/**
 * A byte stream over Web Streams.
 *
 * Node's own adapter makes a Duplex of them, and that is read like any other: a Web stream gives its chunks one promise
 * at a time, so there is nothing to be won by going around it.
 */
import { Duplex, Readable, Writable } from 'node:stream';
import type { ReadableStream, WritableStream } from 'node:stream/web';
import type { StreamOptions } from './base-stream.js';
import { DuplexStream } from './duplex-stream.js';

/** A pair of Web streams of Uint8Array, or one of them. */
export interface WebStreamPair {
  readonly readable?: ReadableStream<Uint8Array> | undefined;
  readonly writable?: WritableStream<Uint8Array> | undefined;
}

/** A pair, or a single stream as it is: the body of a response. */
export type WebStreamLike = WebStreamPair | ReadableStream<Uint8Array> | WritableStream<Uint8Array>;

export function isWeb(source: unknown): source is WebStreamLike {
  if (isWebReadable(source) || isWebWritable(source)) return true;
  const pair = source as { readable?: unknown; writable?: unknown } | null | undefined;
  return isWebReadable(pair?.readable) || isWebWritable(pair?.writable);
}

function isWebReadable(source: unknown): source is ReadableStream<Uint8Array> {
  return typeof (source as { getReader?: unknown } | null | undefined)?.getReader === 'function';
}

function isWebWritable(source: unknown): source is WritableStream<Uint8Array> {
  return typeof (source as { getWriter?: unknown } | null | undefined)?.getWriter === 'function';
}

/** A byte stream over Web streams of Uint8Array. They are locked by it. */
export function fromWeb(source: WebStreamLike, options: StreamOptions = {}): DuplexStream {
  if (isWebReadable(source)) return new DuplexStream(Readable.fromWeb(source), options);
  if (isWebWritable(source)) return new DuplexStream(Writable.fromWeb(source), options);
  const { readable, writable } = source;
  if (readable === undefined) return new DuplexStream(Writable.fromWeb(writable!), options);
  if (writable === undefined) return new DuplexStream(Readable.fromWeb(readable), options);
  return new DuplexStream(Duplex.fromWeb({ readable, writable }, { allowHalfOpen: true }), options);
}
