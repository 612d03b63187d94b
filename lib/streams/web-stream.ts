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

export function isWebPair(source: unknown): source is WebStreamPair {
  const pair = source as { readable?: { getReader?: unknown }; writable?: { getWriter?: unknown } } | null | undefined;
  return typeof pair?.readable?.getReader === 'function' || typeof pair?.writable?.getWriter === 'function';
}

/** A byte stream over a pair of Web streams of Uint8Array. They are locked by it. */
export function fromWeb(pair: WebStreamPair, options: StreamOptions = {}): DuplexStream {
  const { readable, writable } = pair;
  if (readable === undefined) return new DuplexStream(Writable.fromWeb(writable!), options);
  if (writable === undefined) return new DuplexStream(Readable.fromWeb(readable), options);
  return new DuplexStream(Duplex.fromWeb({ readable, writable }, { allowHalfOpen: true }), options);
}
