/**
 * The life of a WebSocket connection: its parts, its control frames, and how it ends. RFC 6455 §5.5 and §7
 *
 *   state      close sent   close received   left by
 *   open       no           no               close(), a close frame, a violation, the stream's end
 *   closing    yes          no               the peer's close frame, the deadline
 *   closing    yes          yes              a server ends the stream; a client waits for that, or the deadline
 *   closed                                   nothing: `closed` has resolved, with 1006 where no close frame came
 *
 * A violation sends the code that the RFC names, and does not wait for an answer. §7.1.7
 *
 * Over 400 lines, because every way to the end has to leave the same state behind.
 */
import { LimitError, TransportError, UsageError } from '../errors.js';
import { Channel } from '../framed/channel.js';
import { beginConversation, type Conversation, type ConversationHolder } from '../framed/conversations.js';
import { CLOSE_DISCARD_BYTES, LARGEST_MAX_LENGTH } from '../limits.js';
import { EOF, NEED_WRITE } from '../status.js';
import type { ByteStream } from '../streams/byte-stream.js';
import {
  CLOSE_ABNORMAL,
  CLOSE_GOING_AWAY,
  CLOSE_INTERNAL_ERROR,
  CLOSE_NO_CODE,
  checkClose,
  closeCodeOf,
} from './close-codes.js';
import { type CloseInfo, CloseWait, Ending, type Handling, type WebSocketCloseOptions } from './close-info.js';
import type { Compressor } from './compressor.js';
import type { ConnectionKeeper, ConnectionObserver } from './connection-keeper.js';
import { type CheckedOptions, checkWebSocketOptions, type WebSocketOptions } from './connection-options.js';
import { closePayload, controlPayload } from './control-payload.js';
import { MessageDeflate } from './deflate/message-deflate.js';
import { type Established, type Terms, termsOf, type WebSocketRole } from './established.js';
import { closedAbnormally } from './faults.js';
import { Heartbeat } from './heartbeat.js';
import { Inbound, type InboundHost, type MessageReceiver } from './inbound.js';
import { MessageAssembly, mostCompressed } from './message-assembly.js';
import { OP_CLOSE, OP_PING } from './opcodes.js';
import { Outbound } from './outbound.js';
import { ROUND_TRIP, RoundTrip } from './round-trips.js';
import { StreamUser } from './stream-user.js';

export abstract class ConnectionLife implements InboundHost, ConversationHolder {
  readonly #terms: Terms;
  protected readonly options: CheckedOptions;
  /** Internal. */
  readonly channel: Channel;
  protected readonly inbound: Inbound;
  /** Internal. */
  readonly outbound: Outbound;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #ending: Ending | undefined;
  #observer: ConnectionObserver | undefined;
  #heartbeat: Heartbeat | undefined;
  #keeper: ConnectionKeeper | undefined;
  /** Who is told of what a handler throws: 'keeper' where `onMessage` has given no promise of it. */
  protected handling: Handling | 'keeper' | undefined;

  /** Begins on an established stream. Internal: `acceptWebSocket`, `listenWebSocket` and `connectWebSocket` make it. */
  constructor(established: Established, options?: WebSocketOptions) {
    const { stream, role, protocol, extensions, deflate } = established;
    beginConversation(stream, this);
    this.options = checkWebSocketOptions(options);
    const { maxMessageLength, checkUtf8, writeHighWaterMark, writeLowWaterMark } = this.options;
    this.#terms = termsOf(role, protocol, extensions);
    this.channel = new Channel(stream, writeHighWaterMark, writeLowWaterMark);
    const compression = deflate !== undefined;
    const largest = compression ? mostCompressed(maxMessageLength) : maxMessageLength;
    const framing = { role, maxLength: Math.min(LARGEST_MAX_LENGTH, largest), compression, utf8: checkUtf8 };
    this.inbound = new Inbound(stream, framing, this);
    this.outbound = new Outbound(this.channel, {
      keys: role === 'client' ? this.options.maskKeys : undefined,
      deflate: deflate === undefined ? undefined : new MessageDeflate(deflate),
    });
    this.#heartbeat = Heartbeat.of(this, this.options);
    // Not within the constructor: whoever made the connection has not got it yet.
    process.nextTick(beginLater, this.inbound);
  }

