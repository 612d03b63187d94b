/**
 * TLS by Node's own `tls`, for where the addon is missing: the same options, the same interface, the same errors.
 *
 * Node's TLSSocket lives on a Duplex that takes its bytes from the byte stream below, and a DuplexStream is put on it. So
 * every byte is seen on its way, which is how a truncation is told from an end: Node itself does not say. Only where
 * nobody wants to know, and the stream below is a socket of Node's, does `tls` get the socket itself.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket, TLSSocketOptions } from 'node:tls';
import { ByteDuplex } from '../adapters/byte-duplex.js';
import { checkNoConversation, passConversation } from '../framed/conversations.js';
import { asByteStream } from '../framed/framed.js';
import { late } from '../late.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { addressesOf } from '../net/connection.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { claim } from '../streams/node-sides.js';
import { nodeContext, sniCallbackOf } from './node-tls-context.js';
import { certificateOf, isFor } from './node-tls-session.js';
import { type NodeTlsLower, NodeTlsStream } from './node-tls-stream.js';
import type { TlsPlan } from './options.js';
import type { SecureStream } from './secure-stream.js';

/**
 * Internal: what `tlsClient` and `tlsServer` do without the addon.
 * @param source a byte stream, or a Duplex of Node's, which is the secure stream's from now on.
 * @throws UsageError ERR_TLS_CONTEXT, ERR_STREAM_IN_USE
 */
export function nodeTls(source: ByteStream | Duplex, plan: TlsPlan): SecureStream {
  // What is refused has to be refused before the source is touched.
  const sni = plan.role === 'server' ? sniCallbackOf(plan) : undefined;
  nodeContext(plan.context);
  const lower = lowerOf(source, plan);
  const socket = plan.role === 'client' ? clientSocket(lower.duplex, plan) : serverSocket(lower.duplex, plan, sni);
  const secure = new NodeTlsStream(socket, lower, plan);
  if (lower.bytes !== undefined) passConversation(lower.bytes, secure);
  return secure;
}

function lowerOf(source: ByteStream | Duplex, plan: TlsPlan): NodeTlsLower {
  const { unsent = NO_BYTES } = plan;
  if (isBareSocket(source) && plan.truncation === 'end' && plan.handshake === 'now') {
    claim({ readable: source, writable: source });
    // Our side stays open when the peer's ends.
    source.allowHalfOpen = true;
    if (unsent.length > 0) source.write(unsent);
    return { duplex: source, bytes: undefined, addresses: () => addressesOf(source) };
  }
  const stream = asByteStream(source);
  checkNoConversation(stream, 'the byte stream has a framed stream on it: use its upgrade, or startTls');
  const bytes = new ByteDuplex(stream, { letGo: (error) => letGo(stream, error) });
  if (unsent.length > 0) bytes.write(unsent);
  if (plan.handshake === 'lazy') bytes.hold();
  return { duplex: bytes, bytes: stream, begin: () => bytes.begin() };
}

const NO_BYTES = new Uint8Array(0);

/** Node sends an alert and destroys its socket at once; the alert has to leave. */
function letGo(stream: ByteStream, error: Error | null): void {
  if (error !== null) stream.destroy(error);
  else stream.close({ timeoutMs: CLOSE_TIMEOUT_MS }).catch(() => stream.destroy());
}

/** A socket that has a handle, for which Node has a way without a copy. */
function isBareSocket(source: ByteStream | Duplex): source is Socket {
  if (!(source instanceof Socket) || source.connecting || source.destroyed) return false;
  return (source as { encrypted?: boolean }).encrypted !== true;
}

function clientSocket(duplex: Duplex, plan: TlsPlan): TLSSocket {
  const { context, servername } = plan;
  const session = offered(plan);
  return late.tls.connect({
    ...socketOptions(duplex, plan),
    socket: duplex,
    secureContext: nodeContext(context),
    ...(servername === undefined ? {} : { servername }),
    ...(session === undefined ? {} : { session: Buffer.from(session) }),
    // NodeTlsStream does it.
    checkServerIdentity: () => undefined,
  });
}

/** Node does not ask whom a certificate is for when a session is taken up again. */
function offered({ session, host, context }: TlsPlan): Uint8Array | undefined {
  if (session === undefined || host === undefined || !context.verifies) return session;
  const peer = certificateOf(session);
  return peer !== undefined && isFor(peer, host) ? session : undefined;
}

function serverSocket(duplex: Duplex, plan: TlsPlan, sni: ReturnType<typeof sniCallbackOf>): TLSSocket {
  return new late.tls.TLSSocket(
    duplex as Socket,
    {
      ...socketOptions(duplex, plan),
      isServer: true,
      requestCert: plan.context.options.requestCert === true,
      ...(sni === undefined ? {} : { SNICallback: sni }),
    } as TLSSocketOptions,
  );
}

function socketOptions(duplex: Duplex, { context, stream }: TlsPlan): object {
  const { ALPNProtocols } = context.options;
  return {
    secureContext: nodeContext(context),
    rejectUnauthorized: context.verifies,
    allowHalfOpen: duplex.allowHalfOpen,
    ...(ALPNProtocols === undefined || ALPNProtocols.length === 0 ? {} : { ALPNProtocols: [...ALPNProtocols] }),
    ...(stream.readHighWaterMark === undefined ? {} : { highWaterMark: stream.readHighWaterMark }),
  };
}
