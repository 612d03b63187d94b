/**
 * `connectWebSocket`: a client's connection, from a URL to the first frame.
 *
 * One deadline and one signal lie over the whole of it: name, connection, TLS, redirects, answer. Proxies are the
 * user's: `socket` and `createConnection` take whatever reaches the server.
 */
import { invalidArgValue } from '../arguments.js';
import { LimitError, ProtocolError } from '../errors.js';
import { checkHeadLimits } from '../http/head-codec.js';
import { HeaderList } from '../http/header-list.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { withoutIdentity } from '../tls/options.js';
import {
  basicAuthorization,
  type CheckedConnect,
  type ConnectWebSocketOptions,
  checkConnectOptions,
  deflateOffer,
  parseAddress,
  type WebSocketAddress,
} from './client-options.js';
import { openTransport } from './client-transport.js';
import { WebSocketConnection } from './connection.js';
import type { Established } from './established.js';
import { newKey } from './handshake/key.js';
import { type Offer, openOn } from './handshake/offer.js';
import { HandshakeDeadline } from './handshake/read-head.js';
import { WEBSOCKET } from './handshake/refused.js';
import { HandshakeRefusedError } from './handshake/response.js';
import { connectionOptions } from './server-options.js';

/**
 * Connects to a WebSocket server.
 * @param url `ws:`, `wss:`, `http:` and `https:` for the same, or `ws+unix:/path/to/socket:/path`.
 * @returns the connection, open.
 * @throws HandshakeRefusedError with status, headers and body, when the answer is no 101; ProtocolError ERR_HANDSHAKE when
 * it is one that breaks the rules; LimitError ERR_HANDSHAKE_TIMEOUT, ERR_TOO_MANY_REDIRECTS; TransportError with the
 * system's own error as its cause; the signal's reason; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE.
 * @example
 * const chat = await connectWebSocket(`ws://127.0.0.1:${port}/chat`, { protocols: ['chat.v2'] });
 */
export async function connectWebSocket(
  url: string | URL,
  options: ConnectWebSocketOptions = {},
): Promise<WebSocketConnection> {
  const checked = checkConnectOptions(options);
  const own = connectionOptions(options);
  checkHeadLimits(options);
  const address = parseAddress(url);
  options.signal?.throwIfAborted();
  const deadline = new HandshakeDeadline(checked.timeoutMs, options.signal);
  try {
    return new WebSocketConnection(await follow(address, checked, deadline), own);
  } catch (error) {
    throw deadline.reasonOr(error);
  } finally {
    deadline.clear();
  }
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

async function follow(
  first: WebSocketAddress,
  checked: CheckedConnect,
  deadline: HandshakeDeadline,
): Promise<Established> {
  let address = first;
  let asked = withAuthorization(checked, address);
  for (let count = 0; ; count++) {
    const answer = await attempt(address, asked, deadline);
    if (!(answer instanceof HandshakeRefusedError)) return answer;
    const location = answer.headers.get('location');
    const followed = checked.maxRedirects > 0 && checked.options.socket === undefined && REDIRECTS.has(answer.status);
    if (!followed || location === undefined) throw answer;
    if (count === checked.maxRedirects)
      throw new LimitError('ERR_TOO_MANY_REDIRECTS', { protocol: WEBSOCKET, cause: answer });
    const next = redirected(address, location, answer);
    asked = withAuthorization(sameOrigin(address, next) ? asked : withoutCredentials(asked), next);
    address = next;
  }
}

async function attempt(
  address: WebSocketAddress,
  checked: CheckedConnect,
  deadline: HandshakeDeadline,
): Promise<Established | HandshakeRefusedError> {
  const { options, protocols, headers } = checked;
  const offer: Offer = {
    key: keyOf(options),
    target: address.target,
    host: address.host,
    protocols,
    ...deflateOffer(checked),
    headers,
  };
  const stream = await openTransport(address, options, deadline.signal);
  return settle(stream, openOn(stream, offer, deadline, checkHeadLimits(options)));
}

/** A stream on which no WebSocket came about is nobody's any more. */
async function settle(
  stream: ByteStream,
  opening: Promise<Established | HandshakeRefusedError>,
): Promise<Established | HandshakeRefusedError> {
  try {
    const answer = await opening;
    if (answer instanceof HandshakeRefusedError) stream.destroy();
    return answer;
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

function keyOf({ keys }: ConnectWebSocketOptions): string {
  if (keys === undefined) return newKey();
  const bytes = keys();
  if (bytes.length !== 16) throw invalidArgValue('options.keys', bytes, 'must give 16 bytes');
  return Buffer.from(bytes).toString('base64');
}

/** @throws ProtocolError ERR_HANDSHAKE for a place that nobody may be sent to */
function redirected(from: WebSocketAddress, location: string, cause: HandshakeRefusedError): WebSocketAddress {
  const refuse = (message: string, reason: unknown = cause) =>
    new ProtocolError('ERR_HANDSHAKE', { protocol: WEBSOCKET, message, cause: reason });
  if (!URL.canParse(location, from.url.href)) throw refuse('the server redirects to what is no URL');
  const url = new URL(location, from.url);
  // As in fetch, a fragment says nothing to a server.
  url.hash = '';
  let next: WebSocketAddress;
  try {
    next = parseAddress(url);
  } catch (error) {
    throw refuse(`the server redirects to ${url.protocol}`, error);
  }
  // Over the network nobody gets to choose a Unix socket of ours, or that others may read along.
  if (next.socketPath !== from.socketPath) throw refuse('the server redirects to a Unix socket');
  if (from.secure && !next.secure) throw refuse('the server redirects from TLS to a connection without');
  return next;
}

function sameOrigin(one: WebSocketAddress, other: WebSocketAddress): boolean {
  return one.host === other.host && one.port === other.port && one.secure === other.secure;
}

/** Fields that are meant for one server. As in fetch, they do not go to another. */
const CREDENTIALS = new Set(['authorization', 'proxy-authorization', 'cookie', 'host']);

/** What is asked of another server: without what only the first one was to know, our certificate included. */
function withoutCredentials(checked: CheckedConnect): CheckedConnect {
  const headers = new HeaderList();
  for (const [name, value] of checked.headers) if (!CREDENTIALS.has(name.toLowerCase())) headers.add(name, value);
  const { options } = checked;
  if (options.tls === undefined) return { ...checked, headers };
  return { ...checked, headers, options: { ...options, tls: withoutIdentity(options.tls) } };
}

/** What the URL says of who asks, unless the headers say it. */
function withAuthorization(checked: CheckedConnect, { url }: WebSocketAddress): CheckedConnect {
  const authorization = basicAuthorization(url);
  if (authorization === undefined || checked.headers.has('authorization')) return checked;
  const headers = new HeaderList();
  for (const [name, value] of checked.headers) headers.add(name, value);
  return { ...checked, headers: headers.add('Authorization', authorization) };
}
