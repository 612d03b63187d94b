/**
 * A WebSocket connection, either role, over any byte stream. RFC 6455 §5 to §7
 *
 * The face: what it does with messages is Inbound's and Outbound's business. What is here is the life of a connection,
 * whose states are those of the closing handshake:
 *
 *   state      close sent   close received   left by
 *   open       no           no               close(), a close frame, a violation, the stream's end
 *   closing    yes          no               the peer's close frame, the deadline
 *   closing    yes          yes              a server ends the stream; a client waits for that, or the deadline
 *   closed                                   nothing: `closed` has resolved, with 1006 where no close frame came
 *
 * A violation sends the code that the RFC names, and does not wait for an answer. §7.1.7
 *
 * Over 400 lines, because it is the whole face of a connection, and nearly all of its methods say what they do elsewhere.
 */
import { inspect } from 'node:util';
import { checkSignal, invalidArgType } from '../arguments.js';
import { LimitError, TransportError, UsageError } from '../errors.js';
import { Channel } from '../framed/channel.js';
import { CLOSE_DISCARD_BYTES, LARGEST_MAX_LENGTH } from '../limits.js';
import { EOF, type Eof, NOT_READY, type NotReady } from '../status.js';
import type { ByteStream, ReadyOptions } from '../streams/byte-stream.js';
import {
  CLOSE_ABNORMAL,
  CLOSE_GOING_AWAY,
  CLOSE_INTERNAL_ERROR,
  CLOSE_NO_CODE,
  checkClose,
  closeCodeOf,
} from './close-codes.js';
import type { Compressor } from './compressor.js';
import { type CheckedOptions, checkWebSocketOptions, type WebSocketOptions } from './connection-options.js';
import { MessageDeflate } from './deflate/message-deflate.js';
import type { Established, WebSocketRole } from './established.js';
import { closedAbnormally } from './faults.js';
import { FrameSource } from './frame-source.js';
import { Heartbeat } from './heartbeat.js';
import { Inbound, type InboundHost, type MessageReceiver } from './inbound.js';
import { MessageAssembly, mostCompressed } from './message-assembly.js';
import { MessageBatches } from './message-batches.js';
import { type MessageCursor, PlacedMessage } from './message-cursor.js';
import { IncomingPieces, type MessagePieces } from './message-pieces.js';
import { MessageWriter } from './message-writer.js';
import { LONGEST_CONTROL, OP_CLOSE, OP_PING } from './opcodes.js';
import { bytesOf, type MessageData, Outbound, type SendOptions } from './outbound.js';

/** How a connection ended. */
export interface CloseInfo {
  /** The peer's close code; 1005 where its close frame had none, 1006 where none came. RFC 6455 §7.1.5 */
  readonly code: number;
  readonly reason: string;
  /** Both sides have sent a close frame. */
  readonly clean: boolean;
  /** What ended it, where that was a failure. */
  readonly error?: Error;
}

/** How long `close` may take. */
export interface WebSocketCloseOptions {
  /** Milliseconds until the connection is destroyed although the peer has not answered. */
  timeoutMs?: number;
}

/** Is given each message, valid during the call. */
export type MessageHandler = (message: MessageCursor, socket: WebSocketConnection) => void;

/** Hears of what concerns the protocol and not the messages, synchronously. Internal: for faces. */
export interface ConnectionObserver {
  ping?(payload: Buffer): void;
  pong?(payload: Buffer): void;
  closeReceived?(code: number, reason: string): void;
  failed?(error: Error): void;
  closed?(info: CloseInfo): void;
}

