/**
 * A byte stream over any Node stream: socket, TLS socket, pipe, HTTP/2 stream, child's stdio, a pair of two.
 *
 * It pulls with `read()`, so what the Node stream has buffered already is simply the first input. `read()` gives
 * everything buffered on Node 20 and one chunk at a time from Node 26 on; the loop here is right for both. Once somebody
 * has waited, chunks are taken as they come (flow.ts), until the input is full: then the stream stops at its own
 * high-water mark. `release()` takes the listeners away and gives unread bytes back. The file of an `fs.ReadStream` is
 * read in its place where that is the same to everybody, see taken-file.ts.
 *
 * Over 400 lines, because what a Node stream tells and what is done to it are one state.
 */
import { Socket } from 'node:net';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { describe } from '../arguments.js';
import { isPage } from '../bytes/pages.js';
import { viewOf } from '../bytes/view.js';
import { type MiniprotoError, TransportError, UsageError } from '../errors.js';
import { NOT_READY, type NotReady } from '../status.js';
import { BaseStream, type StreamOptions } from './base-stream.js';
import type { Watcher } from './byte-stream.js';
import { Flow } from './flow.js';
import { checkBytes, claim, type NodeSides, type NodeStreamLike, sidesOf, unclaim } from './node-sides.js';
import { type TakenFile, takeFile } from './taken-file.js';

/**
 * Reads in a row that gave a crumb, from which on a stream that gives them by itself costs less; and bytes of one, at most:
 * of larger ones too few fit below the mark to make up for starting and stopping it.
 */
const MANY_CRUMBS = 64;
const CRUMB = 512;

/** Writes of ours that are under way, in whichever stream: what arrives meanwhile is told of in the next tick. */
let writes = 0;

/** A byte stream over a Node stream, or over two of them. `framed` makes one of whatever Node stream it is given. */
export class DuplexStream extends BaseStream {
  readonly #readable: Readable | undefined;
  readonly #writable: Writable | undefined;
  /** How the readable side tells of its chunks. */
  readonly #flow: Flow | undefined;
  #released = false;
  /** The Node stream was looked at: what it reads is a file of ours, or it reads for itself. */
  #begun = false;
  /** What reads in the place of a Node stream that is a file's. */
  #file: TakenFile | undefined;
  /** `write` answered false and 'drain' has not come; for streams of old packages, which cannot be asked. */
  #refused = false;
  /** The Node stream had `allowHalfOpen: false`, and `keepOpen` has changed that. */
  #keptOpen = false;
  /** Bytes have come since the last pull. */
  #fresh = false;
  /** The source makes small chunks when it is read, many at once. */
  #crumbs = false;
  /** Chunks that have come since it began to flow for that. */
  #burst = 0;
  /** A tick is on its way that tells of them. */
  #telling = false;
  /** Bytes of input from which a chunk that comes is the last for now. */
  #mark: number;
  /** Writes of ours whose callback has yet to come. */
  #writing = 0;

  /**
   * @param source a Duplex, a Readable, a Writable, or `{ readable, writable }`. It may have bytes buffered.
   * @throws ERR_INVALID_ARG_TYPE; ERR_INVALID_ARG_VALUE when it has an encoding, or its
   * writable side is in object mode (a readable side may be, as that of `Readable.from` is: its chunks are checked);
   * UsageError ERR_STREAM_IN_USE when another DuplexStream has it.
   */
  constructor(source: NodeStreamLike, options: StreamOptions = {}) {
    super(options);
    const sides = sidesOf(source);
    checkBytes(sides);
    claim(sides);
    const { readable, writable } = sides;
    this.#readable = readable;
    this.#writable = writable;
    this.#mark = this.readHighWaterMark;
    if (readable !== undefined) {
      this.#flow = new Flow(readable, this.#onData, this.#onReadable);
      this.#adoptReadable(readable);
    }
    if (writable !== undefined) this.#adoptWritable(writable);
    if (readable === undefined) this.inputEnded();
  }

