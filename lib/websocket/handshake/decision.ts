/**
 * A server's side of the handshake without I/O: a request comes in, and what to answer comes out.
 *
 * Hooks of the user are called here, and only for requests that keep the rules; `verify` alone may take its time. What a
 * hook throws is the program's mistake: the client gets a 500, and who called gets the error.
 */
import { checkFunction, checkString, invalidArgType, invalidArgValue } from '../../arguments.js';
import { serializeResponseHead } from '../../http/head.js';
import { HeaderList, type HeaderSource, isToken } from '../../http/header-list.js';
import { checkRefusal, type Refusal } from '../../http/refusal.js';
import { acceptDeflate } from '../deflate/negotiation.js';
import { type DeflateOptions, type DeflateSettings, deflateSettings } from '../deflate/options.js';
import type { AgreedDeflate } from '../established.js';
import { acceptFor } from './key.js';
import { type Refused, refuse } from './refused.js';
import { checkExtendedConnect, checkUpgrade, type UpgradeOffer, type WebSocketRequest } from './request.js';

/** What a server does with a request for a WebSocket. */
export interface AcceptOptions {
  /** Subprotocols that are spoken, or who chooses one of those offered. Default: none is chosen. */
  protocols?: readonly string[] | ((offered: readonly string[], request: WebSocketRequest) => string | false);
  /**
   * Origins that browsers may ask from, or who decides; a request without an Origin comes from no browser, and passes a
   * list. Others get a 403. Default: all, since only a page's own server knows.
   */
  origin?: string | readonly string[] | ((origin: string | undefined, request: WebSocketRequest) => boolean);
  /** Decides over a request that keeps the rules: true, false for a 403, or what to refuse it with. */
  verify?: (request: WebSocketRequest) => boolean | Refusal | Promise<boolean | Refusal>;
  /** Header fields to add to the answer. */
  headers?: HeaderSource | ((request: WebSocketRequest) => HeaderSource);
  /** Compresses messages where the client offers it (RFC 7692). Default false: it costs processor time and memory. */
  deflate?: boolean | DeflateOptions;
}

/** The same, checked. */
export interface AcceptRules extends Omit<AcceptOptions, 'deflate'> {
  readonly deflate: DeflateSettings | undefined;
}

/** The answer to a request that is accepted. */
export interface Accepted {
  readonly protocol: string;
  readonly extensions: string;
  readonly deflate: AgreedDeflate | undefined;
  /** Header fields of the answer. */
  readonly headers: HeaderList;
}

export type Decision = Accepted | Refused | Refusal;

/** Tells the two kinds apart. */
export function isAccepted(decision: Decision): decision is Accepted {
  return 'protocol' in decision;
}

/** Checks options. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE */
export function acceptRules(options: AcceptOptions): AcceptRules {
  const { protocols, origin, verify, headers, deflate } = options;
  if (protocols !== undefined && typeof protocols !== 'function') {
    // Of a string each character would be one.
    if (!Array.isArray(protocols)) {
      throw invalidArgType('options.protocols', 'an array of strings or a function', protocols);
    }
    for (const protocol of protocols) checkProtocol('options.protocols', protocol);
  }
  if (verify !== undefined) checkFunction('options.verify', verify);
  if (origin !== undefined && typeof origin !== 'function' && typeof origin !== 'string') {
    if (!Array.isArray(origin)) {
      throw invalidArgType('options.origin', 'of type string, an array of strings or a function', origin);
    }
    for (const allowed of origin) checkString('options.origin', allowed);
  }
  if (headers !== undefined && typeof headers !== 'function') headersToAdd(headers);
  return {
    ...(protocols === undefined ? {} : { protocols }),
    ...(origin === undefined ? {} : { origin }),
    ...(verify === undefined ? {} : { verify }),
    ...(headers === undefined ? {} : { headers }),
    deflate: settingsOf(deflate, 'server'),
  };
}

