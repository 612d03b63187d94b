/** `tlsClient`, `tlsServer` and `startTls`: TLS on whatever carries bytes, by the best means there is. */
import type { Duplex } from 'node:stream';
import { checkObject, invalidArgType } from '../arguments.js';
import { checkNoConversation, passConversation } from '../framed/conversations.js';
import { asByteStream } from '../framed/framed.js';
import type { FramedStream, UpgradeOptions } from '../framed/framed-stream.js';
import { nativeTls } from '../native.js';
import type { Reactor } from '../net/reactor.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { nodeTls } from './node-tls.js';
import { clientPlan, serverPlan, type TlsClientOptions, type TlsPlan, type TlsServerOptions } from './options.js';
import { SecureSocketStream } from './secure-socket-stream.js';
import type { SecureStream } from './secure-stream.js';
import { TlsStream } from './tls-stream.js';

/**
 * Makes a stream secure, as the client.
 * @param stream a byte stream or a Duplex, which is the secure stream's from now on. A native socket stays native: it is
 * decrypted where it is received.
 * @param options `host`, the name or address that the server's certificate has to be for, is needed unless
 * `rejectUnauthorized` is false; see docs/tls.md.
 * @returns the secure stream; its handshake runs by itself, and reads and writes wait for it.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE; UsageError ERR_TLS_CONTEXT, ERR_STREAM_IN_USE
 * @example
 * const secure = tlsClient(await connect({ host, port }), { host });
 */
export function tlsClient(stream: ByteStream | Duplex, options: TlsClientOptions): SecureStream {
  return secureStream(stream, clientPlan(options));
}

/**
 * Makes a stream secure, as the server.
 * @param stream as for `tlsClient`.
 * @param options a `context`, or `key` and `cert` and the like; see docs/tls.md.
 * @returns the secure stream; its handshake runs by itself, and reads and writes wait for it.
 * @throws as `tlsClient`
 */
export function tlsServer(stream: ByteStream | Duplex, options: TlsServerOptions): SecureStream {
  return secureStream(stream, serverPlan(options));
}

/** A framed stream, of whatever records. */
type Upgradable = Pick<FramedStream<unknown>, 'upgrade'>;

/** How a conversation becomes secure: as a client, or, with `isServer`, as a server. */
export type StartTlsOptions = UpgradeOptions &
  (({ isServer?: false } & TlsClientOptions) | ({ isServer: true } & TlsServerOptions));

/**
 * Makes a conversation secure in its middle: the framed stream ends here, what was written before leaves first and in the
 * clear, and everything after that is TLS. Unread input is refused, so that nothing which came in the clear is ever taken
 * for something that came securely.
 * @throws as `tlsClient`; UsageError ERR_UNREAD_INPUT, and then nothing has changed.
 * @see RFC 3207 §6, RFC 2595 §9
 * @example
 * if ((await talk.read()) === '220 Ready') await startTls(talk, { host }).handshake();
 */
export function startTls(talk: Upgradable, options: StartTlsOptions): SecureStream {
  checkObject('options', options);
  if (typeof (talk as Partial<Upgradable> | undefined)?.upgrade !== 'function') {
    throw invalidArgType('talk', 'a framed stream', talk);
  }
  // Before anything changes: a wrong option must leave the conversation as it is.
  const plan = options.isServer === true ? serverPlan(options) : clientPlan(options as TlsClientOptions);
  const { unread } = options;
  const upgrade = (stream: ByteStream, unsent: Buffer) => secureStream(stream, { ...plan, unsent });
  return talk.upgrade(upgrade, unread === undefined ? {} : { unread });
}

/** Internal: the stream for a plan. */
export function secureStream(source: ByteStream | Duplex, plan: TlsPlan): SecureStream {
  const tls = nativeTls();
  if (tls === undefined) return nodeTls(source, plan);
  const lower = asByteStream(source);
  checkNoConversation(lower, 'the byte stream has a framed stream on it: use its upgrade, or startTls');
  const secure = SecureSocketStream.takes(lower)
    ? SecureSocketStream.over(tls, lower, plan)
    : new TlsStream(tls, lower, plan);
  passConversation(lower, secure);
  return secure;
}

/** Internal: the same for a native connection that nobody has had yet; undefined where the engine is missing. */
export function acceptSecurely(reactor: Reactor, id: number, plan: TlsPlan): SecureSocketStream | undefined {
  const tls = nativeTls();
  return tls === undefined ? undefined : SecureSocketStream.accepted(tls, reactor, id, plan);
}
