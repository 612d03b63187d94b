/**
 * A stream for framers: bytes arrive in pieces, the framer is called as the library calls it, and what it says is
 * collected in a form that does not depend on how the bytes were cut.
 *
 * The whole input lies in one array and only its arrived part is inside [from, to), so a framer that reads behind its
 * span sees bytes that are real and wrong.
 */
import assert from 'node:assert/strict';
import * as t from '#lib/frame-table';
import type { Framer } from '#lib/native-interface';

/** A record, or a piece of one. Places count from the input's start. */
export interface Row {
  readonly payload: string;
  readonly at: number;
  readonly end: number;
  readonly flags: number;
}

export interface Outcome {
  readonly rows: Row[];
  /** undefined while nothing is wrong. */
  readonly fault: { readonly name: string; readonly detail: number; readonly at: number } | undefined;
  readonly consumed: number;
  readonly skipped: number;
}

export interface Delivery {
  /** Where the pieces end, ascending; the last one is the input's length. */
  readonly cuts: readonly number[];
  /** Rows that a table has room for. Default: 64. */
  readonly rowCount?: number;
  /** 'with-last': H_FINAL comes with the last piece. 'alone': in a call of its own after it. 'never': not at all. */
  readonly final?: 'with-last' | 'alone' | 'never';
  /** Only calls when as many bytes are there as H_NEED asked for. */
  readonly heedNeed?: boolean;
}

const FAULT_NAMES = Object.fromEntries(Object.entries(t.FrameFault).map(([name, code]) => [code, name]));

/** Puts bytes around the input, so that its span starts at `from` and is followed by bytes of another protocol. */
export function surround(input: Uint8Array, before: string, after: string): { bytes: Uint8Array; from: number } {
  return {
    bytes: Buffer.concat([Buffer.from(before, 'latin1'), input, Buffer.from(after, 'latin1')]),
    from: before.length,
  };
}

/** Runs a whole stream through `framer`. The input is bytes[from, from + length). */
export function deliver(framer: Framer, bytes: Uint8Array, from: number, length: number, delivery: Delivery): Outcome {
  const { cuts, rowCount = 64, final = 'with-last', heedNeed = false } = delivery;
  const stream = new FramedInput(framer, bytes, from, rowCount);
  assert.equal(cuts.at(-1), length);
  for (const [index, cut] of cuts.entries()) {
    const last = index === cuts.length - 1 && final === 'with-last';
    if (heedNeed && !last && cut - stream.consumed < stream.need) continue;
    if (!stream.offer(cut, last)) return stream.outcome();
  }
  if (final === 'alone') stream.offer(length, true);
  return stream.outcome();
}

class FramedInput {
  readonly #framer: Framer;
  readonly #bytes: Uint8Array;
  readonly #from: number;
  readonly #table: Int32Array;
  readonly #rows: Row[] = [];
  #fault: Outcome['fault'];
  #skipped = 0;
  consumed = 0;
  need = 0;

  constructor(framer: Framer, bytes: Uint8Array, from: number, rowCount: number) {
    this.#framer = framer;
    this.#bytes = bytes;
    this.#from = from;
    this.#table = t.createFrameTable(rowCount);
  }

  /** Lets the framer have all up to `end`. @returns false once something is wrong. */
  offer(end: number, final: boolean): boolean {
    const table = this.#table;
    table[t.H_FINAL] = final ? 1 : 0;
    let status: number = t.FRAME_FULL;
    for (let calls = 0; status === t.FRAME_FULL; calls++) {
      assert.ok(calls < 100_000, 'the framer makes no progress');
      status = this.#call(this.#from + this.consumed, this.#from + end);
    }
    this.need = table[t.H_NEED];
    return status !== t.FRAME_ERROR;
  }

  outcome(): Outcome {
    return { rows: this.#rows, fault: this.#fault, consumed: this.consumed, skipped: this.#skipped };
  }

  #call(from: number, to: number): number {
    const table = this.#table;
    const rows = this.#framer.frame(this.#bytes, from, to, table, 1 << 20);
    assert.equal(rows, table[t.H_ROWS]);
    this.#checkHeader(from, to);
    for (let row = 0; row < rows; row++) this.#collect(t.HEADER_WORDS + row * t.ROW_WORDS);
    this.consumed += table[t.H_CONSUMED];
    this.#skipped += table[t.H_SKIPPED];
    if (table[t.H_STATUS] === t.FRAME_ERROR) {
      const detail = table[t.H_DETAIL_HIGH] * 2 ** 32 + (table[t.H_DETAIL_LOW] >>> 0);
      this.#fault = { name: FAULT_NAMES[table[t.H_FAULT]], detail, at: this.consumed };
    }
    return table[t.H_STATUS];
  }

  /** What holds for every framer at every call. */
  #checkHeader(from: number, to: number): void {
    const table = this.#table;
    const rest = to - from - table[t.H_CONSUMED];
    const status = table[t.H_STATUS];
    assert.ok(table[t.H_CONSUMED] >= 0 && rest >= 0, 'consumed is within the span');
    assert.ok(table[t.H_SEARCHED] >= 0 && table[t.H_SEARCHED] <= rest, 'searched is within the rest');
    assert.ok(status >= t.FRAME_MORE && status <= t.FRAME_ERROR, 'the status is one of three');
    assert.equal(table[t.H_FAULT] !== 0, status === t.FRAME_ERROR, 'a fault goes with FRAME_ERROR');
    if (status === t.FRAME_MORE) {
      assert.ok(table[t.H_NEED] === 0 || table[t.H_NEED] > rest, 'need is more than there is');
      if (table[t.H_FINAL] === 1) assert.equal(rest, 0, 'nothing is left at the end');
    } else {
      assert.equal(table[t.H_NEED], 0);
      assert.equal(table[t.H_SEARCHED], 0);
    }
  }

  #collect(at: number): void {
    const offset = this.#table[at + t.R_OFFSET];
    const length = this.#table[at + t.R_LENGTH];
    this.#rows.push({
      payload: Buffer.from(this.#bytes.subarray(offset, offset + length)).toString('latin1'),
      at: offset - this.#from,
      end: this.#table[at + t.R_END] - this.#from,
      flags: this.#table[at + t.R_FLAGS],
    });
  }
}
