/**
 * The texts of many rows as V8's serialization, over every implementation: what V8 reads, against Node's own decoders.
 */
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { Deserializer } from 'node:v8';
import { createFrameTable, HEADER_WORDS, R_LENGTH, R_OFFSET, ROW_WORDS } from '#lib/frame-table';
import type { NativeInterface } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';
import { seeded } from '../support/random.js';

/** Bytes at the borders of the Encoding Standard's table, and two that are plain. */
const EDGES = [
  0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
];

/** Rows behind each other, with a byte that belongs to none before each, and two rows that are not asked for. */
function tableOf(rows: readonly Buffer[]): { bytes: Buffer; table: Int32Array } {
  const bytes = Buffer.concat(rows.flatMap((row) => [Buffer.of(0xff), row]));
  const table = createFrameTable(rows.length + 2);
  let at = 0;
  for (const [index, row] of rows.entries()) {
    const words = HEADER_WORDS + (index + 2) * ROW_WORDS;
    table[words + R_OFFSET] = at + 1;
    table[words + R_LENGTH] = row.length;
    at += 1 + row.length;
  }
  return { bytes, table };
}

/** What V8 makes of the serialization of these rows. */
function deserialized(
  native: NativeInterface,
  rows: readonly Buffer[],
  latin1: 0 | 1,
): { texts: unknown; size: number } {
  const { bytes, table } = tableOf(rows);
  const target = Buffer.alloc(32 + rows.length * 8 + 2 * bytes.length);
  const size = native.serializeTexts(bytes, table, 2, rows.length, latin1, target);
  const deserializer = new Deserializer(target.subarray(0, Math.abs(size)));
  deserializer.readHeader();
  return { texts: deserializer.readValue(), size };
}

describeEach('serializeTexts', (native) => {
  it('is read by V8 as the rows in their encoding', () => {
    const rows = ['', 'a', 'plain ASCII', 'x'.repeat(300), 'naïve', 'привет', '😀', 'y'.repeat(20_000)].map((text) =>
      Buffer.from(text),
    );
    for (const [latin1, encoding] of [
      [0, 'utf8'],
      [1, 'latin1'],
    ] as const) {
      const { texts, size } = deserialized(native, rows, latin1);
      assert.deepEqual(
        texts,
        rows.map((row) => row.toString(encoding)),
      );
      assert.ok(size > 0);
    }
  });

  it('serializes no rows as no strings', () => {
    assert.deepEqual(deserialized(native, [], 0).texts, []);
  });

  seeded('is read as Node decodes random bytes, and says when they are no UTF-8', (random) => {
    for (let round = 0; round < 3000; round++) {
      const rows = Array.from({ length: 1 + random.below(5) }, () =>
        Buffer.from(Array.from({ length: random.below(40) }, () => EDGES[random.below(EDGES.length)])),
      );
      const { texts, size } = deserialized(native, rows, 0);
      assert.deepEqual(
        texts,
        rows.map((row) => row.toString('utf8')),
      );
      assert.equal(size > 0, rows.every(isUtf8));
    }
  });
});
