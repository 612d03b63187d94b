/** What a client can be told, checked once, and the address that it asks. RFC 6455 §3 */
import type { Duplex } from 'node:stream';
import {
  checkFunction,
  checkInteger,
  checkObject,
  checkSignal,
  checkString,
  invalidArgType,
  invalidArgValue,
} from '../arguments.js';
import type { HeadLimits } from '../http/head-codec.js';
import type { HeaderList, HeaderSource } from '../http/header-list.js';
import { HANDSHAKE_TIMEOUT_MS } from '../limits.js';
import type { ConnectOptions } from '../net/connect.js';
import type { SocketStreamOptions } from '../net/socket-stream.js';
import type { ByteStream } from '../streams/byte-stream.js';
import type { TlsClientOptions } from '../tls/options.js';
import type { WebSocketOptions } from './connection-options.js';
import { checkDeflateResponse, offerDeflate } from './deflate/negotiation.js';
import type { DeflateOptions, DeflateSettings } from './deflate/options.js';
import { checkProtocol, headersToAdd, settingsOf } from './handshake/decision.js';
import type { Asked } from './handshake/response.js';

/** Where a WebSocket is, taken apart. */
export interface WebSocketAddress {
  readonly url: URL;
  /** Over TLS. */
  readonly secure: boolean;
  /** Without brackets, as sockets take it; '' for a Unix socket. */
  readonly hostname: string;
  readonly port: number;
  /** The Unix socket, where it is one. */
  readonly socketPath: string | undefined;
  /** The value of Host. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
}

/** Gives what carries the bytes: for proxies, and for sockets of one's own. */
export type CreateConnection = (
  address: WebSocketAddress,
  options: { signal: AbortSignal },
) => Carrier | Promise<Carrier>;

/** A connected stream, of Node's or of ours. A plain `net.Socket` becomes native. */
export type Carrier = Duplex | ByteStream;

/** How a client connects, what it asks for, and what its connection is like. */
export interface ConnectWebSocketOptions extends WebSocketOptions, HeadLimits {
  /** Subprotocols that are spoken, best first; the server chooses one or none. */
  protocols?: string | readonly string[];
  /** Header fields to add: cookies, authorization, an origin. */
  headers?: HeaderSource;
  /** Milliseconds for everything: connecting, TLS, redirects and the answer. Default 10000. */
  handshakeTimeoutMs?: number;
  /** Ends the attempt; afterwards it means nothing any more. */
  signal?: AbortSignal;
  /**
   * Redirects that are followed. Default 0: an answer that redirects is a refusal. To another origin none of our
   * credentials goes along: fields of the head, nor what `tls` says of who we are.
   */
  maxRedirects?: number;
  /** Carries the bytes: connected already, TLS included. With it no redirect is followed. */
  socket?: Carrier;
  /** Connects in our place, once for each redirect. */
  createConnection?: CreateConnection;
  /** For `net.connect`: `localAddress`, `family`, `lookup`, … */
  connect?: Partial<Omit<ConnectOptions, 'signal' | keyof SocketStreamOptions>>;
  /**
   * For `connectTls`: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized`, `context`, … Behind a redirect to another
   * origin without `cert`, `key`, `pfx`, `passphrase` and `session`, also where `context` has them; the rest of it counts.
   */
  tls?: Partial<TlsClientOptions>;
  /** Offers to compress messages (RFC 7692). Default false. */
  deflate?: boolean | DeflateOptions;
  /** Gives the 16 bytes of the key, for tests. */
  keys?: () => Uint8Array;
}

/** Checked options of the handshake. */
export interface CheckedConnect {
  readonly options: ConnectWebSocketOptions;
  readonly protocols: readonly string[];
  readonly headers: HeaderList;
  readonly timeoutMs: number;
  readonly maxRedirects: number;
  readonly deflate: DeflateSettings | undefined;
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function checkConnectOptions(options: ConnectWebSocketOptions): CheckedConnect {
  checkObject('options', options);
  const { headers = {}, handshakeTimeoutMs: timeoutMs = HANDSHAKE_TIMEOUT_MS, maxRedirects = 0 } = options;
  const { signal, createConnection, keys, connect, tls } = options;
  checkSignal('options.signal', signal);
  checkInteger('options.handshakeTimeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  checkInteger('options.maxRedirects', maxRedirects, 0);
  if (createConnection !== undefined) checkFunction('options.createConnection', createConnection);
  if (keys !== undefined) checkFunction('options.keys', keys);
  if (connect !== undefined) checkObject('options.connect', connect);
  if (tls !== undefined) checkObject('options.tls', tls);
  if (options.socket !== undefined) checkObject('options.socket', options.socket);
  return {
    options,
    protocols: checkProtocols(options.protocols),
    headers: headersToAdd(headers),
    timeoutMs,
    maxRedirects,
    deflate: settingsOf(options.deflate, 'client'),
  };
}

/** RFC 6455 §4.1: the elements MUST all be unique tokens. */
function checkProtocols(protocols: string | readonly string[] = []): readonly string[] {
  const list = typeof protocols === 'string' ? [protocols] : protocols;
  if (!Array.isArray(list))
    throw invalidArgType('options.protocols', 'of type string or an array of strings', protocols);
  for (const protocol of list) checkProtocol('options.protocols', protocol);
  if (new Set(list).size < list.length) throw invalidArgValue('options.protocols', list, 'has an element twice');
  return list;
}

const SCHEMES: { readonly [scheme: string]: 'plain' | 'secure' | 'unix' | 'secure-unix' } = {
  'ws:': 'plain',
  'http:': 'plain',
  'wss:': 'secure',
  'https:': 'secure',
  'ws+unix:': 'unix',
  'wss+unix:': 'secure-unix',
};

/**
 * Takes a URL apart: `ws:`, `wss:`, `http:` and `https:` for the same, and `ws+unix:/path/to/socket:/path`.
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE
 */
export function parseAddress(given: string | URL): WebSocketAddress {
  if (!(given instanceof URL)) checkString('url', given);
  if (!URL.canParse(String(given))) throw invalidArgValue('url', given, 'is no URL');
  const url = new URL(given);
  const kind = SCHEMES[url.protocol];
  if (kind === undefined)
    throw invalidArgValue('url', url.href, 'must be one of ws:, wss:, http:, https: and ws+unix:');
  // RFC 6455 §3: MUST NOT be used.
  if (url.hash !== '') throw invalidArgValue('url', url.href, 'has a fragment');
  if (kind === 'unix' || kind === 'secure-unix') return unixAddress(url, kind === 'secure-unix');
  if (url.hostname === '') throw invalidArgValue('url', url.href, 'has no host');
  const secure = kind === 'secure';
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  // A URL of ws: on port 80 has lost the port, one of http: as well.
  const host = port === (secure ? 443 : 80) ? url.hostname : `${url.hostname}:${port}`;
  const target = `${url.pathname || '/'}${url.search}`;
  return { url, secure, hostname, port, socketPath: undefined, host, target };
}

function unixAddress(url: URL, secure: boolean): WebSocketAddress {
  const [socketPath = '', path = '/'] = url.pathname.split(':');
  if (socketPath === '') throw invalidArgValue('url', url.href, 'has no path of a Unix socket');
  const target = `${path}${url.search}`;
  return { url, secure, hostname: '', port: 0, socketPath: decodeURIComponent(socketPath), host: 'localhost', target };
}

/** What `user:password@` in a URL stands for, or undefined. */
export function basicAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

/** What Sec-WebSocket-Extensions of the request says, and how the answer is checked. */
export function deflateOffer({ deflate }: CheckedConnect): Pick<Asked, 'checkDeflate'> & { extensions: string } {
  if (deflate === undefined) return { extensions: '', checkDeflate: undefined };
  return { extensions: offerDeflate(deflate), checkDeflate: (answer) => checkDeflateResponse(answer, deflate) };
}
