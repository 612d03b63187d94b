/**
 * Bytes that have arrived and have not been consumed: a queue of segments that reads like one array.
 *
 * A byte stream owns one and appends to it; whoever decodes looks at the front and consumes. Chunks stay where they
 * arrived. When a record straddles two chunks, `gather` copies just the straddling part into memory of its own; the
 * rest of the second chunk is read in place, since the gathered segment remembers how many of its last bytes also
 * stand at the start of the next one (`mirrored`). Small chunks that pile up are copied together, so that a peer that
 * sends single bytes costs bytes, not objects.
 *
 *     head: [ . . tail of chunk 1 | first bytes of chunk 2 ]   next: [ first bytes of chunk 2 | rest of chunk 2 ]
 *                                  '------- mirrored -----'          '--- the same bytes ---'
 *
 * Over 400 lines, because every way of moving the ends of the queue has to keep the same few invariants, `mirrored` first.
 */
import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';
import { checkInteger, checkUint8Array } from '../arguments.js';
import { UsageError } from '../errors.js';
import { native } from '../native.js';
import { NOT_READY, type NotReady } from '../status.js';
import { leaseBlock } from './blocks.js';
import { bufferCounters, countCopy } from './buffer-counters.js';
import { allocateKept } from './large-memory.js';
import { allocatePage } from './pages.js';
import { mayReserve, Share } from './reserved-ahead.js';
import { byteLengthOf } from './view.js';

/** Bytes. A chunk below this that finds others waiting is copied to the page of the last one. */
const COALESCE_BELOW = 4096;
/** Bytes. First page for coalesced chunks; each further one is twice as large, up to LARGEST_PAGE. */
const SMALLEST_PAGE = 512;
const LARGEST_PAGE = 64 * 1024;
/** Bytes. A stream that has delivered much may have so much reserved for a record before it has come. */
const MOST_EARNED = 16 * 1024 * 1024;

/** A stretch of bytes in the queue. Internal: readers use it to frame in place. */
export interface Segment {
  bytes: Buffer;
  /** First unconsumed byte; start <= end. */
  start: number;
  /** After the last byte. */
  end: number;
  /** Last bytes of this segment that are also the first of `next`; only the head can have any. */
  mirrored: number;
  /** True when the memory was made here: bytes after `end` are free to be filled. Pool slices end where they end. */
  own: boolean;
  /** Called once when the last byte was consumed; its memory may be written again from then on. */
  recycle: (() => void) | undefined;
  /** Nothing once this one has left the queue: an old segment that knew the next would keep all that follow, for V8. */
  next: Segment | undefined;
}

/** What an input mostly has not got: made when it is needed, since idle connections are many. */
class Extras {
  /** Bytes reserved for a record that have not come; made for the first. Null: no more bytes come. */
  ahead: Share | null | undefined = undefined;
  /** Offset in the stream up to which somebody may hold a view, see `peek`; told from the first `appendPage` on. */
  shownTo: number | undefined = undefined;
  /** Chunks are not kept where they are, see `copyChunks`. */
  copiesChunks = false;
  /** See `countCopy`. */
  copies = 0;
  copiedBytes = 0;
}

/** The input side of a byte stream: bytes that arrived and were not consumed. */
export class InputBuffer {
  #head: Segment | undefined;
  #tail: Segment | undefined;
  #length = 0;
  #offset = 0;
  #needed = 0;
  /**
   * Large records are handed on and not kept: the memory in which one is gathered is used again when it was consumed.
   * Internal.
   */
  handsOn = false;
  /** While someone holds offsets into the segments: what is to be recycled once nobody does. */
  #deferred: (() => void)[] | undefined;
  #extras: Extras | undefined;

  /** Bytes at the front that the codec in charge has examined without finding an end. Consuming sets it to 0. */
  searched = 0;
  /** What the codec in charge is doing with a record that is too long, one of OVERFLOW_*; see frame-table.ts. */
  overflow = 0;
  /** Records that were given out. Internal, for counters. */
  records = 0;

