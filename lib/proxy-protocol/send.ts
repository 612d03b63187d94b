/** The sender's side: a header in front of everything else, and a connection that begins with one. */
import { checkObject, checkSignal } from '../arguments.js';
import { asByteStream } from '../framed/framed.js';
import { type ConnectOptions, connect } from '../net/connect.js';
import type { Connection } from '../net/connection.js';
import { NEED_READ } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { DuplexStream } from '../streams/duplex-stream.js';
import type { NodeStreamLike } from '../streams/node-sides.js';
import { type EncodeProxyHeaderOptions, encodeProxyHeader } from './encode.js';
import type { ProxyHeaderInit } from './header.js';

/** How a header is sent. */
export interface SendProxyHeaderOptions extends EncodeProxyHeaderOptions {
  /** Ends the wait with the signal's reason. When a part of the header has left, the stream is destroyed. */
  signal?: AbortSignal | undefined;
}

/**
 * Sends a header, which has to come before everything else, so before a framed stream is put on the connection. Resolves
 * when the stream has taken it; a Node stream is free again then.
 * @throws as `encodeProxyHeader`, and then nothing was sent; the stream's failure; the signal's reason.
 */
export async function sendProxyHeader(
  stream: ByteStream | NodeStreamLike,
  header: ProxyHeaderInit,
  options: SendProxyHeaderOptions = {},
): Promise<void> {
  const bytes = encodeProxyHeader(header, options);
  const { signal } = options;
  checkSignal('options.signal', signal);
  signal?.throwIfAborted();
  const out = asByteStream(stream);
  try {
    await writeAll(out, bytes, signal);
  } finally {
    if (out !== stream && out instanceof DuplexStream) out.release();
  }
}

/** Where to, as for `connect`, and the header to begin with. */
export type ConnectWithProxyHeaderOptions = ConnectOptions & {
  /** What to say; its `version` says how. */
  proxyHeader: ProxyHeaderInit;
};

/**
 * Connects and sends a header, so that what is written to the connection follows it.
 * @throws as `connect` and `encodeProxyHeader`; then there is no connection.
 */
export async function connectWithProxyHeader(options: ConnectWithProxyHeaderOptions): Promise<Connection> {
  checkObject('options', options);
  const { proxyHeader, ...where } = options;
  // Before there is a connection: a wrong argument makes none.
  const bytes = encodeProxyHeader(proxyHeader);
  const stream = await connect(where);
  try {
    await writeAll(stream, bytes, options.signal);
  } catch (error) {
    stream.destroy();
    throw error;
  }
  return stream;
}

/** Has the stream take all of it, or nothing: half a header in front of other bytes would be read as another. */
async function writeAll(stream: ByteStream, bytes: Buffer, signal: AbortSignal | undefined): Promise<void> {
  for (let taken = 0; taken < bytes.length; ) {
    const answer = stream.tryWriteStable([bytes.subarray(taken)]);
    if (typeof answer === 'number') {
      taken += answer;
      continue;
    }
    try {
      await stream.ready(answer === NEED_READ ? 'read' : 'write', { signal });
    } catch (error) {
      if (taken > 0) stream.destroy();
      throw error;
    }
  }
}
