/** Where a client goes, in the words of `ws`: its address, what is asked of `http.request`, and what survives a redirect. */
import type { RequestOptions } from 'node:https';
import net, { type NetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { late } from '../late.js';
import type { ClientOptions } from './options.js';

const SCHEMES = ['ws:', 'wss:', 'ws+unix:'];

/** @throws SyntaxError for what is no address of a WebSocket. */
export function parseAddress(address: string | URL, base?: URL): URL {
  const text = String(address);
  if (!URL.canParse(text, base?.href)) throw new SyntaxError(`Invalid URL: ${text}`);
  const url = new URL(text, base);
  if (url.protocol === 'http:') url.protocol = 'ws:';
  else if (url.protocol === 'https:') url.protocol = 'wss:';
  if (!SCHEMES.includes(url.protocol)) {
    throw new SyntaxError('The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"');
  }
  if (url.protocol === 'ws+unix:' && url.pathname === '') throw new SyntaxError("The URL's pathname is empty");
  // RFC 6455 §3
  if (url.hash !== '') throw new SyntaxError('The URL contains a fragment identifier');
  return url;
}

/** What is asked of `http.request` or `https.request`. */
export type HandshakeRequest = Omit<RequestOptions, 'headers'> & {
  headers: Record<string, string | readonly string[]>;
};

export function isSecure(url: URL): boolean {
  return url.protocol === 'wss:';
}

/** The options of a request: the program's, but for those that the address decides. */
export function requestFor(
  url: URL,
  options: ClientOptions,
  headers: HandshakeRequest['headers'],
  auth: string | undefined,
): HandshakeRequest {
  const secure = isSecure(url);
  const port = secure ? 443 : 80;
  const { handshakeTimeout, agent, auth: _auth, ...rest } = options as ClientOptions & RequestOptions;
  const request: HandshakeRequest = {
    // Node's own: an agent of the program's, and no other. An agent that keeps sockets would have no use of these.
    createConnection: secure ? connectSecurely : connectPlainly,
    ...(rest as RequestOptions),
    protocol: undefined,
    hostname: undefined,
    method: 'GET',
    defaultPort: port,
    port: url.port === '' ? port : url.port,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    path: url.pathname + url.search,
    headers,
    ...(agent === undefined ? {} : { agent }),
    ...(auth === undefined ? {} : { auth }),
    ...(handshakeTimeout === undefined ? { timeout: undefined } : { timeout: handshakeTimeout }),
  };
  return url.protocol === 'ws+unix:' ? overUnixSocket(request) : { ...request, socketPath: undefined };
}

/** Name and password: the address's, or the program's. */
export function authOf({ username, password }: URL, { auth }: ClientOptions): string | undefined {
  if (username === '' && password === '') return auth;
  return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
}

/** `ws+unix:/path/of/socket:/path/of/request` */
function overUnixSocket(request: HandshakeRequest): HandshakeRequest {
  const whole = request.path!;
  const colon = whole.indexOf(':');
  if (colon < 0) return { ...request, socketPath: whole, path: '' };
  return { ...request, socketPath: whole.slice(0, colon), path: whole.slice(colon + 1) };
}

function connectPlainly(options: RequestOptions): Duplex {
  return net.connect({ ...options, path: options.socketPath } as NetConnectOpts);
}

function connectSecurely(options: RequestOptions): Duplex {
  const { servername, host } = options;
  // An address is no name that a certificate is asked for by. RFC 6066 §3
  const name = servername || servername === '' ? servername : net.isIP(host ?? '') ? '' : host;
  return late.tls.connect({ ...options, path: undefined, servername: name } as TlsOptions);
}

/** True where both addresses are of one server. */
export function isSameHost(one: URL, other: URL): boolean {
  const unix = [one, other].filter(({ protocol }) => protocol === 'ws+unix:').length;
  if (unix === 0) return one.host === other.host;
  return unix === 2 && one.pathname.split(':', 1)[0] === other.pathname.split(':', 1)[0];
}