/** What `deflate` of a server's or client's options stands for; undefined for no compression. @throws as `acceptRules` */
export function settingsOf(
  deflate: boolean | DeflateOptions | undefined,
  role: 'server' | 'client',
): DeflateSettings | undefined {
  if (deflate === undefined || deflate === false) return undefined;
  return deflateSettings(deflate === true ? {} : deflate, role);
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE unless it may be the name of a subprotocol */
export function checkProtocol(name: string, value: unknown): asserts value is string {
  checkString(name, value);
  if (!isToken(value)) throw invalidArgValue(name, value, 'is no token');
}

/**
 * Decides over a request. @param over where the request came from: HTTP/2 has neither key nor Upgrade. RFC 8441
 * @returns at once, unless `verify` gave a promise. @throws what a hook threw, or its promise was rejected with.
 */
export function decide(
  request: WebSocketRequest,
  options: AcceptRules,
  over: 'http1' | 'http2',
): Decision | Promise<Decision> {
  const offer = over === 'http1' ? checkUpgrade(request) : checkExtendedConnect(request);
  if ('status' in offer) return offer;
  if (!isAllowed(request, options.origin)) return refuse(403, `the origin ${request.origin} is not allowed`);
  if (options.verify === undefined) return accept(request, offer, options);
  const verdict = options.verify(request);
  const settle = (answer: boolean | Refusal): Decision => {
    if (answer === true) return accept(request, offer, options);
    return answer === false ? refuse(403, 'the request was not accepted') : checkRefusal(answer);
  };
  return isPromise(verdict) ? verdict.then(settle) : settle(verdict);
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null)?.then === 'function';
}

function isAllowed(request: WebSocketRequest, allowed: AcceptRules['origin']): boolean {
  if (allowed === undefined) return true;
  const { origin } = request;
  if (typeof allowed === 'function') return allowed(origin, request) === true;
  if (origin === undefined) return true;
  return typeof allowed === 'string' ? allowed === origin : allowed.includes(origin);
}

function accept(request: WebSocketRequest, offer: UpgradeOffer, options: AcceptRules): Accepted {
  const protocol = choose(offer.protocols, request, options.protocols);
  const headers = new HeaderList();
  if (offer.key !== '') {
    headers.add('Upgrade', 'websocket').add('Connection', 'Upgrade');
    headers.add('Sec-WebSocket-Accept', acceptFor(offer.key));
  }
  if (protocol !== '') headers.add('Sec-WebSocket-Protocol', protocol);
  const deflate = options.deflate === undefined ? undefined : acceptDeflate(offer.extensions, options.deflate);
  const extensions = deflate?.response ?? '';
  if (extensions !== '') headers.add('Sec-WebSocket-Extensions', extensions);
  const { headers: more = {} } = options;
  const added = headersToAdd(typeof more === 'function' ? more(request) : more);
  for (const [name, value] of added) headers.add(name, value);
  return { protocol, extensions, deflate: deflate?.params, headers };
}

/** The first of the client's subprotocols that is spoken here: its order is its preference. RFC 6455 §4.1 */
function choose(
  offered: readonly string[],
  request: WebSocketRequest,
  protocols: AcceptRules['protocols'] = [],
): string {
  if (offered.length === 0) return '';
  if (typeof protocols !== 'function') return offered.find((protocol) => protocols.includes(protocol)) ?? '';
  const chosen = protocols(offered, request);
  if (chosen === false || chosen === '') return '';
  // A client has to fail a connection with another one. RFC 6455 §4.1
  if (!offered.includes(chosen)) throw invalidArgValue('protocol', chosen, 'was not offered');
  return chosen;
}

/** Fields that the handshake itself is made of. */
const OURS = new Set([
  'upgrade',
  'connection',
  'content-length',
  'transfer-encoding',
  'sec-websocket-accept',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
]);

/** Header fields that a user may add to a handshake. @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE */
export function headersToAdd(source: HeaderSource): HeaderList {
  if (typeof source !== 'object' || source === null) throw invalidArgType('options.headers', 'of type object', source);
  const list = HeaderList.from(source, 'options.headers');
  for (const [name] of list) {
    if (OURS.has(name.toLowerCase()))
      throw invalidArgValue('options.headers', name, 'has a field of the handshake itself');
  }
  return list;
}

/** The answer over HTTP/1.1. */
export function acceptBytes({ headers }: Accepted): Buffer {
  const head = serializeResponseHead({ status: 101, reason: 'Switching Protocols', version: '1.1', headers });
  return Buffer.from(head, 'latin1');
}
