/**
 * Wire cases: an input and what a framer has to make of it, run in every way that bytes can arrive.
 *
 * Each case runs whole, byte by byte, cut at every place, with H_FINAL on its own, with a table of one row, heeding
 * H_NEED, between foreign bytes, and cut short by the end of the stream at every place, where an oracle knows what is
 * right. Characters of `input` are bytes (latin1).
 */
import assert from 'node:assert/strict';
import type { Framer } from '#lib/native-interface';
import { type Delivery, deliver, type Outcome, surround } from './stream.js';

export interface WireCase {
  readonly name: string;
  readonly input: string;
  /** Payloads in order; a flagged row as [payload, flags]. */
  readonly rows: readonly (string | readonly [payload: string, flags: number])[];
  /** The fault's name, its detail, and where its record starts. */
  readonly fault?: readonly [name: string, detail: number, at: number];
  /** Records dropped under the 'skip' policy. Default: 0. */
  readonly skipped?: number;
}

/** What may lie around a span: separators, digits, length fields, nothing. */
const SURROUNDINGS = [
  ['', ''],
  ['\r\n', '\n\r\n\n'],
  ['abc\r', '\n'],
  ['\x00\x00\x00\x01', '\xff\xff,12:;;'],
];

/** Runs one case; `oracle` tells what is right for an input that ends where the given bytes end. */
export function runWireCase(framer: Framer, wire: WireCase, oracle: (input: Uint8Array) => Outcome): void {
  const input = Buffer.from(wire.input, 'latin1');
  const expected = oracle(input);
  assert.deepEqual(stated(expected), stated(wire), 'the case says what the oracle says');
  for (const [before, after] of SURROUNDINGS) {
    const { bytes, from } = surround(input, before, after);
    const check = (length: number, right: Outcome, delivery: Delivery) =>
      assert.deepEqual(deliver(framer, bytes, from, length, delivery), right, JSON.stringify({ length, ...delivery }));
    for (const delivery of deliveries(input.length)) check(input.length, expected, delivery);
    for (let length = 0; length < input.length; length++) {
      const right = oracle(input.subarray(0, length));
      check(length, right, { cuts: [length] });
      check(length, right, { cuts: everyByte(length), final: 'alone', rowCount: 1 });
    }
  }
}

/** All ways to deliver an input whole. */
function* deliveries(length: number): Generator<Delivery> {
  for (const final of ['with-last', 'alone'] as const) {
    for (const rowCount of [1, 2, 64]) {
      yield { cuts: [length], final, rowCount };
      yield { cuts: everyByte(length), final, rowCount };
      yield { cuts: everyByte(length), final, rowCount, heedNeed: true };
    }
    for (let cut = 0; cut <= length; cut++) yield { cuts: [cut, length], final };
  }
}

function everyByte(length: number): number[] {
  return Array.from({ length: length + 1 }, (_, index) => index);
}

/** A case and an outcome in the form in which they can be compared. */
function stated(from: WireCase | Outcome): unknown {
  const rows = from.rows.map((row) => {
    if (typeof row === 'string') return [row, 0];
    return 'payload' in row ? [row.payload, row.flags] : row;
  });
  const { fault } = from;
  const list =
    fault === undefined ? undefined : 'at' in fault && 'name' in fault ? [fault.name, fault.detail, fault.at] : fault;
  return { rows, fault: list, skipped: from.skipped ?? 0 };
}
