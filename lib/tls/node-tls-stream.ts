/**
 * A secure stream over Node's TLSSocket: what `nodeTls` gives.
 *
 * It is a connection over Node's socket, as without TLS, but nothing goes in or out before the handshake is done and the
 * peer's certificate is judged: Node would send what was written early as soon as it has keys, and look at the
 * certificate afterwards. Statuses are NOT_READY only, since Node does not tell what it waits for.
 *
 * Of Node it needs a few things that are not documented: the event 'secure', `ssl.verifyError()` of a server's socket
 * that no tls.Server made, `_releaseControl()`, and that a socket's end goes through `push`. Where one of them is
 * missing, a certificate counts as refused, and an end as truncated.
 */
import type { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { checkBoolean, checkInteger, checkObject, checkString, checkUint8Array } from '../arguments.js';
import { LimitError, type MiniprotoError, TransportError, UsageError } from '../errors.js';
import { late } from '../late.js';
import { CLOSE_TIMEOUT_MS } from '../limits.js';
import { nativeInfo } from '../native.js';
import { type Connection, type ConnectionCounters, countersOf, type ReleasedSocket } from '../net/connection.js';
import { NodeConnection } from '../net/node-connection.js';
import { Sweep } from '../net/sweep.js';
import type { SocketAddresses } from '../net-interface.js';
import { checkCloseOptions, Deadline } from '../streams/base-stream.js';
import type { ByteStream, CloseOptions, ReadyOptions } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';
import { certificateError, type NodeTlsError, nodeTlsError } from './node-tls-errors.js';
import { certificateOf, isFor } from './node-tls-session.js';
import type { TlsPlan } from './options.js';
import type { SecureStream, TlsDetails, UpdateKeysOptions } from './secure-stream.js';
import { endedInHandshake, truncatedError } from './tls-errors.js';

/** What is below the TLSSocket. */
export interface NodeTlsLower {
  /** What the TLSSocket was made of. */
  readonly duplex: Duplex;
  /** The byte stream behind it; undefined where Node's socket has no other. */
  readonly bytes: ByteStream | undefined;
  /** Lets bytes through, where the handshake was to wait. */
  begin?(): void;
  /** Where the ends are, where `bytes` does not know. */
  addresses?(): SocketAddresses;
}

/** What Node does not document. */
interface HiddenParts {
  readonly ssl?: { verifyError?(): NodeTlsError | null } | null;
  _releaseControl?(): void;
}

const handshakes = new Sweep();

export class NodeTlsStream extends NodeConnection implements SecureStream {
  readonly #socket: TLSSocket;
  readonly #lower: NodeTlsLower;
  readonly #plan: TlsPlan;
  readonly #handshakers = new Waiters();
  readonly #addresses: SocketAddresses | undefined;
  #begunAt = Number.NaN;
  #secured = false;
  #failure: unknown;
  #details: TlsDetails | undefined;
  #peer: X509Certificate | undefined;
  #own: X509Certificate | undefined;
  /** The stream below has ended; what ends the TLSSocket from then on is not the peer's close_notify. */
  #lowerEnded = false;
  #closeNotified = false;
  #released = false;
  /** The time of a careful end, and the end of the stream below in it. */
  #careful: Deadline | undefined;
  #lowerClosed: Promise<void> | undefined;

  /** Internal: use `nodeTls`. */
  constructor(socket: TLSSocket, lower: NodeTlsLower, plan: TlsPlan) {
    super(socket, `TLS is Node's: ${nativeInfo().tls.reason}`, plan.stream);
    this.#socket = socket;
    this.#lower = lower;
    this.#plan = plan;
    this.#addresses = lower.addresses?.();
    this.#watchEnds();
    // A server's socket says no more than that it has keys; a client's has judged the certificate by then.
    socket.once(plan.role === 'client' ? 'secureConnect' : 'secure', this.#onSecure);
    if (plan.onKeyLog !== undefined) socket.on('keylog', plan.onKeyLog);
    if (plan.onSession !== undefined) socket.on('session', (session) => this.#secured && plan.onSession!(session));
    if (plan.handshake === 'now') this.#begin();
  }

  /** Which comes first is known only to those who see both. */
  #watchEnds(): void {
    const [socket, { duplex }] = [this.#socket, this.#lower];
    const push = socket.push;
    socket.push = (chunk, encoding) => {
      if (chunk === null) this.#closeNotified = !this.#lowerEnded;
      return push.call(socket, chunk, encoding);
    };
    // Before Node hears of it, and tells its socket.
    duplex.prependListener('end', this.#onLowerEnd);
    duplex.on('error', this.#onLowerError);
  }

  readonly #onLowerEnd = (): void => {
    this.#lowerEnded = true;
  };

  /** Node keeps it from a server's socket. */
  readonly #onLowerError = (error: Error): void => {
    if (this.mayPull()) this.pull(Number.POSITIVE_INFINITY);
    this.fail(error);
  };

  // ---------------------------------------------------------------- the handshake

  get secured(): boolean {
    return this.#secured;
  }

  handshake(options: ReadyOptions = {}): Promise<void> {
    checkObject('options', options);
    this.#begin();
    if (this.#secured) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.#handshakers.wait(options.signal);
  }

  #begin(): void {
    if (!Number.isNaN(this.#begunAt) || this.destroyed) return;
    this.#begunAt = performance.now();
    if (this.#plan.handshakeTimeoutMs > 0) handshakes.add(this, this.#plan.handshakeTimeoutMs);
    this.#lower.begin?.();
  }

  /** Internal: called by the sweep. */
  look(now: number): void {
    const { handshakeTimeoutMs } = this.#plan;
    if (now - this.#begunAt < handshakeTimeoutMs) return;
    const message = `the handshake has taken longer than ${handshakeTimeoutMs} ms`;
    this.destroy(new LimitError('ERR_TLS_HANDSHAKE_TIMEOUT', { message, protocol: 'tls' }));
  }

  readonly #onSecure = (): void => {
    if (this.destroyed) return;
    const problem = this.#plan.role === 'client' ? this.#serverProblem() : this.#clientProblem();
    if (problem !== undefined && this.#plan.context.verifies) return this.#refuse(certificateError(problem));
    this.#note(problem);
    this.#secured = true;
    handshakes.delete(this);
    // As a tls.Server does it: from now on errors are emitted.
    (this.#socket as HiddenParts)._releaseControl?.();
    this.#handshakers.wake();
    this.wakeReaders();
    this.wakeWriters();
  };

  /** What is wrong with a server's certificate: where it is from, and whom it is for. */
  #serverProblem(): NodeTlsError | undefined {
    const code = this.#socket.authorizationError as unknown as string | null;
    if (code !== null) return Object.assign(new Error(code), { code });
    const { host, session } = this.#plan;
    if (host === undefined) return undefined;
    if (!this.#socket.isSessionReused()) return this.#hostProblem(host);
    // Node has no certificate now.
    const peer = session === undefined ? undefined : certificateOf(session);
    return peer !== undefined && isFor(peer, host) ? undefined : otherHost(host);
  }

  /** Node 22.23 knows no IPv6 address for one: OpenSSL has the last word on those. */
  #hostProblem(host: string): NodeTlsError | undefined {
    const problem = late.tls.checkServerIdentity(host, this.#socket.getPeerCertificate(true));
    if (problem === undefined || !isIPv6(host)) return problem;
    // Kept, since Node gives it once.
    this.#peer = this.#socket.getPeerX509Certificate();
    return this.#peer !== undefined && isFor(this.#peer, host) ? undefined : problem;
  }

  /** What is wrong with a client's certificate, or with there being none. */
  #clientProblem(): NodeTlsError | undefined {
    if (this.#plan.context.options.requestCert !== true) return undefined;
    const { ssl } = this.#socket as HiddenParts;
    if (typeof ssl?.verifyError !== 'function') return new Error('this runtime does not say what it makes of it');
    return ssl.verifyError() ?? undefined;
  }

  #note(problem: NodeTlsError | undefined): void {
    const socket = this.#socket;
    const cipher = socket.getCipher();
    const key = socket.getEphemeralKeyInfo() as { name?: string } | null;
    const resumed = socket.isSessionReused();
    const { session } = this.#plan;
    this.#peer ??= socket.getPeerX509Certificate();
    if (resumed && session !== undefined) this.#peer ??= certificateOf(session);
    this.#own = socket.getX509Certificate();
    const shown = this.#peer !== undefined;
    this.#details = {
      protocol: socket.getProtocol() ?? '',
      cipher: cipher.name,
      standardCipher: cipher.standardName,
      group: key?.name ?? '',
      signature: '',
      alpnProtocol: socket.alpnProtocol || '',
      servername: this.#plan.servername ?? ((socket as { servername?: string | false }).servername || ''),
      resumed,
      authorized: shown && problem === undefined && this.#judges(),
      authorizationError: shown ? problem?.code : undefined,
    };
  }

  #judges(): boolean {
    return this.#plan.role === 'client' || this.#plan.context.options.requestCert === true;
  }

  #refuse(error: Error): void {
    this.fail(error);
    this.#socket.destroy();
  }

  /** No handshake will come of it any more. */
  #over(error: unknown): void {
    handshakes.delete(this);
    this.#failure ??= error;
    this.#handshakers.fail(this.#failure);
  }

  protected override fail(error: unknown): void {
    if (this.destroyed) return;
    const { authorizationError } = this.#socket;
    const { code } = error as NodeTlsError;
    const judged = code !== undefined && code === (authorizationError as unknown);
    const typed = judged ? certificateError(error as Error) : nodeTlsError(error, { secured: this.#secured });
    super.fail(typed);
    this.#over(typed);
  }

  // ---------------------------------------------------------------- the byte stream

  override tryFill(atLeast?: number): ReturnType<NodeConnection['tryFill']> {
    this.#begin();
    return super.tryFill(atLeast);
  }

  override tryWrite(bytes: Uint8Array | readonly Uint8Array[]): ReturnType<NodeConnection['tryWrite']> {
    this.#begin();
    return super.tryWrite(bytes);
  }

  override tryWriteStable(parts: readonly Uint8Array[]): ReturnType<NodeConnection['tryWriteStable']> {
    this.#begin();
    return super.tryWriteStable(parts);
  }

  override ready(...args: Parameters<NodeConnection['ready']>): Promise<void> {
    const waiting = super.ready(...args);
    this.#begin();
    return waiting;
  }

  protected override mayPull(): boolean {
    return this.#secured && super.mayPull();
  }

  protected override pull(wanted: number): void {
    if (this.#secured) super.pull(wanted);
  }

  protected override blocked(): boolean {
    return !this.#secured || super.blocked();
  }

  /** close_notify, and then the end of the stream below. */
  protected override async endOutput(): Promise<void> {
    await this.handshake();
    await super.endOutput();
  }

  protected override inputEnded(): void {
    if (!this.#secured) return this.#refuse(endedInHandshake());
    const { truncation } = this.#plan;
    if (this.#closeNotified || truncation === 'end') return super.inputEnded();
    this.fail(truncatedError(this.input.offset + this.input.length));
  }

  protected override abandon(error: MiniprotoError | undefined): void {
    this.#over(error ?? new TransportError('ERR_STREAM_DESTROYED'));
    const { bytes } = this.#lower;
    const done = error === undefined && this.ended;
    // First, since Node's socket would have it end with care, and in its own time.
    if (done && this.#careful !== undefined) this.#lowerClosed = bytes?.close({ timeoutMs: this.#careful.leftMs });
    else if (!this.#released) bytes?.destroy(error);
    super.abandon(error);
  }

  /** Both have said close_notify, and then the stream below gets the time that is left. */
  override async close(options: CloseOptions = {}): Promise<void> {
    checkCloseOptions(options);
    this.#careful ??= new Deadline(options.timeoutMs ?? CLOSE_TIMEOUT_MS, options.signal);
    await super.close(options);
    await this.#lowerClosed;
  }

  override release(): ReleasedSocket {
    this.#released = true;
    const released = super.release();
    Reflect.deleteProperty(this.#socket, 'push');
    this.#lower.duplex.off('end', this.#onLowerEnd).off('error', this.#onLowerError);
    return released;
  }

  // ---------------------------------------------------------------- what is known of it

  get info(): TlsDetails | undefined {
    return this.#details;
  }

  get peerCertificate(): X509Certificate | undefined {
    return this.#peer;
  }

  get peerCertificates(): readonly X509Certificate[] {
    const all: X509Certificate[] = [];
    for (let one = this.#peer; one !== undefined; one = one.issuerCertificate) all.push(one);
    return all;
  }

  get certificate(): X509Certificate | undefined {
    return this.#own;
  }

  /** @returns false: Node has no way to it. */
  updateKeys(options: UpdateKeysOptions = {}): boolean {
    checkObject('options', options);
    if (options.requestPeer !== undefined) checkBoolean('options.requestPeer', options.requestPeer);
    return false;
  }

  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Buffer {
    checkInteger('length', length, 1, 2 ** 16);
    checkString('label', label);
    if (context !== undefined) checkUint8Array('context', context);
    if (!this.#secured || this.destroyed) throw new UsageError('ERR_TLS_NOT_SECURED');
    return this.#socket.exportKeyingMaterial(length, label, context as Buffer);
  }

  /** RFC 5929 §3.1: the first Finished message; the client's, but the server's where a session was taken up again. */
  get tlsUnique(): Buffer | undefined {
    if (this.#details?.protocol !== 'TLSv1.2') return undefined;
    const first = this.#details.resumed ? 'server' : 'client';
    return (first === this.#plan.role ? this.#socket.getFinished() : this.#socket.getPeerFinished()) ?? undefined;
  }

  unwrap(): Promise<never> {
    return Promise.reject(new UsageError('ERR_NOT_NATIVE', { message: "Node's TLS keeps the stream below" }));
  }

  override get addresses(): SocketAddresses {
    return this.#below()?.addresses ?? this.#addresses ?? NOWHERE;
  }

  override counters(): ConnectionCounters {
    const below = this.#below()?.counters();
    return below === undefined ? super.counters() : countersOf(this, below, below.memoryHeld);
  }

  override ref(): this {
    this.#below()?.ref();
    return super.ref();
  }

  override unref(): this {
    this.#below()?.unref();
    return super.unref();
  }

  /** The stream below, where it is a connection. */
  #below(): Connection | undefined {
    const { bytes } = this.#lower;
    return typeof (bytes as Partial<Connection> | undefined)?.counters === 'function'
      ? (bytes as Connection)
      : undefined;
  }
}

function otherHost(host: string): NodeTlsError {
  const error = new Error(`the session is not one with ${host}`);
  return Object.assign(error, { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}

const NOWHERE: SocketAddresses = {
  remoteAddress: undefined,
  remoteFamily: undefined,
  remotePort: undefined,
  localAddress: undefined,
  localFamily: undefined,
  localPort: undefined,
};
