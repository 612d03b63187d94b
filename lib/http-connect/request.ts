/** What a client of an HTTP proxy wants, and how it is answered: `accept` or `refuse`, once. */
import type { IncomingMessage } from 'node:http';
import { checkInteger, checkString, invalidArgValue } from '../arguments.js';
import { UsageError } from '../errors.js';
import { type RequestHead, serializeResponseHead } from '../http/head.js';
import { HeaderList, type HeaderSource } from '../http/header-list.js';
import { refusalBytes } from '../http/refusal.js';
import { late } from '../late.js';
import type { Endpoint, HostKind } from '../socks/target.js';
import type { ByteStream } from '../streams/byte-stream.js';
import { exchangeOn, HandshakeTime } from '../streams/exchange.js';
import { type Authority, type ProxyCredentials, parseCredentials } from './authority.js';
import { HTTP_CONNECT } from './errors.js';

/** A request that has been read. */
export interface ConnectWish {
  readonly target: Authority;
  readonly head: RequestHead;
  readonly message: IncomingMessage | undefined;
}

/** A CONNECT request to a proxy. `httpConnectServer` and `acceptHttpConnect` give it. */
export class ConnectRequest implements Endpoint {
  /** The next protocol's, once the request has been accepted: its input begins behind the request. */
  readonly stream: ByteStream;
  /** An address, IPv6 without brackets, or a name. */
  readonly host: string;
  readonly port: number;
  /** What the host is. */
  readonly type: HostKind;
  /** '1.1' or '1.0'. */
  readonly version: string;
  readonly headers: HeaderList;
  /** What `Proxy-Authorization: Basic` says; nobody has checked it. Undefined for none, and for other schemes. */
  readonly credentials: ProxyCredentials | undefined;
  /** The request as Node gave it: undefined where there was no `http` server. */
  readonly message: IncomingMessage | undefined;
  readonly #timeoutMs: number;
  #answered = false;

  /** Internal: `httpConnectServer` and `acceptHttpConnect` make it. */
  constructor(stream: ByteStream, { target, head, message }: ConnectWish, timeoutMs: number) {
    this.stream = stream;
    this.host = target.host;
    this.port = target.port;
    this.type = target.type;
    this.version = head.version;
    this.headers = head.headers;
    this.credentials = parseCredentials(head.headers.get('proxy-authorization'));
    this.message = message;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Grants the request with a 200: from now on the stream is the next protocol's.
   * @param headers to add to the answer.
   * @returns once the stream has taken the answer. @throws UsageError ERR_ALREADY_ANSWERED; ERR_INVALID_ARG_VALUE;
   * LimitError ERR_HANDSHAKE_TIMEOUT and TransportError, and then the stream is destroyed
   */
  async accept(headers: HeaderSource = {}): Promise<void> {
    const list = HeaderList.from(headers, 'headers');
    // RFC 9110 §9.3.6: a server MUST NOT send them in a successful answer.
    if (list.has('content-length') || list.has('transfer-encoding')) {
      throw invalidArgValue('headers', list.toObject(), 'must not say how long the tunnel is');
    }
    const answer = serializeResponseHead({
      status: 200,
      reason: 'Connection established',
      version: '1.1',
      headers: list,
    });
    await this.#answer(Buffer.from(answer, 'latin1'));
  }

  /**
   * Refuses the request, and has the connection end once the answer has arrived.
   * @param status 300 to 599: 403 for what is not allowed, 502 where the destination refuses, 504 where it does not answer.
   * @param reason is sent as the body. Default: the text of the status.
   * @returns once the connection is closed. @throws as `accept`
   */
  async refuse(status: number, reason?: string, headers: HeaderSource = {}): Promise<void> {
    checkInteger('status', status, 300, 599);
    if (reason !== undefined) checkString('reason', reason);
    await this.#answer(refusal({ status, reason, headers }));
    await this.stream.close();
  }

  async #answer(bytes: Buffer): Promise<void> {
    if (this.#answered) throw new UsageError('ERR_ALREADY_ANSWERED', { protocol: HTTP_CONNECT });
    this.#answered = true;
    const time = new HandshakeTime(HTTP_CONNECT, this.#timeoutMs, undefined);
    await exchangeOn(this.stream, time, (exchange) => {
      exchange.say(bytes);
      return exchange.sent();
    });
  }
}

/** An answer that grants nothing. */
export interface ConnectRefusal {
  readonly status: number;
  /** Is sent as the body. Default: the text of the status. */
  readonly reason?: string | undefined;
  readonly headers?: HeaderSource | undefined;
}

/** The whole of it, with what a 407 must have. RFC 9110 §15.5.8 */
export function refusal({
  status,
  reason = late.http.STATUS_CODES[status] ?? 'Refused',
  headers = {},
}: ConnectRefusal): Buffer {
  const list = HeaderList.from(headers, 'headers');
  if (status === 407 && !list.has('proxy-authenticate')) list.add('Proxy-Authenticate', 'Basic realm="proxy"');
  return refusalBytes({ status, headers: list, body: `${reason}\n` });
}
