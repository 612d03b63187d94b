/** WebSockets over HTTP/2, the client's side: one stream of a session that may carry others. RFC 8441 */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { checkString, invalidArgType, invalidArgValue } from '../arguments.js';
import { asTransportError, ProtocolError, TransportError } from '../errors.js';
import { HeaderList } from '../http/header-list.js';
import { MAX_REFUSAL_BODY } from '../limits.js';
import { EOF } from '../status.js';
import { DuplexStream } from '../streams/duplex-stream.js';
import {
  type CheckedConnect,
  type ConnectWebSocketOptions,
  checkConnectOptions,
  deflateOffer,
} from './client-options.js';
import { WebSocketConnection } from './connection.js';
import type { Established } from './established.js';
import { HandshakeDeadline } from './handshake/read-head.js';
import { WEBSOCKET } from './handshake/refused.js';
import { checkAgreed, HandshakeRefusedError } from './handshake/response.js';
import { connectionOptions } from './server-options.js';

/** What a client asks for over a session: of `connectWebSocket`'s options those that are not about connecting. */
export type ConnectHttp2Options = Omit<
  ConnectWebSocketOptions,
  'socket' | 'createConnection' | 'connect' | 'tls' | 'maxRedirects' | 'keys' | 'maxHeaderBytes' | 'maxHeaderCount'
>;

/**
 * Opens a WebSocket on a session of `http2`. The session stays the caller's, and open.
 * @param path path and query: `/chat?room=1`.
 * @throws as `connectWebSocket`; ProtocolError ERR_HANDSHAKE when the server does not speak RFC 8441.
 * @example
 * const chat = await connectWebSocketHttp2(session, '/chat');
 */
export async function connectWebSocketHttp2(
  session: ClientHttp2Session,
  path: string,
  options: ConnectHttp2Options = {},
): Promise<WebSocketConnection> {
  if (typeof session?.request !== 'function')
    throw invalidArgType('session', 'an instance of ClientHttp2Session', session);
  checkString('path', path);
  if (!/^\/[\x21-\x22\x24-\x7e]*$/.test(path))
    throw invalidArgValue('path', path, 'must begin with /, and have no fragment');
  const checked = checkConnectOptions(options);
  const own = connectionOptions(options);
  options.signal?.throwIfAborted();
  const deadline = new HandshakeDeadline(checked.timeoutMs, options.signal);
  try {
    await speaksConnect(session, deadline.signal);
    return new WebSocketConnection(await ask(session, path, checked, deadline), own);
  } catch (error) {
    throw deadline.reasonOr(error);
  } finally {
    deadline.clear();
  }
}

/** Waits until the server has said what it speaks. RFC 8441 §3: a client MUST NOT ask before. */
async function speaksConnect(session: ClientHttp2Session, signal: AbortSignal): Promise<void> {
  const speaks = () =>
    !session.connecting && !session.destroyed && session.remoteSettings.enableConnectProtocol === true;
  if (speaks()) return;
  if (session.destroyed) throw sessionClosed();
  await settled<void>(signal, (resolve, reject) => {
    const gone = () => reject(sessionClosed());
    const told = () => speaks() && resolve();
    // Settings are the first that a server sends, so they are here when a ping is answered.
    const ping = () => session.destroyed || session.ping((error) => error === null && resolve());
    session.once('close', gone).on('remoteSettings', told);
    if (session.connecting) session.once('connect', ping);
    else ping();
    return () => session.off('close', gone).off('remoteSettings', told).off('connect', ping);
  });
  if (speaks()) return;
  const message = 'the server does not speak WebSocket over HTTP/2 (RFC 8441)';
  throw new ProtocolError('ERR_HANDSHAKE', { protocol: WEBSOCKET, message });
}

async function ask(
  session: ClientHttp2Session,
  path: string,
  checked: CheckedConnect,
  deadline: HandshakeDeadline,
): Promise<Established> {
  const { protocols, headers: added } = checked;
  const { extensions, checkDeflate } = deflateOffer(checked);
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': path,
    'sec-websocket-version': '13',
    ...(protocols.length > 0 ? { 'sec-websocket-protocol': protocols.join(', ') } : {}),
    ...(extensions === '' ? {} : { 'sec-websocket-extensions': extensions }),
    ...added.toObject(),
  });
  // Made at once: it hears of errors from now on.
  const bytes = new DuplexStream(stream);
  try {
    const fields = await responseOf(stream, deadline.signal);
    const headers = headersOf(fields);
    const status = Number(fields[':status']);
    if (status !== 200) throw new HandshakeRefusedError({ status, reason: '', headers }, await bodyOf(bytes, deadline));
    return {
      stream: bytes,
      role: 'client',
      ...checkAgreed(headers, { key: undefined, protocols, checkDeflate }),
    };
  } catch (error) {
    bytes.destroy();
    throw error;
  }
}

function responseOf(stream: ClientHttp2Stream, signal: AbortSignal): Promise<IncomingHttpHeaders> {
  return settled(signal, (resolve, reject) => {
    const gone = (error?: Error) =>
      reject(asTransportError(error ?? new Error('the stream was closed without an answer')));
    stream.once('response', resolve).once('error', gone).once('close', gone);
    return () => stream.off('response', resolve).off('error', gone).off('close', gone);
  });
}

function sessionClosed(): TransportError {
  return new TransportError('ERR_STREAM_PREMATURE_CLOSE', { message: 'the session of HTTP/2 is closed' });
}

/** A promise that a signal ends. @param begin starts, and answers how to stop listening */
function settled<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => unknown,
): Promise<T> {
  signal.throwIfAborted();
  const over = new AbortController();
  const promise = new Promise<T>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: over.signal });
    over.signal.addEventListener('abort', begin(resolve, reject), { once: true });
  });
  return promise.finally(() => over.abort());
}

function headersOf(fields: IncomingHttpHeaders): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of Object.entries(fields)) {
    if (!name.startsWith(':')) for (const one of [value ?? []].flat()) headers.add(name, one);
  }
  return headers;
}

/** The beginning of the body of a refusal. That it breaks off is no further failure. */
async function bodyOf(stream: DuplexStream, deadline: HandshakeDeadline): Promise<Buffer> {
  const { input } = stream;
  try {
    while (input.length < MAX_REFUSAL_BODY) {
      const answer = stream.tryFill(input.length + 1);
      if (answer === EOF) break;
      if (typeof answer !== 'number') await deadline.ready(stream, 'read');
    }
  } catch {
    // What came is what there is to show.
  }
  return input.take(Math.min(input.length, MAX_REFUSAL_BODY));
}