  /**
   * Node ends our side within the tick in which the peer's end is seen, before anybody could answer it. This keeps it
   * open instead. @returns true when it did, and whoever reads has to end our side once the end was given out.
   */
  keepOpen(): boolean {
    const duplex = this.#writable as Duplex | undefined;
    if (duplex === undefined || duplex !== (this.#readable as unknown) || this.ended) return false;
    if (duplex.allowHalfOpen !== false) return false;
    duplex.allowHalfOpen = true;
    this.#keptOpen = true;
    return true;
  }

  #adoptReadable(readable: Readable): void {
    readable.on('error', this.#onError).on('close', this.#onReadableClose).on('end', this.#onEnd);
    if (readable.readableEnded) this.inputEnded();
    else if (readable.destroyed) this.#onReadableClose();
  }

  #adoptWritable(writable: Writable): void {
    // Once it was ended there is no 'drain': then 'finish' says that the last bytes have left.
    writable.on('drain', this.#onDrain).on('finish', this.#onDrain).on('close', this.#onWritableClose);
    if (writable !== (this.#readable as unknown)) writable.on('error', this.#onWritableError);
  }

  /** The readable side, or undefined. */
  get readable(): Readable | undefined {
    return this.#readable;
  }

  /** The writable side, or undefined. */
  get writable(): Writable | undefined {
    return this.#writable;
  }

  /** Sockets read into memory of their own; what others give may be the very bytes that somebody wrote. Internal. */
  get sharesInput(): boolean {
    const readable = this.#readable as { _handle?: unknown; rstCode?: number } | undefined;
    const isSocket = this.#readable instanceof Socket && readable?._handle != null;
    return !isSocket && readable?.rstCode === undefined;
  }

  /**
   * A plain socket gives its bytes to the system, and is done with them when it says so: what another stream has taken may
   * be somebody else's by then, and what an encrypted one has is sent later. Internal.
   */
  get freesSent(): boolean {
    const socket = this.#writable;
    if (!(socket instanceof Socket) || Object.getPrototypeOf(socket) !== Socket.prototype) return false;
    // Some packages put methods of their own in the place of Node's, to see what is sent.
    return socket.write === Duplex.prototype.write && socket._write === Socket.prototype._write;
  }

  get pendingOutput(): number {
    return this.#writable?.writableLength ?? 0;
  }

  override get readsOnly(): boolean {
    return this.#writable === undefined;
  }

  protected override mayPull(): boolean {
    return (
      (this.#fresh && this.input.length > 0) ||
      ((this.#readable?.readableLength ?? 0) > 0 && !this.#bursts()) ||
      this.#file?.mayPull === true
    );
  }

  /** What lies in the Node stream comes by itself, in a tick. */
  #bursts(): boolean {
    return this.#crumbs && this.#flow!.flowing && this.#readable!.readableFlowing !== false;
  }

  protected pull(wanted: number): void {
    const readable = this.#readable;
    if (readable === undefined || this.#released) return;
    this.#begin(readable);
    this.#fresh = false;
    this.#mark = wanted;
    // What comes will be told. And a read within the event of a chunk reaches some sources in the middle of a write.
    if (this.#flow!.flowing && readable.readableFlowing !== false && readable.errored == null) return;
    if (this.#crumbs && readable.readable && this.#startBurst(readable, wanted)) return;
    if (this.#file?.pull(wanted) !== true && !this.#readChunks(readable, wanted)) return;
    // A stream that has ended emits 'end' a tick after its last read; there is no reason to wait for that.
    if (readable.readableEnded) this.inputEnded();
    else if (readable.errored != null && !this.mayPull()) this.fail(readable.errored);
  }

  /** Has the source of small chunks flow, behind what lies there. @returns false where too much of that lies there. */
  #startBurst(readable: Readable, wanted: number): boolean {
    const chunk: unknown = readable.readableLength > 0 ? readable.read() : null;
    if (chunk !== null) this.#take(chunk);
    if (this.destroyed || this.input.length >= wanted) return true;
    // A source that makes a chunk for each that is read has one lying there.
    if (readable.readableLength > CRUMB) return false;
    this.#burst = 0;
    this.#flow!.start();
    return this.#flow!.flowing;
  }

  /** @returns false when the Node stream gave something that is no bytes: then this stream has failed. */
  #readChunks(readable: Readable, wanted: number): boolean {
    const flow = this.#flow!;
    const { input } = this;
    let crumbs = 0;
    while (input.length < wanted && crumbs < MANY_CRUMBS) {
      const { flowing } = flow;
      const before = input.length;
      const lay = readable.readableLength;
      const chunk: unknown = readable.read();
      if (chunk === null) break;
      if (!flowing) this.#take(chunk);
      if (this.destroyed) return false;
      // What lies there already costs no tick; a read that leaves as much made another chunk.
      const made = lay === 0 || readable.readableLength >= lay;
      crumbs = made && input.length - before < CRUMB ? crumbs + 1 : 0;
    }
    this.#crumbs = crumbs === MANY_CRUMBS;
    this.#fresh = false;
    return true;
  }

  #readBuffered(readable: Readable): void {
    while (readable.readableLength > 0) {
      const chunk: unknown = readable.read();
      if (chunk === null) return;
      this.#take(chunk);
    }
  }

  #take(chunk: unknown): void {
    if (chunk instanceof Uint8Array) this.input.append(chunk);
    else
      this.fail(new UsageError('ERR_TRANSPORT', { message: `the Node stream gave ${describe(chunk)}, and no bytes` }));
  }

  /** Takes what a stream that is going down holds: those bytes came before its failure. */
  #rescue(): void {
    if (this.ended || this.destroyed || !this.mayPull()) return;
    // A stream that is going down gives its chunks to no listener.
    this.#flow?.stop();
    this.pull(Number.POSITIVE_INFINITY);
  }

  /** Before the first read: the file of a file's stream is read in its place. */
  #begin(readable: Readable): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#file = takeFile(readable, { input: this.input, wake: this.#onReadable, givenBack: this.#onGivenBack });
    if (this.#file === undefined) this.#flow!.begin();
  }

  /** Somebody waits, and may not have tried. */
  #expect(): void {
    if (this.#readable === undefined || this.#released) return;
    this.#begin(this.#readable);
    if (this.#file === undefined) this.#flow!.start();
    else this.#file.startReading();
  }

  override ready(...args: Parameters<BaseStream['ready']>): Promise<void> {
    if (args[0] === 'read') this.#expect();
    if (args[0] === 'write') this.#watchWrites();
    return super.ready(...args);
  }

  /** Internal, see Watcher. */
  watch(watcher: Watcher | undefined): void {
    if (watcher !== undefined) this.#expect();
    this.watcher = watcher;
  }

  /**
   * What somebody wrote before us, and what a socket was given, ends without an event, unless the mark was reached: an
   * empty write behind it tells.
   */
  #watchWrites(): void {
    const writable = this.#writable;
    if (writable === undefined || this.#writing > 0 || this.#released) return;
    if (this.flushed() || this.blocked() || writable.writableEnded || writable.destroyed) return;
    this.#writing++;
    writable.write(EMPTY, this.#onWritten);
  }

  protected push(parts: readonly Uint8Array[]): number {
    const writable = this.#usableWritable();
    const last = parts.length - 1;
    let taken = 0;
    writes++;
    try {
      if (last > 0) writable.cork();
      for (let i = 0; i <= last; i++) {
        const part = parts[i]!;
        taken += part.length;
        if (i < last) writable.write(part);
        else this.#writeLast(writable, part);
      }
      if (last > 0) writable.uncork();
    } finally {
      writes--;
    }
    return taken;
  }

  /** Internal: one piece needs neither a list nor a gather write. */
  tryWriteRange(bytes: Buffer, from: number, to: number): number | NotReady {
    this.checkWritable();
    if (this.blocked()) return NOT_READY;
    const writable = this.#usableWritable();
    writes++;
    try {
      this.#writeLast(writable, viewOf(bytes, from, to));
    } finally {
      writes--;
    }
    return to - from;
  }

  /** Sockets mostly write at once, and a callback would cost a tick for each write: see `#watchWrites`. */
  #writeLast(writable: Writable, part: Uint8Array): void {
    if (writable instanceof Socket) {
      writable.write(part);
      return;
    }
    this.#refused = !writable.write(part, this.#onWritten);
    this.#writing++;
  }

  /** Sockets, pipes and files of Node mostly write at once: what they are given here leaves, as far as the system has room. */
  writeAtExit(parts: readonly Uint8Array[]): number {
    return this.push(parts);
  }

  #usableWritable(): Writable {
    const writable = this.#writable;
    if (writable === undefined || this.#released) {
      throw new UsageError('ERR_STREAM_ENDED', { message: 'the Node stream has no writable side' });
    }
    if (writable.writableEnded) throw new UsageError('ERR_STREAM_ENDED');
    if (writable.destroyed) throw new TransportError('ERR_STREAM_PREMATURE_CLOSE', cause(writable.errored));
    return writable;
  }

  protected blocked(): boolean {
    const writable = this.#writable;
    // What a write has sent at once is gone, although the stream says so a tick later.
    return writable !== undefined && (writable.writableNeedDrain ?? this.#refused) && writable.writableLength !== 0;
  }

  protected flushed(): boolean {
    return (this.#writable?.writableLength ?? 0) === 0;
  }

  protected endOutput(): Promise<void> {
    const writable = this.#writable;
    if (writable === undefined || writable.writableFinished) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onClose = () => reject(new TransportError('ERR_STREAM_PREMATURE_CLOSE', cause(writable.errored)));
      writable.once('close', onClose);
      // Node calls back with an error too, although its types say otherwise.
      writable.end((error?: Error | null) => {
        writable.off('close', onClose);
        if (error == null || writable.writableFinished) resolve();
        else reject(new TransportError('ERR_STREAM_PREMATURE_CLOSE', { cause: error }));
      });
      if (writable.destroyed) onClose();
    });
  }

  protected abandon(error: MiniprotoError | undefined): void {
    if (this.#released) return;
    // Whoever called `destroy(error)` has the error; a Node stream without listeners would throw it at the process.
    const reason = error?.cause instanceof Error ? error.cause : error;
    this.#readable?.destroy(reason);
    if (this.#writable !== (this.#readable as unknown)) this.#writable?.destroy(reason);
  }

  /**
   * Gives the Node stream back: listeners are removed, bytes that were read and not consumed are unshifted, and what was
   * written to a framed stream or a WebSocket and has not left is written first. This stream is destroyed by it, the Node stream is not.
   * @returns what the stream was made of.
   * @throws UsageError ERR_UNREAD_INPUT when bytes are left and the Node stream has ended: it cannot take them back.
   */
  release(): NodeSides {
    const [readable, writable] = [this.#readable, this.#writable];
    const conversation = this.holder?.conversation;
    const ended = readable?.readableEnded === true;
    // A stream that has ended takes nothing back. A framed stream consumes what it has given out when it lets go.
    if (ended && conversation?.givesBack === true) throw new UsageError('ERR_UNREAD_INPUT');
    const unsent = conversation?.letGo();
    if (ended && this.input.length > 0) throw new UsageError('ERR_UNREAD_INPUT');
    this.#released = true;
    this.#file?.giveBack();
    this.#flow?.release();
    // What we have been told of and have not read, Node would tell nobody of again.
    if (this.#begun && readable?.readableObjectMode === false) this.#readBuffered(readable);
    const rest = this.input.peek(this.input.length);
    if (this.#keptOpen) (writable as Duplex).allowHalfOpen = false;
    readable?.off('end', this.#onEnd).off('close', this.#onReadableClose).off('error', this.#onError);
    writable?.off('drain', this.#onDrain).off('finish', this.#onDrain).off('close', this.#onWritableClose);
    writable?.off('error', this.#onError).off('error', this.#onWritableError);
    unclaim({ readable, writable });
    // Copied where it may be written again: it will be kept for longer than this stream knows.
    if (rest.length > 0) readable?.unshift(isPage(rest.buffer) ? Buffer.from(rest) : rest);
    this.input.consume(rest.length);
    this.destroy();
    if (unsent !== undefined && unsent.length > 0) writable?.write(unsent);
    return { readable, writable };
  }

  #tell(): void {
    const { input, watcher } = this;
    if (watcher?.saysNeed === true && input.length < input.needed && !this.destroyed) this.wakeWaiting();
    else this.wakeReaders();
  }

  /** Tells once of all chunks that come in one go: a push would look at each by itself. */
  #tellOfBurst(): void {
    this.#burst++;
    if (this.#telling) return;
    this.#telling = true;
    process.nextTick(() => {
      this.#telling = false;
      this.#tell();
    });
  }

  #onReadable = (): void => this.wakeReaders();
  #onGivenBack = (): void => {
    this.#file = undefined;
    if (!this.#released) this.#flow!.begin();
  };
  #onData = (chunk: unknown): void => {
    const full = this.input.length >= this.#mark;
    this.#take(chunk);
    this.#fresh = true;
    if (this.destroyed) this.#flow!.stop();
    // Whoever writes into a stream that ends here has yet to note what was taken: nobody may write behind that.
    if (writes > 0) process.nextTick(this.#onReadable);
    else if (this.#crumbs) this.#tellOfBurst();
    else this.#tell();
    if (this.#released || this.input.length < this.#mark) return;
    // More is taken once, since a reader who awaits has had no turn yet.
    this.#mark = this.readHighWaterMark;
    if (!full) return;
    this.#crumbs &&= this.#burst >= MANY_CRUMBS;
    this.#flow!.stop();
  };
  #onDrain = (): void => {
    this.#refused = false;
    this.wakeWriters();
  };
  #onWritten = (): void => {
    this.#writing--;
    this.wakeWriters();
  };
  #onWritableError = (error: Error): void => this.failOutput(error);
  #onError = (error: Error): void => {
    this.#rescue();
    this.fail(error);
  };

  #onEnd = (): void => {
    // 'end' can come before the last bytes were pulled when somebody else read them: those are gone, not lost by us.
    this.inputEnded();
  };

  #onReadableClose = (): void => {
    const readable = this.#readable!;
    if (this.ended || readable.readableEnded) return this.inputEnded();
    this.#rescue();
    this.fail(new TransportError('ERR_STREAM_PREMATURE_CLOSE', cause(readable.errored)));
  };

  #onWritableClose = (): void => {
    const writable = this.#writable!;
    if (writable.writableFinished) return this.wakeWriters();
    // Reading may go on after the writable side is gone; whoever waits to write must learn that it is.
    this.failOutput(new TransportError('ERR_STREAM_PREMATURE_CLOSE', cause(writable.errored)));
  };
}

function cause(error: Error | null | undefined): { cause?: unknown } {
  return error == null ? {} : { cause: error };
}

const EMPTY = Buffer.alloc(0);
