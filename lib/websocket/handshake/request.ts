/**
 * The client's opening handshake, as a server sees it: what has to be there, and how its absence is answered.
 * RFC 6455 §4.2.1; over HTTP/2 RFC 8441 §5
 */
import type { IncomingMessage } from 'node:http';
import type { RequestHead } from '../../http/head.js';
import type { HeaderList } from '../../http/header-list.js';
import { hasToken, parseTokenList } from '../../http/lists.js';
import type { SocketAddresses } from '../../net-interface.js';
import { type ExtensionOffer, parseExtensions } from './extensions.js';
import { isKey } from './key.js';
import { type Refused, refuse } from './refused.js';

/** Where a request came from. */
export interface RequestOrigin {
  readonly addresses: SocketAddresses;
  /** The request as Node gives it, where an `http` server made it. */
  readonly message?: IncomingMessage | undefined;
}

/** A request for a WebSocket, as hooks and connection handlers are given it. */
export class WebSocketRequest {
  readonly method: string;
  /** As it stands in the request: `/chat?room=1`. */
  readonly target: string;
  /** '1.1', '1.0' or '2.0'. */
  readonly version: string;
  readonly headers: HeaderList;
  readonly #origin: RequestOrigin;

  constructor(head: RequestHead, origin: RequestOrigin) {
    this.method = head.method;
    this.target = head.target;
    this.version = head.version;
    this.headers = head.headers;
    this.#origin = origin;
  }

  /** The target's path, without its query; '' for a target that has none. */
  get path(): string {
    return PATH.exec(this.target)?.[1] || '';
  }

  /** The target's query, behind the first `?`, or ''. */
  get query(): string {
    const at = this.target.indexOf('?');
    return at < 0 ? '' : this.target.slice(at + 1);
  }

  /** The Origin header: who made a browser ask. */
  get origin(): string | undefined {
    return this.headers.get('origin');
  }

  /** Where the two ends are. */
  get addresses(): SocketAddresses {
    return this.#origin.addresses;
  }

  /** The request as Node gave it: undefined where there was no `http` server. */
  get message(): IncomingMessage | undefined {
    return this.#origin.message;
  }
}

/** A path, or the path of a whole URL, which a server has to understand. RFC 9112 §3.2.2 */
const PATH = /^(?:https?:\/\/[^/?#]*|wss?:\/\/[^/?#]*)?(\/[^?#]*)/i;

/** What a client asks for. */
export interface UpgradeOffer {
  /** The answer to the key; '' over HTTP/2, which has none. */
  readonly key: string;
  /** Subprotocols in the client's order. */
  readonly protocols: readonly string[];
  readonly extensions: readonly ExtensionOffer[];
}

/** @returns what is asked for, or how it is refused. */
export function checkUpgrade(request: WebSocketRequest): UpgradeOffer | Refused {
  const { method, version, headers } = request;
  if (method !== 'GET') return refuse(405, `the method is ${method}, not GET`, { Allow: 'GET' });
  // An Upgrade in HTTP/1.0 has to be ignored. RFC 9110 §7.8
  if (version !== '1.1' || !hasToken(headers.all('upgrade'), 'websocket')) {
    return refuse(426, 'this is a WebSocket server: the request has no Upgrade: websocket', UPGRADE_REQUIRED);
  }
  if (!hasToken(headers.all('connection'), 'upgrade')) return refuse(400, 'Connection does not list Upgrade');
  if (headers.all('host').length !== 1) return refuse(400, 'there has to be one Host header');
  if (hasBody(headers)) return refuse(400, 'a request for a WebSocket has no body');
  const version13 = checkVersion(headers);
  if (version13 !== undefined) return version13;
  const [key, ...more] = headers.all('sec-websocket-key');
  if (key === undefined || more.length > 0 || !isKey(key)) {
    return refuse(400, 'Sec-WebSocket-Key is missing, or not 16 bytes in base64');
  }
  return offersOf(headers, key);
}

/** The same for the extended CONNECT of HTTP/2, where the layer below has checked the method and `:protocol`. */
export function checkExtendedConnect(request: WebSocketRequest): UpgradeOffer | Refused {
  return checkVersion(request.headers) ?? offersOf(request.headers, '');
}

const UPGRADE_REQUIRED = { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };

/** Bytes of a body would be taken for frames by one side and not by the other. */
function hasBody(headers: HeaderList): boolean {
  return headers.has('transfer-encoding') || headers.all('content-length').some((length) => length !== '0');
}

function checkVersion(headers: HeaderList): Refused | undefined {
  if (headers.get('sec-websocket-version') === '13') return undefined;
  // The client learns what to ask for. RFC 6455 §4.4
  return refuse(426, 'Sec-WebSocket-Version is missing, or not 13', UPGRADE_REQUIRED);
}

function offersOf(headers: HeaderList, key: string): UpgradeOffer | Refused {
  const protocols = protocolsOf(headers);
  if (protocols === undefined) return refuse(400, 'Sec-WebSocket-Protocol is no list of different tokens');
  const extensions = parseExtensions(headers.all('sec-websocket-extensions'));
  if (extensions === undefined) return refuse(400, 'Sec-WebSocket-Extensions is malformed');
  return { key, protocols, extensions };
}

/** RFC 6455 §4.1: the elements MUST all be unique. */
function protocolsOf(headers: HeaderList): string[] | undefined {
  const values = headers.all('sec-websocket-protocol');
  const protocols = parseTokenList(values);
  if (protocols === undefined || (values.length > 0 && protocols.length === 0)) return undefined;
  return new Set(protocols).size === protocols.length ? protocols : undefined;
}