export class WebSocketConnection implements InboundHost, AsyncDisposable {
  readonly stream: ByteStream;
  readonly role: WebSocketRole;
  /** The subprotocol that was agreed on; '' for none. */
  readonly protocol: string;
  /** The extensions that were agreed on, as in the answer's header; '' for none. */
  readonly extensions: string;
  readonly #options: CheckedOptions;
  readonly #channel: Channel;
  readonly #source: FrameSource;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #deflate: Compressor | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  /** The peer's close frame. */
  #received: { readonly code: number; readonly reason: string } | undefined;
  #error: Error | undefined;
  #info: CloseInfo | undefined;
  #finishing = false;
  #closedPromise: Promise<CloseInfo> | undefined;
  #resolveClosed: ((info: CloseInfo) => void) | undefined;
  /** Until the connection is destroyed although the peer has not closed. */
  #closeTimer: NodeJS.Timeout | undefined;
  #observer: ConnectionObserver | undefined;
  #heartbeat: Heartbeat | undefined;
  #trips: Trip[] | undefined;
  #tripBegan = 0;
  #closeListeners: ((connection: WebSocketConnection) => void)[] | undefined;
  #waitsForMessage = false;
  /** Somebody reads messages in pieces. */
  #inPieces = false;
  /** The promise of `onMessage`. */
  #handling: { resolve(info: CloseInfo): void; reject(error: unknown): void } | undefined;
  /** Messages that `whenFull: 'drop'` has dropped. */
  dropped = 0;

