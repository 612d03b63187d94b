/**
 * A WebSocket connection, either role, over any byte stream. RFC 6455 §5 and §6
 *
 * The face: how messages are sent and received. What is done with them is Outbound's and Inbound's business; how a
 * connection lives and ends is in connection-life.ts.
 */
import type { AsyncResource } from 'node:async_hooks';
import { inspect } from 'node:util';
import { checkSignal, invalidArgType } from '../arguments.js';
import { LimitError, UsageError } from '../errors.js';
import { EOF, type Eof, NOT_READY, type NotReady } from '../status.js';
import type { ReadyOptions } from '../streams/byte-stream.js';
import { CLOSE_GOING_AWAY } from './close-codes.js';
import { type CloseInfo, Handling } from './close-info.js';
import { ConnectionLife } from './connection-life.js';
import type { Inbound, MessageReceiver } from './inbound.js';
import { MessageBatches } from './message-batches.js';
import { type MessageCursor, PlacedMessage } from './message-cursor.js';
import { IncomingPieces, type MessagePieces } from './message-pieces.js';
import { MessageWriter } from './message-writer.js';
import type { MessageData } from './outbound.js';
import { checkSendOptions, type SendOptions } from './send-options.js';

export type { CloseInfo, WebSocketCloseOptions } from './close-info.js';
export type { ConnectionObserver } from './connection-keeper.js';

/** Is given each message, valid during the call. */
export type MessageHandler = (message: MessageCursor, socket: WebSocketConnection) => void;

export class WebSocketConnection extends ConnectionLife implements MessageReceiver, AsyncDisposable {
  /** Who takes messages: a handler, somebody who waits for one, or who takes them in pieces. */
  #taker: MessageHandler | 'message' | 'pieces' | undefined;

  /** Bytes that were taken from the user and not by the system. */
  get bufferedAmount(): number {
    return this.channel.output.length + this.stream.pendingOutput;
  }

  /** Bytes of output from which `send` answers NOT_READY. */
  get writeHighWaterMark(): number {
    return this.channel.highWaterMark;
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
    if (options !== undefined) checkSendOptions(options);
    const answer = this.outbound.trySend(data, options);
    if (answer === NOT_READY && this.options.whenFull !== 'wait') this.onFull();
    return answer;
  }

  private onFull(): void {
    // Behind a message in pieces it is not the peer that does not keep up.
    if (!this.channel.full) return;
    if (this.options.whenFull === 'drop') this.countDropped();
    else this.destroy(new LimitError('ERR_SLOW_PEER', { protocol: 'websocket' }));
  }

  /**
   * Sends a message as soon as there is room.
   * @throws what `send` throws; UsageError ERR_STREAM_ENDED once the connection is closing; the signal's reason, and then
   * nothing was taken.
   */
  async write(data: MessageData, options: SendOptions & ReadyOptions = {}): Promise<void> {
    checkSendOptions(options);
    checkSignal('options.signal', options.signal);
    options.signal?.throwIfAborted();
    for (;;) {
      const answer = this.outbound.trySend(data, options);
      if (answer === true) return;
      if (answer === EOF) throw this.failure ?? new UsageError('ERR_STREAM_ENDED', { protocol: 'websocket' });
      await this.drain(options);
    }
  }

  /** Resolves when `send` takes messages again. @throws the signal's reason; what has ended the connection. */
  async drain(options: ReadyOptions = {}): Promise<void> {
    checkSignal('options.signal', options.signal);
    await this.outbound.ready(options.signal);
  }

  /** Resolves when everything that was taken has been given to the system. */
  async flush(options: ReadyOptions = {}): Promise<void> {
    checkSignal('options.signal', options.signal);
    await this.channel.flush(options.signal);
  }

  /** Keeps what is sent until `uncork`, a flush, or the high mark. */
  cork(): void {
    this.channel.cork();
  }

  uncork(): void {
    this.channel.uncork();
  }

  /** Begins a message that is written in pieces. @returns NOT_READY, EOF: as `send`. */
  beginMessage(options: SendOptions = {}): MessageWriter | NotReady | Eof {
    checkSendOptions(options);
    const answer = this.outbound.begin();
    if (answer !== true) return answer;
    return new MessageWriter(this.outbound, this.channel, this.deflater, options);
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
    this.checkFree();
    this.deliverTo(handler, undefined);
    const handling = new Handling();
    this.handling = handling;
    // Behind what was kept, which is handed out first.
    if (this.info !== undefined) process.nextTick(() => handling.settle(this.info!));
    return handling.promise;
  }

