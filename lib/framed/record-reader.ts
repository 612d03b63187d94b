/**
 * Records out of an input buffer: the pull side of a codec, without a stream.
 *
 * A codec with a framer is read by looking ahead: one call fills a table with rows, and records are given out of it.
 * A row is consumed from the input when it is given, not when it is framed, so that what has not been given is still
 * there for another codec. A codec without a framer is asked record by record. Either way errors come after the
 * records before them, and stick.
 */
import type { InputBuffer } from '../bytes/input-buffer.js';
import type { Codec, Framing } from '../codecs/codec.js';
import { afterRows, frameFront, memoryOf } from '../codecs/framing.js';
import { channels } from '../diagnostics.js';
import { LimitError, ProtocolError } from '../errors.js';
import { H_CONSUMED, HEADER_WORDS, R_END, ROW_WORDS } from '../frame-table.js';
import { BATCH_ROWS } from '../limits.js';
import { CONTINUE, EOF, type Eof, NEED_WRITE, type NeedWrite, NOT_READY, type NotReady } from '../status.js';
import { type Batch, SpanBatch, ValueBatch } from './batch.js';
import { bindCodec } from './bound-codecs.js';
import { type BatchCursor, SpanCursor, ValueCursor } from './cursor.js';
import { NONE, SlowReading } from './slow-reading.js';
import { leaseTable, returnTable, type Span } from './span.js';
import { SpanSlabs } from './span-slabs.js';
import { SpanText } from './span-text.js';
import type { Surroundings } from './surroundings.js';

/** Rows looked ahead for at first; each time they are used up, eight times as many. */
const FIRST_AHEAD = 2;
/** Rows of a batch of a codec without a framer: each is an object already. */
const VALUE_BATCH = 256;

/** Bits of a reader's state. Those of Driver follow. */
/** Records take nothing from the system that is not theirs. */
const EXACT = 1;
/** A large record of a batch was kept: those that follow will be too. */
const KEEPS_LARGE = 1 << 1;
/** The first bit that is free. */
export const READER_BITS = 2;

export class RecordReader<R, W, A extends Surroundings = Surroundings> {
  readonly #input: InputBuffer;
  protected readonly around: A;
  /** The bits above, in one word. */
  protected state: number;
  #codec: Codec<R, W>;
  #span: Span | undefined;
  /** Rows to look ahead for when single records are read; what a switch soon after would have framed in vain. */
  #ahead = FIRST_AHEAD;
  /** That of the batch that the user holds. */
  #cursor: BatchCursor<R> | undefined;
  #slow: SlowReading<R> | undefined;

  constructor(codec: Codec<R, W>, input: InputBuffer, around: A) {
    this.around = around;
    this.state = around.exact === true ? EXACT : 0;
    this.#codec = codec;
    this.#input = input;
    input.resetNotes();
    codec.start?.(around.output);
  }

  private get exact(): boolean {
    return (this.state & EXACT) !== 0;
  }

  private slow(): SlowReading<R> {
    this.#slow ??= new SlowReading();
    return this.#slow;
  }

  private get values(): R[] {
    return this.#slow === undefined ? NONE : this.#slow.values;
  }

  private get failed(): boolean {
    return this.#slow?.failed === true;
  }

  /** The codec in charge: the first one, or what it named as its successor. */
  get codec(): Codec<R, W> {
    return this.#codec;
  }

  /** Decoded records that were not given; those of a framer lie in the input and do not count. */
  get decodedCount(): number {
    return this.values.length;
  }

  /** Bytes of input that the decoded records were. */
  get decodedBytes(): number {
    return this.values.length === 0 ? 0 : this.#input.offset - this.#slow!.decodedFrom;
  }

  /** @throws the error that ended the reading. */
  checkFailure(): void {
    if (this.failed) throw this.#slow!.failure;
  }

