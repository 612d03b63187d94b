/** What servers of Node's are given where there is no socket of Node's to give back: a Duplex that looks like one. */
import type { Duplex } from 'node:stream';
import { toDuplex } from '../adapters/byte-duplex.js';
import type { SocketAddresses } from '../net-interface.js';
import type { ByteStream } from '../streams/byte-stream.js';

/** A Duplex with those properties of a socket that HTTP servers, and whoever handles their requests, look at. */
export function socketLike(stream: ByteStream, options: { allowHalfOpen: boolean }): Duplex {
  return Object.assign(toDuplex(stream, options), faceOf(stream));
}

/** What a stream over TLS has besides: those of lib/tls, which this room need not know. */
interface Secured {
  readonly secured?: boolean;
  readonly info?: { readonly alpnProtocol: string } | undefined;
}

/** True for a stream that is plaintext here and TLS below: what is below must not be given to anybody. */
export function isSecure(stream: ByteStream): boolean {
  return 'secured' in stream;
}

function faceOf(stream: ByteStream): object {
  const { addresses = {} } = stream as { addresses?: SocketAddresses };
  const { remoteAddress, remoteFamily, remotePort, localAddress, localPort } = addresses;
  const where = { remoteAddress, remoteFamily, remotePort, localAddress, localPort };
  if (!isSecure(stream)) return where;
  const { info } = stream as Secured;
  return { ...where, encrypted: true, alpnProtocol: info?.alpnProtocol || undefined };
}
