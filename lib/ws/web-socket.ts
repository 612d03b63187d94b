/**
 * `WebSocket` with the interface of the package `ws`, version 8, over a connection of ours.
 *
 *   readyState    what there is                      left by
 *   CONNECTING    a handshake under way (clients)    the answer; failure; close() and terminate(), which are failures then
 *   OPEN          a connection                       close(), the peer's close frame or end, a violation, terminate()
 *   CLOSING       a connection that is closing       its end
 *   CLOSED        nothing                            nothing: 'close' is the last event
 *
 * An object of a connection costs what an EventEmitter costs and a few words: everything rare is made when it is needed.
 * Messages are told of in the order of their frames, and no later than what came behind them, so while it is paused
 * nothing is read. Unlike `send` of our own connections this one never refuses: `bufferedAmount` tells what waits.
 *
 * Over 400 lines, because it is one class, and its methods are those of another.
 */
// A global is a getter in Node, which shows where it is used for each message.
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import type { ClientRequest, ClientRequestArgs, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { DuplexStream } from '../streams/duplex-stream.js';
import { isCloseCode, LONGEST_REASON } from '../websocket/close-codes.js';
import { type CloseInfo, type ConnectionObserver, WebSocketConnection } from '../websocket/connection.js';
import type { WebSocketOptions } from '../websocket/connection-options.js';
import type { Established } from '../websocket/established.js';
import type { MessageReceiver } from '../websocket/inbound.js';
import type { PlacedMessage } from '../websocket/message-cursor.js';
import { LONGEST_CONTROL } from '../websocket/opcodes.js';
import type { SendOptions as OutboundOptions } from '../websocket/send-options.js';
import { type ClientFace, ClientHandshake } from './client-handshake.js';
import { type BufferLike, isBlob, toBytes, toData } from './data.js';
import { beginListeners, type EmitterStatics, type EmitterWith, listenersOf } from './emitter.js';
import { errorFor } from './errors.js';
import {
  addListener,
  attributeOf,
  closedCleanly,
  type EventHandler,
  removeListener,
  setAttribute,
} from './event-target.js';
import type { CloseEvent, ErrorEvent, Event, MessageEvent } from './events.js';
import type { ClientOptions, ConnectionOptions } from './options.js';
import { type SendCallback, SendQueue, throwLater } from './send-queue.js';
import { SocketFace } from './socket-face.js';

/** What a message is given as, by `binaryType`; text always as a Buffer. A Blob is left out, as in the types of `ws`. */
export type RawData = Buffer | ArrayBuffer | Buffer[];
/** What a MessageEvent has. */
export type Data = string | RawData;
export type BinaryType = 'nodebuffer' | 'arraybuffer' | 'fragments';

/** Events of a WebSocket with what their listeners are given. */
export interface WebSocketEvents {
  open: [];
  message: [data: RawData, isBinary: boolean];
  ping: [data: Buffer];
  pong: [data: Buffer];
  close: [code: number, reason: Buffer];
  error: [error: Error];
  upgrade: [response: IncomingMessage];
  redirect: [url: string, request: ClientRequest];
  'unexpected-response': [request: ClientRequest, response: IncomingMessage];
}

/** A WebSocket as the target of an event: what a browser's has and a little more, so that handlers written for `ws` fit. */
export type EventTarget = Pick<
  WebSocket,
  | 'binaryType'
  | 'bufferedAmount'
  | 'extensions'
  | 'isPaused'
  | 'protocol'
  | 'readyState'
  | 'url'
  | 'close'
  | 'pause'
  | 'ping'
  | 'pong'
  | 'resume'
  | 'send'
  | 'terminate'
>;

/** How one listener is added. */
export interface EventListenerOptions {
  /** Is called once and no more. */
  once?: boolean | undefined;
}

/** Events of `addEventListener`. */
export interface WebSocketEventMap {
  open: Event<EventTarget>;
  error: ErrorEvent<EventTarget>;
  close: CloseEvent<EventTarget>;
  message: MessageEvent<EventTarget, Data>;
}

/** How one message is sent. */
export interface SendOptions {
  /** Default: strings are text, everything else is binary. */
  binary?: boolean | undefined;
  /** Default true, where compression was agreed on. */
  compress?: boolean | undefined;
  /** Whether it is the last fragment of its message. Default true. */
  fin?: boolean | undefined;
  /** Default true for clients, false for servers; anything else is refused by a peer that keeps RFC 6455 §5.1. */
  mask?: boolean | undefined;
}

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;
type ReadyState = typeof CONNECTING | typeof OPEN | typeof CLOSING | typeof CLOSED;
const STATE_NAMES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];

