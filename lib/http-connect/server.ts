/**
 * The server's side of CONNECT: a request of HTTP/1.1 that is a tunnel's beginning, and the answers to everything else.
 *
 *   what comes                               answer
 *   CONNECT host:port, well formed, allowed  the program's
 *   another method                           405
 *   a target, Host or body that must not be  400
 *   what is not allowed                      407, or what `authorize` says
 *   no head, a head too large, none in time  400, 431, 408
 *
 * No byte behind the head is taken.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkFunction, checkInteger, checkObject, checkSignal } from '../arguments.js';
import { asTransportError, LimitError, MiniprotoError, TransportError } from '../errors.js';
import { asByteStream, type FramedSource } from '../framed/framed.js';
import type { RequestHead } from '../http/head.js';
import { checkHeadLimits, type HeadLimits, requestHeads } from '../http/head-codec.js';
import { HeaderList } from '../http/header-list.js';
import { HANDSHAKE_TIMEOUT_MS } from '../limits.js';
import { adopt } from '../net/adopt.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { Exchange, HandshakeTime, isPromise } from '../streams/exchange.js';
import { parseAuthority } from './authority.js';
import { broken, HTTP_CONNECT, HttpConnectRefusedError } from './errors.js';
import { type ConnectRefusal, ConnectRequest, refusal } from './request.js';

/** Whom a server serves. */
export interface HttpConnectServerOptions extends HeadLimits {
  /**
   * Says who may go where, at once or by a promise: `true` lets a request through, `false` asks for user and password
   * (407), and `{ status, reason, headers }` refuses with that. Default: all are let through.
   */
  authorize?: (request: ConnectRequest) => Verdict | PromiseLike<Verdict>;
  /** Milliseconds until the request is there and `authorize` has answered, and again for the answer. Default 10000. */
  timeoutMs?: number;
  /** Ends the handshake. */
  signal?: AbortSignal | undefined;
}

/** What `authorize` answers. */
export type Verdict = boolean | ConnectRefusal;

/**
 * Reads a CONNECT request, on a stream that comes from the client. The program answers with `accept` or `refuse`; what
 * the client sent behind its request is in the stream's input.
 * @throws ProtocolError ERR_HTTP_CONNECT, those of heads, ERR_UNEXPECTED_EOF, HttpConnectRefusedError for what was refused
 * here, LimitError, what a hook throws: the client has been told, and the stream is being closed. TransportError, the
 * signal's reason: the stream is destroyed.
 * @example
 * await using server = await listen({ port: 0 }, async (client) => {
 *   const request = await httpConnectServer(client);
 *   const { host, port } = request;
 *   const there = await connect({ host, port }).catch((error: Error) => error);
 *   if (there instanceof Error) return request.refuse(502, there.message);
 *   await request.accept();
 *   await relay(client, there);
 * });
 */
export async function httpConnectServer(
  source: FramedSource,
  options: HttpConnectServerOptions = {},
): Promise<ConnectRequest> {
  const rules = checkOptions(options);
  rules.signal?.throwIfAborted();
  const stream = asByteStream(source);
  const codec = requestHeads(rules.limits);
  return serve(stream, rules, async (exchange) => {
    const head = await exchange.hear((input) => codec.decode(input), 'a request');
    return { head, message: undefined };
  });
}

/**
 * The same for the event 'connect' of a server of `http` or `https`. The socket is adopted at once, with its head: native
 * where it can be.
 * @example
 * httpServer.on('connect', async (message, socket, head) => {
 *   const request = await acceptHttpConnect(message, socket, head);
 *   await request.refuse(403, 'nobody goes anywhere');
 * });
 */
export async function acceptHttpConnect(
  message: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  options: HttpConnectServerOptions = {},
): Promise<ConnectRequest> {
  const rules = checkOptions(options);
  rules.signal?.throwIfAborted();
  // Timeouts of the HTTP server meant requests.
  (socket as Partial<Socket>).setTimeout?.(0);
  const stream = adopt(socket, { head });
  const { method = '', url = '', httpVersion: version, rawHeaders } = message;
  const read = { method, target: url, version, headers: HeaderList.fromRaw(rawHeaders) };
  return serve(stream, rules, () => Promise.resolve({ head: read, message }));
}