  get role(): WebSocketRole {
    return this.#terms.role;
  }

  /** The subprotocol that was agreed on; '' for none. */
  get protocol(): string {
    return this.#terms.protocol;
  }

  /** The extensions that were agreed on, as in the answer's header; '' for none. */
  get extensions(): string {
    return this.#terms.extensions;
  }

  get stream(): ByteStream {
    return this.channel.stream;
  }

  protected get deflater(): Compressor | undefined {
    return this.outbound.deflater;
  }

  get state(): 'open' | 'closing' | 'closed' {
    return this.#state;
  }

  /** Internal, see InboundHost. */
  get readHighWaterMark(): number {
    return this.options.readHighWaterMark;
  }

  // ---------------------------------------------------------------- control frames

  /** Internal, see InboundHost. */
  control(opcode: number, bytes: Buffer, from: number, to: number): void {
    if (opcode === OP_CLOSE) return this.closeReceived(bytes, from, to);
    const payload = Buffer.from(bytes.subarray(from, to));
    if (opcode === OP_PING) {
      if (this.options.autoPong) this.outbound.pong(payload);
      this.#observer?.ping?.(payload);
      return;
    }
    const trip = this.#ending?.trip;
    if (trip !== undefined && payload.equals(ROUND_TRIP)) {
      this.#ending!.trip = undefined;
      trip.ended();
    }
    this.#observer?.pong?.(payload);
  }

  private closeReceived(bytes: Buffer, from: number, to: number): void {
    const code = to > from ? bytes.readUInt16BE(from) : CLOSE_NO_CODE;
    const reason = bytes.toString('utf8', Math.min(to, from + 2), to);
    this.madeEnding().received = { code, reason };
    this.#state = 'closing';
    this.inbound.stop();
    // The answer repeats what was said. RFC 6455 §5.5.1
    this.outbound.close(Buffer.from(bytes.subarray(from, to)));
    this.#observer?.closeReceived?.(code, reason);
    void this.finish();
  }

  /**
   * Pings the peer.
   * @param data at most 125 bytes, which the pong repeats.
   * @returns false once the connection is closing.
   */
  ping(data: string | Uint8Array = ''): boolean {
    return this.outbound.ping(controlPayload(data));
  }

  /** A pong that nobody asked for. RFC 6455 §5.5.3 */
  pong(data: string | Uint8Array = ''): boolean {
    return this.outbound.pong(controlPayload(data));
  }

