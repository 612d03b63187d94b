/**
 * UTF-8 rows over every implementation, against Node's own decoder, row by row: valid text, and every way of breaking it.
 */
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { createFrameTable, HEADER_WORDS, R_END, R_LENGTH, R_OFFSET, ROW_WORDS } from '#lib/frame-table';
import type { NativeInterface } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';
import { seeded } from '../support/random.js';

/** Bytes at the borders of the Encoding Standard's table, and two that are plain. */
const EDGES = [
  0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
];

/** Rows over the parts of `bytes` that `cuts` end; a byte that belongs to no payload stands before each. */
function decode(native: NativeInterface, rows: readonly Buffer[]): { texts: string[]; malformed: number } {
  const bytes = Buffer.concat(rows.flatMap((row) => [Buffer.of(0xff), row]));
  // Two rows that are not asked for, so that `firstRow` counts.
  const table = createFrameTable(rows.length + 2);
  let at = 0;
  rows.forEach((row, index) => {
    const words = HEADER_WORDS + (index + 2) * ROW_WORDS;
    table[words + R_OFFSET] = at + 1;
    table[words + R_LENGTH] = row.length;
    at += 1 + row.length;
    table[words + R_END] = at;
  });
  const units = Buffer.alloc(2 * (bytes.length - rows.length));
  const ends = new Int32Array(rows.length + 1);
  const count = native.decodeUtf8Rows(bytes, table, 2, rows.length, units, ends);
  const text = units.toString('utf16le', 0, 2 * count);
  const texts = rows.map((_, index) => text.slice(index === 0 ? 0 : ends[index - 1], ends[index]));
  return { texts, malformed: ends[rows.length] };
}

function assertDecodes(native: NativeInterface, rows: readonly Buffer[]): void {
  const { texts, malformed } = decode(native, rows);
  assert.deepEqual(
    texts,
    rows.map((row) => row.toString('utf8')),
  );
  assert.equal(
    malformed,
    rows.findIndex((row) => !isUtf8(row)),
  );
}

describeEach('decodeUtf8Rows', (native) => {
  it('decodes text of one, two, three and four bytes a character', () => {
    const words = [
      '',
      'plain ASCII, longer than one block of sixteen',
      'naïve café',
      'привет',
      '日本語',
      '😀 and 👩‍👩‍👧',
      '\ufeffBOM',
    ];
    assertDecodes(
      native,
      words.map((word) => Buffer.from(word)),
    );
  });

  it('decodes a character at every place of a block', () => {
    for (const character of ['é', '語', '😀']) {
      for (let before = 0; before < 40; before++) {
        assertDecodes(native, [Buffer.from(`${'x'.repeat(before)}${character}${'y'.repeat(40 - before)}`)]);
      }
    }
  });

  it('ends a character where its row ends', () => {
    const bytes = Buffer.from('日本');
    for (let cut = 0; cut <= bytes.length; cut++) assertDecodes(native, [bytes.subarray(0, cut), bytes.subarray(cut)]);
  });

  it('replaces overlong forms, surrogates and points over U+10FFFF', () => {
    for (const hex of [
      'c080',
      'c1bf',
      'e08080',
      'e09fbf',
      'eda080',
      'edbfbf',
      'f0808080',
      'f08fbfbf',
      'f4908080',
      'f5808080',
    ]) {
      assertDecodes(native, [Buffer.from('ok'), Buffer.from(hex, 'hex'), Buffer.from(`61${hex}62`, 'hex')]);
    }
  });

  seeded('decodes random bytes as Node does', (random) => {
    for (let round = 0; round < 5000; round++) {
      const rows = Array.from({ length: 1 + random.below(4) }, () =>
        Buffer.from(Array.from({ length: random.below(50) }, () => EDGES[random.below(EDGES.length)])),
      );
      assertDecodes(native, rows);
    }
  });
});
