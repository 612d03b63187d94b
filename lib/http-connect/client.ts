/**
 * The client's side of CONNECT: one request, and a tunnel behind an answer of 2xx. RFC 9110 §9.3.6
 *
 * The request leaves at once; no byte behind the answer's head is taken. A failed handshake destroys the stream, since
 * nothing else can be made of it.
 */
import { checkInteger, checkObject, checkSignal, checkString, invalidArgValue } from '../arguments.js';
import { asByteStream, type FramedSource } from '../framed/framed.js';
import { BodyBeginning } from '../http/body.js';
import { type ResponseHead, serializeRequestHead } from '../http/head.js';
import { checkHeadLimits, type HeadLimits, responseHeads } from '../http/head-codec.js';
import { HeaderList, type HeaderSource, isFieldValue } from '../http/header-list.js';
import { MAX_REFUSAL_BODY, PROXY_TIMEOUT_MS } from '../limits.js';
import { connectThrough, type ProxyAddress } from '../net/connect-through.js';
import type { Connection } from '../net/connection.js';
import { checkEndpoint, type ThroughProxyOptions } from '../socks/target.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { type Exchange, exchangeOn, HandshakeTime } from '../streams/exchange.js';
import { authorityOf, basicCredentials, type ProxyCredentials } from './authority.js';
import { broken, HTTP_CONNECT, HttpConnectRefusedError } from './errors.js';

/** How a proxy is spoken to. */
export interface HttpProxyOptions {
  /** Fields to add to the request. */
  headers?: HeaderSource;
  /** Who asks: user and password, or the value of Proxy-Authorization as it is sent. */
  authorization?: string | ProxyCredentials;
}

/** What a proxy is asked for. */
export interface HttpConnectClientOptions extends HttpProxyOptions, ThroughProxyOptions, HeadLimits {}

/** What a proxy has granted. */
export interface HttpConnectReply {
  /** The next protocol's: its input begins behind the answer. */
  readonly stream: ByteStream;
  /** 200 to 299. */
  readonly status: number;
  readonly reason: string;
  readonly headers: HeaderList;
}