  /** Ends the reading with an error. @returns the first one, which sticks. */
  failReading(error: unknown): unknown {
    const slow = this.slow();
    if (!slow.failed) {
      slow.failed = true;
      slow.failure = error;
      this.dropSpan();
      if (error instanceof LimitError && channels.limit.hasSubscribers) {
        channels.limit.publish({ stream: this.around.stream, error });
      }
    }
    return slow.failure;
  }

  /** True when a record can be given without looking at the input. */
  get hasRecord(): boolean {
    return this.values.length > 0 || (this.#span !== undefined && this.#span.row < this.#span.rows);
  }

  /**
   * One owned record off what is there.
   * @param ended no more input will come.
   * @returns NOT_READY when more bytes are needed, `input.needed` says how many.
   */
  next(ended: boolean): R | NotReady | NeedWrite | Eof {
    if (this.#cursor !== undefined) this.settle('visited');
    if (this.values.length > 0) return this.values.shift()!;
    const framing = this.#codec.framing;
    if (framing === undefined) return this.decode(ended);
    this.#input.handsOn = false;
    if (!this.lookAhead(framing, ended, this.#ahead)) return ended ? EOF : NOT_READY;
    return this.takeRow(framing);
  }

  /** `next` where a record was found by looking ahead already: the way most records of a loop come. */
  takeFound(): R | NotReady {
    const span = this.#span;
    if (span === undefined || this.#cursor !== undefined || span.row >= span.rows) return NOT_READY;
    if (!this.isCurrent(span)) return NOT_READY;
    return this.takeRow(this.#codec.framing!);
  }

  /** Everything that is there, up to a table's rows; the batch before is done with. */
  nextBatch(ended: boolean): Batch<R> | NotReady | NeedWrite | Eof {
    const cursor = this.nextCursor(ended);
    if (cursor instanceof SpanCursor) return new SpanBatch(this.#codec.framing!, this.#span!, cursor);
    if (cursor instanceof ValueCursor) return new ValueBatch(this.values, cursor);
    return cursor as NotReady;
  }

  /** The same without the batch: its cursor, for a loop that wants nothing else. */
  nextCursor(ended: boolean): BatchCursor<R> | NotReady | NeedWrite | Eof {
    if (this.#cursor !== undefined) this.settle('all');
    const framing = this.#codec.framing;
    if (framing !== undefined && this.values.length === 0) {
      // A cursor copies where it has to. A codec without a framer may give out what it sees.
      this.#input.handsOn = (this.state & KEEPS_LARGE) === 0;
      if (!this.lookAhead(framing, ended, BATCH_ROWS)) return ended ? EOF : NOT_READY;
      this.#cursor = new SpanCursor(framing, this.#span!);
      return this.#cursor;
    }
    const status = this.decodeMany(ended);
    if (this.values.length === 0) return status;
    this.#cursor = new ValueCursor(this.values);
    return this.#cursor;
  }

  /** Makes rows be there, at most so many. Consumes nothing but what the framer drops. */
  private lookAhead(framing: Framing<R>, ended: boolean, most: number): boolean {
    if (this.#span !== undefined && !this.isCurrent(this.#span)) this.dropSpan();
    if (this.#span !== undefined) {
      if (this.#span.row < this.#span.rows) return true;
      this.finishSpan(this.#span);
    }
    this.checkFailure();
    if (this.#input.length === 0) {
      this.#input.need(framing.least);
      return false;
    }
    const table = leaseTable();
    let rows = 0;
    try {
      rows = frameFront(this.#input, framing, table, this.exact ? 1 : most, ended);
    } catch (error) {
      throw this.failReading(error);
    } finally {
      if (rows === 0) returnTable(table);
    }
    if (rows === 0) return false;
    const { start } = this.#input.front()!;
    if (this.exact) this.around.stream!.settlePeeked!(table[HEADER_WORDS + R_END]! - start);
    this.#span = this.spanOf({ table, base: 0, rows, leased: true });
    return true;
  }

  /**
   * Takes rows that the stream has framed already: they are about the whole input, which is one segment. Where something
   * else is under way they are left, and framed again.
   */
  adoptRows(table: Int32Array, base: number, rows: number): void {
    if (this.#span !== undefined || this.#cursor !== undefined || this.failed || this.values.length > 0) return;
    this.#span = this.spanOf({ table, base, rows, leased: false });
  }

  /** Rows of the input's first segment, which stays where it is until they are done with. */
  private spanOf({ table, base, rows, leased }: Pick<Span, 'table' | 'base' | 'rows' | 'leased'>): Span {
    const input = this.#input;
    const { bytes, start } = input.front()!;
    const row = base / ROW_WORDS;
    input.pin();
    return {
      bytes,
      start,
      offset: input.offset,
      table,
      base,
      rows: row + rows,
      row,
      position: start,
      memory: memoryOf(input),
      taken: false,
      leased,
      texts: undefined,
      slabs: undefined,
    };
  }

  /** False when somebody else has consumed input: what was looked ahead at is not what comes next. */
  private isCurrent(span: Span): boolean {
    return this.#input.offset - span.offset === span.position - span.start;
  }

  private takeRow(framing: Framing<R>): R {
    const span = this.#span!;
    let record: R;
    try {
      record = this.makeRecord(framing, span);
    } catch (error) {
      throw this.failReading(error);
    }
    this.consumeThrough(span, span.row);
    this.finishIfRead(span);
    return record;
  }

  private makeRecord(framing: Framing<R>, span: Span): R {
    const { fromText } = framing;
    if (fromText !== undefined && framing.text !== undefined) {
      span.texts ??= new SpanText(span, framing.text, framing.detached ?? false);
      const text = span.texts.row(span.row);
      if (text !== undefined) return fromText(text, this.#input.offset);
    }
    span.slabs ??= new SpanSlabs(span);
    return span.slabs.record(framing, span.row, this.#input.offset);
  }

  /** Consumes the input through the row. */
  private consumeThrough(span: Span, row: number): void {
    const end = span.table[HEADER_WORDS + row * ROW_WORDS + R_END]!;
    this.#input.consume(end - span.position);
    this.#input.countRecords(row + 1 - span.row);
    span.position = end;
    span.row = row + 1;
  }

  /**
   * A span that was read whole has nothing more to give. What its framer dropped behind the last row waits for the
   * next read all the same: if a switch comes instead, those bytes are the next codec's.
   */
  private finishIfRead(span: Span): void {
    const dropped = span.start + span.table[span.base + H_CONSUMED]! - span.position;
    if (span.row === span.rows && dropped === 0) this.finishSpan(span);
  }

  private finishSpan(span: Span): void {
    afterRows(this.#input, span.table, span.start, span.position, span.base);
    this.#ahead = Math.min(BATCH_ROWS, 8 * this.#ahead);
    this.dropSpan();
  }

  private dropSpan(): void {
    if (this.#span === undefined) return;
    if (this.#span.leased) returnTable(this.#span.table);
    this.#span = undefined;
    this.#input.unpin();
  }

  /** True for the cursor of the batch that is being read, over rows. */
  isCursor(record: unknown): record is SpanCursor<R> {
    return record === this.#cursor && record instanceof SpanCursor;
  }

  /**
   * Ends the life of the batch that the user holds.
   * @param extent 'all': it is read whole. 'visited': what was not visited is unread again.
   */
  settle(extent: 'all' | 'visited'): void {
    const cursor = this.#cursor;
    if (cursor === undefined) return;
    this.#cursor = undefined;
    // What is kept after all had better be gathered in memory that can be.
    if (this.#span?.taken) this.state |= KEEPS_LARGE;
    // Answers may lie in the records' own memory, which goes back with them: a handler may switch or close in between.
    this.around.output.keepLent();
    const count = extent === 'all' && cursor.fault === undefined ? cursor.count : cursor.visited;
    cursor.expire();
    if (this.#span !== undefined && !this.isCurrent(this.#span)) this.dropSpan();
    if (cursor instanceof ValueCursor) this.slow().values = this.values.slice(count);
    else if (count > 0 && this.#span !== undefined) this.consumeThrough(this.#span, this.#span.row + count - 1);
    if (cursor.fault !== undefined) this.failReading(cursor.fault);
    if (this.#span !== undefined) this.finishIfRead(this.#span);
  }

  /** Forgets what was looked at and not given: it is unread input. */
  forgetAhead(): void {
    this.settle('visited');
    this.dropSpan();
  }

  private decodeMany(ended: boolean): NotReady | NeedWrite | Eof {
    while (this.values.length < VALUE_BATCH) {
      let record: R | NotReady | NeedWrite | Eof;
      try {
        record = this.decode(ended);
      } catch (error) {
        if (this.values.length > 0) return NOT_READY;
        throw error;
      }
      if (record === NOT_READY || record === NEED_WRITE || record === EOF) return record as NotReady;
      this.slow().keep(record as R);
      // The successor may have a framer; its records are read that way.
      if (this.#codec.framing !== undefined) return NOT_READY;
    }
    return NOT_READY;
  }

  /**
   * Decodes one record ahead of its reader, while a write waits for the peer.
   * @returns true when there is one more; else why not.
   */
  decodeAhead(ended: boolean): true | NotReady | NeedWrite | Eof {
    if (this.#codec.framing !== undefined || this.failed || this.#cursor !== undefined) return NOT_READY;
    if (this.values.length === 0) this.slow().decodedFrom = this.#input.offset;
    const record = this.decode(ended);
    if (record === NOT_READY || record === NEED_WRITE || record === EOF) return record as NotReady;
    this.slow().keep(record as R);
    return true;
  }

  private decode(ended: boolean): R | NotReady | NeedWrite | Eof {
    this.checkFailure();
    try {
      for (;;) {
        const [offset, written] = [this.#input.offset, this.around.output.offset + this.around.output.length];
        const answer = this.#codec.decode(this.#input, this.around.output);
        const progress = this.#input.offset > offset || this.around.output.offset + this.around.output.length > written;
        const switched = this.follow();
        if (answer === NOT_READY && ended && !switched) return this.finish();
        if (answer === NOT_READY && switched) return this.next(ended);
        if (answer === NOT_READY || answer === NEED_WRITE) return answer as NotReady;
        if (answer !== CONTINUE || !progress) this.countProgress(progress || switched);
        if (answer !== CONTINUE) {
          this.#input.countRecords(1);
          if (this.exact) this.around.stream!.settlePeeked!(0);
          return answer as R;
        }
        if (switched && this.#codec.framing !== undefined) return this.next(ended);
      }
    } catch (error) {
      throw this.failReading(error);
    }
  }

  /** Hands over to the codec's successor, where it has named one. */
  private follow(): boolean {
    const { next } = this.#codec;
    if (next === undefined || next === this.#codec) return false;
    bindCodec(next);
    this.#codec = next;
    this.#input.resetNotes();
    next.start?.(this.around.output);
    return true;
  }

  private countProgress(progress: boolean): void {
    if (!progress) this.slow().countEmpty({ protocol: this.#codec.name, offset: this.#input.offset });
    else if (this.#slow !== undefined) this.#slow.emptyProgress = 0;
  }

  private finish(): R | Eof {
    const input = this.#input;
    const offset = input.offset;
    if (this.#codec.finish !== undefined) {
      const last = this.#codec.finish(input, this.around.output);
      if (last !== EOF) this.countProgress(input.offset > offset);
      if (last !== EOF) input.countRecords(1);
      return last;
    }
    if (input.length === 0) return EOF;
    const message = `the stream ended inside a record, after ${input.length} of its bytes`;
    throw new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: this.#codec.name, offset, message });
  }
}
