/**
 * A client's opening handshake over `http.request`, because its request and its answer are part of the interface: agents,
 * 'upgrade', 'redirect', 'unexpected-response', `finishRequest`. What the answer has to be is checked where all clients
 * check it (handshake/response.ts).
 *
 *   request     an answer of 101          checked; the socket is adopted, and the WebSocket opens
 *               a redirect, if followed   request, to somewhere else
 *               any other answer          'unexpected-response', or failure
 *               an error, `abort`         failure: 'error', then 'close'
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import { HeaderList, isToken } from '../http/header-list.js';
import { late } from '../late.js';
import { adopt } from '../net/adopt.js';
import type { WebSocketOptions } from '../websocket/connection-options.js';
import type { Established } from '../websocket/established.js';
import { newKey } from '../websocket/handshake/key.js';
import { checkSwitch } from '../websocket/handshake/response.js';
import { authOf, type HandshakeRequest, isSameHost, isSecure, parseAddress, requestFor } from './client-address.js';
import { FaceDeflate } from './deflate.js';
import { badAnswer } from './handshake-words.js';
import { type ClientOptions, connectionOptionsFor } from './options.js';
import type { WebSocket } from './web-socket.js';

/** What the handshake does to its WebSocket. */
export interface ClientFace {
  readonly socket: WebSocket;
  located(url: string): void;
  opened(established: Established, options: WebSocketOptions): void;
  /** It will fail in the next tick. */
  failing(): void;
  failed(error: Error): void;
}

const DEFAULT_MAX_REDIRECTS = 10;

export class ClientHandshake {
  readonly #face: ClientFace;
  readonly #options: ClientOptions;
  readonly #connectionOptions: WebSocketOptions;
  readonly #protocols: readonly string[];
  readonly #deflate: FaceDeflate | undefined;
  /** Where the program wanted to go. */
  #first: URL | undefined;
  /** Name and password, the first that were to be sent: a server that redirects does not choose others. */
  #auth: string | undefined;
  #request: ClientRequest | undefined;
  #key = '';
  #redirects = 0;
  #over = false;

  /** @throws SyntaxError, RangeError, TypeError for options that may not be. */
  constructor(face: ClientFace, protocols: readonly string[], options: ClientOptions) {
    this.#face = face;
    this.#options = options;
    const { protocolVersion = 13 } = options;
    if (protocolVersion !== 13) {
      throw new RangeError(`Unsupported protocol version: ${protocolVersion} (supported versions: 13)`);
    }
    checkProtocols(protocols);
    this.#protocols = protocols;
    this.#connectionOptions = connectionOptionsFor(options);
    // Naming it without a value is a way to have none.
    const deflate = 'perMessageDeflate' in options ? options.perMessageDeflate : true;
    this.#deflate = FaceDeflate.of(deflate, 'client');
  }

  /** The request that waits for its answer. */
  get request(): ClientRequest | undefined {
    return this.#over ? undefined : this.#request;
  }

  /** @throws SyntaxError for what is no address; what `http.request` throws. */
  begin(address: string | URL): void {
    const url = parseAddress(address);
    this.#first = url;
    this.#ask(url);
  }

