/**
 * What every byte stream shares: the input buffer, the waits, the first error that sticks, the careful close.
 *
 * A subclass says how to get bytes (`pull`), how to hand bytes on (`push`), whether they have left (`flushed`), and how
 * to end either way. It calls `wakeReaders`, `wakeWriters`, `inputEnded` and `fail` when its layer below says so.
 *
 * Over 400 lines, because a stream's ends, failures and careful close are one state.
 */
import { setMaxListeners } from 'node:events';
import { inspect } from 'node:util';
import { checkInteger, checkObject, checkOneOf, checkSignal, checkUint8Array, invalidArgType } from '../arguments.js';
import { checkAttached, InputBuffer } from '../bytes/input-buffer.js';
import { isUnstable } from '../bytes/output-buffer.js';
import { asTransportError, type MiniprotoError, TransportError, UsageError } from '../errors.js';
import {
  BY_REFERENCE_FROM,
  CLOSE_DISCARD_BYTES,
  CLOSE_TIMEOUT_MS,
  DEFAULT_READ_HIGH_WATER_MARK,
  LARGEST_MAX_LENGTH,
} from '../limits.js';
import { EOF, type Eof, NEED_WRITE, type NeedRead, type NeedWrite, NOT_READY, type NotReady } from '../status.js';
import type { ByteStream, CloseOptions, ReadyOptions, Watcher } from './byte-stream.js';
import { Waiters } from './waiters.js';

export interface StreamOptions {
  /** Bytes that are read ahead of the reader, unless more are asked for. Default 64 KiB. */
  readHighWaterMark?: number;
}

/** Who reads and writes a stream, as far as that has to know. */
export interface StreamHolder {
  /** `letGo`: see framed/conversations.ts. */
  readonly conversation: { letGo(): Buffer; readonly givesBack?: boolean } | undefined;
}

/** What is known of a stream's end, or waits for room: made with the first of it, since idle connections are many. */
class Ending {
  /** The first error; it sticks. */
  error: MiniprotoError | undefined = undefined;
  /** The first error of the output alone: reading goes on. */
  outputFailure: MiniprotoError | undefined = undefined;
  abandoned = false;
  /** The peer has ended its side. */
  inputEnded = false;
  /** `end()` was called. */
  outputEnded = false;
  /** What `end()` waits for. */
  leaving: Promise<void> | undefined = undefined;
  closing: Promise<void> | undefined = undefined;
  drops = false;
  /** Those who wait to write: few ever do. */
  writers: Waiters | undefined = undefined;
}

/** What ended the stream. Made when somebody asks: most streams are destroyed after their end, and nobody does. */
function failureOf(end: Ending): MiniprotoError | undefined {
  if (end.error === undefined && end.abandoned) end.error = new TransportError('ERR_STREAM_DESTROYED');
  return end.error;
}

export abstract class BaseStream implements ByteStream {
  readonly input = new InputBuffer();
  /** Who reads and writes it; framed/conversations.ts knows what that is. Internal. */
  holder: StreamHolder | undefined;
  protected readonly readHighWaterMark: number;
  /** Made for the first who waits, and gone with the last. */
  #readers: Waiters | undefined;
  #end: Ending | undefined;
  /** Hears of arrivals at once; set by streams that can tell of them outside of anybody's call. */
  protected watcher: Watcher | undefined;

  constructor(options: StreamOptions = {}) {
    const { readHighWaterMark = DEFAULT_READ_HIGH_WATER_MARK } = options;
    checkInteger('options.readHighWaterMark', readHighWaterMark, 1, LARGEST_MAX_LENGTH);
    this.readHighWaterMark = readHighWaterMark;
  }

  /** One attempt to move bytes from the layer below to `input`, until `wanted` are in it or nothing more comes now. */
  protected abstract pull(wanted: number): void;
  /** Hands bytes on, which nobody will change. @returns how many were taken (0: would block). */
  protected abstract push(parts: readonly Uint8Array[]): number;
  /** True when everything taken has left. */
  protected abstract flushed(): boolean;
  /** Tells the layer below that no more output comes. @returns undefined where that waits for nothing. */
  protected abstract endOutput(): Promise<void> | undefined;
  /** Lets go of the layer below at once. */
  protected abstract abandon(error: MiniprotoError | undefined): void;
  /** True when a write would be refused now. */
  protected abstract blocked(): boolean;
  abstract get pendingOutput(): number;