/** Checked. */
interface Rules {
  readonly authorize: HttpConnectServerOptions['authorize'];
  readonly limits: HeadLimits;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

function checkOptions(options: HttpConnectServerOptions): Rules {
  checkObject('options', options);
  const { authorize, timeoutMs = HANDSHAKE_TIMEOUT_MS, signal } = options;
  if (authorize !== undefined) checkFunction('options.authorize', authorize);
  checkInteger('options.timeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  checkSignal('options.signal', signal);
  return { authorize, limits: checkHeadLimits(options), timeoutMs, signal };
}

/** A head, and the message of Node's that it is of. */
type Head = { readonly head: RequestHead; readonly message: IncomingMessage | undefined };

async function serve(
  stream: ByteStream,
  rules: Rules,
  read: (exchange: Exchange) => Promise<Head>,
): Promise<ConnectRequest> {
  const time = new HandshakeTime(HTTP_CONNECT, rules.timeoutMs, rules.signal);
  try {
    const request = requestFor(stream, await read(new Exchange(stream, time)), rules);
    await judge(request, rules, time);
    return request;
  } catch (error) {
    const lost = error instanceof TransportError || rules.signal?.aborted === true;
    if (lost) stream.destroy(asTransportError(error));
    else void endWith(stream, answerTo(error), rules);
    throw error;
  } finally {
    time.clear();
  }
}

/** @throws ProtocolError ERR_HTTP_CONNECT */
function requestFor(stream: ByteStream, { head, message }: Head, { timeoutMs }: Rules): ConnectRequest {
  const { method, headers, version } = head;
  if (method !== 'CONNECT') throw refused({ status: 405, headers: { Allow: 'CONNECT' } }, `the method is ${method}`);
  const target = parseAuthority(head.target);
  if (typeof target === 'string') throw broken(target);
  const hosts = headers.all('host').length;
  // RFC 9112 §3.2: MUST be answered with 400.
  if (hosts > 1 || (hosts === 0 && version !== '1.0')) throw broken('there has to be one Host header');
  // What one side takes for a body the other takes for the tunnel's first bytes.
  if (headers.has('transfer-encoding') || headers.all('content-length').some((length) => length !== '0')) {
    throw broken('a CONNECT request has no body');
  }
  return new ConnectRequest(stream, { target, head, message }, timeoutMs);
}

/** @throws HttpConnectRefusedError; what the hook throws */
async function judge(request: ConnectRequest, { authorize }: Rules, time: HandshakeTime): Promise<void> {
  if (authorize === undefined) return;
  const answer = authorize(request);
  const verdict = isPromise(answer) ? await time.within(answer) : answer;
  if (verdict === true) return;
  throw refused(typeof verdict === 'object' && verdict !== null ? verdict : { status: 407 });
}

function refused(answer: ConnectRefusal, why?: string): HttpConnectRefusedError {
  const { status, reason = why ?? '' } = answer;
  checkInteger('refusal.status', status, 300, 599);
  const headers = HeaderList.from(answer.headers ?? {}, 'refusal.headers');
  const body = Buffer.from(reason);
  return new HttpConnectRefusedError('the request was refused', { status, reason, headers, body });
}

/** What the client is told of an error. */
function answerTo(error: unknown): Buffer {
  if (error instanceof HttpConnectRefusedError) {
    const { status, headers, body } = error;
    return refusal({ status, headers, reason: body.length > 0 ? body.toString() : undefined });
  }
  if (!(error instanceof MiniprotoError)) return refusal({ status: 500 });
  if (error.code === 'ERR_HANDSHAKE_TIMEOUT') return refusal({ status: 408 });
  return refusal({ status: error instanceof LimitError ? 431 : 400, reason: error.message });
}

/** The answer leaves, and then the connection ends with care. */
async function endWith(stream: ByteStream, answer: Buffer, { timeoutMs }: Rules): Promise<void> {
  const time = new HandshakeTime(HTTP_CONNECT, timeoutMs, undefined);
  try {
    const exchange = new Exchange(stream, time);
    exchange.say(answer);
    await exchange.sent();
    await stream.close();
  } catch {
    // Whoever called has the reason; that the client did not read it is no further one.
    stream.destroy();
  } finally {
    time.clear();
  }
}
