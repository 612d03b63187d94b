/**
 * Records that are read or written in pieces, because they are larger than any buffer should be.
 *
 * What arrives is passed on as it arrives; what is sent is sent as it is made. Both go by the stream's own marks, so a
 * record of any size moves through a bounded window. Ending the reading early waits for nothing: the record is marked as
 * left, and whoever reads next drops the rest of it first, as it arrives.
 */
import { checkSignal, checkUint8Array } from '../arguments.js';
import { asBuffer, type InputBuffer } from '../bytes/input-buffer.js';
import type { PieceReader, PieceWriter } from '../codecs/codec.js';
import { memoryOf } from '../codecs/framing.js';
import { ownedBytes } from '../codecs/record-forms.js';
import { TransportError, UsageError } from '../errors.js';
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
import type { ReadyOptions } from '../streams/byte-stream.js';
import { isLarge, memoryBack, mustCopy } from './by-reference.js';
import type { Channel } from './channel.js';

/** What a record in pieces needs of the framed stream that it is on. */
export interface PieceHost {
  readonly input: InputBuffer;
  readonly ended: boolean;
  /** The stream closes, and drops what comes. */
  readonly drops: boolean;
  /** One attempt at more input: true when there is some, or the end was seen. */
  fill(): true | NotReady | NeedWrite | Eof;
  /** Waits for what a refused read needs. */
  ready(answer: NotReady | NeedWrite, options: ReadyOptions): Promise<void>;
  /** The record is over. */
  done(): void;
  /** The record cannot be read on; the error sticks to the stream. */
  failed(error: unknown): void;
}

/** A record that is being read in pieces. */
export class RecordPieces implements AsyncIterable<Buffer> {
  /** Payload bytes of the whole record, where the protocol says so in advance. */
  readonly length: number | undefined;
  readonly #reader: PieceReader;
  readonly #host: PieceHost;
  #over = false;
  /** Nobody wants the rest. */
  #left = false;
  #failure: unknown;
  #failed = false;

  /** Internal: use `readPieces` of a framed stream. */
  constructor(reader: PieceReader, host: PieceHost) {
    this.length = reader.length;
    this.#reader = reader;
    this.#host = host;
  }

  /** Nobody wants the rest: the stream drops it as it arrives, before its next read. Internal. */
  get left(): boolean {
    return this.#left;
  }