const BINARY_TYPES: readonly string[] = ['nodebuffer', 'arraybuffer', 'fragments', 'blob'];
const ABNORMAL: CloseInfo = { code: 1006, reason: '', clean: false };

/** Who keeps count of a server's connections. */
export interface Tracker {
  closed(socket: WebSocket): void;
}

/** What an open WebSocket begins with. */
export interface Beginning {
  readonly established: Established;
  readonly connectionOptions: WebSocketOptions;
  readonly options: ConnectionOptions;
  /** The head that answers the request, where it has still to be sent. */
  readonly answer: string | undefined;
  readonly tracker: Tracker | undefined;
}

/** What others of this room do with a WebSocket, which is nobody else's business. */
interface Friends {
  /** Begins with a connection that a server has made. */
  begin(socket: WebSocket, beginning: Beginning): void;
  /** The connection underneath, once there is one. */
  connectionOf(socket: WebSocket): WebSocketConnection | undefined;
  deliver(socket: WebSocket, message: PlacedMessage): void;
  closed(socket: WebSocket, info: CloseInfo): void;
  resumeOne(socket: WebSocket): void;
}

/** Internal. */
export let friends: Friends;

const Base = EventEmitter as EmitterStatics & (new () => EmitterWith<WebSocketEvents>);

export class WebSocket extends Base {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  #state: ReadyState = CONNECTING;
  #binaryType: BinaryType | 'blob' = 'nodebuffer';
  #connection: WebSocketConnection | undefined;
  /** Until the answer: a client's handshake. */
  #handshake: ClientHandshake | undefined;
  #url: string | undefined;
  #queue: SendQueue | undefined;
  #socket: SocketFace | undefined;
  #tracker: Tracker | undefined;
  #paused = false;
  /** One message a turn, for `allowSynchronousEvents: false`. */
  #oneByOne = false;
  /** Nobody has asked EventEmitter to do more than call listeners. */
  #emitsPlainly = !EventEmitter.captureRejections;
  /** Bytes that were sent after the end, which count as never leaving. */
  #lost = 0;

  /**
   * Connects to a server. With null as its address it waits for a connection: so a server makes it.
   * @throws SyntaxError for an address or a subprotocol that may not be.
   */
  constructor(address: null, protocols?: undefined, options?: object);
  constructor(address: string | URL, options?: ClientOptions | ClientRequestArgs);
  constructor(address: string | URL, protocols?: string | string[], options?: ClientOptions | ClientRequestArgs);
  constructor(address: string | URL | null, second?: string | string[] | object, third?: object) {
    super();
    beginListeners(this);
    if (address !== null) this.#connect(address, second as ClientOptions | undefined, third);
  }