  private more(): Extras {
    this.#extras ??= new Extras();
    return this.#extras;
  }

  /** Bytes that are here. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that lie together at the front: what can be looked at without copying. */
  get frontLength(): number {
    return this.#head === undefined ? 0 : this.#head.end - this.#head.start;
  }

  /** Bytes of memory that nobody else can have meanwhile. Internal, for counters. */
  get memoryHeld(): number {
    let held = 0;
    for (let segment = this.#head; segment !== undefined; segment = segment.next) {
      const { bytes, own, recycle } = segment;
      if (recycle === borrowed) continue;
      held += own || recycle === undefined ? bytes.length : bytes.buffer.byteLength;
    }
    return held;
  }

  /** True where some of it lies in memory that is written again once it was consumed, or copied. Internal. */
  get awaitedBack(): boolean {
    for (let segment = this.#head; segment !== undefined; segment = segment.next) {
      if (!segment.own && segment.recycle !== undefined) return true;
    }
    return false;
  }

  /** So many records were given out. Internal. */
  countRecords(count: number): void {
    this.records += count;
    bufferCounters.records += count;
  }

  /** So much of what was received was copied, because its memory is needed elsewhere. Internal. */
  countCopy(byteCount: number): void {
    const extras = this.more();
    extras.copies++;
    extras.copiedBytes += byteCount;
    countCopy(byteCount);
  }

  /** Copies of what was received. Internal, for counters. */
  get copies(): number {
    return this.#extras?.copies ?? 0;
  }

  get copiedBytes(): number {
    return this.#extras?.copiedBytes ?? 0;
  }

  /** Bytes consumed since the stream began: the offset in the stream of the first byte that is here. */
  get offset(): number {
    return this.#offset;
  }

  /** What the last `need()` asked for; consuming sets it to 0, so that it never outlives the record it was about. */
  get needed(): number {
    return this.#needed;
  }

  /**
   * States how many bytes make another try worthwhile, counted from the front.
   * @returns NOT_READY, so that a decoder can write `return input.need(4)`.
   */
  need(byteCount: number): NotReady {
    this.#needed = byteCount;
    return NOT_READY;
  }

