/**
 * What a framer has to make of a complete input, written for reading and not for speed: no state, no waiting, no tables.
 *
 * An oracle sees the whole input and knows that nothing follows. Every framer, fed the same bytes in any pieces and
 * then told of the end, has to come to the same rows, fault, skipped count and consumed count.
 */
import * as t from '#lib/frame-table';
import type { LengthFraming, SeparatorFraming } from '#lib/native-interface';
import type { Outcome, Row } from './stream.js';

interface Drawn {
  rows: Row[];
  fault: Outcome['fault'];
  consumed: number;
  skipped: number;
}

/** Where a record's payload ends, and its separator; 'none' at the input's end; or the fault that comes first. */
type End =
  | { kind: 'separator'; payloadEnd: number; end: number; index: number }
  | { kind: 'none' }
  | { kind: 'bare'; name: string; at: number };

export function separatorOracle(input: Uint8Array, framing: SeparatorFraming): Outcome {
  const drawn: Drawn = { rows: [], fault: undefined, consumed: 0, skipped: 0 };
  let pieces = 0;
  const row = (payloadEnd: number, end: number, flags: number) => {
    const at = drawn.consumed;
    const stop = framing.keep && (flags & t.FLAG_PIECE) === 0 ? end : payloadEnd;
    drawn.rows.push({ payload: latin1(input, at, stop), at, end, flags });
    drawn.consumed = end;
  };
  const fail = (name: string, detail: number) => {
    drawn.fault = { name, detail, at: drawn.consumed };
    return drawn;
  };
  while (drawn.consumed < input.length) {
    const start = drawn.consumed;
    const end = endOfRecord(input, start, framing);
    const place = end.kind === 'separator' ? end.payloadEnd : end.kind === 'bare' ? end.at : input.length;
    if (place - start > framing.maxLength) {
      if (framing.overflow === 'error') return fail('RECORD_TOO_LARGE', framing.maxLength + 1);
      if (framing.overflow === 'pieces') {
        row(start + framing.maxLength, start + framing.maxLength, t.FLAG_PIECE);
        pieces = t.FLAG_LAST_PIECE;
      } else {
        drawn.consumed = endOfSkipped(input, start, framing);
        drawn.skipped++;
      }
    } else if (end.kind === 'bare') {
      return fail(end.name, end.at - start);
    } else if (end.kind === 'separator') {
      row(end.payloadEnd, end.end, (end.index << t.SEPARATOR_SHIFT) | pieces);
      pieces = 0;
    } else if (framing.tail === 'refuse') {
      return fail('UNEXPECTED_EOF', input.length - start);
    } else if (framing.tail === 'give') {
      row(input.length, input.length, t.FLAG_UNTERMINATED | pieces);
    } else {
      drawn.consumed = input.length;
    }
  }
  return drawn;
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.subarray(from, to)).toString('latin1');
}

/** The separator at a place: the longest that lies there whole; equally long, the first given. */
function separatorAt(input: Uint8Array, place: number, separators: readonly Uint8Array[]): number {
  let best = -1;
  for (const [index, separator] of separators.entries()) {
    const there = Buffer.compare(input.subarray(place, place + separator.length), separator) === 0;
    if (there && (best < 0 || separator.length > separators[best].length)) best = index;
  }
  return best;
}

function endOfRecord(input: Uint8Array, start: number, framing: SeparatorFraming): End {
  for (let place = start; place < input.length; place++) {
    const index = separatorAt(input, place, framing.separators);
    if (index >= 0) {
      const cr = framing.newline === 'strip-cr' && place > start && input[place - 1] === 0x0d;
      const end = place + framing.separators[index].length;
      return { kind: 'separator', payloadEnd: cr ? place - 1 : place, end, index };
    }
    if (framing.newline !== 'strict-crlf') continue;
    if (input[place] === 0x0d) return { kind: 'bare', name: 'BARE_CR', at: place };
    if (input[place] === 0x0a) return { kind: 'bare', name: 'BARE_LF', at: place };
  }
  return { kind: 'none' };
}