  #connect(
    address: string | URL,
    second: string | string[] | ClientOptions | undefined,
    third: ClientOptions | undefined,
  ): void {
    const named = second !== undefined && (typeof second !== 'object' || second === null || Array.isArray(second));
    const options: ClientOptions = (named ? third : (second ?? third)) ?? {};
    const protocols = named ? second : (options.protocols ?? []);
    const face: ClientFace = {
      socket: this,
      located: (url) => {
        this.#url = url;
      },
      opened: (established, connectionOptions) => {
        this.#handshake = undefined;
        this.#open({ established, connectionOptions, options, answer: undefined, tracker: undefined });
      },
      failing: () => {
        this.#state = CLOSING;
      },
      failed: (error) => {
        this.#handshake = undefined;
        this.#state = CLOSING;
        this.emit('error', error);
        this.#closed(ABNORMAL);
      },
    };
    const handshake = new ClientHandshake(face, Array.isArray(protocols) ? protocols : [protocols], options);
    this.#handshake = handshake;
    handshake.begin(address);
  }

  static {
    friends = {
      begin: (socket, beginning) => socket.#open(beginning),
      connectionOf: (socket) => socket.#connection,
      deliver: (socket, message) => socket.#deliver(message),
      closed: (socket, info) => socket.#closed(info),
      resumeOne: (socket) => {
        if (!socket.#paused) socket.#connection?.resume();
      },
    };
  }

  #open({ established, connectionOptions, options, answer, tracker }: Beginning): void {
    const connection = new WebSocketConnection(established, connectionOptions);
    this.#connection = connection;
    this.#tracker = tracker;
    this.#oneByOne = options.allowSynchronousEvents === false;
    connection.faceWith(new Link(this));
    if (answer !== undefined) {
      connection.channel.output.writeText(answer, 'latin1');
      // Now, so that a client that is let go at once learns that it was taken first.
      connection.channel.pushOn();
    }
    this.#state = OPEN;
    this.emit('open');
  }

  // ---------------------------------------------------------------- properties

  get readyState(): ReadyState {
    return this.#state === OPEN && this.#connection!.state !== 'open' ? CLOSING : this.#state;
  }

  get binaryType(): BinaryType {
    return this.#binaryType as BinaryType;
  }

  set binaryType(type: BinaryType | 'blob') {
    if (BINARY_TYPES.includes(type)) this.#binaryType = type;
  }

  /** Bytes that were sent and have not been handed to the system. */
  get bufferedAmount(): number {
    return (this.#connection?.bufferedAmount ?? 0) + (this.#queue?.waitingLength ?? 0) + this.#lost;
  }

  /** Names of the extensions that were agreed on. */
  get extensions(): string {
    const [name = ''] = (this.#connection?.extensions ?? '').split(';', 1);
    return name.trim();
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  get protocol(): string {
    return this.#connection?.protocol ?? '';
  }

  /** A client's, resolved; undefined on a server. */
  get url(): string {
    return this.#url!;
  }

  /** A client's request, until it is answered: programs look at its header fields, and abort it. */
  get _req(): ClientRequest | null {
    return this.#handshake?.request ?? null;
  }

  /** Node's socket where there is one, else what looks enough like it; null before the connection is open. */
  get _socket(): Socket {
    const connection = this.#connection;
    if (connection === undefined) return null as unknown as Socket;
    if (connection.stream instanceof DuplexStream) {
      // What was sent comes before whatever is done to the socket.
      connection.channel.pushOn();
      return connection.stream.readable as Socket;
    }
    this.#socket ??= new SocketFace(connection);
    return this.#socket as unknown as Socket;
  }

  // ---------------------------------------------------------------- events

  get onopen(): ((event: WebSocketEventMap['open']) => void) | null {
    return attributeOf(this, 'open') as never;
  }

  set onopen(handler: ((event: WebSocketEventMap['open']) => void) | null) {
    setAttribute(this, 'open', handler);
  }

  get onmessage(): ((event: WebSocketEventMap['message']) => void) | null {
    return attributeOf(this, 'message') as never;
  }

  set onmessage(handler: ((event: WebSocketEventMap['message']) => void) | null) {
    setAttribute(this, 'message', handler);
  }

  get onclose(): ((event: WebSocketEventMap['close']) => void) | null {
    return attributeOf(this, 'close') as never;
  }

  set onclose(handler: ((event: WebSocketEventMap['close']) => void) | null) {
    setAttribute(this, 'close', handler);
  }

  get onerror(): ((event: WebSocketEventMap['error']) => void) | null {
    return attributeOf(this, 'error') as never;
  }

  set onerror(handler: ((event: WebSocketEventMap['error']) => void) | null) {
    setAttribute(this, 'error', handler);
  }

  addEventListener<K extends keyof WebSocketEventMap>(
    type: K,
    listener: ((event: WebSocketEventMap[K]) => void) | { handleEvent(event: WebSocketEventMap[K]): void },
    options: EventListenerOptions = {},
  ): void {
    addListener(this, type, listener as EventHandler, { once: options.once });
  }

  removeEventListener<K extends keyof WebSocketEventMap>(
    type: K,
    listener: ((event: WebSocketEventMap[K]) => void) | { handleEvent(event: WebSocketEventMap[K]): void },
  ): void {
    removeListener(this, type, listener as EventHandler);
  }

  #deliver(message: PlacedMessage): void {
    if (this.#state === CLOSED) return;
    const isBinary = !message.isText;
    // Text is bytes too: whoever wants a string makes one.
    const data = this.#binaryType === 'nodebuffer' || !isBinary ? message.claim() : formOf(message, this.#binaryType);
    if (this.#oneByOne) this.#pauseForOne();
    // What `emit` does, without an array of values for each message: where nobody has changed what it does.
    const listener = this.#emitsPlainly && this.emit === emit ? listenersOf(this).message : undefined;
    if (typeof listener === 'function') listener.call(this, data, isBinary);
    else this.emit('message', data, isBinary);
  }

  #pauseForOne(): void {
    this.#connection!.pause();
    setImmediate(friends.resumeOne, this);
  }

  // ---------------------------------------------------------------- sending

  /**
   * Sends a message, or a fragment of one. It is always taken; `bufferedAmount` tells how much waits. Bytes may be
   * changed again when `callback` is called, which is when they have been handed to the system.
   * @throws Error before the connection is open.
   */
  send(data: BufferLike, callback?: SendCallback): void;
  send(data: BufferLike, options: SendOptions, callback?: SendCallback): void;
  send(data: BufferLike, second?: SendOptions | SendCallback, third?: SendCallback): void {
    const options = typeof second === 'function' ? undefined : second;
    const callback = typeof second === 'function' ? second : third;
    if (this.readyState !== OPEN) return this.#refuse(data, callback);
    if (!(data instanceof Buffer) && isBlob(data)) return this.#sendBlob(data, options, callback);
    const form = toData(data);
    if (this.#queue?.busy) return this.#wait(form.length, callback, () => this.#send(form, options, callback));
    this.#send(form, options, callback);
  }

  #send(data: string | Buffer, options: SendOptions | undefined, callback: SendCallback | undefined): void {
    if (options?.mask === undefined) this.#push(data, options);
    else this.#pushMasked(data, options);
    if (callback !== undefined) this.#sending().whenLeft(callback);
  }

  /** Sends with a mask or without one, as it is told to; by our role where that is not yes or no. */
  #masked(mask: unknown, send: () => void): void {
    const { outbound } = this.#connection!;
    if (typeof mask !== 'boolean' || mask === (outbound.keys !== undefined)) send();
    else outbound.unlikeRole(send);
  }

  // A function of its own: a closure in `#send` would cost every message.
  #pushMasked(data: string | Buffer, options: SendOptions): void {
    this.#masked(options.mask, () => this.#push(data, options));
  }

  #push(data: string | Buffer, options: SendOptions | undefined): void {
    const { outbound } = this.#connection!;
    const how = outboundOptions(options?.binary ?? typeof data !== 'string', options?.compress !== false);
    if (options?.fin === false) {
      outbound.pushFragment(typeof data === 'string' ? Buffer.from(data) : data, { ...how, final: false });
    } else outbound.push(data, how);
  }

  #sendBlob(blob: Blob, options: SendOptions | undefined, callback: SendCallback | undefined): void {
    const queue = this.#sending();
    const read = () =>
      queue.read(blob, {
        done: callback,
        send: (bytes) => {
          if (this.#connection!.outbound.closed) return false;
          this.#send(bytes, options, callback);
          return true;
        },
        failed: (error) => this.#sendFailed(error),
      });
    if (queue.busy) this.#wait(0, callback, read);
    else read();
  }

  #sendFailed(error: Error): void {
    if (this.#state === CLOSED) return;
    // Otherwise it is ending for a reason of its own.
    if (this.#connection!.state === 'open') this.emit('error', error);
    this.#connection!.destroy(error);
  }

  #sending(): SendQueue {
    this.#queue ??= new SendQueue(this.#connection!.channel);
    return this.#queue;
  }

  #wait(length: number, done: SendCallback | undefined, run: () => void): void {
    this.#sending().enqueue({ length, done, run });
  }

  /** Nothing can be sent now. @throws Error before the connection is open; later the callback has it. */
  #refuse(data: unknown, callback: SendCallback | undefined): void {
    const { readyState } = this;
    const message = `WebSocket is not open: readyState ${readyState} (${STATE_NAMES[readyState]})`;
    if (readyState === CONNECTING) throw new Error(message);
    if (data) this.#lost += isBlob(data) ? data.size : toBytes(data).length;
    if (callback !== undefined) process.nextTick(callback, new Error(message));
  }

  /** Pings the peer. @throws RangeError for more than 125 bytes; Error before the connection is open */
  ping(data?: unknown, mask?: boolean, callback?: (error: Error) => void): void {
    this.#control('ping', data, mask, callback);
  }

  /** A pong that nobody asked for. @throws as `ping` */
  pong(data?: unknown, mask?: boolean, callback?: (error: Error) => void): void {
    this.#control('pong', data, mask, callback);
  }

  #control(kind: 'ping' | 'pong', first: unknown, second: unknown, third: unknown): void {
    const callback = [first, second, third].find((value) => typeof value === 'function') as SendCallback | undefined;
    const data = typeof first === 'function' ? undefined : first;
    const mask = typeof first === 'function' ? undefined : second;
    if (this.readyState !== OPEN) return this.#refuse(data, callback);
    const bytes = toBytes(data);
    if (bytes.length > LONGEST_CONTROL) {
      throw new RangeError(`The data size must not be greater than ${LONGEST_CONTROL} bytes`);
    }
    const run = () => {
      this.#masked(mask, () => this.#connection!.outbound[kind](bytes));
      if (callback !== undefined) this.#sending().whenLeft(callback);
    };
    if (this.#queue?.busy) this.#wait(bytes.length, callback, run);
    else run();
  }

  // ---------------------------------------------------------------- receiving

  /** Reads no more until `resume`; nothing before the connection is open and after its end. */
  pause(): void {
    if (this.#state === CONNECTING || this.#state === CLOSED) return;
    this.#paused = true;
    this.#connection?.pause();
  }

  resume(): void {
    if (this.#state === CONNECTING || this.#state === CLOSED) return;
    this.#paused = false;
    this.#connection?.resume();
  }

  // ---------------------------------------------------------------- the end

  /**
   * Begins the closing handshake; while the opening one is under way, ends that instead.
   * @throws TypeError for a code that may not be sent, RangeError for a reason of more than 123 bytes.
   */
  close(code?: number, reason?: string | Buffer): void {
    if (this.#handshake !== undefined) return this.#handshake.abort(CLOSED_EARLY);
    if (this.readyState !== OPEN) return;
    const text = checkClose(code, reason);
    this.#state = CLOSING;
    const run = () => void this.#connection!.close(code, text);
    if (this.#queue?.busy) this.#wait(0, undefined, run);
    else run();
  }

  /** The abrupt end: no close frame, and what has not left is lost. */
  terminate(): void {
    if (this.#handshake !== undefined) return this.#handshake.abort(CLOSED_EARLY);
    if (this.#state === CLOSED || this.#connection === undefined) return;
    this.#state = CLOSING;
    this.#connection.destroy();
  }

  #closed(info: CloseInfo): void {
    // Who waits for what was sent is told before the end.
    this.#queue?.closed();
    this.#state = CLOSED;
    if (info.clean) closedCleanly.add(this);
    const tracker = this.#tracker;
    this.#tracker = undefined;
    // First, so that who is told of the end finds one client less.
    tracker?.closed(this);
    this.emit('close', info.code, info.reason === '' ? EMPTY : Buffer.from(info.reason));
    this.#socket?.gone(info.error);
  }
}

// What is declared here, index.ts sets.
// biome-ignore lint/style/noNamespace: programs write `WebSocket.RawData` and `WebSocket.Server`, as types too.
export declare namespace WebSocket {
  type RawData = import('./web-socket.js').RawData;
  type Data = import('./web-socket.js').Data;
  type Event = WebSocketEventMap['open'];
  type ErrorEvent = WebSocketEventMap['error'];
  type CloseEvent = WebSocketEventMap['close'];
  type MessageEvent = WebSocketEventMap['message'];
  type WebSocketEventMap = import('./web-socket.js').WebSocketEventMap;
  type EventListenerOptions = import('./web-socket.js').EventListenerOptions;
  type AddressInfo = import('node:net').AddressInfo;
  type CertMeta = import('./options.js').CertMeta;
  type ClientOptions = import('./options.js').ClientOptions;
  type FinishRequestCallback = import('./options.js').FinishRequestCallback;
  type PerMessageDeflateOptions = import('./deflate-options.js').PerMessageDeflateOptions;
  type VerifyClientCallbackSync<R extends IncomingMessage = IncomingMessage> =
    import('./options.js').VerifyClientCallbackSync<R>;
  type VerifyClientCallbackAsync<R extends IncomingMessage = IncomingMessage> =
    import('./options.js').VerifyClientCallbackAsync<R>;
  type ServerOptions<
    T extends typeof WebSocket = typeof WebSocket,
    U extends typeof IncomingMessage = typeof IncomingMessage,
  > = import('./options.js').ServerOptions<T, U>;
  type Server<
    T extends typeof WebSocket = typeof WebSocket,
    U extends typeof IncomingMessage = typeof IncomingMessage,
  > = import('./web-socket-server.js').WebSocketServer<T, U>;
  type WebSocketServer<
    T extends typeof WebSocket = typeof WebSocket,
    U extends typeof IncomingMessage = typeof IncomingMessage,
  > = Server<T, U>;
  type WebSocket = import('./web-socket.js').WebSocket;
  const WebSocket: typeof import('./web-socket.js').WebSocket;
  const Server: typeof import('./web-socket-server.js').WebSocketServer;
  const WebSocketServer: typeof import('./web-socket-server.js').WebSocketServer;
  const createWebSocketStream: typeof import('./stream.js').createWebSocketStream;
  const extension: typeof import('./header-parsers.js').extension;
  const subprotocol: typeof import('./header-parsers.js').subprotocol;
}

for (const [value, name] of STATE_NAMES.entries()) {
  Object.defineProperty(WebSocket, name, { enumerable: true, value });
  Object.defineProperty(WebSocket.prototype, name, { enumerable: true, value });
}

/** As in browsers, and as `for in` finds them. */
const ATTRIBUTES = ['binaryType', 'bufferedAmount', 'extensions', 'isPaused', 'protocol', 'readyState', 'url'];
for (const name of [...ATTRIBUTES, 'onopen', 'onmessage', 'onclose', 'onerror']) {
  Object.defineProperty(WebSocket.prototype, name, { enumerable: true });
}

const EMPTY = Buffer.alloc(0);
/** As it is when this module is loaded: the module `domain` puts another in its place. */
const { emit } = EventEmitter.prototype;

const CLOSED_EARLY = 'WebSocket was closed before the connection was established';

/** What a connection tells: the WebSocket's own methods have other names and meanings. */
class Link implements ConnectionObserver, MessageReceiver {
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  deliver(message: PlacedMessage): void {
    try {
      friends.deliver(this.#socket, message);
    } catch (error) {
      // A listener's mistake is the program's to handle, and no reason to lose messages.
      throwLater(error);
    }
  }

  ping(payload: Buffer): void {
    this.#emit('ping', payload);
  }

  pong(payload: Buffer): void {
    this.#emit('pong', payload);
  }

  failed(cause: Error): void {
    const error = errorFor(cause);
    if (error !== undefined) this.#emit('error', error);
  }

  closed(info: CloseInfo): void {
    process.nextTick(friends.closed, this.#socket, info);
  }

  #emit(event: string, value: unknown): void {
    try {
      this.#socket.emit(event, value);
    } catch (error) {
      throwLater(error);
    }
  }
}

const TEXT: OutboundOptions = { type: 'text' };
const BINARY: OutboundOptions = { type: 'binary' };
const PLAIN_TEXT: OutboundOptions = { type: 'text', compress: false };
const PLAIN_BINARY: OutboundOptions = { type: 'binary', compress: false };

function outboundOptions(isBinary: boolean, compress: boolean): OutboundOptions {
  if (compress) return isBinary ? BINARY : TEXT;
  return isBinary ? PLAIN_BINARY : PLAIN_TEXT;
}

function formOf(message: PlacedMessage, type: BinaryType | 'blob'): ArrayBuffer | Buffer[] | Blob {
  if (type === 'blob') return new Blob([message.borrow()]);
  if (type === 'fragments') return message.length === 0 ? [] : [message.bytes()];
  return Uint8Array.from(message.borrow()).buffer;
}

/** @returns the reason. @throws TypeError, RangeError */
function checkClose(code: number | undefined, reason: string | Buffer | undefined): string {
  if (code === undefined) return '';
  if (typeof code !== 'number' || !isCloseCode(code)) {
    throw new TypeError('First argument must be a valid error code number');
  }
  // So `ws` takes a number, and whatever else has no length, for no reason.
  if (reason === undefined || !reason.length) return '';
  if (typeof reason !== 'string' && !(reason instanceof Uint8Array)) {
    throw new TypeError('Second argument must be a string or a Uint8Array');
  }
  if (Buffer.byteLength(reason) > LONGEST_REASON) {
    throw new RangeError(`The message must not be greater than ${LONGEST_REASON} bytes`);
  }
  return typeof reason === 'string' ? reason : toBytes(reason).toString();
}
