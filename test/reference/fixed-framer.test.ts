/**
 * The fixed-size framer over every implementation.
 */
import assert from 'node:assert/strict';
import * as t from '#lib/frame-table';
import { describeEach } from '../support/implementations.js';
import { SIZES } from '../support/sizes.js';
import type { Outcome, Row } from '../support/stream.js';
import { runWireCase, type WireCase } from '../support/wire.js';

const CASES: readonly (WireCase & { size: number })[] = [
  { name: 'nothing', size: 3, input: '', rows: [] },
  { name: 'whole records', size: 3, input: 'abcdef', rows: ['abc', 'def'] },
  { name: 'bytes', size: 1, input: 'ab', rows: ['a', 'b'] },
  { name: 'a rest', size: 3, input: 'abcde', rows: ['abc'], fault: ['UNEXPECTED_EOF', 2, 3] },
  { name: 'less than one', size: 9, input: 'abcde', rows: [], fault: ['UNEXPECTED_EOF', 5, 0] },
];

function oracle(input: Uint8Array, size: number): Outcome {
  const rest = input.length % size;
  const consumed = input.length - rest;
  const rows: Row[] = [];
  for (let at = 0; at < consumed; at += size) {
    rows.push({ payload: Buffer.from(input.subarray(at, at + size)).toString('latin1'), at, end: at + size, flags: 0 });
  }
  const fault = rest === 0 ? undefined : { name: 'UNEXPECTED_EOF', detail: rest, at: consumed };
  return { rows, fault, consumed, skipped: 0 };
}

describeEach('fixed framer', (native) => {
  for (const wire of CASES) {
    it(`${wire.name}: ${JSON.stringify(wire.input)} by ${wire.size}`, () => {
      runWireCase(native.createFixedFramer(wire.size), wire, (input) => oracle(input, wire.size));
    });
  }

  it('asks for a record, and at the final end for nothing', () => {
    const table = t.createFrameTable(4);
    const framer = native.createFixedFramer(5);
    framer.frame(Buffer.from('abcdefg'), 0, 7, table, 4);
    assert.deepEqual([table[t.H_STATUS], table[t.H_CONSUMED], table[t.H_NEED]], [t.FRAME_MORE, 5, 5]);
    table[t.H_FINAL] = 1;
    framer.frame(Buffer.from('abcde'), 0, 5, table, 4);
    assert.deepEqual([table[t.H_STATUS], table[t.H_CONSUMED], table[t.H_NEED]], [t.FRAME_MORE, 5, 0]);
  });

  it('cuts spans of every size that matters', () => {
    const table = t.createFrameTable(70_000);
    for (const size of SIZES.filter((one) => one > 0)) {
      const bytes = new Uint8Array(65_536);
      const rows = native.createFixedFramer(size).frame(bytes, 0, bytes.length, table, 70_000);
      assert.equal(rows, Math.floor(65_536 / size));
      assert.equal(table[t.H_CONSUMED], rows * size);
    }
  });

  for (const size of [0, -1, 1.5, Number.NaN, 2 ** 30 + 1, '3', undefined]) {
    it(`refuses records of ${String(size)} bytes`, () => {
      assert.throws(() => native.createFixedFramer(size as number), { code: /^ERR_(INVALID_ARG|OUT_OF_RANGE)/ });
    });
  }
});
