/**
 * UTF-8 of many rows at once, over every implementation, against the runtime's TextDecoder row by row.
 */
import assert from 'node:assert/strict';
import { createFrameTable, HEADER_WORDS, R_LENGTH, R_OFFSET, ROW_WORDS } from '#lib/frame-table';
import type { NativeInterface } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';
import { type Random, seeded } from '../support/random.js';

const LENIENT = new TextDecoder('utf-8', { ignoreBOM: true });
const STRICT = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
/** Put before and between rows: a decoder that looks beyond a row takes them for part of a character. */
const GAP = Buffer.from([0x80, 0xf0, 0x9f]);

function isValid(bytes: Uint8Array): boolean {
  try {
    STRICT.decode(bytes);
    return true;
  } catch {
    return false; // fatal: true throws for exactly this
  }
}

/** Decodes `payloads`, of which the first `skipped` are rows before firstRow, and compares text, ends and verdict. */
function check(native: NativeInterface, payloads: readonly Uint8Array[], skipped = 0): void {
  const table = createFrameTable(payloads.length);
  const bytes = Buffer.concat(payloads.flatMap((payload) => [GAP, payload]).concat(GAP));
  let at = 0;
  for (const [row, payload] of payloads.entries()) {
    at += GAP.length;
    table[HEADER_WORDS + row * ROW_WORDS + R_OFFSET] = at;
    table[HEADER_WORDS + row * ROW_WORDS + R_LENGTH] = payload.length;
    at += payload.length;
  }
  const rows = payloads.slice(skipped);
  const room = rows.reduce((sum, payload) => sum + payload.length, 0) * 2;
  const units = Buffer.alloc(room + 2, 0xee);
  const ends = new Int32Array(rows.length + 1);
  const count = native.decodeUtf8Rows(bytes, table, skipped, rows.length, units.subarray(0, room), ends);
  const texts = rows.map((payload) => LENIENT.decode(payload));
  const shown = JSON.stringify(payloads.map((payload) => [...payload]));
  assert.equal(units.toString('utf16le', 0, count * 2), texts.join(''), shown);
  let end = 0;
  assert.deepEqual(
    [...ends.subarray(0, rows.length)],
    texts.map((text) => (end += text.length)),
    shown,
  );
  assert.equal(
    ends[rows.length],
    rows.findIndex((payload) => !isValid(payload)),
    shown,
  );
  assert.equal(units.readUInt16LE(room), 0xeeee, 'nothing is written behind the room');
}

/** Characters of every length, and what only looks like them. */
const PARTS = [
  'a',
  'plain ASCII of some length, longer than a register',
  '\u00e9',
  '\u20ac',
  '\ud55c',
  '\u{1f600}',
  '\u{10ffff}',
  '\ufeff',
  '\ufffd',
  '\0',
  '\x7f',
  '\u0080',
  '\u07ff',
  '\u0800',
  '\uffff',
  '\u{10000}',
].map((text) => Buffer.from(text));
const BROKEN = [
  [0x80],
  [0xbf],
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xc2],
  [0xe0, 0x80, 0x80],
  [0xe0, 0xa0],
  [0xe2, 0x82],
  [0xed, 0xa0, 0x80],
  [0xef, 0xbf],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x9f, 0x98],
  [0xf0, 0x9f],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5],
  [0xff],
  [0xfe],
].map((bytes) => Buffer.from(bytes));

function randomText(random: Random, broken: boolean): Uint8Array {
  const count = random.below(12);
  return Buffer.concat(Array.from({ length: count }, () => random.pick(broken && random.oneIn(6) ? BROKEN : PARTS)));
}

describeEach('decodeUtf8Rows', (native) => {
  it('decodes no rows, empty rows, and rows behind others', () => {
    check(native, []);
    check(native, [Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(0)]);
    check(native, [Buffer.from('\u00e9'), Buffer.from([0xff]), Buffer.from('b\u20ac'), Buffer.from([0xc2])], 2);
  });

  it('decodes every character of the basic plane, and some of each other', () => {
    const points = Array.from({ length: 0x10000 }, (_, point) => point).filter(
      (point) => point < 0xd800 || point > 0xdfff,
    );
    for (let plane = 1; plane <= 16; plane++)
      points.push(plane * 0x10000, plane * 0x10000 + 0x1234, plane * 0x10000 + 0xffff);
    check(
      native,
      points.map((point) => Buffer.from(String.fromCodePoint(point))),
    );
    check(native, [Buffer.from(points.map((point) => String.fromCodePoint(point)).join(''))]);
  });

  it('replaces as TextDecoder does, for every pair of bytes after a character and before one', () => {
    const payloads: Uint8Array[] = [];
    for (let lead = 0x80; lead < 0x100; lead++) {
      for (let next = 0; next < 0x100; next++) payloads.push(Buffer.from([0x61, lead, next, 0x62]));
    }
    check(native, payloads);
  });

  it('replaces as TextDecoder does at every place of a long row', () => {
    for (const part of [...PARTS, ...BROKEN]) {
      for (let before = 0; before < 70; before++) {
        check(native, [Buffer.concat([Buffer.alloc(before, 'x'), part, Buffer.alloc(70 - before, 'y')])]);
        check(native, [Buffer.concat([Buffer.alloc(before, 'x'), part])]);
      }
    }
  });

  seeded('agrees with TextDecoder on random rows', (random) => {
    for (let round = 0; round < 4000; round++) {
      const payloads = Array.from({ length: random.below(8) }, () => randomText(random, random.oneIn(2)));
      check(native, payloads, random.below(payloads.length + 1));
    }
    for (let round = 0; round < 4000; round++) check(native, [random.bytes(random.below(80))]);
  });
});
