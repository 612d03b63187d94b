/**
 * A stream of WebSocket frames for a framer: bytes arrive in pieces, and lie where they arrived while the framer writes
 * to them. What comes out is collected in a form that does not depend on how the stream was cut.
 *
 * Every row is also held against the compact form, and every byte that the framer has no business with against what it
 * was before.
 */
import assert from 'node:assert/strict';
import * as t from '#lib/frame-table';
import type { Framer, WebSocketFraming } from '#lib/native-interface';
import { frameOf } from './websocket-wire.js';

export interface FrameOutcome {
  /** The first byte and the payload, as hexadecimal digits. */
  readonly frames: string[];
  /** Whether each is said to be ASCII text. */
  readonly ascii: boolean[];
  /** undefined while nothing is wrong. */
  fault: { readonly name: string; readonly detail: number; readonly at: number } | undefined;
  /** Bytes that had arrived when the fault was found. */
  foundAfter: number | undefined;
  consumed: number;
  /** H_OVERFLOW at the end. */
  state: number;
}

export interface FrameDelivery {
  /** Where the pieces end, ascending; the last one is the input's length. */
  readonly cuts: readonly number[];
  /** Rows that a table has room for. Default: 64. */
  readonly rowCount?: number;
  /** H_FINAL comes with the last piece, or not at all. Default: 'never'. */
  readonly final?: 'with-last' | 'never';
  /** Only calls when as many bytes are there as H_NEED asked for. */
  readonly heedNeed?: boolean;
  /** Where in memory the stream begins. Default: 3. */
  readonly alignment?: number;
}

const FAULT_NAMES = Object.fromEntries(Object.entries(t.FrameFault).map(([name, code]) => [code, name]));
/** Put around the stream: a framer that looks at it sees a frame, and one that writes to it is found out. */
const AROUND = 0x81;
const BEHIND = 40;

/** Runs a whole stream through `framer`. */
export function deliverFrames(
  framer: Framer,
  role: WebSocketFraming['role'],
  input: Uint8Array,
  delivery: FrameDelivery,
): FrameOutcome {
  const { cuts, final = 'never', heedNeed = false } = delivery;
  const stream = new FramesInput(framer, role, input, delivery);
  assert.equal(cuts.at(-1), input.length);
  for (const [index, cut] of cuts.entries()) {
    const last = index === cuts.length - 1;
    if (heedNeed && !last && cut - stream.outcome.consumed < stream.need) continue;
    if (!stream.offer(cut, last && final === 'with-last')) break;
  }
  return stream.outcome;
}

class FramesInput {
  readonly #framer: Framer;
  readonly #role: WebSocketFraming['role'];
  readonly #bytes: Buffer;
  readonly #from: number;
  readonly #table: Int32Array;
  readonly outcome: FrameOutcome = {
    frames: [],
    ascii: [],
    fault: undefined,
    foundAfter: undefined,
    consumed: 0,
    state: 0,
  };
  need = 0;