  /** The byte at `index`, counted from the front. Pre: 0 <= index < length. */
  byteAt(index: number): number {
    let segment = this.#head;
    let at = index;
    let skip = 0;
    while (segment !== undefined) {
      const start = segment.start + skip;
      if (at < segment.end - start) return segment.bytes[start + at]!;
      at -= segment.end - start;
      skip = segment.mirrored;
      segment = segment.next;
    }
    throw outOfRange('index', this.#length - 1, index);
  }

  /**
   * The bytes [from, to), counted from the front, as a view. Nothing is consumed.
   * Lifetime: until the bytes are consumed. The view's `.buffer` is shared.
   * @throws ERR_OUT_OF_RANGE when fewer bytes are here.
   */
  peek(to: number, from = 0): Buffer {
    checkInteger('to', to, 0, this.#length);
    checkInteger('from', from, 0, to);
    if (to === 0) return EMPTY;
    const head = this.gathered(to);
    const extras = this.#extras;
    if (extras?.shownTo !== undefined) extras.shownTo = Math.max(extras.shownTo, this.#offset + to);
    return head.bytes.subarray(head.start + from, head.start + to);
  }

  /**
   * Reads an unsigned integer of 1 to 6 bytes at `index` without consuming it.
   * @throws ERR_OUT_OF_RANGE when it is not all here.
   */
  peekUint(index: number, byteLength: number, endian: 'big' | 'little' = 'big'): number {
    checkInteger('byteLength', byteLength, 1, 6);
    checkInteger('index', index, 0, this.#length - byteLength);
    const head = this.gathered(index + byteLength);
    return endian === 'big'
      ? head.bytes.readUIntBE(head.start + index, byteLength)
      : head.bytes.readUIntLE(head.start + index, byteLength);
  }

  /** Drops the first `byteCount` bytes. @throws ERR_OUT_OF_RANGE when fewer are here. */
  consume(byteCount: number): void {
    if (byteCount === 0) return;
    if (!(byteCount > 0 && byteCount <= this.#length)) throw outOfRange('byteCount', this.#length, byteCount);
    this.#length -= byteCount;
    this.#offset += byteCount;
    this.searched = 0;
    this.#needed = 0;
    const ahead = this.#extras?.ahead;
    if (ahead != null) ahead.bytes = 0;
    let left = byteCount;
    let head = this.#head!;
    for (;;) {
      const unique = head.end - head.start - head.mirrored;
      if (left < unique) {
        head.start += left;
        return;
      }
      left -= unique;
      this.recycle(head);
      this.#head = head.next;
      if (head.next === undefined) {
        this.#tail = undefined;
        return;
      }
      const { next } = head;
      head.next = undefined;
      head = next;
      if (left === 0) return;
    }
  }

  /** Consumes `byteCount` bytes and gives them as memory of the caller's own. */
  take(byteCount: number): Buffer {
    checkInteger('byteCount', byteCount, 0, this.#length);
    const taken = Buffer.from(this.peek(byteCount));
    this.consume(byteCount);
    return taken;
  }

  /** Index of the first `wanted` byte or sequence at or after `from`, counted from the front, or -1. */
  indexOf(wanted: number | Uint8Array, from = 0): number {
    checkInteger('from', from, 0, Number.MAX_SAFE_INTEGER);
    const sequence = typeof wanted === 'number' ? Uint8Array.of(wanted) : wanted;
    checkUint8Array('wanted', sequence);
    checkInteger('wanted.length', sequence.length, 1, 256);
    let at = 0;
    let skip = 0;
    for (let segment = this.#head; segment !== undefined; segment = segment.next) {
      const start = segment.start + skip;
      const size = segment.end - start;
      if (from < at + size) {
        const first = Math.max(start, start + from - at);
        const found = native().indexOfSequence(segment.bytes, first, segment.end, sequence);
        if (found >= 0) return at + found - start;
        const straddling = this.indexOfStraddling(sequence, Math.max(from, at + size - sequence.length + 1), at + size);
        if (straddling >= 0) return straddling;
      }
      at += size;
      skip = segment.mirrored;
    }
    return -1;
  }

  /** First place in [from, to) where the sequence begins, byte by byte: it crosses the segment's end at `to`. */
  private indexOfStraddling(sequence: Uint8Array, from: number, to: number): number {
    for (let at = from; at < to && at + sequence.length <= this.#length; at++) {
      let same = 0;
      while (same < sequence.length && this.byteAt(at + same) === sequence[same]) same++;
      if (same === sequence.length) return at;
    }
    return -1;
  }

  /**
   * Adds a chunk at the end. For streams: the chunk belongs to the buffer from now on, and must not be changed
   * before `recycle` was called (without `recycle`: never again).
   */
  append(chunk: Uint8Array, recycle?: () => void): void {
    const size = chunk.length;
    if (size === 0) {
      recycle?.();
      return;
    }
    this.#length += size;
    const tail = this.#tail;
    if (tail !== undefined && size < COALESCE_BELOW && pilesUp(tail)) {
      this.coalesce(tail, chunk);
      recycle?.();
      return;
    }
    const own = recycle === undefined && this.#extras?.copiesChunks === true;
    const bytes = own ? Buffer.from(asBuffer(chunk)) : asBuffer(chunk);
    this.push({ bytes, start: 0, end: size, mirrored: 0, own, recycle, next: undefined });
  }

  /**
   * Adds page[start, end), as `append` does. A rest that fits in front of it moves there, so that the record it begins lies
   * in one piece and is framed with those behind it. Internal.
   * Pre: start < end; the bytes before `start` are free.
   */
  appendPage(page: Buffer, start: number, end: number, recycle: () => void): void {
    const size = end - start;
    const rest = this.#head;
    // Until now nobody has told.
    this.more().shownTo ??= this.#offset + this.#length;
    // No byte moves more often than another one comes.
    if (size < COALESCE_BELOW || this.#length > Math.min(start, size) || !this.mayMove(rest)) {
      this.append(page.subarray(start, end), recycle);
      return;
    }
    const from = start - this.#length;
    if (rest !== undefined) {
      rest.bytes.copy(page, from, rest.start, rest.end);
      this.countCopy(this.#length);
      this.recycle(rest);
    }
    this.#length += size;
    this.#head = { bytes: page, start: from, end, mirrored: 0, own: false, recycle, next: undefined };
    this.#tail = this.#head;
  }

  /** True where all that is here may be put elsewhere. */
  private mayMove(head: Segment | undefined): boolean {
    return (
      head === undefined ||
      (head.next === undefined && this.#deferred === undefined && this.#extras!.shownTo! <= this.#offset)
    );
  }

  /**
   * Whoever decodes will write to the bytes, and they may be somebody else's too: from now on chunks are copied, as those
   * that are here. Internal. Pre: nobody holds offsets.
   */
  copyChunks(): void {
    this.more().copiesChunks = true;
    for (let segment = this.#head; segment !== undefined; segment = segment.next) {
      if (segment.own || segment.recycle !== undefined) continue;
      segment.bytes = Buffer.from(segment.bytes.subarray(segment.start, segment.end));
      segment.end -= segment.start;
      segment.start = 0;
      segment.own = true;
    }
  }

  /**
   * Adds bytes[start, end), which may be read until `keepBorrowed` is called, and are somebody else's after that. Internal.
   * Pre: start < end.
   */
  appendBorrowed(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    const tail = this.#tail;
    this.#length += size;
    if (tail !== undefined && size < COALESCE_BELOW) this.coalesce(tail, bytes.subarray(start, end));
    else this.push({ bytes, start, end, mirrored: 0, own: false, recycle: borrowed, next: undefined });
  }

  /** Copies what is left of borrowed bytes to memory of this buffer's own. Internal. Pre: nobody holds offsets. */
  keepBorrowed(): void {
    for (let segment = this.#head; segment !== undefined; segment = segment.next) {
      if (segment.recycle !== borrowed) continue;
      const size = segment.end - segment.start;
      this.countCopy(size);
      // Room for what follows, so that a record which comes in crumbs is not moved with each of them.
      const capacity = size < COALESCE_BELOW ? Math.max(SMALLEST_PAGE, 2 * size) : size;
      const bytes = allocateKept(capacity);
      segment.bytes.copy(bytes, 0, segment.start, segment.end);
      segment.bytes = bytes;
      segment.start = 0;
      segment.end = size;
      segment.own = true;
      segment.recycle = undefined;
    }
  }

  /**
   * Memory behind the last byte, for receiving the rest of a record of `wanted` bytes where it will be read. What a peer
   * merely declares reserves nothing: it gets twice what has come of the record, or as much as the whole stream has
   * delivered before, while the thread has not reserved too much in that way. Say how many bytes came with `commit`.
   * Internal. Pre: 0 < length < wanted; nobody holds offsets.
   * @param pooled the record will be handed on and not kept: its memory is used again when it was consumed.
   */
  reserve(wanted: number, { pooled }: { pooled: boolean }): { bytes: Buffer; from: number; to: number } {
    this.gather(this.#length);
    let head = this.#head!;
    const full = !head.own || head.end === head.bytes.length;
    // Behind consumed records there may be too little room: what is here of the next one moves now, while it is short.
    const room = head.start === 0 ? wanted : head.bytes.length - head.start;
    const capacity = full || room < wanted ? this.mayHave(wanted) : 0;
    if (full || capacity > room) {
      const block = pooled ? leaseBlock(capacity) : undefined;
      const bytes = block?.bytes ?? allocateKept(capacity);
      head.bytes.copy(bytes, 0, head.start, head.end);
      this.countCopy(this.#length);
      this.recycle(head);
      head = { bytes, start: 0, end: this.#length, mirrored: 0, own: true, recycle: block?.drop, next: undefined };
      this.#head = head;
      this.#tail = head;
      const extras = this.more();
      if (extras.ahead !== null) {
        extras.ahead ??= new Share(this);
        extras.ahead.bytes = capacity - this.#length;
      }
    }
    return { bytes: head.bytes, from: head.end, to: Math.min(head.bytes.length, head.start + wanted) };
  }

  private mayHave(wanted: number): number {
    const earned = this.#extras?.ahead === null ? 0 : mayReserve(Math.min(this.#offset, MOST_EARNED));
    return Math.min(wanted, Math.max(2 * this.#length, earned, LARGEST_PAGE));
  }

  /** So many bytes were put where `reserve` said. Internal. */
  commit(byteCount: number): void {
    this.#tail!.end += byteCount;
    this.#length += byteCount;
    const ahead = this.#extras?.ahead;
    if (ahead != null) ahead.bytes = Math.max(0, ahead.bytes - byteCount);
  }

  /** No more bytes come: nothing is reserved for them. Internal. */
  noMore(): void {
    const extras = this.more();
    if (extras.ahead != null) extras.ahead.bytes = 0;
    extras.ahead = null;
  }

  /** Takes the last `byteCount` bytes away again. Internal. Pre: they were appended together, nobody holds offsets. */
  truncate(byteCount: number): void {
    if (byteCount === 0) return;
    this.#length -= byteCount;
    const head = this.#head!;
    const tail = this.#tail!;
    tail.end -= byteCount;
    if (tail !== head && head.mirrored > tail.end - tail.start) {
      // What was gathered from the tail goes with it.
      head.end -= head.mirrored - (tail.end - tail.start);
      head.mirrored = tail.end - tail.start;
    }
    if (this.#length === 0) {
      this.#head = undefined;
      this.#tail = undefined;
    } else if (tail !== head && tail.end - tail.start <= head.mirrored) {
      head.next = undefined;
      head.mirrored = 0;
      this.#tail = head;
    }
  }

  private coalesce(tail: Segment, chunk: Uint8Array): void {
    let page = tail;
    if (!tail.own || tail.bytes.length - tail.end < chunk.length) {
      const wanted = Math.max(SMALLEST_PAGE, 2 * (tail.own ? tail.bytes.length : 0), chunk.length);
      const bytes = allocatePage(Math.max(Math.min(wanted, LARGEST_PAGE), chunk.length));
      page = { bytes, start: 0, end: 0, mirrored: 0, own: true, recycle: undefined, next: undefined };
      this.push(page);
    }
    page.bytes.set(chunk, page.end);
    page.end += chunk.length;
  }

  private push(segment: Segment): void {
    if (this.#tail === undefined) this.#head = segment;
    else this.#tail.next = segment;
    this.#tail = segment;
  }

  /** The first segment, to be framed in place; undefined when nothing is here. Internal. */
  front(): Segment | undefined {
    return this.#head;
  }

  /**
   * Makes the first `byteCount` bytes lie in the first segment. Each byte is copied a bounded number of times however
   * often this is called with growing counts. Internal. Pre: byteCount <= length.
   */
  gather(byteCount: number): void {
    this.gathered(byteCount);
  }

  private gathered(byteCount: number): Segment {
    const head = this.#head!;
    const present = head.end - head.start;
    if (present >= byteCount) return head;
    const target = head.own && head.bytes.length - head.end >= byteCount - present ? head : this.grow(head, byteCount);
    this.fillFrom(target, target.next, byteCount - present);
    return target;
  }

  /** Puts the head's bytes into new memory. A head that is being grown again gets twice its size, for amortised cost. */
  private grow(head: Segment, byteCount: number): Segment {
    const present = head.end - head.start;
    const capacity = head.own ? Math.max(byteCount, 2 * present) : byteCount;
    const block = this.handsOn ? leaseBlock(capacity) : undefined;
    const bytes = block?.bytes ?? allocateKept(capacity);
    head.bytes.copy(bytes, 0, head.start, head.end);
    const { mirrored, next } = head;
    const grown: Segment = { bytes, start: 0, end: present, mirrored, own: true, recycle: block?.drop, next };
    this.recycle(head);
    head.next = undefined;
    this.#head = grown;
    if (this.#tail === head) this.#tail = grown;
    return grown;
  }

  /** Copies `count` bytes that follow the target to its end; segments that were copied whole are dropped. */
  private fillFrom(target: Segment, from: Segment | undefined, count: number): void {
    let source = from;
    let left = count;
    while (left > 0 && source !== undefined) {
      const begin = source.start + target.mirrored;
      const taken = Math.min(left, source.end - begin);
      source.bytes.copy(target.bytes, target.end, begin, begin + taken);
      target.end += taken;
      target.mirrored += taken;
      left -= taken;
      if (begin + taken < source.end) return;
      this.recycle(source);
      const { next } = source;
      source.next = undefined;
      source = next;
      target.next = source;
      target.mirrored = 0;
      if (source === undefined) this.#tail = target;
    }
  }

  /**
   * Keeps the memory of consumed bytes from being written again until `unpin`: someone looks at it. One at a time.
   * Internal.
   */
  pin(): void {
    this.#deferred ??= NONE;
  }

  unpin(): void {
    const deferred = this.#deferred;
    if (deferred === undefined) return;
    this.#deferred = undefined;
    for (const recycle of deferred) recycle();
  }

  private recycle(segment: Segment): void {
    if (segment.recycle === undefined) return;
    if (this.#deferred === undefined) segment.recycle();
    else if (this.#deferred === NONE) this.#deferred = [segment.recycle];
    else this.#deferred.push(segment.recycle);
  }

  /** Forgets what a codec noted about the front; for switching. Internal. */
  resetNotes(): void {
    this.handsOn = false;
    this.searched = 0;
    this.overflow = 0;
    this.#needed = 0;
  }

  [inspect.custom](): string {
    return `InputBuffer { length: ${this.#length}, offset: ${this.#offset} }`;
  }
}

const EMPTY = Buffer.alloc(0);
/** Somebody looks at the memory, and nothing is to be recycled yet. Never changed. */
const NONE: (() => void)[] = [];

/** True where a small chunk would be one of many: one behind a large chunk stays where it is, as pages cost more. */
function pilesUp({ own, bytes }: Segment): boolean {
  return own || bytes.length < COALESCE_BELOW;
}

/** Marks a segment whose memory is lent; it is given back by copying what is left. */
function borrowed(): void {
  // Consumed: nothing has to be given back.
}

/** @throws ERR_INVALID_ARG_TYPE; UsageError ERR_PAYLOAD_DETACHED. Node 20 has no `detached`, but refuses a view of memory that is gone. */
export function checkAttached(bytes: Uint8Array): void {
  checkUint8Array('bytes', bytes);
  // Not `length`: V8 of Node 20 optimises that to what it was before the transfer, once it has seen resizable memory.
  if (byteLengthOf(bytes) > 0) return;
  if (bytes.buffer.byteLength > 0) return;
  try {
    new Uint8Array(bytes.buffer);
  } catch (cause) {
    throw new UsageError('ERR_PAYLOAD_DETACHED', { cause });
  }
}

/** The same memory as a Buffer. @throws UsageError ERR_PAYLOAD_DETACHED */
export function asBuffer(bytes: Uint8Array): Buffer {
  checkAttached(bytes);
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function outOfRange(name: string, most: number, value: number): RangeError {
  const error = new RangeError(`The value of "${name}" is out of range. It must be <= ${most}. Received ${value}`);
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' });
}