  /** The same for a server, which is told of what the handler throws, so that there is no promise of it. Internal. */
  messagesTo(handler: MessageHandler, scope: AsyncResource): void {
    if (typeof this.handling === 'object') this.handling.kept = true;
    else this.handling = 'keeper';
    this.deliverTo(handler, scope);
  }

  private deliverTo(handler: MessageHandler, scope: AsyncResource | undefined): void {
    this.#taker = handler;
    this.inbound.deliverTo(this, { inOrder: false, scope });
    process.nextTick(beginLater, this.inbound);
  }

  /** Internal, see MessageReceiver. */
  deliver(message: PlacedMessage): void {
    (this.#taker as MessageHandler)(message, this);
  }

  private checkFree(): void {
    if (this.#taker === undefined && !this.inbound.delivering) return;
    throw new UsageError('ERR_READ_IN_PROGRESS', { protocol: 'websocket' });
  }

  /** Stops handing out messages, and reading once a few are kept. */
  pause(): void {
    this.inbound.pause();
  }

  resume(): void {
    this.inbound.resume();
  }

  get paused(): boolean {
    return this.inbound.paused;
  }

  /**
   * Takes the next message: text as a string, binary as a Buffer of the caller's own.
   * @returns NOT_READY; EOF once the peer has closed and everything before that was read.
   * @throws what has ended the connection, unless it was closed; UsageError ERR_READ_IN_PROGRESS
   */
  tryRead(): string | Buffer | NotReady | Eof {
    this.checkFree();
    return this.readNow();
  }

  private readNow(): string | Buffer | NotReady | Eof {
    const message = new PlacedMessage(undefined);
    let answer: true | NotReady | Eof;
    try {
      answer = this.inbound.tryNext(message);
    } catch (error) {
      this.inputFailed(error);
      throw error;
    }
    if (answer === true) {
      const value = message.value();
      message.expire();
      this.inbound.made();
      return value;
    }
    if (answer === EOF) this.checkEnd();
    return answer;
  }

  /** As `tryRead`, but waits. Aborting loses nothing. */
  async read(options: ReadyOptions = {}): Promise<string | Buffer | Eof> {
    checkSignal('options.signal', options.signal);
    this.checkFree();
    for (;;) {
      const value = this.readNow();
      if (value !== NOT_READY) return value as string | Buffer | Eof;
      await this.moved(options.signal);
    }
  }

  private async moved(signal: AbortSignal | undefined): Promise<void> {
    this.#taker = 'message';
    try {
      await this.inbound.ready(signal);
    } finally {
      this.left('message');
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

  /**
   * Messages as they arrived together, as cursors that are valid until the next batch.
   * @throws UsageError ERR_READ_IN_PROGRESS when somebody reads already; the loop's steps reject with it.
   */
  batches(): AsyncIterable<Iterable<MessageCursor>> {
    this.checkFree();
    return new MessageBatches(this.inbound, {
      checkFree: () => this.checkFree(),
      moved: () => this.moved(undefined),
      checkEnd: () => this.checkEnd(),
    });
  }

  /**
   * Every message in pieces as they arrive, for those too large to be held: no more is read than is taken. A message may
   * have any length; of a single frame `maxMessageLength` is the most.
   * @throws UsageError ERR_READ_IN_PROGRESS when somebody reads already.
   * @example
   * for await (const message of socket.pieces()) for await (const piece of message) file.write(piece);
   */
  pieces(): AsyncIterableIterator<MessagePieces> {
    this.checkFree();
    this.#taker = 'pieces';
    return new IncomingPieces({
      source: this.inbound,
      inbound: this.inbound,
      deflate: this.deflater,
      control: (opcode, bytes, from, to) => this.control(opcode, bytes, from, to),
      ready: () => this.stream.ready('read'),
      inputEnded: () => this.inputEnded(),
      inputFailed: (error) => this.inputFailed(error),
      checkEnd: () => this.checkEnd(),
      over: () => {
        this.left('pieces');
      },
    });
  }

  /** A server whose handler has failed takes messages away from who reads them. */
  private left(taker: 'message' | 'pieces'): void {
    if (this.#taker === taker) this.#taker = undefined;
  }

  private checkEnd(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  /** `await using`: closes with 1000, or 1001 for a server. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(this.role === 'server' ? CLOSE_GOING_AWAY : 1000);
  }

  [inspect.custom](): string {
    const { input } = this.stream;
    return `WebSocketConnection { ${this.role}, ${this.state}, received: ${input.offset}, buffered: ${this.bufferedAmount} }`;
  }
}

function beginLater(inbound: Inbound): void {
  inbound.start();
}
