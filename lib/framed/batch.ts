/**
 * The records that were there at once: what `batches()` gives.
 *
 * A batch is valid until the next one is asked for or the iteration ends. Iterating moves one cursor over the rows, from
 * the first one each time; `values()` makes the records themselves, all in one go.
 */
import { inspect } from 'node:util';
import { type Framing, textItself } from '../codecs/codec.js';
import type { BatchCursor, RecordCursor, SpanCursor, ValueCursor } from './cursor.js';
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

/** Steps through rows without an object a step: the result and the cursor in it are always the same ones. */
class Steps<R> implements IterableIterator<RecordCursor<R>> {
  readonly #cursor: BatchCursor<R>;
  readonly #result: IteratorYieldResult<RecordCursor<R>>;
  /** The row to visit next, counted from the batch's first. */
  #row = 0;

  constructor(cursor: BatchCursor<R>) {
    this.#cursor = cursor;
    this.#result = { done: false, value: cursor };
  }

  next(): IteratorResult<RecordCursor<R>> {
    return this.#cursor.visit(this.#row++) ? this.#result : { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

abstract class BaseBatch<R> implements Batch<R> {
  protected readonly cursor: BatchCursor<R>;

  constructor(cursor: BatchCursor<R>) {
    this.cursor = cursor;
  }

  get length(): number {
    return this.cursor.count;
  }

  abstract values(): R[];

  [Symbol.iterator](): IterableIterator<RecordCursor<R>> {
    return new Steps(this.cursor);
  }

  [inspect.custom](): string {
    const { live, count, visited } = this.cursor;
    return `Batch { ${live ? '' : 'expired, '}length: ${count}, visited: ${visited} }`;
  }

  /** All are given. @throws ERR_RECORD_EXPIRED */
  protected visitAll(): void {
    this.cursor.checkLive();
    this.cursor.visited = this.length;
  }
}

/** A batch over a framer's rows. */
export class SpanBatch<R> extends BaseBatch<R> {
  readonly #framing: Framing<R>;
  readonly #span: Span;
  readonly #rows: SpanCursor<R>;
  #slabs: SpanSlabs | undefined;

  constructor(framing: Framing<R>, span: Span, cursor: SpanCursor<R>) {
    super(cursor);
    this.#rows = cursor;
    this.#framing = framing;
    this.#span = span;
  }

  values(): R[] {
    this.visitAll();
    const rows = this.#rows;
    // Where a record is its text, the slices are the records.
    if (this.#framing.fromText === (textItself as unknown)) {
      const texts = rows.texts.all();
      if (texts !== undefined) return texts as unknown as R[];
    }
    if (this.#framing.text === undefined) this.#slabs ??= new SpanSlabs(this.#span);
    if (this.#framing.bytesThemselves) return this.#slabs!.all(rows.first) as unknown as R[];
    const records: R[] = [];
    for (let row = 0; row < this.length; row++) {
      try {
        rows.moveTo(rows.first + row);
        records.push(rows.value(this.#slabs));
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

  constructor(records: R[], cursor: ValueCursor<R>) {
    super(cursor);
    this.#records = records;
  }

  values(): R[] {
    this.visitAll();
    return this.#records;
  }
}
