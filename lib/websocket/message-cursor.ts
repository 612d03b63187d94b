/**
 * A message where it lies: what push handlers and batches get instead of an object per message.
 *
 * One cursor is moved from message to message. After its turn or batch every access throws ERR_RECORD_EXPIRED. A message
 * that came in one uncompressed frame can be sent on as it lies: see `wholeFrame`.
 */
import type { Buffer } from 'node:buffer';
import { allocateKept } from '../bytes/large-memory.js';
import { viewOf, viewOfMemory } from '../bytes/view.js';
import type { SliceBuffer } from '../codecs/record-forms.js';
import { UsageError } from '../errors.js';

/** A message of a batch or turn, valid until that ends. */
export interface MessageCursor {
  readonly type: 'text' | 'binary';
  /** Payload bytes. */
  readonly length: number;
  /** The payload byte at `index`; undefined when there is none. */
  byteAt(index: number): number | undefined;
  /** The payload as a string; text has been checked to be UTF-8. */
  text(): string;
  /** A copy of the payload. */
  bytes(): Buffer;
  /** The payload where it lies, until the batch or turn ends. Its `.buffer` shows everything around it. */
  borrow(): Buffer;
  /** The message owned: text as a string, binary as a Buffer. */
  value(): string | Buffer;
}

/** Where a message lies. */
export interface MessagePlace {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  readonly isText: boolean;
  /** All bytes are below 0x80, as far as was looked. */
  readonly ascii: boolean;
  /** The memory may be written again after the turn. */
  readonly lent: boolean;
  /** Where the server's form of its frame begins, right in front of the payload; -1 where there is none. */
  readonly frameStart: number;
}

/** Takes bytes where they lie: an output queue. */
export interface PlaceTaker {
  writeInPlace(bytes: Buffer, from: number, to: number, memory: { lent: boolean }): void;
  writeCopy(bytes: Buffer, from: number, to: number): void;
}

export class PlacedMessage implements MessageCursor {
  #bytes: Buffer | undefined;
  #from = 0;
  #to = 0;
  #isText = false;
  #ascii = false;
  #lent = false;
  #frameStart = -1;
  /** Whose turn it is. */
  readonly #owner: unknown;

  constructor(owner: unknown) {
    this.#owner = owner;
  }

  /** Memory in which more messages follow, and the index behind the last of them: what `claim` may copy together. */
  #run: Buffer | undefined;
  #reach = 0;
  /** A copy of a stretch of that memory; what has index 0 there would have index `copyAt` here. */
  #copy: ArrayBufferLike = NOTHING;
  #copyAt = 0;
  /** Index behind the stretch. */
  #copyTo = 0;

  /** Messages up to `reach` will be moved to in `bytes`. Internal. */
  willReach(bytes: Buffer, reach: number): void {
    this.#run = bytes;
    this.#reach = reach;
  }

  /** Moves to a message. Internal. */
  moveTo(
    bytes: Buffer,
    from: number,
    to: number,
    isText: boolean,
    ascii: boolean,
    lent: boolean,
    frameStart: number,
  ): this {
    this.#bytes = bytes;
    this.#from = from;
    this.#to = to;
    this.#isText = isText;
    this.#ascii = ascii;
    this.#lent = lent;
    this.#frameStart = frameStart;
    return this;
  }

  /** Gives the message memory of its own, where its memory is lent: it outlives the turn. Internal. */
  keep(): void {
    if (!this.#lent) return;
    this.#bytes = this.bytes();
    this.#to -= this.#from;
    this.#from = 0;
    this.#lent = false;
    this.#frameStart = -1;
  }

  /** Ends the cursor's life. Internal. */
  expire(): void {
    this.#bytes = undefined;
  }

  /** Where the message lies, for sending it on without an object. Internal. @throws UsageError ERR_RECORD_EXPIRED */
  get place(): MessagePlace {
    return {
      bytes: this.#live(),
      from: this.#from,
      to: this.#to,
      isText: this.#isText,
      ascii: this.#ascii,
      lent: this.#lent,
      frameStart: this.#frameStart,
    };
  }

  /**
   * Queues the server's form of the frame. Internal.
   * @param owner whose turn it is; for others lent memory is copied, since it is gone when that turn ends.
   * @returns false where there is none: the message has to be framed.
   */
  writeFrame(output: PlaceTaker, owner: unknown): boolean {
    const bytes = this.#live();
    if (this.#frameStart < 0) return false;
    if (!this.#lent) output.writeInPlace(bytes, this.#frameStart, this.#to, KEPT);
    else if (owner === this.#owner) output.writeInPlace(bytes, this.#frameStart, this.#to, LENT);
    else output.writeCopy(bytes, this.#frameStart, this.#to);
    return true;
  }

  #live(): Buffer {
    if (this.#bytes === undefined) throw new UsageError('ERR_RECORD_EXPIRED');
    return this.#bytes;
  }

  get type(): 'text' | 'binary' {
    this.#live();
    return this.#isText ? 'text' : 'binary';
  }

  get length(): number {
    this.#live();
    return this.#to - this.#from;
  }

  byteAt(index: number): number | undefined {
    const bytes = this.#live();
    return index >= 0 && index < this.#to - this.#from ? bytes[this.#from + index] : undefined;
  }

  text(): string {
    const bytes = this.#live();
    return this.#ascii
      ? (bytes as SliceBuffer).latin1Slice(this.#from, this.#to)
      : (bytes as SliceBuffer).utf8Slice(this.#from, this.#to);
  }

  bytes(): Buffer {
    const bytes = this.#live();
    const size = this.#to - this.#from;
    const copy = allocateKept(size);
    bytes.copy(copy, 0, this.#from, this.#to);
    return copy;
  }

  get isText(): boolean {
    return this.#isText;
  }

  /**
   * The payload as a Buffer for good: a view, where the memory is nobody else's by now, or of a copy that it shares with
   * the messages behind it. One Buffer keeps up to 64 KiB, as one of a socket of Node's does. Internal.
   */
  claim(): Buffer {
    const bytes = this.#live();
    if (!this.#lent) return viewOf(bytes, this.#from, this.#to);
    if (bytes !== this.#run) return this.bytes();
    if (this.#to > this.#copyTo) {
      // The last one has nobody to share with, and needs no view of its copy.
      if (this.#to >= this.#reach) return this.bytes();
      this.#copyAhead(bytes);
    }
    return viewOfMemory(this.#copy, this.#copyAt + this.#from, this.#to - this.#from);
  }

  #copyAhead(bytes: Buffer): void {
    const from = this.#from;
    const to = Math.max(this.#to, Math.min(this.#reach, from + MOST_SHARED));
    const size = to - from;
    const copy = allocateKept(size);
    bytes.copy(copy, 0, from, to);
    this.#copy = copy.buffer;
    this.#copyAt = copy.byteOffset - from;
    this.#copyTo = to;
  }

  borrow(): Buffer {
    return viewOf(this.#live(), this.#from, this.#to);
  }

  value(): string | Buffer {
    return this.type === 'text' ? this.text() : this.bytes();
  }
}

const NOTHING = new ArrayBuffer(0);
/** Bytes that are copied together at most. */
const MOST_SHARED = 64 * 1024;

const LENT = { lent: true };
const KEPT = { lent: false };
