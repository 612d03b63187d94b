/**
 * The addon given what no caller should give it: it answers with a coded error or does harmless work, and never reads
 * or writes elsewhere. That this process is still there at the end is part of the test.
 */
import assert from 'node:assert/strict';
import { createFrameTable, HEADER_WORDS, R_LENGTH, R_OFFSET } from '#lib/frame-table';
import { loadAddon, nativeInfo } from '#lib/native';
import type { Framer, NativeInterface, Ring } from '#lib/native-interface';
import { seeded } from '../support/random.js';

type AnyFunction = (...values: unknown[]) => unknown;

const LF_FRAMING = {
  separators: [Buffer.from('\n')],
  keep: false,
  newline: 'plain',
  maxLength: 100,
  overflow: 'error',
  tail: 'give',
};
const LENGTH_FRAMING = {
  encoding: 'big',
  lengthBytes: 2,
  terminator: 0,
  offset: 0,
  adjustment: 0,
  header: 'strip',
  trailer: -1,
  maxLength: 100,
};
const WEBSOCKET_FRAMING = { role: 'server', maxLength: 100, compression: false, utf8: true };

function detached(): Uint8Array {
  const bytes = new Uint8Array(64);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** A view of memory that shrank under it. */
function shrunk(): Uint8Array {
  const buffer = Reflect.construct(ArrayBuffer, [64, { maxByteLength: 128 }]) as ArrayBuffer & {
    resize(length: number): void;
  };
  const bytes = new Uint8Array(buffer, 16, 48);
  buffer.resize(20);
  return bytes;
}

/** Values of every type, and numbers around every limit. */
function garbage(): unknown[] {
  const numbers = [
    -1,
    -0.5,
    0.5,
    3,
    17,
    65,
    256,
    2 ** 31,
    2 ** 32 + 1,
    2 ** 53,
    1e300,
    Number.NaN,
    Infinity,
    -Infinity,
  ];
  const others = [undefined, null, true, 'text', '1', Symbol('s'), 10n, {}, [], [1, 2], () => 1, new Proxy({}, {})];
  const memory = [
    new ArrayBuffer(8),
    new SharedArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    new Int8Array(8),
    new Uint8ClampedArray(8),
    new Uint16Array(8),
    new Int32Array(8),
    new Float64Array(8),
    new BigInt64Array(8),
    new Uint8Array(0),
    new Uint8Array(new SharedArrayBuffer(64)),
    new Int32Array(new SharedArrayBuffer(64)),
    detached(),
    shrunk(),
  ];
  return [...numbers, ...others, ...memory];
}

/** A table of one row. */
function rowTable(offset: number, length: number): Int32Array {
  const table = createFrameTable(1);
  table[HEADER_WORDS + R_OFFSET] = offset;
  table[HEADER_WORDS + R_LENGTH] = length;
  return table;
}

/** Calls, and accepts a result or an error with one of the codes that arguments get. */
function harmless(call: () => unknown, shown: string): void {
  try {
    call();
  } catch (error) {
    const { code } = error as { code?: string };
    assert.match(String(code), /^ERR_(INVALID_ARG_TYPE|INVALID_ARG_VALUE|OUT_OF_RANGE)$/, `${shown}: ${error}`);
  }
}

function refused(call: () => unknown, code: string): void {
  assert.throws(call, { code });
}

describe('arguments of the addon', () => {
  const addon = loadAddon() as (NativeInterface & Record<string, AnyFunction>) | undefined;
  if (addon === undefined) {
    console.log(`!!! arguments of the addon are NOT tested: ${nativeInfo().reason}`);
    it('are checked');
    return;
  }
  const bytes = Buffer.alloc(64);
  // Some of the calls write to it.
  beforeEach(() => void bytes.fill('ab\n'));
  const framers = (): Framer[] => [
    addon.createSeparatorFramer(LF_FRAMING as never),
    addon.createLengthFramer(LENGTH_FRAMING as never),
    addon.createFixedFramer(3),
    addon.createWebSocketFramer(WEBSOCKET_FRAMING as never),
  ];
  const ring = (): Ring => addon.createRing({ minCapacity: 8, maxCapacity: 64 });

  /** Every function with arguments that are right; the first element names it. */
  const calls: [name: string, call: AnyFunction, values: unknown[]][] = [
    ['indexOfByte', addon.indexOfByte as AnyFunction, [bytes, 0, 64, 10]],
    ['indexOfAny', addon.indexOfAny as AnyFunction, [bytes, 0, 64, 10, 13, 0]],
    ['indexOfSequence', addon.indexOfSequence as AnyFunction, [bytes, 0, 64, Buffer.from('b\n')]],
    ['indexAll', addon.indexAll as AnyFunction, [bytes, 0, 64, 10, new Int32Array(40)]],
    ['mask', addon.mask as AnyFunction, [Buffer.alloc(64), 0, 64, 0xffffffff, 3]],
    ['maskCopy', addon.maskCopy as AnyFunction, [bytes, 0, 60, Buffer.alloc(64), 4, 1, 0]],
    [
      'decodeUtf8Rows',
      addon.decodeUtf8Rows as AnyFunction,
      [bytes, rowTable(0, 64), 0, 1, Buffer.alloc(128), new Int32Array(2)],
    ],
    ['serializeTexts', addon.serializeTexts as AnyFunction, [bytes, rowTable(0, 64), 0, 1, 0, Buffer.alloc(200)]],
    ['validateUtf8', addon.validateUtf8 as AnyFunction, [bytes, 0, 64, 0]],
    ['tryReadFile', addon.tryReadFile as AnyFunction, [0, Buffer.alloc(8), 0, 0, -1]],
    ['createFixedFramer', addon.createFixedFramer as AnyFunction, [3]],
    ['createSeparatorFramer', addon.createSeparatorFramer as AnyFunction, [LF_FRAMING]],
    ['createLengthFramer', addon.createLengthFramer as AnyFunction, [LENGTH_FRAMING]],
    ['createWebSocketFramer', addon.createWebSocketFramer as AnyFunction, [WEBSOCKET_FRAMING]],
    ['createRing', addon.createRing as AnyFunction, [{ minCapacity: 8, maxCapacity: 64 }]],
    ['selectKernel', addon.selectKernel as AnyFunction, [addon.kernel()]],
    ...framers().map((framer, index): [string, AnyFunction, unknown[]] => [
      `frame ${index}`,
      (...values) => (framer.frame as AnyFunction)(...values),
      [bytes, 0, 64, createFrameTable(8), 8],
    ]),
    ['ring.write', (...values) => (ring() as never as Record<string, AnyFunction>).write(...values), [bytes, 0, 64]],
    [
      'ring.read',
      (...values) => (ring() as never as Record<string, AnyFunction>).read(...values),
      [Buffer.alloc(9), 0, 9],
    ],
    ['ring.consume', (...values) => (ring() as never as Record<string, AnyFunction>).consume(...values), [1]],
  ];

  for (const [name, call, values] of calls) {
    it(`${name} takes what is right, and stands everything else in each place`, () => {
      call(...values);
      for (let place = 0; place < values.length; place++) {
        for (const [index, value] of garbage().entries()) {
          const given = values.with(place, value);
          harmless(() => call(...given), `${name}, argument ${place}, garbage ${index}`);
        }
        harmless(() => call(...values.slice(0, place)), `${name} with ${place} arguments`);
      }
      harmless(() => call(...values, 1, 2, 3), `${name} with more arguments`);
    });
  }

  seeded('stand any mixture of it', (random) => {
    const pool = [...garbage(), bytes, createFrameTable(2), new Int32Array(15), Buffer.alloc(3), 0, 1, 2, 3, 4, 64];
    for (let round = 0; round < 30_000; round++) {
      const [name, call, values] = random.pick(calls);
      const given = values.map((value) => (random.oneIn(2) ? value : random.pick(pool)));
      // Masking a pooled array is right use; so are the rest.
      harmless(() => call(...given), `${name}, round ${round}`);
    }
    assert.equal(addon.indexOfByte(Buffer.from('ab'), 0, 2, 98), 1);
  });

  it('options with every property wrong in turn', () => {
    const factories: [AnyFunction, Record<string, unknown>][] = [
      [addon.createSeparatorFramer as AnyFunction, LF_FRAMING],
      [addon.createLengthFramer as AnyFunction, LENGTH_FRAMING],
      [addon.createWebSocketFramer as AnyFunction, WEBSOCKET_FRAMING],
      [addon.createRing as AnyFunction, { minCapacity: 8, maxCapacity: 64 }],
    ];
    for (const [make, right] of factories) {
      for (const key of Object.keys(right)) {
        for (const value of garbage()) harmless(() => make({ ...right, [key]: value }), key);
        refused(() => make({ ...right, [key]: undefined }), 'ERR_INVALID_ARG_TYPE');
        const thrower = Object.defineProperty({ ...right }, key, {
          get: () => {
            throw Object.assign(new Error('from the getter'), { code: 'ERR_GETTER' });
          },
        });
        refused(() => make(thrower), 'ERR_GETTER');
      }
    }
    for (const list of [[], [1], [bytes, 'x'], [detached()], [shrunk()], new Array(17).fill(bytes)]) {
      harmless(() => addon.createSeparatorFramer({ ...LF_FRAMING, separators: list } as never), 'separators');
    }
  });

  it('answers ranges outside the array with ERR_OUT_OF_RANGE', () => {
    for (const [from, to] of [
      [-1, 3],
      [0, 65],
      [10, 9],
      [0, 2 ** 40],
      [Number.NaN, 3],
      [0, 1.5],
    ]) {
      refused(() => addon.indexOfByte(bytes, from, to, 1), 'ERR_OUT_OF_RANGE');
      refused(() => addon.mask(Buffer.from(bytes), from, to, 1, 0), 'ERR_OUT_OF_RANGE');
      refused(() => addon.maskFrames(Buffer.from(bytes), from, to), 'ERR_OUT_OF_RANGE');
      for (const framer of framers()) {
        refused(() => framer.frame(bytes, from, to, createFrameTable(2), 2), 'ERR_OUT_OF_RANGE');
      }
      refused(() => ring().write(bytes, from, to), 'ERR_OUT_OF_RANGE');
    }
    refused(() => addon.maskCopy(bytes, 0, 64, Buffer.alloc(64), 1, 0, 0), 'ERR_OUT_OF_RANGE');
  });

  it('treats detached and shrunk arrays as empty', () => {
    for (const empty of [detached(), shrunk()]) {
      assert.equal(addon.indexOfByte(empty, 0, 0, 1), -1);
      refused(() => addon.indexOfByte(empty, 0, 1, 1), 'ERR_OUT_OF_RANGE');
      refused(() => addon.mask(empty, 0, 48, 1, 0), 'ERR_OUT_OF_RANGE');
      refused(() => framers()[0].frame(empty, 0, 48, createFrameTable(2), 2), 'ERR_OUT_OF_RANGE');
      assert.equal(framers()[0].frame(empty, 0, 0, createFrameTable(2), 2), 0);
    }
  });

  it('works on shared and resizable memory', () => {
    const resizable = new Uint8Array(Reflect.construct(ArrayBuffer, [300, { maxByteLength: 600 }]) as ArrayBuffer);
    for (const memory of [new Uint8Array(new SharedArrayBuffer(300)), resizable]) {
      memory[299] = 10;
      assert.equal(addon.indexOfByte(memory, 0, 300, 10), 299);
      assert.equal(framers()[2].frame(memory, 0, 300, createFrameTable(200), 200), 100);
      addon.mask(memory, 0, 300, 0x01010101, 0);
      assert.equal(memory[299], 11);
    }
  });

  it('refuses tables without a header, and stands one that shares the memory it frames', () => {
    for (const framer of framers()) {
      refused(() => framer.frame(bytes, 0, 64, new Int32Array(15), 2), 'ERR_OUT_OF_RANGE');
      refused(() => framer.frame(bytes, 0, 64, bytes as never, 2), 'ERR_INVALID_ARG_TYPE');
      const table = new Int32Array(16 + 4 * 16);
      const shared = new Uint8Array(table.buffer).fill(10);
      for (let round = 0; round < 20; round++) framer.frame(shared, 0, shared.length, table, 16);
    }
  });

  it('decodes no row that lies outside the bytes, and writes no more units than there is room for', () => {
    const decode = (table: Int32Array, room = 128, rowCount = 1, words = 2) =>
      addon.decodeUtf8Rows(bytes, table, 0, rowCount, Buffer.alloc(room), new Int32Array(words));
    assert.equal(decode(rowTable(0, 64)), 64);
    const outside = [
      [0, 65],
      [64, 1],
      [-1, 2],
      [0, -1],
      [2 ** 31 - 1, 2 ** 31 - 1],
      [-(2 ** 31), 64],
      [63, -(2 ** 31)],
    ];
    for (const [offset, length] of outside) refused(() => decode(rowTable(offset, length)), 'ERR_OUT_OF_RANGE');
    refused(() => decode(rowTable(0, 64), 126), 'ERR_OUT_OF_RANGE');
    refused(() => decode(rowTable(0, 64), 128, 2), 'ERR_OUT_OF_RANGE');
    refused(() => decode(rowTable(0, 64), 128, 1, 1), 'ERR_OUT_OF_RANGE');
  });

  it('takes no row of a table that is too short for its header, wherever it is to begin', () => {
    for (const words of [0, 1, 15, 16, 19]) {
      const table = new Int32Array(words);
      for (const first of [0, 1, 2 ** 31, 2 ** 53 - 1]) {
        const texts = () => addon.serializeTexts(bytes, table, first, 1, 0, Buffer.alloc(200));
        const units = () => addon.decodeUtf8Rows(bytes, table, first, 1, Buffer.alloc(128), new Int32Array(2));
        refused(texts, 'ERR_OUT_OF_RANGE');
        refused(units, 'ERR_OUT_OF_RANGE');
      }
    }
  });

  it('stands rows that are overwritten by the units or the ends of the rows before them', () => {
    const rows = [0, 100, 100, 0, 0, 4, 4, 0];
    const text = Buffer.alloc(200, 0x7f);
    for (const [unitsAt, endsAt] of [
      [80, 2048],
      [64, 2048],
      [2048, 80],
      [80, 64],
    ]) {
      const memory = new ArrayBuffer(4096);
      const table = new Int32Array(memory, 0, 24);
      table.set(rows, 16);
      const ends = new Int32Array(memory, endsAt, 3);
      try {
        addon.decodeUtf8Rows(text, table, 0, 2, new Uint8Array(memory, unitsAt, 1024), ends);
      } catch (error) {
        // Whatever the garbage says: a row that is inside, or a coded refusal.
        assert.equal((error as { code?: string }).code, 'ERR_OUT_OF_RANGE');
      }
    }
  });

  it('stands any state in a table', () => {
    const values = [-(2 ** 31), -1, 0, 1, 2, 3, 63, 64, 65, 2 ** 31 - 1];
    for (const framer of framers()) {
      for (let word = 0; word < 16; word++) {
        for (const value of values) {
          const table = createFrameTable(4);
          table[word] = value;
          framer.frame(bytes, 3, 60, table, 4);
        }
      }
    }
  });

  it('refuses ring methods on another object, and framers need none', () => {
    const prototype = Object.getPrototypeOf(ring());
    const strangers = [{}, undefined, null, 1, Object.create(prototype), new Proxy(ring(), {}), framers()[0], bytes];
    for (const stranger of strangers) {
      // V8 itself refuses most of them, before the addon is asked, with a TypeError that has no code.
      assert.throws(() => prototype.write.call(stranger, bytes, 0, 1), TypeError);
      assert.throws(() => prototype.read.call(stranger, Buffer.alloc(4), 0, 1), TypeError);
      assert.throws(() => prototype.spans.call(stranger), TypeError);
      assert.throws(() => prototype.consume.call(stranger, 1), TypeError);
      for (const framer of framers()) {
        assert.ok(framer.frame.call(stranger as never, bytes, 0, 64, createFrameTable(9), 9) >= 0);
      }
    }
    const empty = new (prototype.constructor as new () => Ring)();
    refused(() => empty.write(bytes, 0, 1), 'ERR_INVALID_ARG_TYPE');
  });

  it('keeps a ring whole when its memory is taken away', () => {
    const robbed = ring();
    robbed.write(bytes, 0, 8);
    const [span] = robbed.spans();
    structuredClone(span.buffer, { transfer: [span.buffer as ArrayBuffer] });
    assert.throws(() => robbed.read(Buffer.alloc(8), 0, 8), { code: 'ERR_INVALID_STATE' });
    assert.equal(robbed.length, 0);
    assert.equal(robbed.write(bytes, 0, 8), 8);
    assert.equal(Buffer.concat(robbed.spans()).toString(), bytes.toString('utf8', 0, 8));
  });

  it('keeps views of a ring alive after it has grown, emptied and been collected', () => {
    let views: Uint8Array[] = [];
    for (let round = 0; round < 200; round++) {
      const one = ring();
      one.write(bytes, 0, 8);
      views.push(...one.spans());
      one.write(bytes, 0, 40);
      one.consume(100);
    }
    (globalThis as { gc?: () => void }).gc?.();
    assert.ok(views.every((view) => view.length === 8));
    views = [];
  });
});