  #ask(url: URL): void {
    this.#face.located(url.href);
    this.#key = newKey();
    // Programs put functions of their own into these modules, and mean us as well.
    const request = (isSecure(url) ? late.https : late.http).request(this.#requestFor(url) as RequestOptions);
    this.#request = request;
    request.on('error', (error) => this.#failed(request, error));
    request.on('timeout', () => this.#abort(request, 'Opening handshake has timed out'));
    request.on('response', (response) => this.#refused(url, request, response));
    request.on('upgrade', (response, socket, head) => this.#switched(request, response, socket as Socket, head));
    if (this.#redirects > 0) this.#face.socket.emit('redirect', url.href, request);
    if (this.#over) return;
    const { finishRequest } = this.#options;
    if (finishRequest) finishRequest(request, this.#face.socket);
    else request.end();
  }

  #requestFor(url: URL): HandshakeRequest {
    const { headers: given, origin } = this.#options;
    const headers: HandshakeRequest['headers'] = {};
    const keptBack = this.#keptBack(url);
    for (const [name, value] of Object.entries(given ?? {})) {
      if (!keptBack.includes(name.toLowerCase())) headers[name] = value;
    }
    headers['Sec-WebSocket-Version'] = '13';
    headers['Sec-WebSocket-Key'] = this.#key;
    headers.Connection = 'Upgrade';
    headers.Upgrade = 'websocket';
    if (this.#deflate !== undefined) headers['Sec-WebSocket-Extensions'] = this.#deflate.offer;
    if (this.#protocols.length > 0) headers['Sec-WebSocket-Protocol'] = this.#protocols.join(',');
    if (origin) headers.Origin = origin;
    const named = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
    if (named || keptBack.includes('authorization')) return requestFor(url, this.#options, headers, undefined);
    this.#auth ??= authOf(url, this.#options);
    return requestFor(url, this.#options, headers, this.#auth);
  }

  /** Fields that are meant for one server do not go to another, unless the program looks after redirects itself. */
  #keptBack(url: URL): readonly string[] {
    const first = this.#first!;
    if (this.#redirects === 0 || this.#face.socket.listenerCount('redirect') > 0) return [];
    if (!isSameHost(first, url)) return ['authorization', 'cookie', 'host'];
    return isSecure(first) && !isSecure(url) ? ['authorization', 'cookie'] : [];
  }

  /** An answer that is no switch. */
  #refused(url: URL, request: ClientRequest, response: IncomingMessage): void {
    const { statusCode = 0, headers } = response;
    const { followRedirects = false, maxRedirects = DEFAULT_MAX_REDIRECTS } = this.#options;
    if (followRedirects && headers.location !== undefined && statusCode >= 300 && statusCode < 400) {
      if (++this.#redirects > maxRedirects) return this.#abort(request, 'Maximum redirects exceeded');
      this.#request = undefined;
      request.destroy();
      return this.#redirect(headers.location, url);
    }
    if (this.#face.socket.emit('unexpected-response', request, response)) return;
    this.#abort(request, `Unexpected server response: ${statusCode}`);
  }

  #redirect(location: string, from: URL): void {
    try {
      this.#ask(parseAddress(location, from));
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #switched(request: ClientRequest, response: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#face.socket.emit('upgrade', response);
    // Its listener may have closed the WebSocket.
    if (this.#over || request !== this.#request) return void socket.destroy();
    const { statusMessage = '', httpVersion: version, rawHeaders } = response;
    const headers = HeaderList.fromRaw(rawHeaders);
    const answer = { status: 101, reason: statusMessage, version, headers };
    let agreed: ReturnType<typeof checkSwitch>;
    try {
      const checkDeflate = this.#deflate?.check;
      agreed = checkSwitch(answer, { key: this.#key, protocols: this.#protocols, checkDeflate });
      if (agreed.protocol === '' && this.#protocols.length > 0) throw new Error('Server sent no subprotocol');
    } catch (error) {
      socket.destroy();
      const asked = { key: this.#key, protocols: this.#protocols, deflate: this.#deflate !== undefined };
      return this.#fail(badAnswer(error as Error, headers, asked));
    }
    this.#over = true;
    socket.setTimeout?.(0);
    socket.setNoDelay?.();
    socket.removeAllListeners('error').removeAllListeners('timeout');
    this.#face.opened({ stream: adopt(socket, { head }), role: 'client', ...agreed }, this.#connectionOptions);
  }

  #failed(request: ClientRequest, error: Error): void {
    // What is told of a request that was given up is that it was given up.
    if (!this.#over && request === this.#request) this.#fail(error);
  }

  /** Gives up, because the program says so. */
  abort(message: string): void {
    if (this.#request !== undefined) this.#abort(this.#request, message);
  }

  #abort(request: ClientRequest, message: string): void {
    if (this.#over || request !== this.#request) return;
    this.#over = true;
    this.#face.failing();
    request.destroy();
    // It has let go of its socket where the answer is complete.
    request.socket?.destroy();
    process.nextTick(failLater, this.#face, new Error(message));
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#face.failed(error);
  }
}

function failLater(face: ClientFace, error: Error): void {
  face.failed(error);
}

/** RFC 6455 §4.1: the elements MUST all be unique tokens. */
function checkProtocols(protocols: readonly string[]): void {
  const valid = protocols.every((protocol) => typeof protocol === 'string' && isToken(protocol));
  if (valid && new Set(protocols).size === protocols.length) return;
  throw new SyntaxError('An invalid or duplicated subprotocol was specified');
}