  /** Begins on an established stream. Internal: `acceptWebSocket`, `listenWebSocket` and `connectWebSocket` make it. */
  constructor(established: Established, options?: WebSocketOptions) {
    const { stream, role, protocol, extensions, deflate } = established;
    this.#options = checkWebSocketOptions(options);
    const { maxMessageLength, checkUtf8, writeHighWaterMark, writeLowWaterMark } = this.#options;
    this.stream = stream;
    this.role = role;
    this.protocol = protocol;
    this.extensions = extensions;
    this.#channel = new Channel(stream, writeHighWaterMark, writeLowWaterMark);
    this.#deflate = deflate === undefined ? undefined : new MessageDeflate(deflate);
    const compression = deflate !== undefined;
    const largest = compression ? mostCompressed(maxMessageLength) : maxMessageLength;
    this.#source = new FrameSource(stream, {
      role,
      maxLength: Math.min(LARGEST_MAX_LENGTH, largest),
      compression,
      utf8: checkUtf8,
    });
    this.#inbound = new Inbound(this.#source, this.#channel, this, this.#options.readHighWaterMark);
    this.#outbound = new Outbound(this.#channel, {
      keys: role === 'client' ? this.#options.maskKeys : undefined,
      deflate: this.#deflate,
      threshold: this.#deflate?.threshold ?? 0,
    });
    this.#heartbeat = Heartbeat.of(this, this.#options);
    // Not within the constructor: whoever made the connection has not got it yet.
    process.nextTick(beginLater, this.#inbound);
  }

  get state(): 'open' | 'closing' | 'closed' {
    return this.#state;
  }

  /** Bytes that were taken from the user and not by the system. */
  get bufferedAmount(): number {
    return this.#channel.output.length + this.stream.pendingOutput;
  }

  /** Bytes of output from which `send` answers NOT_READY. */
  get writeHighWaterMark(): number {
    return this.#channel.highWaterMark;
  }

  // ---------------------------------------------------------------- sending

  /**
   * Takes a message, if there is room: it leaves with others before the event loop next polls. Bytes under 16 KiB are
   * copied; larger ones may be sent from where they lie and must not change until `flush` resolves.
   * @returns true; NOT_READY while the output is over its mark, EOF once the connection is closing: nothing was taken.
   * @throws ERR_INVALID_ARG_TYPE; UsageError ERR_RECORD_EXPIRED, ERR_PAYLOAD_DETACHED
   * @example
   * if (socket.send('hello') === NOT_READY) await socket.drain();
   */
  send(data: MessageData, options?: SendOptions): true | NotReady | Eof {
    const answer = this.#outbound.trySend(data, options);
    if (answer === NOT_READY && this.#options.whenFull !== 'wait') this.#onFull();
    return answer;
  }

  #onFull(): void {
    // Behind a message in pieces it is not the peer that does not keep up.
    if (!this.#channel.full) return;
    if (this.#options.whenFull === 'drop') this.dropped++;
    else this.destroy(new LimitError('ERR_SLOW_PEER', { protocol: 'websocket' }));
  }

  /**
   * Sends a message as soon as there is room.
   * @throws what `send` throws; UsageError ERR_STREAM_ENDED once the connection is closing.
   */
  async write(data: MessageData, options: SendOptions & ReadyOptions = {}): Promise<void> {
    for (;;) {
      const answer = this.#outbound.trySend(data, options);
      if (answer === true) return;
      if (answer === EOF) throw this.#error ?? new UsageError('ERR_STREAM_ENDED', { protocol: 'websocket' });
      await this.drain(options);
    }
  }

  /** Resolves when `send` takes messages again. @throws the signal's reason; what has ended the connection. */
  async drain(options: ReadyOptions = {}): Promise<void> {
    checkSignal('options.signal', options.signal);
    await this.#outbound.ready(options.signal);
  }

  /** Resolves when everything that was taken has been given to the system. */
  flush(options: ReadyOptions = {}): Promise<void> {
    return this.#channel.flush(options.signal);
  }

  /** Keeps what is sent until `uncork`, a flush, or the high mark. */
  cork(): void {
    this.#channel.cork();
  }

  uncork(): void {
    this.#channel.uncork();
  }

  /** Begins a message that is written in pieces. @returns NOT_READY, EOF: as `send`. */
  beginMessage(options: SendOptions = {}): MessageWriter | NotReady | Eof {
    const answer = this.#outbound.begin();
    if (answer !== true) return answer;
    return new MessageWriter(this.#outbound, this.#channel, this.#deflate, options);
  }

  /**
   * Pings the peer.
   * @param data at most 125 bytes, which the pong repeats.
   * @returns false once the connection is closing.
   */
  ping(data: string | Uint8Array = ''): boolean {
    return this.#outbound.ping(controlPayload(data));
  }

  /** A pong that nobody asked for. RFC 6455 §5.5.3 */
  pong(data: string | Uint8Array = ''): boolean {
    return this.#outbound.pong(controlPayload(data));
  }

  /** Pings, and resolves with the milliseconds until the pong. @throws what has ended the connection. */
  roundTrip(): Promise<number> {
    if (this.#state !== 'open') return Promise.reject(this.#endedError());
    return new Promise((resolve, reject) => {
      if (this.#trips === undefined) {
        this.#trips = [];
        this.#tripBegan = performance.now();
        this.ping(ROUND_TRIP);
      }
      this.#trips.push({ resolve, reject });
    });
  }

  #endedError(): Error {
    return this.#error ?? new UsageError('ERR_STREAM_ENDED', { protocol: 'websocket' });
  }

  // ---------------------------------------------------------------- receiving

  /**
   * Hands every message to `handler` as it arrives, until the connection is closed. Once a handler has answered a
   * message, nothing is handed out while the output is over its mark, so one `send` per message is always taken; one that
   * never answers is given messages however much others send, or two sides that wait for each other would wait for ever.
   * @returns how the connection ended; rejects only with what `handler` throws, which closes it with 1011.
   * @throws UsageError ERR_READ_IN_PROGRESS when somebody reads already.
   */
  onMessage(handler: MessageHandler): Promise<CloseInfo> {
    if (typeof handler !== 'function') throw invalidArgType('handler', 'of type function', handler);
    this.#checkFree();
    this.#inbound.deliverTo({ deliver: (message) => handler(message, this) }, { inOrder: false });
    process.nextTick(beginLater, this.#inbound);
    return new Promise((resolve, reject) => {
      this.#handling = { resolve, reject };
      // Behind what was kept, which is handed out first.
      if (this.#info !== undefined) process.nextTick(resolve, this.#info);
    });
  }

  #checkFree(): void {
    if (!this.#waitsForMessage && !this.#inPieces && !this.#inbound.delivering) return;
    throw new UsageError('ERR_READ_IN_PROGRESS', { protocol: 'websocket' });
  }

  /** Stops handing out messages, and reading once a few are kept. */
  pause(): void {
    this.#inbound.pause();
  }

  resume(): void {
    this.#inbound.resume();
  }

  get paused(): boolean {
    return this.#inbound.paused;
  }

  /**
   * Takes the next message: text as a string, binary as a Buffer of the caller's own.
   * @returns NOT_READY; EOF once the peer has closed and everything before that was read.
   * @throws what has ended the connection, unless it was closed; UsageError ERR_READ_IN_PROGRESS
   */
  tryRead(): string | Buffer | NotReady | Eof {
    this.#checkFree();
    return this.#tryRead();
  }

  #tryRead(): string | Buffer | NotReady | Eof {
    const message = new PlacedMessage(undefined);
    let answer: true | NotReady | Eof;
    try {
      answer = this.#inbound.tryNext(message);
    } catch (error) {
      this.inputFailed(error);
      throw error;
    }
    if (answer === true) {
      const value = message.value();
      message.expire();
      this.#inbound.made();
      return value;
    }
    if (answer === EOF) this.#checkEnd();
    return answer;
  }

  /** As `tryRead`, but waits. Aborting loses nothing. */
  async read(options: ReadyOptions = {}): Promise<string | Buffer | Eof> {
    checkSignal('options.signal', options.signal);
    this.#checkFree();
    for (;;) {
      const value = this.#tryRead();
      if (value !== NOT_READY) return value as string | Buffer | Eof;
      await this.#moved(options.signal);
    }
  }

  async #moved(signal: AbortSignal | undefined): Promise<void> {
    this.#waitsForMessage = true;
    try {
      await this.#inbound.ready(signal);
    } finally {
      this.#waitsForMessage = false;
    }
  }

  /** Every message until the peer closes. Leaving the loop early leaves the connection usable. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string | Buffer, void, undefined> {
    for (;;) {
      const value = await this.read();
      if (value === EOF) return;
      yield value as string | Buffer;
    }
  }

  /** Messages as they arrived together, as cursors that are valid until the next batch. */
  batches(): AsyncIterable<Iterable<MessageCursor>> {
    this.#checkFree();
    return new MessageBatches(this.#inbound, () => this.#checkEnd());
  }

  /**
   * Every message in pieces as they arrive, for those too large to be held: no more is read than is taken. A message may
   * have any length; of a single frame `maxMessageLength` is the most.
   * @throws UsageError ERR_READ_IN_PROGRESS when somebody reads already.
   * @example
   * for await (const message of socket.pieces()) for await (const piece of message) file.write(piece);
   */
  pieces(): AsyncIterableIterator<MessagePieces> {
    this.#checkFree();
    this.#inPieces = true;
    return new IncomingPieces({
      source: this.#source,
      inbound: this.#inbound,
      deflate: this.#deflate,
      control: (opcode, bytes, from, to) => this.control(opcode, bytes, from, to),
      ready: () => this.stream.ready('read'),
      inputEnded: () => this.inputEnded(),
      inputFailed: (error) => this.inputFailed(error),
      checkEnd: () => this.#checkEnd(),
      over: () => {
        this.#inPieces = false;
      },
    });
  }

  #checkEnd(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  // ---------------------------------------------------------------- control frames

  /** Internal, see InboundHost. */
  control(opcode: number, bytes: Buffer, from: number, to: number): void {
    if (opcode === OP_CLOSE) return this.#closeReceived(bytes, from, to);
    const payload = Buffer.from(bytes.subarray(from, to));
    if (opcode === OP_PING) {
      if (this.#options.autoPong) this.#outbound.pong(payload);
      this.#observer?.ping?.(payload);
      return;
    }
    if (this.#trips !== undefined && payload.equals(ROUND_TRIP)) this.#tripEnded();
    this.#observer?.pong?.(payload);
  }

  #tripEnded(): void {
    const ms = performance.now() - this.#tripBegan;
    const trips = this.#trips!;
    this.#trips = undefined;
    for (const trip of trips) trip.resolve(ms);
  }

  #closeReceived(bytes: Buffer, from: number, to: number): void {
    const code = to > from ? bytes.readUInt16BE(from) : CLOSE_NO_CODE;
    const reason = bytes.toString('utf8', Math.min(to, from + 2), to);
    this.#received = { code, reason };
    this.#state = 'closing';
    this.#inbound.stop();
    // The answer repeats what was said. RFC 6455 §5.5.1
    this.#outbound.close(Buffer.from(bytes.subarray(from, to)));
    this.#observer?.closeReceived?.(code, reason);
    void this.#finish();
  }

  // ---------------------------------------------------------------- the end

  /** How the connection ended, once it has. Never rejects. */
  get closed(): Promise<CloseInfo> {
    if (this.#info !== undefined) return Promise.resolve(this.#info);
    this.#closedPromise ??= new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    return this.#closedPromise;
  }

  /**
   * Begins the closing handshake, behind everything that was sent, and resolves when it is over. Without a code the close
   * frame is empty.
   * @throws ERR_INVALID_ARG_VALUE when the code may not be sent, or the reason has more than 123 bytes.
   */
  close(code?: number, reason = '', options: WebSocketCloseOptions = {}): Promise<CloseInfo> {
    checkClose(code, reason);
    if (this.#state === 'open') this.#beginClose(code, reason, options.timeoutMs ?? this.#options.closeTimeoutMs);
    return this.closed;
  }

  #beginClose(code: number | undefined, reason: string, timeoutMs: number): void {
    this.#state = 'closing';
    this.#outbound.close(closePayload(code, reason));
    // Corked or not: nothing follows that it could leave with.
    this.#channel.pushOn();
    this.#closeTimer = setTimeout(expireLater, timeoutMs, this);
    this.#inbound.discard();
  }

  /** Both close frames have been sent, or nothing more is expected: the stream ends. */
  async #finish(): Promise<void> {
    if (this.#finishing || this.#state === 'closed') return;
    this.#finishing = true;
    clearTimeout(this.#closeTimer);
    const { closeTimeoutMs } = this.#options;
    const endsAt = performance.now() + closeTimeoutMs;
    this.#closeTimer = setTimeout(expireLater, closeTimeoutMs, this);
    try {
      await this.#channel.flush();
      // The server ends first, so that it is not left with the connection's last state. RFC 6455 §7.1.1
      if (this.role === 'client' && this.#error === undefined) await this.#peerEnded();
      await this.stream.close({ timeoutMs: Math.max(0, Math.round(endsAt - performance.now())) });
    } catch {
      // The peer is gone, or the deadline is over: what could be said has been said.
    }
    this.#isClosed();
  }

  async #peerEnded(): Promise<void> {
    const { stream } = this;
    const most = stream.input.offset + CLOSE_DISCARD_BYTES;
    while (stream.input.offset < most) {
      stream.input.consume(stream.input.length);
      const answer = stream.tryFill(1);
      if (answer === EOF) return;
      if (answer === NOT_READY) await stream.ready('read');
    }
  }

  #isClosed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#closeTimer);
    this.#heartbeat?.stop();
    this.#inbound.stop();
    if (this.#deflate !== undefined) this.#inbound.outlives(this.#deflate);
    const { code, reason } = this.#received ?? ABNORMAL;
    const clean = this.#received !== undefined && this.#outbound.closed;
    this.#outbound.stop();
    const error = this.#error;
    this.#info = error === undefined ? { code, reason, clean } : { code, reason, clean, error };
    this.#resolveClosed?.(this.#info);
    // Later: what the handler that has ended it throws comes first.
    if (this.#handling !== undefined) process.nextTick(this.#handling.resolve, this.#info);
    const trips = this.#trips;
    this.#trips = undefined;
    if (trips !== undefined) for (const trip of trips) trip.reject(this.#endedError());
    this.#observer?.closed?.(this.#info);
    const listeners = this.#closeListeners;
    this.#closeListeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener(this);
  }

  /** Internal, see InboundHost. */
  inputEnded(): void {
    this.#inbound.stop();
    if (this.#received === undefined) this.#error ??= closedAbnormally(this.stream.input.offset);
    this.#state = 'closing';
    this.#outbound.stop();
    void this.#finish();
  }

  /** Internal, see InboundHost. A violation is told to the peer; a failed stream has nobody to tell. */
  inputFailed(error: unknown): void {
    if (this.#inbound.over) {
      // Of a message that was kept until now: the peer has been answered, the user has not.
      this.#error ??= asError(error);
    } else if (error instanceof TransportError) {
      this.#observer?.failed?.(error);
      this.lose(error);
    } else this.#fail(asError(error), closeCodeOf(error));
  }

  /** Internal, see InboundHost. */
  handlerFailed(error: unknown): void {
    this.#handling?.reject(error);
    this.#inbound.drop();
    this.#fail(asError(error), CLOSE_INTERNAL_ERROR);
  }

  #fail(error: Error, code: number): void {
    this.#inbound.stop();
    if (this.#state === 'closed') return;
    this.#error ??= error;
    const first = this.#state === 'open';
    this.#state = 'closing';
    if (first) this.#outbound.close(closePayload(code, ''));
    this.#observer?.failed?.(error);
    void this.#finish();
  }

  /** The abrupt end: no close frame, what has not left is lost, and what has come is given to nobody. */
  destroy(error?: Error): void {
    this.#inbound.drop();
    this.lose(error);
  }

  /** The connection is gone; messages that have come can still be read. Internal. */
  lose(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#error ??= error;
    this.#inbound.stop();
    this.#channel.destroy(error);
    this.#isClosed();
  }

  /** Calls `listener` once, when the connection is closed; at once if it is. */
  whenClosed(listener: (connection: WebSocketConnection) => void): void {
    if (this.#info !== undefined) listener(this);
    else if (this.#closeListeners === undefined) this.#closeListeners = [listener];
    else this.#closeListeners.push(listener);
  }

  /** The sending side. Internal: for sending to many at once. */
  get outbound(): Outbound {
    return this.#outbound;
  }

  /** The output has failed. Internal. */
  outputFailed(error: unknown): void {
    this.#channel.fail(error);
  }

  /** The peer has not closed in time. Internal. */
  closeExpired(): void {
    const given = this.#received !== undefined || this.#error !== undefined;
    this.lose(given ? undefined : new LimitError('ERR_CLOSE_TIMEOUT', { protocol: 'websocket' }));
  }

  /** Changes with every sign of life, and while none could be seen: NaN differs from itself. Internal. */
  get signs(): number {
    if (this.#inbound.halted) return Number.NaN;
    const { input } = this.stream;
    const taken = this.#inbound.blocked ? this.#channel.output.offset : 0;
    return input.offset + input.length + taken;
  }

  /** Closes because the time is over. Internal: for the heartbeat. */
  expire(): void {
    if (this.#state === 'open') this.#beginClose(CLOSE_GOING_AWAY, '', this.#options.closeTimeoutMs);
  }

  /** Has `observer` told of what concerns the protocol. Internal. */
  observe(observer: ConnectionObserver): void {
    this.#observer = observer;
  }

  /**
   * Gives messages and all else to a face, strictly in their order: while it is paused nothing is read, and it is given
   * messages however much output waits. Internal. What the face throws closes the connection.
   */
  faceWith(face: ConnectionObserver & MessageReceiver): void {
    this.#observer = face;
    this.#inbound.deliverTo(face, { inOrder: true });
  }

  /** The queue, for faces that tell what has left. Internal. */
  get channel(): Channel {
    return this.#channel;
  }

  /** `await using`: closes with 1000, or 1001 for a server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(this.role === 'server' ? CLOSE_GOING_AWAY : 1000);
  }

  /** Internal, see InboundHost. */
  makeAssembly(): MessageAssembly {
    return new MessageAssembly(this.#options.maxMessageLength, this.#deflate);
  }

  [inspect.custom](): string {
    const { input } = this.stream;
    return `WebSocketConnection { ${this.role}, ${this.#state}, received: ${input.offset}, buffered: ${this.bufferedAmount} }`;
  }
}

/** Somebody who waits for a pong. */
interface Trip {
  resolve(ms: number): void;
  reject(error: Error): void;
}

const ABNORMAL = { code: CLOSE_ABNORMAL, reason: '' };
/** What pings of `roundTrip` carry. */
const ROUND_TRIP = Buffer.from('miniproto:rtt');

function beginLater(inbound: Inbound): void {
  inbound.start();
}

function expireLater(connection: WebSocketConnection): void {
  connection.closeExpired();
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function closePayload(code: number | undefined, reason: string): Buffer {
  if (code === undefined) return Buffer.alloc(0);
  const text = Buffer.from(reason);
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code);
  text.copy(payload, 2);
  return payload;
}

function controlPayload(data: string | Uint8Array): Buffer {
  const payload = typeof data === 'string' ? Buffer.from(data) : bytesOf(data);
  if (payload.length <= LONGEST_CONTROL) return payload;
  throw new UsageError('ERR_RECORD_NOT_ENCODABLE', {
    protocol: 'websocket',
    message: `a control frame has at most ${LONGEST_CONTROL} bytes of payload, not ${payload.length} (RFC 6455 §5.5)`,
  });
}
