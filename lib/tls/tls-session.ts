/**
 * One session of TLS, without the bytes: what TlsStream and SecureSocketStream share.
 *
 * It keeps the engine's id, says what the state means (secured, ended, failed with which error), fetches what is new,
 * chooses a context where the engine has paused at a client's hello, and watches the time of the handshake. Bytes are
 * its host's work, which calls `update` after everything that may have changed the state.
 *
 *   pause   contexts by name -> the callback -> the stream's own;  then `resume`, and the host goes on (`resumed`)
 */
import type { X509Certificate } from 'node:crypto';
import { checkBoolean, checkInteger, checkObject, checkString, checkUint8Array } from '../arguments.js';
import { LimitError, type MiniprotoError, TransportError, UsageError } from '../errors.js';
import { late } from '../late.js';
import { Sweep } from '../net/sweep.js';
import type { ReadyOptions } from '../streams/byte-stream.js';
import { Waiters } from '../streams/waiters.js';
import { TLS_ENDED, TLS_FAILED, TLS_NEWS, TLS_PAUSED, TLS_SECURED, type TlsInterface } from '../tls-interface.js';
import type { TlsPlan } from './options.js';
import type { TlsDetails, UpdateKeysOptions } from './secure-stream.js';
import type { TlsContext } from './tls-context.js';
import { endedInHandshake, failureError, refusedError, truncatedError } from './tls-errors.js';
import { parseTlsInfo } from './tls-info.js';

/** Who moves the bytes of a session. */
export interface SessionHost {
  /** The pause is over: opening without bytes gets further. May be called within `update`. */
  resumed(): void;
  /** The stream has to be destroyed with this error. Never called within `update`. */
  expired(error: MiniprotoError): void;
}

const handshakes = new Sweep();

export class TlsSession {
  readonly tls: TlsInterface;
  readonly role: 'client' | 'server';
  /** The engine's; -1 once closed. */
  id: number;
  readonly #plan: TlsPlan;
  readonly #host: SessionHost;
  #state = 0;
  #begunAt = Number.NaN;
  /** The pause is being dealt with. */
  #choosing = false;
  /** Why the handshake was refused here, where a callback threw. */
  #refusal: unknown;
  #failure: MiniprotoError | undefined;
  /** What was agreed on, as the engine has told it. */
  #told: string | undefined;
  #details: TlsDetails | undefined;
  /** The peer's certificates, DER; undefined: it has shown none, or nobody has asked yet. */
  #shown: readonly Uint8Array[] | undefined;
  #certificates: readonly X509Certificate[] | undefined;
  readonly #handshakers = new Waiters();

  /** @throws UsageError ERR_TLS_CONTEXT when OpenSSL refuses the context's settings. */
  constructor(tls: TlsInterface, plan: TlsPlan, host: SessionHost) {
    this.tls = tls;
    this.role = plan.role;
    this.#plan = plan;
    this.#host = host;
    const context = plan.context.idFor(
      tls,
      this.#contextUse({ pauses: plan.contexts !== undefined || plan.sniCallback !== undefined }),
    );
    const { servername, session } = plan;
    // A server has nothing to say, and objects are taken apart name by name.
    const settings = plan.role === 'server' ? undefined : { servername, host: plan.host, session };
    this.id = tls.openSession(context, settings);
  }

  #contextUse({ pauses }: { pauses: boolean }) {
    return { role: this.role, pauses, keyLog: this.#plan.onKeyLog !== undefined };
  }