  constructor(framer: Framer, role: WebSocketFraming['role'], input: Uint8Array, delivery: FrameDelivery) {
    this.#framer = framer;
    this.#role = role;
    const memory = Buffer.alloc(128 + input.length + BEHIND, AROUND);
    this.#from = 64 + ((delivery.alignment ?? 3) & 63);
    this.#bytes = memory;
    memory.set(input, this.#from);
    this.#table = t.createFrameTable(delivery.rowCount ?? 64);
  }

  /** Lets the framer have all up to `end`. @returns false once something is wrong. */
  offer(end: number, final: boolean): boolean {
    const table = this.#table;
    table[t.H_FINAL] = final ? 1 : 0;
    let status: number = t.FRAME_FULL;
    for (let calls = 0; status === t.FRAME_FULL; calls++) {
      assert.ok(calls < 100_000, 'the framer makes no progress');
      status = this.#call(this.#from + end);
    }
    this.need = table[t.H_NEED];
    this.outcome.state = table[t.H_OVERFLOW];
    if (status !== t.FRAME_ERROR) return true;
    this.outcome.foundAfter = end;
    this.#checkAgain(this.#from + end);
    return false;
  }

  #call(to: number): number {
    const table = this.#table;
    const bytes = this.#bytes;
    const from = this.#from + this.outcome.consumed;
    const before = Buffer.from(bytes);
    const searched = table[t.H_SEARCHED];
    const rows = this.#framer.frame(bytes, from, to, table, 1 << 20);
    assert.equal(rows, table[t.H_ROWS]);
    if (this.#role === 'client') assert.ok(bytes.equals(before), 'a client changes nothing');
    assert.ok(bytes.subarray(0, from).equals(before.subarray(0, from)), 'nothing before the span is changed');
    assert.ok(bytes.subarray(to).equals(before.subarray(to)), 'nothing behind the span is changed');
    this.#checkHeader(from, to);
    let at = from;
    for (let row = 0; row < rows; row++) at = this.#collect(row, row === 0 && searched > 0 ? undefined : at);
    this.outcome.consumed += table[t.H_CONSUMED];
    if (table[t.H_STATUS] === t.FRAME_ERROR) {
      const detail = (table[t.H_DETAIL_HIGH] >>> 0) * 2 ** 32 + (table[t.H_DETAIL_LOW] >>> 0);
      this.outcome.fault = { name: FAULT_NAMES[table[t.H_FAULT]], detail, at: this.outcome.consumed };
    }
    return table[t.H_STATUS];
  }

  #checkHeader(from: number, to: number): void {
    const table = this.#table;
    const rest = to - from - table[t.H_CONSUMED];
    const status = table[t.H_STATUS];
    assert.ok(table[t.H_CONSUMED] >= 0 && rest >= 0, 'consumed is within the span');
    assert.ok(table[t.H_SEARCHED] >= 0 && table[t.H_SEARCHED] <= rest, 'searched is within the rest');
    assert.equal(table[t.H_FAULT] !== 0, status === t.FRAME_ERROR, 'a fault goes with FRAME_ERROR');
    assert.equal(table[t.H_ASCII] + table[t.H_SKIPPED], 0);
    if (status !== t.FRAME_MORE) assert.equal(table[t.H_NEED], 0);
    else if (table[t.H_FINAL] === 1) assert.equal(rest, 0, 'nothing is left at the end');
    else assert.ok(table[t.H_NEED] > rest, 'need is more than there is');
  }

  /** @param at where the frame's compact form has to begin; undefined: where its payload was. @returns where it ends. */
  #collect(row: number, at: number | undefined): number {
    const words = t.HEADER_WORDS + row * t.ROW_WORDS;
    const [offset, length, end, flags] = this.#table.subarray(words, words + t.ROW_WORDS);
    const payload = this.#bytes.subarray(offset, offset + length);
    const first = (flags >> t.WS_FIRST_SHIFT) & 0xff;
    const compact = frameOf({ first, payload });
    const start = offset + length - compact.length;
    assert.ok(this.#bytes.subarray(start, offset + length).equals(compact), 'a server could send it from there');
    if (this.#role === 'client' || at === undefined) assert.equal(offset + length, end, 'the payload was not moved');
    else assert.equal(start, at, 'compact frames lie one behind the other');
    this.outcome.frames.push(`${first.toString(16)} ${payload.toString('hex')}`);
    this.outcome.ascii.push((flags & t.WS_FLAG_ASCII) !== 0);
    return offset + length;
  }

  /** A fault is found again, and nothing changes any more. */
  #checkAgain(to: number): void {
    const table = this.#table;
    const from = this.#from + this.outcome.consumed;
    const words = Array.from(table.subarray(0, t.HEADER_WORDS));
    const bytes = Buffer.from(this.#bytes);
    this.#framer.frame(this.#bytes, from, to, table, 1 << 20);
    words[t.H_ROWS] = 0;
    words[t.H_CONSUMED] = 0;
    assert.deepEqual(Array.from(table.subarray(0, t.HEADER_WORDS)), words, 'the same is found again');
    assert.ok(this.#bytes.equals(bytes), 'a frame at fault is left as it is');
  }
}