  /** Nothing can ever be written: then no peer can lose what we said, and `close` waits for no end. */
  get readsOnly(): boolean {
    return false;
  }

  get pendingRead(): NotReady | NeedWrite | Eof | undefined {
    if (this.destroyed) return undefined;
    if (this.ended) return EOF;
    return this.mayPull() ? undefined : NOT_READY;
  }

  get pendingWrite(): NotReady | NeedRead | undefined {
    return !this.destroyed && this.blocked() ? NOT_READY : undefined;
  }

  /** True when the layer below is known to hold bytes. */
  protected mayPull(): boolean {
    return false;
  }

  tryFill(atLeast = 1): number | NotReady | NeedWrite | Eof {
    const input = this.input;
    if (!(Number.isSafeInteger(atLeast) && atLeast >= 0)) checkInteger('atLeast', atLeast, 0);
    if (input.length >= atLeast) return input.length;
    if (!this.destroyed && !this.ended) {
      this.pull(Math.max(atLeast, this.readHighWaterMark));
      if (input.length >= atLeast) return input.length;
    }
    if (this.#end === undefined) return NOT_READY;
    const failure = failureOf(this.#end);
    if (failure !== undefined) throw failure;
    return this.#end.inputEnded ? EOF : NOT_READY;
  }

  tryWrite(bytes: Uint8Array | readonly Uint8Array[]): number | NotReady | NeedRead {
    const parts = this.partsOf(bytes);
    if (this.blocked() && this.mayWrite()) return NOT_READY;
    return this.tryWriteStable(parts.map(stable));
  }

  /** @throws ERR_INVALID_ARG_TYPE; UsageError ERR_PAYLOAD_DETACHED */
  protected partsOf(bytes: Uint8Array | readonly Uint8Array[]): readonly Uint8Array[] {
    const parts = bytes instanceof Uint8Array ? [bytes] : bytes;
    if (!Array.isArray(parts)) throw invalidArgType('bytes', 'an instance of Uint8Array or an array of them', bytes);
    for (const part of parts) {
      checkUint8Array('bytes', part);
      checkAttached(part);
    }
    return parts;
  }

  tryWriteStable(parts: readonly Uint8Array[]): number | NotReady | NeedRead {
    this.mayWrite();
    const some = parts.some(isEmpty) ? parts.filter((part) => !isEmpty(part)) : parts;
    if (some.length === 0) return 0;
    if (this.blocked()) return NOT_READY;
    const taken = this.push(some);
    return taken === 0 ? NOT_READY : taken;
  }

  /** @throws what keeps the stream from taking output. */
  protected checkWritable(): void {
    this.mayWrite();
  }

  private mayWrite(): true {
    if (this.#end === undefined) return true;
    this.checkOutput();
    if (this.#end.outputEnded) throw new UsageError('ERR_STREAM_ENDED');
    return true;
  }

  private checkOutput(): void {
    const failure = this.outputFailure();
    if (failure !== undefined) throw failure;
  }

  private outputFailure(): MiniprotoError | undefined {
    return this.#end === undefined ? undefined : (failureOf(this.#end) ?? this.#end.outputFailure);
  }

  private ending(): Ending {
    this.#end ??= new Ending();
    return this.#end;
  }

  private inputOver(): Ending {
    this.input.noMore();
    return this.ending();
  }

  tryFlush(): true | NotReady | NeedRead {
    this.checkOutput();
    return this.flushed() ? true : NOT_READY;
  }

  ready(direction: 'read' | 'write', options: ReadyOptions = {}): Promise<void> {
    checkOneOf('direction', direction, ['read', 'write']);
    checkObject('options', options);
    if (options.signal !== undefined) checkSignal('options.signal', options.signal);
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const failure = direction === 'write' ? this.outputFailure() : this.#end && failureOf(this.#end);
    if (failure !== undefined) return Promise.reject(failure);
    if (direction === 'write') {
      return this.flushed() && !this.blocked() ? Promise.resolve() : this.waitToWrite(options.signal);
    }
    if (this.ended || this.mayPull()) return Promise.resolve();
    this.#readers ??= new Waiters();
    return this.#readers.wait(options.signal);
  }

  private waitToWrite(signal: AbortSignal | undefined): Promise<void> {
    const end = this.ending();
    end.writers ??= new Waiters();
    return end.writers.wait(signal);
  }

  end(): Promise<void> {
    try {
      return this.beginEnd() ?? ENDED;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @returns undefined where nobody has to be waited for. @throws what keeps the output from being ended. */
  private beginEnd(): Promise<void> | undefined {
    this.checkOutput();
    const end = this.ending();
    if (end.outputEnded) return end.leaving;
    end.outputEnded = true;
    try {
      end.leaving = this.endOutput();
    } catch (error) {
      // Whoever ends it again hears of it again.
      end.leaving = Promise.reject(error);
    }
    return end.leaving;
  }

  close(options: CloseOptions = {}): Promise<void> {
    try {
      // Before the promise that is kept: a wrong argument must leave the stream to be closed.
      checkCloseOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    const end = this.ending();
    end.closing ??= this.closeAtOnce() ? ENDED : this.closeWithCare(options);
    return end.closing;
  }

  /** Where the peer has ended as well there is mostly nothing to wait for. @returns whether it is closed. */
  private closeAtOnce(): boolean {
    if (!this.ended || this.destroyed) return false;
    try {
      // The same promise, where there is one, is what closing with care gets.
      if (this.beginEnd() !== undefined) return false;
    } catch {
      return false;
    }
    this.ending().drops = true;
    this.input.consume(this.input.length);
    this.destroy();
    return true;
  }

  private async closeWithCare({ timeoutMs = CLOSE_TIMEOUT_MS, signal }: CloseOptions): Promise<void> {
    const deadline = new Deadline(timeoutMs, signal);
    try {
      // `end` has no deadline of its own: a peer that never reads must not hold us.
      const leaving = this.beginEnd();
      const left = leaving && Promise.race([leaving, new Waiters().wait(deadline.signal)]);
      // A peer that closes too waits for us to read, as we do for it. What keeps us from reading loses no last bytes.
      const heard = this.readsOnly ? undefined : this.discardInput(left, deadline).catch(ignore);
      await Promise.all([left, heard]);
    } catch {
      // The peer, or the deadline: either way nothing more can be done for the last bytes.
    } finally {
      deadline.clear();
    }
    this.destroy();
  }

  /**
   * Reads to the peer's end, so that the kernel has no unread input to answer with a reset.
   * @param leaving our last bytes: how much comes before they have left is not counted, the deadline bounds it.
   */
  private async discardInput(leaving: Promise<void> | undefined, deadline: Deadline): Promise<void> {
    this.ending().drops = true;
    let left = leaving === undefined ? CLOSE_DISCARD_BYTES : Number.POSITIVE_INFINITY;
    leaving?.then(() => {
      left = CLOSE_DISCARD_BYTES;
    }, ignore);
    for (;;) {
      left -= this.input.length;
      this.input.consume(this.input.length);
      if (left <= 0) return;
      const answer = this.tryFill(1);
      if (answer === EOF) return;
      if (typeof answer === 'number') continue;
      await this.ready(answer === NEED_WRITE ? 'write' : 'read', { signal: deadline.signal });
    }
  }

  destroy(error?: Error): void {
    const end = this.inputOver();
    if (end.abandoned) return;
    end.abandoned = true;
    const reason = error === undefined ? undefined : asTransportError(error);
    end.error ??= reason;
    // A stream that has failed on its own still has a layer below to let go of.
    this.abandon(reason);
    if (this.awaited) this.#readers!.fail(reason ?? failureOf(end));
    if (this.awaitedWrite) end.writers!.fail(reason ?? failureOf(end));
    this.watcher?.arrived(NO_TABLE, 0, 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** True once the stream has failed or was destroyed. */
  get destroyed(): boolean {
    const end = this.#end;
    return end !== undefined && (end.abandoned || end.error !== undefined);
  }

  /** True once `destroy` was called. Internal. */
  get abandoned(): boolean {
    return this.#end?.abandoned === true;
  }

  /** True while `close` drops what comes. Internal. */
  get drops(): boolean {
    return this.#end?.drops === true && !this.abandoned;
  }

  /** True once the peer has ended its side; `input` may hold bytes all the same. */
  get ended(): boolean {
    return this.#end?.inputEnded === true;
  }

  [inspect.custom](): string {
    const state = this.destroyed ? 'destroyed' : this.ended ? 'ended' : 'open';
    return `${this.constructor.name} { ${state}, unread: ${this.input.length}, unsent: ${this.pendingOutput} }`;
  }

  protected wakeReaders(): void {
    this.wakeWaiting();
    this.watcher?.arrived(NO_TABLE, 0, 0);
  }

  /** Wakes those who wait in `ready`, for a stream that tells its watcher itself. */
  protected wakeWaiting(): void {
    const readers = this.#readers;
    this.#readers = undefined;
    readers?.wake();
  }

  /** True while somebody waits in `ready('read')`. */
  protected get awaited(): boolean {
    return this.#readers !== undefined && this.#readers.count > 0;
  }

  /** True while somebody waits in `ready('write')`. */
  protected get awaitedWrite(): boolean {
    const writers = this.#end?.writers;
    return writers !== undefined && writers.count > 0;
  }

  protected wakeWriters(): void {
    const end = this.#end;
    const writers = end?.writers;
    if (writers === undefined) return;
    end!.writers = undefined;
    writers.wake();
  }

  protected inputEnded(): void {
    this.inputOver().inputEnded = true;
    this.wakeReaders();
  }

  /** The layer below failed: what is in `input` can still be read, then `error` is thrown. */
  protected fail(error: unknown): void {
    if (this.destroyed) return;
    const end = this.inputOver();
    end.error = asTransportError(error);
    end.writers?.fail(end.error);
    this.wakeReaders();
  }

  /** The output failed and the input may go on: a child that closed its stdin still has things to say. */
  protected failOutput(error: unknown): void {
    const end = this.ending();
    end.outputFailure ??= asTransportError(error);
    end.writers?.fail(end.outputFailure);
  }
}

/** @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE */
export function checkCloseOptions(options: CloseOptions): void {
  checkObject('options', options);
  const { timeoutMs, signal } = options;
  if (timeoutMs !== undefined) checkInteger('options.timeoutMs', timeoutMs, 0, 2 ** 31 - 1);
  checkSignal('options.signal', signal);
}

/**
 * A time that will be up, and a signal for it, made when somebody has to wait. AbortSignal.timeout lets the process end
 * meanwhile, and cannot be taken back.
 */
export class Deadline {
  readonly #endsAt: number;
  readonly #outer: AbortSignal | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Ends the time; made with the controller. */
  #end: (() => void) | undefined;

  /** @param outer a signal that ends the time early */
  constructor(timeoutMs: number, outer: AbortSignal | undefined) {
    checkInteger('options.timeoutMs', timeoutMs, 0, 2 ** 31 - 1);
    this.#endsAt = performance.now() + timeoutMs;
    this.#outer = outer;
  }

  /** Milliseconds that are left. */
  get leftMs(): number {
    return this.#outer?.aborted ? 0 : Math.max(0, Math.round(this.#endsAt - performance.now()));
  }

  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    this.#end = () => this.#controller!.abort(this.#outer?.aborted ? this.#outer.reason : undefined);
    this.#controller = new AbortController();
    // A server's is that of all its connections: Node would warn of a leak from the eleventh on.
    setMaxListeners(0, this.#controller.signal);
    this.#timer = setTimeout(this.#end, this.leftMs);
    // A listener, not AbortSignal.any: an AbortSignal.timeout that only a composed signal knows of may be collected.
    this.#outer?.addEventListener('abort', this.#end, { once: true });
    if (this.#outer?.aborted) this.#end();
    return this.#controller.signal;
  }

  clear(): void {
    if (this.#controller === undefined) return;
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#end!);
  }
}

const NO_TABLE = new Int32Array(0);
const ENDED = Promise.resolve();
const isEmpty = (part: Uint8Array): boolean => part.length === 0;
const ignore = (): void => {
  // Whoever waits for it is told; here it changes nothing.
};

/** Memory that will not change: small payloads, and such that may change their size or belong to other threads, are copied. */
function stable(bytes: Uint8Array): Uint8Array {
  return bytes.length < BY_REFERENCE_FROM || isUnstable(bytes) ? Buffer.from(bytes) : bytes;
}