  /** The handshake's time begins. Once; later calls do nothing. */
  begin(): void {
    if (!Number.isNaN(this.#begunAt)) return;
    this.#begunAt = performance.now();
    const { handshakeTimeoutMs } = this.#plan;
    if (handshakeTimeoutMs > 0) handshakes.add(this, handshakeTimeoutMs);
  }

  /** True once `begin` was called. */
  get begun(): boolean {
    return !Number.isNaN(this.#begunAt);
  }

  get secured(): boolean {
    return (this.#state & TLS_SECURED) !== 0;
  }

  /** The peer has said close_notify. */
  get ended(): boolean {
    return (this.#state & TLS_ENDED) !== 0;
  }

  get failed(): boolean {
    return (this.#state & TLS_FAILED) !== 0;
  }

  /** A context is being chosen: nothing can be opened. */
  get paused(): boolean {
    return (this.#state & TLS_PAUSED) !== 0;
  }

  /** What the session failed with, once `failed`. The same one every time. */
  get failure(): MiniprotoError | undefined {
    if (this.#failure !== undefined || !this.failed) return this.#failure;
    const failure = this.tls.failure(this.id);
    this.#failure = this.#refusal === undefined ? failureError(failure) : refusedError(this.#refusal);
    return this.#failure;
  }

  /**
   * Notes what the session is in now: fetches news, chooses a context, wakes those who wait for the handshake.
   * @param state TLS_* bits, where the caller has them already.
   * @returns the bits as they are after that.
   */
  update(state: number = this.tls.state(this.id)): number {
    const before = this.#state;
    this.#state = state;
    if ((state & (TLS_NEWS | TLS_PAUSED)) !== 0) this.#attend(state);
    const risen = this.#state & ~before;
    if ((risen & TLS_SECURED) !== 0) this.#secured();
    if ((risen & TLS_FAILED) !== 0) this.over(this.failure!);
    return this.#state;
  }

  #secured(): void {
    handshakes.delete(this);
    this.#handshakers.wake();
  }

  /** No handshake will come of it any more. @param error why; by default, the stream was destroyed. */
  over(error?: Error): void {
    handshakes.delete(this);
    if (this.awaited) this.#handshakers.fail(error ?? new TransportError('ERR_STREAM_DESTROYED'));
  }

  /** Resolves when the handshake is done; the host drives it. */
  whenSecured({ signal }: ReadyOptions): Promise<void> {
    if (this.secured) return Promise.resolve();
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return this.#handshakers.wait(signal);
  }

  /** True while somebody waits for the handshake. */
  get awaited(): boolean {
    return this.#handshakers.count > 0;
  }

  /** The stream below has ended, and not with close_notify. @returns what that is; undefined: an end like any other. */
  lowerEnded(offset: number): MiniprotoError | undefined {
    if (!this.secured) return endedInHandshake();
    return this.#plan.truncation === 'end' ? undefined : truncatedError(offset);
  }

  /** Lets go of the engine's session. What was agreed, and why it failed, stay. */
  close(): void {
    if (this.id < 0) return;
    handshakes.delete(this);
    this.#note();
    void this.failure;
    this.tls.closeSession(this.id);
    this.id = -1;
  }

  // ---------------------------------------------------------------- pauses and news

  #attend(state: number): void {
    if ((state & TLS_NEWS) !== 0) this.#fetchNews();
    if ((state & TLS_PAUSED) !== 0 && !this.#choosing) this.#choose();
  }

  #fetchNews(): void {
    for (const { kind, data } of this.tls.news(this.id)) {
      const listener = kind === 'session' ? this.#plan.onSession : this.#plan.onKeyLog;
      if (listener === undefined) continue;
      try {
        listener(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      } catch (error) {
        // The listener's, and no fault of the connection: as an event's listener that throws.
        process.nextTick(rethrow, error);
      }
    }
  }

  #choose(): void {
    this.#choosing = true;
    const hello = this.tls.hello(this.id);
    const { contexts, sniCallback } = this.#plan;
    const named = contexts === undefined ? undefined : contextFor(contexts, hello.servername);
    if (named !== undefined || sniCallback === undefined) return this.#resume(named);
    try {
      const answer = sniCallback(hello.servername.toLowerCase(), hello);
      if (!(answer instanceof Promise)) return this.#resume(answer);
      answer.then(
        (context) => this.#resume(context),
        (error: unknown) => this.#refuse(error),
      );
    } catch (error) {
      this.#refuse(error);
    }
  }

  #resume(context: TlsContext | undefined): void {
    // The stream may be gone by now.
    if (this.id < 0) return;
    let id: number;
    try {
      id = (context ?? this.#plan.context).idFor(this.tls, this.#contextUse({ pauses: false }));
    } catch (error) {
      return this.#refuse(error);
    }
    this.tls.resume(this.id, id);
    this.#state &= ~TLS_PAUSED;
    this.#host.resumed();
  }

  #refuse(error: unknown): void {
    if (this.id < 0) return;
    this.#refusal = error;
    this.tls.resume(this.id, -1);
    this.#state &= ~TLS_PAUSED;
    this.#host.resumed();
  }

  /** Internal: called by the sweep. */
  look(now: number): void {
    const { handshakeTimeoutMs } = this.#plan;
    if (now - this.#begunAt < handshakeTimeoutMs) return;
    handshakes.delete(this);
    const message = `the handshake has taken longer than ${handshakeTimeoutMs} ms`;
    const error = new LimitError('ERR_TLS_HANDSHAKE_TIMEOUT', { message, protocol: 'tls' });
    this.over(error);
    this.#host.expired(error);
  }

  // ---------------------------------------------------------------- what was agreed

  /** Asked for once: what was agreed does not change. */
  #note(): void {
    if (this.#told !== undefined || !this.secured || this.id < 0) return;
    this.#told = this.tls.info(this.id);
    this.#shown = this.tls.peerCertificates(this.id);
  }

  get details(): TlsDetails | undefined {
    this.#note();
    if (this.#told !== undefined) this.#details ??= detailsOf(this.#told);
    return this.#details;
  }

  get peerCertificates(): readonly X509Certificate[] {
    this.#note();
    if (this.#shown === undefined) return [];
    this.#certificates ??= this.#shown.map((der) => new late.crypto.X509Certificate(der));
    return this.#certificates;
  }

  /** Not kept once closed. */
  get certificate(): X509Certificate | undefined {
    const der = this.secured && this.id >= 0 ? this.tls.certificate(this.id) : undefined;
    return der === undefined ? undefined : new late.crypto.X509Certificate(der);
  }

  /** The host sends what waits after it. */
  updateKeys(options: UpdateKeysOptions): boolean {
    checkObject('options', options);
    const { requestPeer = false } = options;
    checkBoolean('options.requestPeer', requestPeer);
    return this.secured && this.id >= 0 && this.tls.updateKeys(this.id, requestPeer ? 1 : 0);
  }

  exportKeyingMaterial(length: number, label: string, context: Uint8Array | undefined): Buffer {
    checkInteger('length', length, 1, 2 ** 16);
    checkString('label', label);
    if (context !== undefined) checkUint8Array('context', context);
    if (!this.secured || this.id < 0) throw new UsageError('ERR_TLS_NOT_SECURED');
    return asBuffer(this.tls.exportKeyingMaterial(this.id, length, label, context));
  }

  /** RFC 5929 §3.1: the first Finished message; the client's, but the server's where a session was taken up again. */
  get tlsUnique(): Buffer | undefined {
    const agreed = this.details;
    if (agreed === undefined || agreed.protocol !== 'TLSv1.2' || this.id < 0) return undefined;
    const first = agreed.resumed ? 'server' : 'client';
    return asBuffer(this.tls.finished(this.id, first === this.role ? 0 : 1));
  }
}

function detailsOf(told: string): TlsDetails {
  const { verifyError, verifyReason: _, peerShown, alpn, ...agreed } = parseTlsInfo(told);
  return {
    ...agreed,
    alpnProtocol: alpn,
    authorized: verifyError === '' && peerShown,
    authorizationError: verifyError === '' ? undefined : verifyError,
  };
}

/** The exact name, else the one with a wildcard for the first label. Pre: the map's names are lower case. */
export function contextFor(contexts: NonNullable<TlsPlan['contexts']>, servername: string): TlsContext | undefined {
  const name = servername.toLowerCase();
  const dot = name.indexOf('.');
  return contexts[name] ?? (dot > 0 ? contexts[`*${name.slice(dot)}`] : undefined);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function rethrow(error: unknown): never {
  throw error;
}