  /**
   * The next piece, of any size from one byte up, owned.
   * @returns EOF when the *record* has ended, or was left; NOT_READY; NEED_WRITE.
   * @throws what the protocol finds wrong
   */
  tryRead(): Buffer | NotReady | NeedWrite | Eof {
    if (!this.#failed && this.#left) return EOF;
    const count = this.#find();
    if (typeof count !== 'number') return count;
    const { input } = this.#host;
    const piece = ownedBytes(asBuffer(input.peek(count)), 0, count, memoryOf(input));
    input.consume(count);
    return piece;
  }

  /**
   * Drops what is there of a record that nobody wants any more. Internal.
   * @returns true when the record is over; else what its rest waits for.
   * @throws as `tryRead`
   */
  tryDiscard(): true | NotReady | NeedWrite {
    for (;;) {
      const count = this.#find();
      if (count === EOF) return true;
      if (typeof count !== 'number') return count as NotReady;
      this.#host.input.consume(count);
    }
  }

  /** Makes the next piece be there. @returns its bytes; EOF when the record has ended. */
  #find(): number | NotReady | NeedWrite | Eof {
    if (this.#failed) throw this.#failure;
    if (this.#over) return EOF;
    try {
      return this.#attempt();
    } catch (error) {
      this.#failed = true;
      this.#failure = error;
      this.#over = true;
      this.#host.failed(error);
      throw error;
    }
  }

  #attempt(): number | NotReady | NeedWrite | Eof {
    for (;;) {
      if (this.#host.drops) throw new TransportError('ERR_STREAM_DESTROYED');
      const count = this.#reader.next(this.#host.input, this.#host.ended);
      if (count === 0) {
        this.#over = true;
        this.#host.input.countRecords(1);
        this.#host.done();
        return EOF;
      }
      if (count !== NOT_READY) return count as number;
      const filled = this.#host.fill();
      if (filled !== true) return filled as NotReady;
    }
  }

  /** The next piece. Resolves with EOF when the record has ended. */
  async read(options: ReadyOptions = {}): Promise<Buffer | Eof> {
    checkNotAborted(options);
    for (;;) {
      const answer = this.tryRead();
      if (answer !== NOT_READY && answer !== NEED_WRITE) return answer as Buffer | Eof;
      await this.#host.ready(answer as NotReady, options);
    }
  }

  /**
   * Skips what is left of the record. Resolves when all of it has arrived; waiting is not necessary, since the next read
   * of the stream does the same.
   */
  async discard(options: ReadyOptions = {}): Promise<void> {
    checkNotAborted(options);
    this.#left = true;
    for (let answer = this.tryDiscard(); answer !== true; answer = this.tryDiscard()) {
      await this.#host.ready(answer as NotReady, options);
    }
  }

  /** The pieces. Leaving the loop early is immediate; the rest of the record is skipped by the next read. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    try {
      for (;;) {
        const piece = await this.read();
        if (piece === EOF) return;
        yield piece;
      }
    } finally {
      // Waiting here for the rest would hold back what was thrown until the peer has sent it, perhaps forever.
      this.#left = true;
    }
  }
}

/** A record that is being written in pieces. */
export class RecordParts {
  readonly #writer: PieceWriter;
  readonly #channel: Channel;
  readonly #done: () => void;
  #over = false;

  /** Internal: use `begin` of a framed stream. */
  constructor(writer: PieceWriter, channel: Channel, done: () => void) {
    this.#writer = writer;
    this.#channel = channel;
    this.#done = done;
  }

  /**
   * Takes one part whole. From 16 KiB up it may be sent from where it lies: do not change it until `flush()` of the
   * stream has resolved.
   * @returns its bytes; NOT_READY or NEED_READ, and then nothing was taken.
   * @throws UsageError ERR_RECORD_LENGTH when it is more than was announced, ERR_RECORD_CONTAINS_SEPARATOR
   */
  tryWrite(part: Uint8Array): number | NotReady | NeedRead {
    checkUint8Array('part', part);
    this.#checkOpen();
    if (this.#channel.full) {
      this.#channel.pushOn();
      if (this.#channel.full) return NOT_READY;
    }
    this.#writer.part(part, this.#channel.output);
    this.#channel.schedule();
    return part.length;
  }

  /**
   * Takes one part, waiting for room. Resolves when the part may be changed again. Rejects with the signal's reason when
   * that aborts before the part was taken; after that what has not left is copied, and it resolves.
   */
  async write(part: Uint8Array, options: ReadyOptions = {}): Promise<void> {
    checkNotAborted(options);
    checkUint8Array('part', part);
    const { signal } = options;
    const large = isLarge(part);
    const copied = large && mustCopy(this.#channel, signal);
    const taken = copied ? Buffer.from(part) : part;
    for (;;) {
      const answer = this.tryWrite(taken);
      if (typeof answer === 'number') break;
      if (answer === NEED_READ) await this.#channel.stream.ready('read', { signal });
      else await this.#channel.ready(signal);
    }
    // Large parts are not copied, and a part that waits in the queue is still the caller's memory.
    if (large && !copied) await memoryBack(part, this.#channel, signal);
  }

  /**
   * Ends the record.
   * @throws UsageError ERR_RECORD_LENGTH when bytes are missing: write them, or `abort`.
   */
  end(): void {
    this.#checkOpen();
    this.#writer.end(this.#channel.output);
    this.#over = true;
    this.#channel.schedule();
    this.#done();
  }

  /** Gives the record up. Half a record cannot be taken back, so the stream is destroyed. */
  abort(reason?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#channel.fail(
      reason ?? new UsageError('ERR_RECORD_UNFINISHED', { message: 'a record was given up half written' }),
    );
  }

  #checkOpen(): void {
    this.#channel.checkWritable();
    if (this.#over) throw new UsageError('ERR_RECORD_LENGTH', { message: 'the record has ended' });
  }
}

/** @throws the signal's reason: what was aborted before it began does nothing. */
function checkNotAborted({ signal }: ReadyOptions): void {
  checkSignal('options.signal', signal);
  signal?.throwIfAborted();
}
