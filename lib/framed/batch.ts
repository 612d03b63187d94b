/**
 * The records that were there at once: what `batches()` gives.
 *
 * A batch is valid until the next one is asked for or the iteration ends. Iterating moves one cursor over the rows, from
 * the first one each time; `values()` makes the records themselves, all in one go.
 */
import { inspect } from 'node:util';
import { type Framing, textItself } from '../codecs/codec.js';
import { UsageError } from '../errors.js';
import { type RecordCursor, SpanCursor, ValueCursor } from './cursor.js';
import type { Span } from './span.js';
import { SpanSlabs } from './span-slabs.js';

/** Records that arrived together. */
export interface Batch<R> extends Iterable<RecordCursor<R>> {
  /** How many records. */
  readonly length: number;
  /**
   * Moves one cursor over the records, from the first: each step makes the one before it the next one. Loops over the
   * same batch share the cursor.
   */
  [Symbol.iterator](): IterableIterator<RecordCursor<R>>;
  /**
   * The records themselves, owned.
   * @throws the codec's error when the first one cannot be decoded; when a later one cannot, those before it are
   * given, and the error comes with the next read.
   */
  values(): R[];
}

/** Internal face of a batch. */
export interface LiveBatch<R> extends Batch<R> {
  /** Rows that were handed out so far, by the loop that got furthest; those after it are unread if the iteration is left. */
  readonly visited: number;
  /** A record could not be decoded; it is the one at `visited`, and nothing is given from there on. */
  readonly fault: unknown;
  /** What `visit` moves. */
  readonly cursor: RecordCursor<R>;
  /** Moves the cursor to a row, counted from the batch's first. @returns false behind the last that is given. */
  visit(row: number): boolean;
  expire(): void;
}

type MovingCursor<R> = RecordCursor<R> & {
  moveTo(row: number): RecordCursor<R>;
  value(slabs?: SpanSlabs): R;
};

/** Steps through rows without an object a step: the result and the cursor in it are always the same ones. */
class Steps<R> implements IterableIterator<RecordCursor<R>> {
  readonly #batch: BaseBatch<R>;
  readonly #result: IteratorYieldResult<RecordCursor<R>>;
  /** The row to visit next, counted from the batch's first. */
  #row = 0;

  constructor(batch: BaseBatch<R>, cursor: RecordCursor<R>) {
    this.#batch = batch;
    this.#result = { done: false, value: cursor };
  }

  next(): IteratorResult<RecordCursor<R>> {
    return this.#batch.visit(this.#row++) ? this.#result : { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

abstract class BaseBatch<R> implements LiveBatch<R> {
  readonly length: number;
  visited = 0;
  fault: unknown;
  /** Internal. */
  readonly cursor: MovingCursor<R> & { expire(): void };
  protected readonly first: number;
  /** Rows that a loop may visit without a further look: all of them, up to a fault, none once the batch has ended. */
  #open: number;
  #expired = false;

  constructor(cursor: MovingCursor<R> & { expire(): void }, first: number, length: number) {
    this.cursor = cursor;
    this.first = first;
    this.length = length;
    this.#open = length;
  }

  abstract values(): R[];

  /** Moves the cursor to a row, counted from the batch's first. @returns false behind the last that is given. Internal. */
  visit(row: number): boolean {
    if (row >= this.#open) return this.#visitNone(row);
    if (row >= this.visited) this.visited = row + 1;
    this.cursor.moveTo(this.first + row);
    return true;
  }

  #visitNone(row: number): false {
    if (row < this.length && !(this.fault !== undefined && row >= this.visited)) this.checkLive();
    return false;
  }

  /** Nothing is given from this row on. */
  protected failAt(row: number, error: unknown): void {
    this.fault = error;
    this.visited = row;
    this.#open = Math.min(this.#open, row);
  }

  [Symbol.iterator](): IterableIterator<RecordCursor<R>> {
    return new Steps(this, this.cursor);
  }

  expire(): void {
    this.#expired = true;
    this.#open = 0;
    this.cursor.expire();
  }

  [inspect.custom](): string {
    return `Batch { ${this.#expired ? 'expired, ' : ''}length: ${this.length}, visited: ${this.visited} }`;
  }

  protected checkLive(): void {
    if (this.#expired) throw new UsageError('ERR_RECORD_EXPIRED');
  }
}

/** A batch over a framer's rows. */
export class SpanBatch<R> extends BaseBatch<R> {
  readonly #framing: Framing<R>;
  readonly #span: Span;
  /** The cursor. Internal. */
  readonly rows: SpanCursor<R>;
  #slabs: SpanSlabs | undefined;

  constructor(framing: Framing<R>, span: Span) {
    const cursor = new SpanCursor(framing, span);
    super(cursor, span.row, span.rows - span.row);
    cursor.watch(this);
    this.rows = cursor;
    this.#framing = framing;
    this.#span = span;
  }

  /** Nothing is given from the row on, counted from the table's first. Internal. */
  faultAt(row: number, error: unknown): void {
    this.failAt(row - this.first, error);
  }

  values(): R[] {
    this.checkLive();
    this.visited = this.length;
    // Where a record is its text, the slices are the records.
    if (this.#framing.fromText === (textItself as unknown)) {
      const texts = this.rows.texts.all();
      if (texts !== undefined) return texts as unknown as R[];
    }
    if (this.#framing.text === undefined) this.#slabs ??= new SpanSlabs(this.#span);
    if (this.#framing.bytesThemselves) return this.#slabs!.all(this.first) as unknown as R[];
    const records: R[] = [];
    for (let row = 0; row < this.length; row++) {
      try {
        this.cursor.moveTo(this.first + row);
        records.push(this.cursor.value(this.#slabs));
      } catch (error) {
        // Those before it are given now; the error comes with the next read.
        if (row === 0) throw error;
        break;
      }
    }
    return records;
  }
}

/** A batch of records that were decoded one by one. */
export class ValueBatch<R> extends BaseBatch<R> {
  readonly #records: R[];

  constructor(records: R[]) {
    super(new ValueCursor(records), 0, records.length);
    this.#records = records;
  }

  values(): R[] {
    this.checkLive();
    this.visited = this.length;
    return this.#records;
  }
}