/** In what is skipped only whole separators count. */
function endOfSkipped(input: Uint8Array, start: number, framing: SeparatorFraming): number {
  const newline = framing.newline === 'strict-crlf' ? 'plain' : framing.newline;
  // The fault of a bare byte comes after the first maxLength + 1 bytes here, so none of those is looked at again.
  const end = endOfRecord(input, start, { ...framing, newline });
  return end.kind === 'separator' ? end.end : input.length;
}

const MAX_SAFE = 2n ** 53n - 1n;

export function lengthOracle(input: Uint8Array, framing: LengthFraming): Outcome {
  const drawn: Drawn = { rows: [], fault: undefined, consumed: 0, skipped: 0 };
  const fail = (name: string, detail: bigint | number) => {
    drawn.fault = { name, detail: Number(detail), at: drawn.consumed };
    return drawn;
  };
  while (drawn.consumed < input.length) {
    const start = drawn.consumed;
    const at = start + framing.offset;
    const field = readField(input.subarray(Math.min(at, input.length)), framing);
    if (field.kind === 'cut') return fail('UNEXPECTED_EOF', input.length - start);
    if (field.kind === 'fault') return fail(field.name, field.detail);
    const length = field.value + BigInt(framing.adjustment);
    if (field.value > MAX_SAFE || length > MAX_SAFE) return fail('LENGTH_OVERFLOW', 0);
    if (length < 0n) return fail('LENGTH_NEGATIVE', field.value);
    if (length > BigInt(framing.maxLength)) return fail('RECORD_TOO_LARGE', length);
    const payload = at + field.bytes;
    const payloadEnd = payload + Number(length);
    const end = payloadEnd + (framing.trailer >= 0 ? 1 : 0);
    if (end > input.length) return fail('UNEXPECTED_EOF', input.length - start);
    if (framing.trailer >= 0 && input[payloadEnd] !== framing.trailer)
      return fail('TRAILER_MISSING', input[payloadEnd]);
    const from = framing.header === 'keep' ? start : payload;
    drawn.rows.push({ payload: latin1(input, from, payloadEnd), at: from, end, flags: 0 });
    drawn.consumed = end;
  }
  return drawn;
}

type Field =
  | { kind: 'cut' }
  | { kind: 'fault'; name: string; detail: number }
  | { kind: 'length'; value: bigint; bytes: number };

/** Reads the length field that `input` starts with. */
function readField(input: Uint8Array, framing: LengthFraming): Field {
  const { encoding, lengthBytes } = framing;
  if (encoding === 'varint') return readVarint(input, lengthBytes);
  if (encoding === 'decimal') return readDecimal(latin1(input, 0, input.length), lengthBytes, framing.terminator);
  if (input.length < lengthBytes) return { kind: 'cut' };
  const bytes = [...input.subarray(0, lengthBytes)];
  const ordered = encoding === 'big' ? bytes : bytes.reverse();
  return { kind: 'length', value: ordered.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n), bytes: lengthBytes };
}

function readVarint(input: Uint8Array, lengthBytes: number): Field {
  const last = input.findIndex((byte) => byte < 0x80);
  const bytes = last + 1;
  if (last < 0 || bytes > lengthBytes) {
    if (input.length < lengthBytes) return { kind: 'cut' };
    return { kind: 'fault', name: 'LENGTH_TOO_LONG', detail: lengthBytes };
  }
  if (bytes > 1 && input[last] === 0) return { kind: 'fault', name: 'LENGTH_OVERLONG', detail: bytes };
  let value = 0n;
  for (let i = last; i >= 0; i--) value = value * 128n + BigInt(input[i] & 0x7f);
  return { kind: 'length', value, bytes };
}

function readDecimal(text: string, lengthBytes: number, terminator: number): Field {
  const digits = /^[0-9]*/.exec(text)?.[0] ?? '';
  if (digits.length > lengthBytes) return { kind: 'fault', name: 'LENGTH_TOO_LONG', detail: lengthBytes };
  if (digits.length === text.length) return { kind: 'cut' };
  const next = text.charCodeAt(digits.length);
  if (next !== terminator || digits === '') return { kind: 'fault', name: 'LENGTH_NOT_DIGIT', detail: next };
  if (digits.length > 1 && digits[0] === '0') {
    return { kind: 'fault', name: 'LENGTH_OVERLONG', detail: digits.length };
  }
  return { kind: 'length', value: BigInt(digits), bytes: digits.length + 1 };
}