  /** Pings, and resolves with the milliseconds until the pong. @throws what has ended the connection. */
  roundTrip(): Promise<number> {
    if (this.#state !== 'open') return Promise.reject(this.endedError());
    const end = this.madeEnding();
    end.trip ??= new RoundTrip();
    return end.trip.wait(() => this.ping(ROUND_TRIP));
  }

  private endedError(): Error {
    return this.failure ?? new UsageError('ERR_STREAM_ENDED', { protocol: 'websocket' });
  }

  // ---------------------------------------------------------------- the end

  private madeEnding(): Ending {
    this.#ending ??= new Ending();
    return this.#ending;
  }

  /** What has ended the connection. */
  protected get failure(): Error | undefined {
    return this.#ending?.failure;
  }

  /** How it has ended. */
  protected get info(): CloseInfo | undefined {
    return this.#ending?.info;
  }

  /** Messages that `whenFull: 'drop'` has dropped. */
  get dropped(): number {
    return this.#ending?.dropped ?? 0;
  }

  protected countDropped(): void {
    this.madeEnding().dropped++;
  }

  /** How the connection ended, once it has. Never rejects. */
  get closed(): Promise<CloseInfo> {
    const end = this.madeEnding();
    if (end.info !== undefined) return Promise.resolve(end.info);
    end.wait ??= new CloseWait();
    return end.wait.promise;
  }

  /**
   * Begins the closing handshake, behind everything that was sent, and resolves when it is over. Without a code the close
   * frame is empty.
   * @throws ERR_INVALID_ARG_VALUE when the code may not be sent, or the reason has more than 123 bytes.
   */
  close(code?: number, reason = '', options: WebSocketCloseOptions = {}): Promise<CloseInfo> {
    checkClose(code, reason);
    if (this.#state === 'open') this.beginClose(code, reason, options.timeoutMs ?? this.options.closeTimeoutMs);
    return this.closed;
  }

  private beginClose(code: number | undefined, reason: string, timeoutMs: number): void {
    this.#state = 'closing';
    // First: what follows may be the end already, which stops it.
    this.madeEnding().timer = setTimeout(expireLater, timeoutMs, this);
    this.outbound.close(closePayload(code, reason));
    // Corked or not: nothing follows that it could leave with.
    this.channel.pushOn();
    this.inbound.discard();
  }

  /** Both close frames have been sent, or nothing more is expected: the stream ends. */
  private async finish(): Promise<void> {
    const end = this.madeEnding();
    if (end.finishing || this.#state === 'closed') return;
    end.finishing = true;
    clearTimeout(end.timer);
    const { closeTimeoutMs } = this.options;
    const endsAt = performance.now() + closeTimeoutMs;
    end.timer = setTimeout(expireLater, closeTimeoutMs, this);
    try {
      await this.channel.flush();
      // The server ends first, so that it is not left with the connection's last state. RFC 6455 §7.1.1
      if (this.role === 'client' && end.failure === undefined) await this.peerEnded();
      await this.stream.close({ timeoutMs: Math.max(0, Math.round(endsAt - performance.now())) });
    } catch {
      // The peer is gone, or the deadline is over: what could be said has been said.
    }
    this.isClosed();
  }

  private async peerEnded(): Promise<void> {
    const { stream } = this;
    const most = stream.input.offset + CLOSE_DISCARD_BYTES;
    while (stream.input.offset < most) {
      stream.input.consume(stream.input.length);
      const answer = stream.tryFill(1);
      if (answer === EOF) return;
      if (typeof answer !== 'number') await stream.ready(answer === NEED_WRITE ? 'write' : 'read');
    }
  }

  private isClosed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    const end = this.madeEnding();
    clearTimeout(end.timer);
    this.#heartbeat?.stop();
    this.inbound.stop();
    if (this.deflater !== undefined) this.inbound.outlives(this.deflater);
    const { code, reason } = end.received ?? ABNORMAL;
    const clean = end.received !== undefined && this.outbound.closed;
    this.outbound.stop();
    const error = end.failure;
    const info = error === undefined ? { code, reason, clean } : { code, reason, clean, error };
    end.info = info;
    end.wait?.resolve(info);
    // Later: what the handler that has ended it throws comes first.
    if (typeof this.handling === 'object') process.nextTick(this.handling.settle, info);
    end.trip?.failed(this.endedError());
    end.trip = undefined;
    this.#observer?.closed?.(info);
    this.#keeper?.closed(this);
    const { listeners } = end;
    end.listeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener(this);
  }

  /** Internal, see InboundHost. */
  inputEnded(): void {
    this.inbound.stop();
    const end = this.madeEnding();
    if (end.received === undefined) end.failure ??= closedAbnormally(this.stream.input.offset);
    this.#state = 'closing';
    this.outbound.stop();
    void this.finish();
  }

  /** Internal, see InboundHost. A violation is told to the peer; a failed stream has nobody to tell. */
  inputFailed(error: unknown): void {
    if (this.inbound.over) {
      // Of a message that was kept until now, and came before whatever has ended the connection: the peer has been
      // answered, the user is told of what comes first.
      const end = this.madeEnding();
      end.failure = asError(error);
      if (end.info !== undefined) end.info = { ...end.info, error: end.failure };
    } else if (error instanceof TransportError) {
      this.#observer?.failed?.(error);
      this.lose(error);
    } else this.failWith(asError(error), closeCodeOf(error));
  }

  /** Internal, see InboundHost. */
  handlerFailed(error: unknown): void {
    const failed = Promise.reject(error);
    // Whoever waits has been told already where what failed was kept until after the end.
    failed.catch(ignore);
    const { handling } = this;
    if (typeof handling === 'object') handling.settle(failed);
    if (handling === 'keeper' || handling?.kept === true) {
      // It is told of here.
      if (handling !== 'keeper') handling.promise.catch(ignore);
      this.#keeper!.handlerFailed(error);
    }
    this.inbound.drop();
    this.failWith(asError(error), CLOSE_INTERNAL_ERROR);
  }

  private failWith(error: Error, code: number): void {
    this.inbound.stop();
    if (this.#state === 'closed') return;
    this.madeEnding().failure ??= error;
    const first = this.#state === 'open';
    this.#state = 'closing';
    if (first) this.outbound.close(closePayload(code, ''));
    this.#observer?.failed?.(error);
    void this.finish();
  }

  /** The abrupt end: no close frame, what has not left is lost, and what has come is given to nobody. */
  destroy(error?: Error): void {
    this.inbound.drop();
    this.lose(error);
  }

  /** The connection is gone; messages that have come can still be read. Internal. */
  lose(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.madeEnding().failure ??= error;
    this.inbound.stop();
    this.channel.destroy(error);
    this.isClosed();
  }

  /** What others can do who have only the byte stream. Internal: made when it is asked for, since connections are many. */
  get conversation(): Conversation {
    return new StreamUser(this);
  }

  /**
   * The byte stream is about to be somebody else's: what was received and handed to nobody is in its input again, and the
   * connection is over. Internal.
   * @returns a copy of what has not left.
   * @throws UsageError ERR_READ_IN_PROGRESS, ERR_STREAM_IN_USE, and then nothing has changed; the failure of the output.
   */
  letGo(): Buffer {
    this.channel.checkUnsentKnown();
    this.inbound.giveBack();
    const gone = new TransportError('ERR_STREAM_DESTROYED', { protocol: 'websocket' });
    if (this.#state !== 'closed') this.madeEnding().failure ??= gone;
    // Once the stream is gone: who is told may look at it.
    process.nextTick(loseLater, this, gone);
    return this.outbound.letGo();
  }

  /** Letting go would give input back to the stream, or leave some in it. Internal. */
  get givesBack(): boolean {
    return this.inbound.hasUntaken || this.channel.stream.input.length > 0;
  }

  /** Calls `listener` once, when the connection is closed; at once if it is. */
  whenClosed(listener: (connection: this) => void): void {
    const end = this.madeEnding();
    const told = listener as (connection: ConnectionLife) => void;
    if (end.info !== undefined) listener(this);
    else if (end.listeners === undefined) end.listeners = [told];
    else end.listeners.push(told);
  }

  /** From now on the connection is a server's. Internal: one keeper. */
  keptBy(keeper: ConnectionKeeper): void {
    this.#keeper = keeper;
  }

  /**
   * The keeper was given `promise` for the end of what it began. That of `onMessage` ends with the connection, so that
   * nobody has to wait for it. Internal.
   * @returns whether it is that one.
   */
  keepsHandling(promise: unknown): boolean {
    const { handling } = this;
    if (typeof handling !== 'object' || promise !== handling.promise) return false;
    handling.kept = true;
    return true;
  }

  /** The output has failed. Internal. */
  outputFailed(error: unknown): void {
    this.channel.fail(error);
  }

  /** The peer has not closed in time. Internal. */
  closeExpired(): void {
    const { received, failure } = this.madeEnding();
    const given = received !== undefined || failure !== undefined;
    this.lose(given ? undefined : new LimitError('ERR_CLOSE_TIMEOUT', { protocol: 'websocket' }));
  }

  /** Changes with every sign of life, and while none could be seen: NaN differs from itself. Internal. */
  get signs(): number {
    if (this.inbound.halted) return Number.NaN;
    const { input } = this.stream;
    const taken = this.inbound.blocked ? this.channel.output.offset : 0;
    return input.offset + input.length + taken;
  }

  /** Closes because the time is over. Internal: for the heartbeat. */
  expire(): void {
    if (this.#state === 'open') this.beginClose(CLOSE_GOING_AWAY, '', this.options.closeTimeoutMs);
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
    this.inbound.deliverTo(face, { inOrder: true });
  }

  /** Internal, see InboundHost. */
  makeAssembly(): MessageAssembly {
    return new MessageAssembly(this.options.maxMessageLength, this.deflater, this.options);
  }
}

const ABNORMAL = { code: CLOSE_ABNORMAL, reason: '' };

function beginLater(inbound: Inbound): void {
  inbound.start();
}

function expireLater(connection: ConnectionLife): void {
  connection.closeExpired();
}

function loseLater(connection: ConnectionLife, error: Error): void {
  connection.lose(error);
}

function ignore(): void {
  // Somebody else tells of it.
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
