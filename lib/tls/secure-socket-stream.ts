/**
 * TLS on a native socket: the connection has the engine's session for a filter, so that what is received is decrypted in
 * the reactor, before it is framed, and no byte crosses into JavaScript but plaintext.
 *
 * It is a SocketStream that takes over another one's connection. Handshakes, alerts and answers to key updates leave
 * natively; this hears of what has changed by an event, and looks by itself only where something was refused.
 *
 *   state        wanted of the reactor        a read                      a write
 *   lazy         nothing                      begins the handshake        the same
 *   handshaking  WANT_FLOW                    NEED_WRITE while a flight   NOT_READY while it cannot
 *                                             cannot leave, else          leave, else NEED_READ
 *                                             NOT_READY
 *   secured      what those who wait need     as of a socket              as of a socket
 *
 * Over 400 lines, because each method of a socket that TLS changes stands here, in a few lines, and none of them alone.
 */
import type { X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import { checkObject, checkSignal } from '../arguments.js';
import { type MiniprotoError, UsageError } from '../errors.js';
import { leasePage, PAGE_BYTES, returnPage } from '../net/pages.js';
import { type Reactor, systemError } from '../net/reactor.js';
import { SocketStream } from '../net/socket-stream.js';
import {
  E_FLAGS,
  EVENT_CHANGED,
  EVENT_ENDED,
  FILTER_OUTGOING,
  FILTER_SEND_FAILED,
  WANT_FLOW,
} from '../net-interface.js';
import {
  EOF,
  type Eof,
  NEED_READ,
  NEED_WRITE,
  type NeedRead,
  type NeedWrite,
  NOT_READY,
  type NotReady,
} from '../status.js';
import type { ByteStream, ReadyOptions, Watcher } from '../streams/byte-stream.js';
import { TLS_SLACK, type TlsInterface } from '../tls-interface.js';
import type { TlsPlan } from './options.js';
import type { SecureStream, TlsDetails, UpdateKeysOptions } from './secure-stream.js';
import { type SessionHost, TlsSession } from './tls-session.js';

/** Errno of Linux, negated, as the reactor says that the session has failed. */
const EPROTO = -71;
/** Bytes of what was received before, opened at once: with these a page has room for whatever comes out. */
const PIECE = PAGE_BYTES - TLS_SLACK;
const NOTHING = Buffer.alloc(0);

export class SecureSocketStream extends SocketStream implements SecureStream, SessionHost {
  readonly #tls: TlsInterface;
  readonly #session: TlsSession;
  /** What was received before the connection was ours, until the handshake begins. */
  #unread: Buffer | undefined;
  /** Those who wait have been told that the handshake is done. */
  #told = false;
  /** A write was refused although the handshake is done: half a message of the peer's is there. */
  #needsPeer = false;
  /** What was taken has not left, and never will. */
  #sendFailed = false;
  /** Ending TLS is not to end the connection. */
  #unwrapping = false;

  /** Whether the stream is one whose connection can be taken over. */
  static takes(stream: ByteStream): stream is SocketStream {
    // TLS within TLS is not the reactor's.
    return stream instanceof SocketStream && !(stream instanceof SecureSocketStream) && stream.id >= 0;
  }

  /**
   * Internal: use `tlsClient` or `tlsServer`. Pre: takes(plain).
   * @throws UsageError ERR_TLS_CONTEXT, TransportError, and then nothing has changed.
   */
  static over(tls: TlsInterface, plain: SocketStream, plan: TlsPlan): SecureSocketStream {
    const secure = new SecureSocketStream(tls, plain.reactor, plan);
    // What its turn has still to tell was received before there was a filter.
    plain.hear();
    secure.#filter(plain.id);
    secure.#unread = secure.takeOver(plain);
    // Whoever has only the plain stream, as a server whose handler has failed, means the connection.
    plain.heir = secure;
    secure.#begin(plan);
    return secure;
  }

  /**
   * Internal: use `listenTls`. Takes a connection of the reactor's that no stream has had.
   * @throws as `over`, and then the connection is still the caller's.
   */
  static accepted(tls: TlsInterface, reactor: Reactor, id: number, plan: TlsPlan): SecureSocketStream {
    const secure = new SecureSocketStream(tls, reactor, plan);
    secure.#filter(id);
    secure.attach(id, { finished: false });
    secure.#begin(plan);
    return secure;
  }

  private constructor(tls: TlsInterface, reactor: Reactor, plan: TlsPlan) {
    const { readHighWaterMark } = plan.stream;
    super(reactor, readHighWaterMark === undefined ? {} : { readHighWaterMark });
    this.#tls = tls;
    this.#session = new TlsSession(tls, plan, this);
    if (plan.unsent !== undefined && plan.unsent.length > 0) tls.queueRaw(this.#session.id, plan.unsent);
  }

  /** Puts the session between a connection and whoever has it. @throws TransportError */
  #filter(id: number): void {
    const result = id < 0 ? -1 : this.reactor.net.setFilter(id, this.#tls.filters, this.#session.id);
    if (result >= 0) return this.reactor.sendAtExit();
    this.#session.close();
    throw systemError('setFilter', result);
  }

  #begin({ stream, handshake }: TlsPlan): void {
    const { idleTimeoutMs = 0, firstRecordTimeoutMs = 0, writeStallTimeoutMs = 0 } = stream;
    // Without any, those of the plain stream go on.
    if (idleTimeoutMs > 0 || firstRecordTimeoutMs > 0 || writeStallTimeoutMs > 0) this.setTimeouts(stream);
    if (handshake === 'now') this.#drive();
  }

  override get reason(): string {
    return 'the socket is native, and decrypted where it is received';
  }

  // ---------------------------------------------------------------- the handshake

  /** Begins the handshake. From then on the reactor goes on with it by itself. */
  #drive(): void {
    const session = this.#session;
    if (session.begun || session.id < 0) return;
    session.begin();
    const unread = this.#unread;
    this.#unread = undefined;
    if (unread !== undefined && unread.length > 0) this.#open(unread);
    this.nudge();
    this.#look();
  }

  /** Opens what was received before the reactor had a filter for it. */
  #open(unread: Buffer): void {
    const { id } = this.#session;
    for (let at = 0; at < unread.length || this.#tls.hasMore(id) === 1; at += PIECE) {
      const page = leasePage();
      const from = Math.min(at, unread.length);
      const count = this.#tls.open(id, unread, from, Math.min(at + PIECE, unread.length), page, 0, PAGE_BYTES);
      if (count > 0) this.input.append(Buffer.from(page.subarray(0, count)));
      returnPage(page);
    }
  }

  /** A handshake that is under way wants to be received. */
  protected override wantsBesides(): number {
    const { begun, secured } = this.#session;
    return begun && !secured && !this.ended ? WANT_FLOW : 0;
  }

  /** Takes notice of what has become of the session. */
  #look(): void {
    const session = this.#session;
    if (session.id < 0) return;
    session.update();
    if (session.secured && !this.#told) this.#secured();
    if (session.failed) return this.fail(session.failure);
    // Whoever was told may have destroyed it.
    if (this.#sendFailed || this.id < 0) return;
    if ((this.reactor.net.filterState(this.id) & FILTER_SEND_FAILED) !== 0) this.#failSending();
  }

  /** What was to leave by itself never will. */
  #failSending(): void {
    this.#sendFailed = true;
    const error = systemError('send', this.reactor.net.send(this.id, NOTHING, 0, 0));
    // The peer may have said why, and what it has said before can be read. Then nobody is to wait for an answer to what
    // it never got.
    if (!this.ended) this.pull(this.readHighWaterMark);
    this.fail(error);
  }

  /** Whoever waited for the handshake, in either direction, tries again. */
  #secured(): void {
    this.#told = true;
    this.wakeWriters();
    this.wakeReaders();
    // Behind that: what was wanted for those who were woken is theirs to want again.
    this.wantAnew();
  }

  /** Internal: a context has been chosen. */
  resumed(): void {
    this.nudge();
  }

  /** Internal: the handshake's time is over. */
  expired(error: MiniprotoError): void {
    this.destroy(error);
  }

  // ---------------------------------------------------------------- turns

  override turn(reactor: Reactor, at: number): void {
    const { events } = reactor;
    const flags = events[at + E_FLAGS]!;
    if ((flags & (EVENT_CHANGED | EVENT_ENDED)) === 0) return super.turn(reactor, at);
    // The engine is asked, not the event: a handler in this turn may have got further. Before the bytes are given out,
    // because who gets them may ask what was agreed on; the end of all is behind them.
    if (this.#session.id >= 0) this.#session.update();
    events[at + E_FLAGS] = flags & ~EVENT_ENDED;
    try {
      super.turn(reactor, at);
    } finally {
      this.#look();
      if ((flags & EVENT_ENDED) !== 0) this.#peerEnded();
    }
  }

  /** The peer sends no more, with or without having said so. */
  #peerEnded(): void {
    if (this.ended || this.destroyed) return;
    const session = this.#session;
    const error = session.ended ? undefined : session.lowerEnded(this.input.offset + this.input.length);
    if (error === undefined) this.inputEnded();
    else this.fail(error);
  }

  // ---------------------------------------------------------------- reading

  override tryFill(atLeast = 1): number | NotReady | NeedWrite | Eof {
    if (this.#told) return super.tryFill(atLeast);
    this.#drive();
    // A handshake is received by turns, and what came with its end may lie in one that is still to be told.
    this.hear();
    const answer = super.tryFill(atLeast);
    this.#look();
    return answer === NOT_READY && this.pendingOutput > 0 ? NEED_WRITE : answer;
  }

  protected override stopped(count: number): void {
    if (count !== 0 && count !== EPROTO) return super.stopped(count);
    this.#look();
    if (count === 0) this.#peerEnded();
  }

  override get pendingRead(): NotReady | NeedWrite | Eof | undefined {
    const pending = super.pendingRead;
    return pending === NOT_READY && !this.#session.secured && this.pendingOutput > 0 ? NEED_WRITE : pending;
  }

  override ready(direction: 'read' | 'write', options?: ReadyOptions): Promise<void> {
    this.#drive();
    return super.ready(direction, options);
  }

  override watch(watcher: Watcher | undefined): void {
    if (watcher !== undefined) this.#drive();
    super.watch(watcher);
  }

  /** Records of TLS have no ends that a codec could know of. */
  override readExactly(): boolean {
    return false;
  }

  // ---------------------------------------------------------------- writing

  /** Bytes that were taken and wait for the system, sealed. */
  override get pendingOutput(): number {
    const waiting = this.#session.id < 0 ? 0 : this.#tls.outgoing(this.#session.id);
    if (waiting === 0 || this.id < 0) return waiting;
    // What the session itself has to say may wait for the end of the turn, and leaves before anything that is written.
    return (this.reactor.net.filterState(this.id) & FILTER_OUTGOING) === 0 ? 0 : waiting;
  }

  override get pendingWrite(): NotReady | NeedRead | undefined {
    if (this.destroyed || this.#session.secured) return super.pendingWrite;
    return this.pendingOutput > 0 ? NOT_READY : NEED_READ;
  }

  override tryWriteStable(parts: readonly Uint8Array[]): number | NotReady | NeedRead {
    if (!this.#session.secured && parts.some((part) => part.length > 0)) {
      const refusal = this.#refusal();
      if (refusal !== undefined) return refusal;
    }
    this.#needsPeer = false;
    const taken = super.tryWriteStable(parts);
    return taken === NOT_READY && this.#needsPeer ? NEED_READ : taken;
  }

  override tryWriteRange(bytes: Buffer, from: number, to: number): number | NotReady | NeedRead {
    if (!this.#session.secured) {
      const refusal = this.#refusal();
      if (refusal !== undefined) return refusal;
    }
    this.#needsPeer = false;
    const taken = super.tryWriteRange(bytes, from, to);
    return taken === NOT_READY && this.#needsPeer ? NEED_READ : taken;
  }

  /** Why nothing can be written before the handshake is done; takes it as far as it goes. */
  #refusal(): NotReady | NeedRead | undefined {
    this.checkWritable();
    this.#drive();
    this.#lookQuietly();
    this.checkWritable();
    if (this.#session.secured) return undefined;
    return this.pendingOutput > 0 ? NOT_READY : NEED_READ;
  }

  /**
   * Takes notice, and tells nobody who reads: the reactor does, in a turn of this stream. Told here they would write in
   * the middle of this write, and read past what a turn under way has still to tell of.
   */
  #lookQuietly(): void {
    const session = this.#session;
    if (session.id < 0) return;
    session.update();
    if (session.failed) this.failOutput(session.failure);
  }

  protected override notSent(errno: number): number {
    if (errno === EPROTO) {
      this.#lookQuietly();
      this.checkWritable();
    }
    if (errno !== 0) return super.notSent(errno);
    this.#needsPeer = true;
    return 0;
  }

  /** Before the handshake is done, and while it fails, the stream's own queue knows better. */
  override openBypass(): number {
    return this.#session.secured ? super.openBypass() : -1;
  }

  protected override flushed(): boolean {
    return super.flushed() && this.pendingOutput === 0;
  }

  protected override awaitsRoom(): boolean {
    return super.awaitsRoom() || this.pendingOutput > 0;
  }

  override get stalled(): boolean {
    return super.stalled || this.pendingOutput > 0;
  }

  /** For timeouts: what the system has taken of what waits. */
  get bytesLeft(): number {
    return this.counters().bytesSent;
  }

  // ---------------------------------------------------------------- ends

  protected override endOutput(): Promise<void> | undefined {
    const { begun, secured } = this.#session;
    // A handshake that nobody has begun is not begun for the sake of its end.
    if (begun && !secured) return this.#endOnceSecured();
    if (!this.#unwrapping) return super.endOutput();
    this.#tls.shutdown(this.#session.id);
    this.nudge();
    return this.lastLeft();
  }

  async #endOnceSecured(): Promise<void> {
    await this.handshake();
    await this.endOutput();
  }

  protected override lastLeft(): Promise<void> | undefined {
    this.#look();
    return this.pendingOutput > 0 ? this.#allLeft() : undefined;
  }

  async #allLeft(): Promise<void> {
    while (this.pendingOutput > 0) await this.ready('write');
  }

  protected override fail(error: unknown): void {
    if (this.destroyed) return;
    super.fail(error);
    this.#session.over(error as Error);
  }

  protected override abandon(error: MiniprotoError | undefined): void {
    this.#session.over(error);
    super.abandon(error);
  }

  /** The reactor has let go of the session as well. */
  protected override letGoBelow(): void {
    this.#session.close();
  }

  async unwrap(options: ReadyOptions = {}): Promise<ByteStream> {
    checkObject('options', options);
    checkSignal('options.signal', options.signal);
    await this.handshake(options);
    this.#unwrapping = true;
    await this.end();
    for (;;) {
      const answer = this.tryFill(this.input.length + 1);
      if (answer === EOF) break;
      if (this.input.length >= this.readHighWaterMark) throw new UsageError('ERR_UNREAD_INPUT');
      if (typeof answer !== 'number') await this.ready('read', options);
    }
    if (this.input.length > 0) throw new UsageError('ERR_UNREAD_INPUT');
    return this.#given();
  }

  /** The connection, without TLS, as a stream of its own. */
  #given(): ByteStream {
    const rest = this.#tls.takeRest(this.#session.id);
    this.reactor.net.setFilter(this.id, null, 0);
    const plain = new SocketStream(this.reactor, { readHighWaterMark: this.readHighWaterMark });
    plain.takeOver(this);
    plain.input.append(rest);
    return plain;
  }

  override release(): never {
    throw new UsageError('ERR_NOT_NATIVE', {
      message: 'the descriptor carries TLS, and its state is here: see unwrap',
    });
  }

  override releaseDescriptor(): never {
    return this.release();
  }

  // ---------------------------------------------------------------- what is known of it

  get secured(): boolean {
    return this.#session.secured;
  }

  handshake(options: ReadyOptions = {}): Promise<void> {
    try {
      checkObject('options', options);
      checkSignal('options.signal', options.signal);
      options.signal?.throwIfAborted();
      this.#drive();
      // Throws what the stream has failed with.
      if (!this.#session.secured) this.tryFlush();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#session.whenSecured(options);
  }

  get info(): TlsDetails | undefined {
    return this.#session.details;
  }

  get peerCertificate(): X509Certificate | undefined {
    return this.#session.peerCertificates[0];
  }

  get peerCertificates(): readonly X509Certificate[] {
    return this.#session.peerCertificates;
  }

  get certificate(): X509Certificate | undefined {
    return this.#session.certificate;
  }

  get tlsUnique(): Buffer | undefined {
    return this.#session.tlsUnique;
  }

  updateKeys(options: UpdateKeysOptions = {}): boolean {
    const updated = this.#session.updateKeys(options);
    if (updated) this.nudge();
    return updated;
  }

  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Buffer {
    return this.#session.exportKeyingMaterial(length, label, context);
  }

  override [inspect.custom](): string {
    return this.describe(
      'SecureSocketStream',
      this.secured ? `native, ${this.info!.protocol}` : 'native, not secure yet',
    );
  }
}
