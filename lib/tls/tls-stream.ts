/**
 * TLS over any byte stream: a Node stream, a memory pair, a WebSocket's bytes, another TlsStream.
 *
 * The engine is called from here: what the stream below has is opened into `input` (Inflow), what is written is sealed at
 * once and handed on (Outflow). Nothing is kept back but what the stream below refuses, and then nothing more is taken.
 *
 *   state        a read answers                a write answers              left by
 *   lazy         as 'handshaking', begun by it                             the first operation
 *   handshaking  NEED_WRITE while our flight   NOT_READY while it cannot    the engine's word
 *                cannot leave, else NOT_READY  leave, else NEED_READ
 *   paused       as 'handshaking'              the same                     the choice of a context
 *   secured      bytes, NOT_READY              bytes, NOT_READY             close_notify, a failure
 *   ended        EOF                           bytes, NOT_READY             `end`
 *   failed       throws                        throws
 *
 * The stream below is waited for while somebody here waits or watches, and during a handshake; otherwise not.
 *
 * Over 400 lines, because what a stream waits for, reads, writes, and how it ends hang together, and a third of them are
 * the face that secure streams have in common.
 */
import type { X509Certificate } from 'node:crypto';
import { checkObject, checkSignal } from '../arguments.js';
import { asTransportError, type MiniprotoError, UsageError } from '../errors.js';
import { endConversation } from '../framed/conversations.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { type Connection, type ConnectionCounters, countersOf, NO_COUNTS } from '../net/connection.js';
import { SocketTimeouts, type TimeoutOptions } from '../net/timeouts.js';
import type { SocketAddresses } from '../net-interface.js';
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
import { BaseStream, checkCloseOptions, Deadline } from '../streams/base-stream.js';
import type { ByteStream, CloseOptions, ReadyOptions, Watcher } from '../streams/byte-stream.js';
import { TLS_FAILED, type TlsInterface } from '../tls-interface.js';
import { Inflow } from './inflow.js';
import { LowerWaits } from './lower-waits.js';
import type { TlsPlan } from './options.js';
import { Outflow } from './outflow.js';
import type { SecureStream, TlsDetails, UpdateKeysOptions } from './secure-stream.js';
import { type SessionHost, TlsSession } from './tls-session.js';

/** Bytes that the engine may want to send because of what it reads (KeyUpdate), while none leave, before reading stops. */
const MOST_ANSWERS = 64 * 1024;

export class TlsStream extends BaseStream implements SecureStream, SessionHost {
  readonly native = false;
  readonly reason = 'TLS is over a byte stream';
  readonly #lower: ByteStream & Partial<Connection>;
  readonly #tls: TlsInterface;
  readonly #session: TlsSession;
  readonly #inflow: Inflow;
  readonly #outflow: Outflow;
  readonly #waits: LowerWaits;
  /** `pull` is on the way: what comes back to it goes on there. */
  #pulling = false;
  /** The stream below has told of bytes, and goes on when we have dealt with them: what is written leaves after that. */
  #telling = false;
  /** A write takes the handshake on. */
  #writing = false;
  /** Bytes of answers to what was read, made while nothing left. */
  #answers = 0;
  /** close_notify has been said. */
  #ending = false;
  /** Our side was ended with close_notify and everything has left. */
  #finished = false;
  /** Ending TLS is not to end the stream below. */
  #unwrapping = false;
  /** The stream below is somebody else's. */
  #released = false;
  /** The stream below is being closed. */
  #closing: Promise<void> | undefined;
  /** The time of a careful end. */
  #careful: Deadline | undefined;
  #closed: Promise<void> | undefined;
  #timeouts: SocketTimeouts | undefined;
  /** Plaintext bytes taken. */
  bytesSent = 0;
  #closeListeners: (() => void)[] | undefined;