/** Checked. */
interface Asked {
  readonly request: Buffer;
  readonly limits: HeadLimits;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Asks a proxy for a tunnel, on a stream that leads to the proxy. When this resolves, the stream leads to the
 * destination, and what it sent behind the answer is in the stream's input.
 * @throws HttpConnectRefusedError with status, headers and body when the answer is no 2xx; ProtocolError ERR_HTTP_CONNECT,
 * those of heads, ERR_UNEXPECTED_EOF; LimitError ERR_HANDSHAKE_TIMEOUT; TransportError; the signal's reason. Then the
 * stream is destroyed. ERR_INVALID_ARG_TYPE and the like, and then it was not touched.
 * @example
 * const { stream: tunnel } = await httpConnectClient(stream, { host: 'example.org', port: 25 });
 * const mail = framed(tunnel, lines());
 */
export async function httpConnectClient(
  source: FramedSource,
  options: HttpConnectClientOptions,
): Promise<HttpConnectReply> {
  const asked = checkOptions(options, options, 'options');
  asked.signal?.throwIfAborted();
  const stream = asByteStream(source);
  const time = new HandshakeTime(HTTP_CONNECT, asked.timeoutMs, asked.signal);
  return exchangeOn(stream, time, (exchange) => askProxy(exchange, asked));
}

/** Where the proxy is, as for `connect`, and how it is spoken to. */
export type HttpProxy = ProxyAddress & HttpProxyOptions;

/** Where to, and by which proxy. */
export interface ConnectThroughHttpOptions extends Omit<HttpConnectClientOptions, keyof HttpProxyOptions> {
  proxy: HttpProxy;
}

/**
 * Connects to a proxy and has it connect to `host` and `port`. There is no other way than by the proxy: when it cannot
 * be reached or refuses, this rejects.
 * @returns the connection, native where it can be; what the destination has sent already is in its input.
 * @throws as `httpConnectClient`, and TransportError with Node's own error as its cause when the proxy cannot be reached.
 * @example
 * const proxy = { host: '127.0.0.1', port: 3128 };
 * const stream = framed(await connectThroughHttp({ proxy, host: 'example.org', port: 25 }), lines());
 */
export async function connectThroughHttp(options: ConnectThroughHttpOptions): Promise<Connection> {
  checkObject('options', options);
  const { proxy, ...target } = options;
  checkObject('options.proxy', proxy);
  const { headers, authorization, ...where } = proxy;
  const asked = checkOptions(target, proxy, 'options.proxy');
  return connectThrough(where, { protocol: HTTP_CONNECT, ...asked }, (exchange) => askProxy(exchange, asked));
}

function checkOptions(options: HttpConnectClientOptions, proxy: HttpProxyOptions, name: string): Asked {
  checkObject('options', options);
  const { host, port, timeoutMs = PROXY_TIMEOUT_MS, signal } = options;
  checkEndpoint('options', { host, port }, 1);
  checkInteger('options.timeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  checkSignal('options.signal', signal);
  const request = requestFor(authorityOf({ host, port }), proxy, name);
  return { request, limits: checkHeadLimits(options), timeoutMs, signal };
}

function requestFor(target: string, { headers: added = {}, authorization }: HttpProxyOptions, name: string): Buffer {
  const more = HeaderList.from(added, `${name}.headers`);
  const headers = new HeaderList();
  if (!more.has('host')) headers.add('Host', target);
  if (authorization !== undefined)
    headers.add('Proxy-Authorization', headerValue(authorization, `${name}.authorization`));
  for (const [field, value] of more) {
    // A CONNECT request has no content, and what says how long it is would be taken for its beginning.
    if (/^(?:content-length|transfer-encoding)$/i.test(field)) {
      throw invalidArgValue(`${name}.headers`, field, 'has no place in a request without a body');
    }
    headers.add(field, value);
  }
  return Buffer.from(serializeRequestHead({ method: 'CONNECT', target, version: '1.1', headers }), 'latin1');
}

function headerValue(authorization: string | ProxyCredentials, name: string): string {
  if (typeof authorization !== 'string') {
    checkObject(name, authorization);
    return basicCredentials(name, authorization);
  }
  checkString(name, authorization);
  if (authorization === '' || !isFieldValue(authorization))
    throw invalidArgValue(name, '***', 'is no value of a header');
  return authorization;
}

/** An answer of 1xx tells of progress; a proxy that has nothing else to say is not believed for ever. */
const MOST_INTERIM = 10;

async function askProxy(exchange: Exchange, { request, limits }: Asked): Promise<HttpConnectReply> {
  const codec = responseHeads(limits);
  exchange.say(request);
  for (let count = 0; count <= MOST_INTERIM; count++) {
    const head = await exchange.hear((input) => codec.decode(input), "the proxy's answer");
    const { status, reason, headers } = head;
    // RFC 9110 §9.3.6: lengths in a successful answer MUST be ignored: the tunnel begins behind the head.
    if (status >= 200 && status <= 299) return { stream: exchange.stream, status, reason, headers };
    // 101 would switch to what nobody asked for.
    if (status < 200 && status !== 101) continue;
    const body = await bodyBeginning(exchange, head);
    throw new HttpConnectRefusedError('the proxy answered', { status, reason, headers, body });
  }
  throw broken(`the proxy gave more than ${MOST_INTERIM} interim answers`);
}

/** What comes in time, and up to the limit. That it breaks off is no further failure. */
async function bodyBeginning(exchange: Exchange, { headers }: ResponseHead): Promise<Buffer> {
  const body = new BodyBeginning(headers, MAX_REFUSAL_BODY);
  try {
    await exchange.hear((input) => body.take(input) || input.need(input.length + 1), 'the body');
  } catch {
    // The reason for the refusal is the head; what was said besides has broken off.
  }
  return body.bytes;
}
