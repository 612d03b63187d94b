/**
 * The entry 'miniproto/kernels': defaults, ranges and argument checks. The work itself is tested in test/reference.
 */
import assert from 'node:assert/strict';
import { indexAll, indexOfAny, indexOfByte, indexOfSequence, mask, maskCopy } from '#lib/kernels';

const TEXT = Buffer.from('one,two;three,four');
const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const WRONG_VALUE = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** What callers without types may pass. */
const any = (value: unknown) => value as never;

describe('kernels', () => {
  it('search the whole array by default, and a range on request', () => {
    assert.equal(indexOfByte(TEXT, 0x2c), 3);
    assert.equal(indexOfByte(TEXT, 0x2c, 4), 13);
    assert.equal(indexOfByte(TEXT, 0x2c, 4, 13), -1);
    assert.equal(indexOfAny(TEXT, [0x3b]), 7);
    assert.equal(indexOfAny(TEXT, [0x3b, 0x2c]), 3);
    assert.equal(indexOfAny(TEXT, [0x3b, 0x21, 0x77], 4), 5);
    assert.equal(indexOfSequence(TEXT, Buffer.from('three')), 8);
    assert.equal(indexOfSequence(TEXT, Buffer.from('three'), 0, 12), -1);
    assert.equal(indexOfByte(new Uint8Array(0), 0), -1);
  });

  it('index all places, and say whether the bytes are ASCII', () => {
    const positions = new Int32Array(8);
    assert.deepEqual(indexAll(TEXT, 0x2c, positions), { count: 2, ascii: true });
    assert.deepEqual([...positions.subarray(0, 2)], [3, 13]);
    assert.deepEqual(indexAll(Buffer.from('ä,'), 0x2c, positions), { count: 1, ascii: false });
    assert.deepEqual(indexAll(TEXT, 0x2c, new Int32Array(0)), { count: 0, ascii: true });
  });

  it('mask in place and into another array, with the phase carried', () => {
    const bytes = Buffer.from(TEXT);
    const phase = mask(bytes, 0x01020304, 0, 0, 7);
    assert.equal(phase, 3);
    mask(bytes, 0x01020304, phase, 7);
    const copy = new Uint8Array(TEXT.length + 2);
    assert.equal(maskCopy(TEXT, copy, 2, 0x01020304), TEXT.length & 3);
    assert.deepEqual([...copy.subarray(2)], [...bytes]);
    mask(bytes, 0x01020304);
    assert.equal(bytes.toString(), TEXT.toString());
  });

  for (const bytes of [undefined, null, 'text', [1, 2], new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), {}]) {
    it(`refuse ${Object.prototype.toString.call(bytes)} for bytes`, () => {
      assert.throws(() => indexOfByte(any(bytes), 1), WRONG_TYPE);
      assert.throws(() => indexOfAny(any(bytes), [1]), WRONG_TYPE);
      assert.throws(() => indexOfSequence(any(bytes), TEXT), WRONG_TYPE);
      assert.throws(() => indexOfSequence(TEXT, any(bytes)), WRONG_TYPE);
      assert.throws(() => indexAll(any(bytes), 1, new Int32Array(1)), WRONG_TYPE);
      assert.throws(() => indexAll(TEXT, 1, any(bytes)), WRONG_TYPE);
      assert.throws(() => mask(any(bytes), 1), WRONG_TYPE);
      assert.throws(() => maskCopy(any(bytes), TEXT, 0, 1), WRONG_TYPE);
      assert.throws(() => maskCopy(TEXT, any(bytes), 0, 1), WRONG_TYPE);
    });
  }

  it('refuse ranges outside the array, reversed, or no integers', () => {
    const ranges: [number, number][] = [
      [-1, 2],
      [0, 19],
      [5, 4],
      [0.5, 2],
      [0, Number.NaN],
      [0, Infinity],
      [2 ** 32, 2 ** 32],
    ];
    for (const [from, to] of ranges) {
      assert.throws(() => indexOfByte(TEXT, 1, from, to), OUT_OF_RANGE);
      assert.throws(() => indexAll(TEXT, 1, new Int32Array(1), from, to), OUT_OF_RANGE);
      assert.throws(() => mask(Buffer.from(TEXT), 1, 0, from, to), OUT_OF_RANGE);
      assert.throws(() => maskCopy(TEXT, Buffer.alloc(99), 0, 1, 0, from, to), OUT_OF_RANGE);
    }
    assert.throws(() => indexOfByte(TEXT, 1, any('0')), WRONG_TYPE);
    assert.throws(() => indexOfByte(TEXT, 1, 0, any(null)), WRONG_TYPE);
  });

  it('refuse values that are no bytes, keys and phases', () => {
    for (const byte of [-1, 256, 1.5, Number.NaN]) assert.throws(() => indexOfByte(TEXT, byte), OUT_OF_RANGE);
    assert.throws(() => indexOfByte(TEXT, any('a')), WRONG_TYPE);
    assert.throws(() => indexOfAny(TEXT, any(1)), WRONG_TYPE);
    assert.throws(() => indexOfAny(TEXT, []), WRONG_VALUE);
    assert.throws(() => indexOfAny(TEXT, [1, 2, 3, 4]), WRONG_VALUE);
    assert.throws(() => indexOfAny(TEXT, [1, 256]), OUT_OF_RANGE);
    assert.throws(() => indexOfSequence(TEXT, new Uint8Array(0)), OUT_OF_RANGE);
    assert.throws(() => indexOfSequence(TEXT, new Uint8Array(257)), OUT_OF_RANGE);
    assert.throws(() => mask(Buffer.from(TEXT), -1), OUT_OF_RANGE);
    assert.throws(() => mask(Buffer.from(TEXT), 2 ** 32), OUT_OF_RANGE);
    assert.throws(() => mask(Buffer.from(TEXT), 1, 4), OUT_OF_RANGE);
  });

  it('refuse a target that is too small or overlaps the source, and write nothing then', () => {
    const target = Buffer.alloc(20);
    assert.throws(() => maskCopy(TEXT, target, 3, 1), OUT_OF_RANGE);
    assert.throws(() => maskCopy(TEXT, target, -1, 1), OUT_OF_RANGE);
    const shared = Buffer.from(TEXT);
    assert.throws(() => maskCopy(shared, shared, 4, 1, 0, 0, 8), WRONG_VALUE);
    assert.equal(shared.toString(), TEXT.toString());
    assert.deepEqual(target, Buffer.alloc(20));
    maskCopy(shared, shared, 8, 1, 0, 0, 8);
  });

  it('find nothing in detached memory, and work on shared and resizable memory', () => {
    const detached = new Uint8Array(64);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    assert.equal(indexOfByte(detached, 0), -1);
    const shared = new Uint8Array(new SharedArrayBuffer(1024));
    shared[1000] = 7;
    assert.equal(indexOfByte(shared, 7), 1000);
    mask(shared, 0x01010101);
    assert.equal(shared[1000], 6);
    const { buffer } = new Uint8Array(Reflect.construct(ArrayBuffer, [1024, { maxByteLength: 4096 }]));
    const resizable = new Uint8Array(buffer);
    resizable[1023] = 7;
    assert.equal(indexOfByte(resizable, 7), 1023);
  });
});