  /** Internal: use `tlsClient` or `tlsServer`. */
  constructor(tls: TlsInterface, lower: ByteStream, plan: TlsPlan) {
    super(plan.stream.readHighWaterMark === undefined ? {} : { readHighWaterMark: plan.stream.readHighWaterMark });
    this.#lower = lower;
    this.#tls = tls;
    this.#session = new TlsSession(tls, plan, this);
    this.#inflow = new Inflow(tls, lower, this.input);
    this.#outflow = new Outflow(tls, lower, this);
    this.#waits = new LowerWaits(lower, {
      arrived: () => this.#arrived(),
      left: () => this.#left(),
      failed: () => this.pull(Number.POSITIVE_INFINITY),
    });
    this.#timeouts = SocketTimeouts.of(this, plan.stream);
    if (plan.unsent !== undefined && plan.unsent.length > 0) {
      tls.queueRaw(this.#session.id, plan.unsent);
      this.#outflow.note();
    }
    if (plan.handshake === 'now') this.#drive();
  }

  // ---------------------------------------------------------------- moving bytes

  /** Begins the handshake, and takes it as far as it goes. */
  #drive(): void {
    if (this.destroyed || this.ended) return;
    if (!this.#session.begun) this.#begin();
    if (!this.#session.secured) this.pull(0);
    this.#look();
  }

  #begin(): void {
    this.#session.begin();
    // A client says the first word; for a server there is nothing to open yet.
    this.#inflow.more = this.#session.role === 'client';
  }

  protected pull(wanted: number): void {
    if (this.#pulling || this.#session.id < 0) return;
    if (!this.#session.begun) this.#begin();
    this.#pulling = true;
    const { secured } = this.#session;
    try {
      do {
        while ((this.input.length < wanted || !this.#session.secured) && this.#step());
      } while (this.#answers > MOST_ANSWERS && this.#send() && this.#goesOn());
    } catch (error) {
      this.fail(error);
    } finally {
      this.#pulling = false;
    }
    // A flight, an answer to a KeyUpdate, an alert.
    if (!this.#send() || this.awaitedWrite) this.#look();
    if (this.#session.failed) this.fail(this.#session.failure);
    else if (this.#session.ended && !this.ended) this.inputEnded();
    if (secured !== this.#session.secured) {
      this.wakeWriters();
      this.wakeReaders();
    }
  }

  /** Opens one piece. @returns false when nothing more can be opened now. */
  #step(): boolean {
    const session = this.#session;
    if (session.failed || session.ended || session.paused || this.ended || this.destroyed) return false;
    if (this.#answers > MOST_ANSWERS) return false;
    const answer = this.#inflow.step(session.id);
    if (answer === EOF) this.#lowerEnded();
    if (answer !== true) return false;
    const { secured } = session;
    const { state, outgoing } = this.#inflow;
    this.#outflow.inEngine = outgoing;
    session.update(state);
    // The flight has to leave before the peer says anything to it, and the engine opens nothing behind so many answers.
    const full = secured && this.#outflow.answers > MOST_ANSWERS;
    if (!secured || full) this.#send();
    if (full) this.#goesOn();
    if (secured && this.#outflow.waiting > 0) this.#answers = this.#outflow.answers;
    return true;
  }

  /** Answers have left, for which the engine has held back what came: asks whether it has. */
  #goesOn(): boolean {
    const { id } = this.#session;
    if (id >= 0 && this.#tls.hasMore(id) === 1) this.#inflow.more = true;
    return this.#inflow.more;
  }

  /** The stream below has ended without close_notify. */
  #lowerEnded(): void {
    const error = this.#session.lowerEnded(this.input.offset + this.input.length);
    if (error === undefined) this.inputEnded();
    else this.fail(error);
  }

  /** Hands on what waits. @returns true when nothing is left. */
  #send(when: 'now' | 'later' = this.#telling ? 'later' : 'now'): boolean {
    if (this.#session.id < 0 || this.#released) return true;
    const waited = this.#outflow.waiting > 0;
    try {
      if (!this.#outflow.send(this.#session.id, when)) return false;
      this.#answers = 0;
      if (waited) this.wakeWriters();
      return true;
    } catch (error) {
      // What the peer said before can be read, and may say why.
      this.#outflow.clear();
      this.failOutput(error);
      return true;
    }
  }

  /** Internal: the turn is over. */
  leave(): void {
    if (!this.#leave()) this.#look();
  }

  #leave(): boolean {
    try {
      return this.#outflow.leave();
    } catch (error) {
      this.#outflow.clear();
      this.failOutput(error);
      return true;
    }
  }

  /** Says to the stream below what is waited for. */
  #look(): void {
    const session = this.#session;
    const { secured } = session;
    const reads = (session.begun && !secured) || this.awaited || this.watcher !== undefined;
    const mayRead = !this.ended && !this.destroyed && !session.paused;
    const waits = this.#outflow.waiting > 0;
    // Two that end at once, with no room between them, have to hear each other.
    const hears = this.#ending && waits && this.input.length < this.readHighWaterMark;
    const writes = waits || (this.awaitedWrite && secured && (this.blocked() || !this.flushed()));
    if (this.awaitedWrite && secured && !writes) this.wakeWriters();
    const direction = waits ? this.#outflow.direction : 'write';
    this.#waits.want({ read: (reads || hears) && mayRead, write: writes && !this.destroyed ? direction : undefined });
  }

  /** The stream below may have bytes. */
  #arrived(): void {
    if (this.destroyed) return;
    const telling = this.#telling;
    this.#telling = this.#session.secured;
    this.#outflow.told();
    try {
      this.#tell();
    } finally {
      this.#telling = telling;
    }
  }

  #tell(): void {
    const { watcher } = this;
    const borrows = watcher !== undefined && this.input.length === 0 && this.#session.secured;
    if (borrows) this.#inflow.borrow();
    const before = this.input.length;
    this.pull(this.readHighWaterMark);
    const pages = borrows ? this.#inflow.own() : undefined;
    try {
      // With as much as may be read ahead, whoever wants more has to ask for it.
      if (this.input.length !== before || before >= this.readHighWaterMark) this.wakeReaders();
    } finally {
      if (pages !== undefined) this.#inflow.keep(pages);
      this.#look();
    }
  }

  /** The stream below may take more. */
  #left(): void {
    if (this.#released) return;
    if (this.#send()) {
      this.#drained();
      this.wakeWriters();
    }
    this.#look();
  }

  #drained(): void {
    if (!this.#session.secured) this.pull(0);
    else this.#goesOn();
    // Reading may have stopped for what had to leave.
    if (this.awaited || this.watcher !== undefined) this.#arrived();
  }

  /** Internal: a context has been chosen. */
  resumed(): void {
    this.#inflow.more = true;
    // Within `update` the pull under way goes on by itself.
    if (!this.#pulling) this.#arrived();
  }

  /** Internal: the handshake's time is over. */
  expired(error: MiniprotoError): void {
    this.destroy(error);
  }

  // ---------------------------------------------------------------- reading

  override tryFill(atLeast = 1): number | NotReady | NeedWrite | Eof {
    const answer = super.tryFill(atLeast);
    if (answer !== NOT_READY) return answer;
    if (!this.#session.secured) this.#look();
    return this.#needsWrite() ? NEED_WRITE : NOT_READY;
  }

  /** What has to leave keeps us from reading on. */
  #needsWrite(): boolean {
    return this.#outflow.waiting > 0 && (!this.#session.secured || this.#answers > MOST_ANSWERS);
  }

  override get pendingRead(): NotReady | NeedWrite | Eof | undefined {
    const pending = super.pendingRead;
    return pending !== EOF && !this.destroyed && this.#needsWrite() ? NEED_WRITE : pending;
  }

  protected override mayPull(): boolean {
    const session = this.#session;
    if (session.paused || session.id < 0 || this.#needsWrite()) return false;
    if (this.#inflow.more || this.#lower.input.length > 0) return true;
    const { pendingRead } = this.#lower;
    return pendingRead === undefined || pendingRead === EOF;
  }

  override ready(direction: 'read' | 'write', options?: ReadyOptions): Promise<void> {
    if (!this.#session.secured) this.#drive();
    const wait = super.ready(direction, options);
    this.#look();
    return wait;
  }

  /** Internal, see Watcher. */
  watch(watcher: Watcher | undefined): void {
    this.watcher = watcher;
    if (watcher !== undefined) this.#drive();
    this.#look();
  }

  // ---------------------------------------------------------------- writing

  get pendingOutput(): number {
    return this.#outflow.waiting + this.#outflow.gathered + this.#lower.pendingOutput;
  }

  /** What was taken has been sealed: its memory is the writer's. */
  get freesWritten(): boolean {
    return true;
  }

  /** Bytes wait for the stream below. For timeouts. */
  get stalled(): boolean {
    return this.#outflow.waiting > 0;
  }

  override get pendingWrite(): NotReady | NeedRead | undefined {
    return !this.destroyed && !this.#session.secured && this.#outflow.waiting === 0 ? NEED_READ : super.pendingWrite;
  }

  /** Sealing copies, so that bytes need not be copied before. */
  override tryWrite(bytes: Uint8Array | readonly Uint8Array[]): number | NotReady | NeedRead {
    return this.tryWriteStable(this.partsOf(bytes));
  }

  override tryWriteStable(parts: readonly Uint8Array[]): number | NotReady | NeedRead {
    this.checkWritable();
    return this.#refusal() ?? super.tryWriteStable(parts);
  }

  tryWriteRange(bytes: Buffer, from: number, to: number): number | NotReady | NeedRead {
    this.checkWritable();
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    if (this.blocked()) return NOT_READY;
    return this.#sealed(this.#outflow.seal(this.#session.id, bytes, from, to)) || NOT_READY;
  }

  /** Why nothing can be written before the handshake is done; takes it as far as it goes. */
  #refusal(): NotReady | NeedRead | undefined {
    if (this.#session.secured) return undefined;
    this.#writing = true;
    try {
      this.#drive();
    } finally {
      this.#writing = false;
    }
    this.checkWritable();
    if (this.#session.secured) return undefined;
    return this.#outflow.waiting > 0 && this.#outflow.direction === 'write' ? NOT_READY : NEED_READ;
  }

  /** Whoever is told in the middle of a write would write there, too: then it is done after it. */
  protected override wakeReaders(): void {
    if (this.#writing) queueMicrotask(() => super.wakeReaders());
    else super.wakeReaders();
  }

  protected blocked(): boolean {
    return !this.#session.secured || this.#outflow.waiting > 0 || this.#lower.pendingWrite !== undefined;
  }

  protected push(parts: readonly Uint8Array[]): number {
    const { id } = this.#session;
    const first = parts[0]!;
    if (parts.length === 1) return this.#sealed(this.#outflow.seal(id, first, 0, first.length));
    return this.#sealed(this.#outflow.sealParts(id, parts));
  }

  #sealed(taken: number): number {
    this.bytesSent += taken;
    if (!this.#send()) this.#look();
    if (taken === 0 && (this.#session.update() & TLS_FAILED) !== 0) this.fail(this.#session.failure);
    this.checkWritable();
    return taken;
  }

  protected flushed(): boolean {
    if (this.#outflow.waiting > 0 || !this.#leave()) return false;
    try {
      return this.#released || this.#lower.tryFlush() === true;
    } catch (error) {
      this.failOutput(error);
      return true;
    }
  }

  protected async endOutput(): Promise<void> {
    const session = this.#session;
    // A handshake that nobody has begun is not begun for the sake of its end.
    if (session.begun) {
      if (!session.secured) await this.handshake();
      this.#ending = true;
      this.#tls.shutdown(session.id);
      this.#outflow.note();
      session.update();
      while (!this.#send('now')) await super.ready('write', this.#looking());
    }
    if (!this.#unwrapping) await this.#lower.end();
    this.#finished = true;
    this.#settle();
  }

  /** No options, and a look below once somebody waits. */
  #looking(): ReadyOptions {
    queueMicrotask(() => this.#look());
    return {};
  }

  // ---------------------------------------------------------------- life

  /** Nothing more can come or go: the engine's session has served its time. */
  #settle(): void {
    if (!this.#finished || !this.ended || this.#unwrapping) return;
    this.#timeouts?.stop();
    this.#session.close();
  }

  protected override inputEnded(): void {
    super.inputEnded();
    this.#settle();
    this.#look();
  }

  protected override fail(error: unknown): void {
    if (this.destroyed) return;
    const failure = asTransportError(error);
    this.#session.over(failure);
    this.#timeouts?.stop();
    super.fail(failure);
    this.#look();
    this.#closing ??= this.#closeLower(undefined);
  }

  /** An alert, or our last bytes, have to reach a peer that may still be sending. */
  async #closeLower(careful: Deadline | undefined): Promise<void> {
    const deadline = careful ?? new Deadline(CLOSE_TIMEOUT_MS, undefined);
    try {
      while (!this.#outflow.send(this.#session.id, 'now')) {
        await this.#lower.ready(this.#outflow.direction, { signal: deadline.signal });
      }
    } catch {
      // It cannot leave; the failure that is known is the first.
    }
    this.#session.close();
    await this.#lower.close({ timeoutMs: deadline.leftMs });
    deadline.clear();
  }

  protected abandon(error: MiniprotoError | undefined): void {
    this.#timeouts?.stop();
    if (this.#outflow.gathered > 0) this.#leave();
    this.#waits.stop();
    this.#session.over(error);
    if (this.#released) this.#session.close();
    else if (this.#careful !== undefined && this.#finished) this.#closing ??= this.#closeLower(this.#careful);
    else if (this.#closing === undefined) {
      this.#session.close();
      this.#lower.destroy(error);
    }
    const listeners = this.#closeListeners;
    this.#closeListeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener();
  }

  override close(options: CloseOptions = {}): Promise<void> {
    try {
      checkCloseOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#closed ??= this.#close(options);
    return this.#closed;
  }

  /** The careful end of this stream, and then of the one below, in one time. */
  async #close(options: CloseOptions): Promise<void> {
    this.#careful = new Deadline(options.timeoutMs ?? CLOSE_TIMEOUT_MS, options.signal);
    await super.close(options);
    await this.#closing;
    this.#careful.clear();
  }

  /** Our side stays open where the stream below would end it with the peer's. */
  keepOpen(): boolean {
    return this.#lower.keepOpen?.() ?? false;
  }

  async unwrap(options: ReadyOptions = {}): Promise<ByteStream> {
    checkObject('options', options);
    checkSignal('options.signal', options.signal);
    await this.handshake(options);
    this.#unwrapping = true;
    await this.end();
    for (
      let answer = this.tryFill(this.input.length + 1);
      answer !== EOF;
      answer = this.tryFill(this.input.length + 1)
    ) {
      if (this.input.length >= this.readHighWaterMark) throw new UsageError('ERR_UNREAD_INPUT');
      if (typeof answer !== 'number') await this.ready(answer === NEED_WRITE ? 'write' : 'read', options);
    }
    if (this.input.length > 0) throw new UsageError('ERR_UNREAD_INPUT');
    const { input } = this.#lower;
    const rest = this.#tls.takeRest(this.#session.id);
    const later = input.take(input.length);
    input.append(rest);
    input.append(later);
    this.#released = true;
    endConversation(this.#lower);
    this.destroy();
    return this.#lower;
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
    if (updated) this.#outflow.inEngine = this.#tls.outgoing(this.#session.id);
    if (updated && !this.#send()) this.#look();
    return updated;
  }

  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Buffer {
    return this.#session.exportKeyingMaterial(length, label, context);
  }

  get addresses(): SocketAddresses {
    return this.#lower.addresses ?? {};
  }

  counters(): ConnectionCounters {
    const below = this.#lower.counters?.();
    const { offset, length } = this.input;
    const told = below ?? { ...NO_COUNTS, bytesReceived: offset + length, bytesSent: this.bytesSent };
    return countersOf(this, told, below?.memoryHeld);
  }

  ref(): this {
    this.#lower.ref?.();
    return this;
  }

  unref(): this {
    this.#lower.unref?.();
    return this;
  }

  whenClosed(listener: () => void): void {
    if (this.#lower.whenClosed !== undefined) this.#lower.whenClosed(listener);
    else if (this.abandoned) listener();
    else if (this.#closeListeners === undefined) this.#closeListeners = [listener];
    else this.#closeListeners.push(listener);
  }

  setTimeouts(options: TimeoutOptions): void {
    this.#timeouts?.stop();
    this.#timeouts = SocketTimeouts.of(this, options);
  }

  release(): never {
    throw new UsageError('ERR_NOT_NATIVE', { message: 'what is below carries TLS, and its state is here: see unwrap' });
  }

  releaseDescriptor(): never {
    return this.release();
  }
}
