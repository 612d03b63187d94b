/**
 * OutputBuffer: what leaves is what was written, whether it was copied or lies where its owner has it.
 */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { OutputBuffer } from '#lib/bytes/output-buffer';
import { makeRoom, page } from '#lib/bytes/output-pages';
import { BY_REFERENCE_FROM } from '#lib/limits';
import { type Random, seeded } from '../support/random.js';

const DETACHED = { name: 'UsageError', code: 'ERR_PAYLOAD_DETACHED' };

function content(output: OutputBuffer): Buffer {
  return Buffer.concat(output.peek(Number.POSITIVE_INFINITY));
}

/** Takes everything out in pieces of random size, as a slow stream would. */
function drain(output: OutputBuffer, random: Random): Buffer {
  const taken: Buffer[] = [];
  while (output.length > 0) {
    const [first] = output.peek(1);
    const count = random.between(1, first!.length);
    taken.push(Buffer.from(first!.subarray(0, count)));
    output.consume(count);
  }
  return Buffer.concat(taken);
}

function detach(bytes: Uint8Array): void {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
}

describe('OutputBuffer', () => {
  seeded('gives what was written, in order, however it is taken', (random) => {
    for (let round = 0; round < 50; round++) {
      const output = new OutputBuffer();
      const expected: Buffer[] = [];
      for (let i = 0; i < 60; i++) {
        const bytes = Buffer.from(random.bytes(random.pick([0, 1, 5, 47, 48, 49, 300, 16_383, 16_384, 40_000])));
        const from = random.below(bytes.length + 1);
        const to = random.between(from, bytes.length);
        if (random.oneIn(2)) output.write(bytes, from, to);
        else output.writeCopy(bytes, from, to);
        expected.push(Buffer.from(bytes.subarray(from, to)));
        if (random.oneIn(4)) {
          const byte = random.below(256);
          output.writeByte(byte);
          expected.push(Buffer.of(byte));
        }
      }
      const all = Buffer.concat(expected);
      assert.equal(output.length, all.length);
      assert.ok(drain(output, random).equals(all));
      assert.equal(output.offset, all.length);
    }
  });

  seeded('takes back exactly what was written since it had a length', (random) => {
    const neighbour = new OutputBuffer();
    const output = new OutputBuffer();
    let expected: Buffer = Buffer.alloc(0);
    for (let i = 0; i < 500; i++) {
      const kept = random.bytes(random.pick([0, 1, 100, 20_000]));
      const undone = random.bytes(random.pick([0, 1, 100, 20_000]));
      if (random.oneIn(3)) output.write(kept);
      else output.writeCopy(kept);
      expected = Buffer.concat([expected, kept]);
      const { length } = output;
      output.write(undone);
      output.writeText('undone');
      // Another buffer writes to the same page meanwhile.
      neighbour.writeByte(i % 256);
      output.rollback(length);
      assert.equal(output.length, expected.length);
      if (random.oneIn(5)) {
        const count = random.below(expected.length + 1);
        assert.ok(content(output).equals(expected));
        output.consume(count);
        expected = expected.subarray(count);
      }
    }
    assert.ok(content(output).equals(expected));
    assert.deepEqual([...content(neighbour)], [...Array.from({ length: 500 }, (_, i) => i & 255)]);
  });

  it('copies a payload below 16 KiB before the call returns', () => {
    const output = new OutputBuffer();
    const payload = Buffer.alloc(BY_REFERENCE_FROM - 1, 'a');
    output.write(payload);
    payload.fill('b');
    assert.ok(content(output).every((byte) => byte === 0x61));
  });

  it('sends a payload of 16 KiB from where it lies', () => {
    const output = new OutputBuffer();
    const payload = Buffer.alloc(BY_REFERENCE_FROM);
    output.write(payload);
    assert.equal(output.peek()[0]!.buffer, payload.buffer);
    assert.equal(output.peek()[0]!.byteOffset, payload.byteOffset);
  });

  it('copies a large payload where it is asked to', () => {
    const output = new OutputBuffer();
    const payload = Buffer.alloc(40_000, 'a');
    output.writeCopy(payload);
    payload.fill('b');
    assert.ok(content(output).every((byte) => byte === 0x61));
  });

  it('copies a large payload in resizable or shared memory', () => {
    type Resizable = new (
      size: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(n: number): void };
    const resizable = new (ArrayBuffer as unknown as Resizable)(40_000, { maxByteLength: 80_000 });
    const shared = new SharedArrayBuffer(40_000);
    const output = new OutputBuffer();
    output.write(new Uint8Array(resizable).fill(1));
    output.write(new Uint8Array(shared).fill(1));
    resizable.resize(0);
    new Uint8Array(shared).fill(2);
    assert.ok(content(output).equals(Buffer.alloc(80_000, 1)));
  });

  it('throws ERR_PAYLOAD_DETACHED when a payload sent by reference has lost its memory', () => {
    const output = new OutputBuffer();
    const payload = new Uint8Array(40_000);
    output.writeText('before');
    output.write(payload);
    detach(payload);
    assert.throws(() => output.peek(), DETACHED);
  });

  it('throws ERR_PAYLOAD_DETACHED for a payload that is detached already, which is not an empty one', () => {
    const output = new OutputBuffer();
    const payload = new Uint8Array(10);
    detach(payload);
    assert.throws(() => output.write(payload), DETACHED);
    assert.throws(() => output.writeCopy(payload), DETACHED);
    output.write(new Uint8Array(0));
    output.write(new Uint8Array(new SharedArrayBuffer(0)));
    assert.equal(output.length, 0);
  });

  it('keeps its pages although somebody tries to transfer one', () => {
    const output = new OutputBuffer();
    output.writeText('shared by all connections');
    const { buffer } = output.peek()[0]!;
    // Node 20 copies what must not be transferred, later ones throw.
    try {
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    } catch (error) {
      assert.equal((error as Error).name, 'DataCloneError');
    }
    assert.equal(content(output).toString(), 'shared by all connections');
  });

  for (const endian of ['big', 'little'] as const) {
    it(`writes ${endian}-endian integers of 1 to 8 bytes`, () => {
      for (let width = 1; width <= 8; width++) {
        const largest = width > 6 ? Number.MAX_SAFE_INTEGER : 256 ** width - 1;
        for (const value of [0, 1, 127, 128, 255, Math.floor(largest / 3), largest]) {
          const output = new OutputBuffer();
          output.writeUint(value, width, endian);
          const bytes = [...content(output)];
          if (endian === 'little') bytes.reverse();
          assert.equal(bytes.length, width);
          assert.equal(
            bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n),
            BigInt(value),
          );
        }
      }
    });
  }

  it('refuses a number that does not fit, and what is no bytes, and takes nothing', () => {
    const output = new OutputBuffer();
    for (const [value, byteLength] of [
      [256, 1],
      [65_536, 2],
      [2 ** 32, 4],
      [2 ** 53, 8],
      [-1, 4],
      [Number.NaN, 2],
      [0, 0],
      [0, 9],
      [1.5, 2],
    ]) {
      assert.throws(() => output.writeUint(value!, byteLength!), { code: 'ERR_OUT_OF_RANGE' });
    }
    for (const byte of [256, -1, 1.5, Number.NaN])
      assert.throws(() => output.writeByte(byte), { code: 'ERR_OUT_OF_RANGE' });
    for (const none of ['text', '', [1, 2], 7, null]) {
      assert.throws(() => output.write(none as never, 0, 4), { name: 'TypeError' });
    }
    assert.throws(() => output.write('text' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.equal(output.length, 0);
    output.writeUint(0x0102, 2);
    output.writeUint(2 ** 53 - 1, 8, 'little');
    assert.deepEqual([...content(output)], [1, 2, 255, 255, 255, 255, 255, 255, 31, 0]);
  });

  it('writes text as Buffer.from does, and says its bytes', () => {
    const texts = [
      '',
      'a',
      'x'.repeat(32),
      'x'.repeat(33),
      'ä'.repeat(31),
      '€𝄞',
      `${'a'.repeat(31)}ß`,
      'y'.repeat(70_000),
    ];
    for (const text of [...texts, 'ü'.repeat(20_000), '\ud800']) {
      for (const encoding of ['utf8', 'latin1'] as const) {
        const output = new OutputBuffer();
        output.writeText('>');
        const size = output.writeText(text, encoding);
        const expected = Buffer.from(text, encoding);
        assert.equal(size, expected.length);
        assert.ok(content(output).subarray(1).equals(expected));
      }
    }
  });

  /** Writes text to the page that is in capitals when it leaves. */
  function writeUnfinished(
    output: OutputBuffer,
    text: string,
    finish: (page: Buffer, from: number, to: number) => void,
  ) {
    const room = output.room(text.length);
    room.write(text, output.roomStart);
    output.fillUnfinished(text.length, finish);
  }

  function capitalise(page: Buffer, from: number, to: number): void {
    for (let i = from; i < to; i++) page[i] ^= 0x20;
  }

  it('finishes what is left to do once for all that leaves together, and once for each byte', () => {
    const output = new OutputBuffer();
    const calls: number[] = [];
    const finish = (page: Buffer, from: number, to: number) => {
      calls.push(to - from);
      capitalise(page, from, to);
    };
    for (const text of ['one', 'two', 'three']) writeUnfinished(output, text, finish);
    assert.deepEqual(calls, []);
    assert.equal(content(output).toString(), 'ONETWOTHREE');
    assert.deepEqual(calls, [11]);
    output.consume(4);
    writeUnfinished(output, 'four', finish);
    const { bytes, start, end } = output.single()!;
    assert.equal(bytes.toString('latin1', start, end), 'WOTHREEFOUR');
    assert.equal(content(output).toString(), 'WOTHREEFOUR');
    assert.deepEqual(calls, [11, 4]);
  });

  it('finishes nothing beside what is unfinished, whatever stands between', () => {
    const output = new OutputBuffer();
    const other = new OutputBuffer();
    output.write(Buffer.from('a'));
    writeUnfinished(output, 'b', capitalise);
    output.write(Buffer.from('c'));
    writeUnfinished(output, 'd', capitalise);
    writeUnfinished(other, 'x', capitalise);
    writeUnfinished(output, 'e', capitalise);
    output.write(Buffer.alloc(BY_REFERENCE_FROM, 'f'));
    writeUnfinished(output, 'g', capitalise);
    const expected = `aBcDE${'f'.repeat(BY_REFERENCE_FROM)}G`;
    assert.equal(content(output).toString(), expected);
    assert.equal(content(output).toString(), expected);
    assert.equal(content(other).toString(), 'X');
  });

  it('finishes what is kept of what was taken back', () => {
    const output = new OutputBuffer();
    writeUnfinished(output, 'kept', capitalise);
    const { length } = output;
    writeUnfinished(output, 'dropped', capitalise);
    output.rollback(length);
    writeUnfinished(output, 'last', capitalise);
    assert.equal(content(output).toString(), 'KEPTLAST');
  });

  describe('pages', () => {
    const FREED = { freed: true };
    const SIZE = 64 * 1024;

    /** An empty page, of which nobody holds anything. */
    beforeEach(() => {
      makeRoom(SIZE);
    });

    it('are written again once all of their bytes were taken and are free', () => {
      const [one, other] = [new OutputBuffer(), new OutputBuffer()];
      one.writeText('first');
      other.writeText('second');
      const { bytes } = page;
      one.consume(2, FREED);
      one.consume(3, FREED);
      assert.equal(page.end, 11, 'the other queue has bytes there');
      other.consume(6, FREED);
      one.writeText('third');
      assert.deepEqual([page.bytes === bytes, page.end], [true, 5]);
      assert.equal(content(one).toString(), 'third');
    });

    it('are not written again where the layer below keeps what it has taken', () => {
      const output = new OutputBuffer();
      output.writeText('kept');
      const [kept] = output.peek();
      output.consume(4);
      output.writeText('freed');
      output.consume(5, FREED);
      output.writeText('next');
      assert.equal(page.end, 13);
      assert.equal(kept!.toString(), 'kept');
      output.consume(4, FREED);
      // Nor is it once it is full.
      const { bytes } = page;
      for (let i = 0; i < 40; i++) {
        output.writeCopy(Buffer.alloc(10_000, 'x'));
        output.consume(10_000, FREED);
      }
      assert.notEqual(page.bytes, bytes);
      assert.equal(kept!.toString(), 'kept');
    });

    it('that are full are found again when they are free', () => {
      const output = new OutputBuffer();
      const write = () => {
        output.writeCopy(Buffer.alloc(10_000, 'x'));
        return page.bytes;
      };
      const first = new Set(Array.from({ length: 20 }, write));
      assert.equal(first.size, 4);
      assert.equal(content(output).toString(), 'x'.repeat(200_000));
      output.consume(200_000, FREED);
      const second = new Set(Array.from({ length: 20 }, write));
      assert.deepEqual(
        [...second].filter((bytes) => !first.has(bytes)),
        [],
      );
    });

    it('are each one once, however they became free', () => {
      const output = new OutputBuffer();
      const other = new OutputBuffer();
      for (let i = 0; i < 6; i++) output.writeCopy(Buffer.alloc(12_000, 'o'));
      output.rollback(0);
      for (let i = 0; i < 6; i++) output.writeCopy(Buffer.alloc(12_000, 'o'));
      output.consume(72_000, FREED);
      makeRoom(SIZE);
      for (let i = 0; i < 12; i++) {
        output.writeCopy(Buffer.alloc(12_000, 'o'));
        other.writeCopy(Buffer.alloc(12_000, 'p'));
      }
      assert.equal(content(output).toString(), 'o'.repeat(144_000));
      assert.equal(content(other).toString(), 'p'.repeat(144_000));
    });

    it('larger than others are not kept', () => {
      const output = new OutputBuffer();
      output.room(SIZE + 1).fill('x', output.roomStart, output.roomStart + SIZE + 1);
      output.fill(SIZE + 1);
      assert.ok(page.bytes.length > SIZE);
      output.consume(SIZE + 1, FREED);
      assert.ok(page.bytes.length <= SIZE);
    });

    it('are free of what was copied to memory of its own', () => {
      const output = new OutputBuffer();
      output.writeText('text');
      output.keepOf(page.bytes);
      assert.equal(page.end, 0);
      assert.equal(content(output).toString(), 'text');
      output.consume(4, FREED);
    });
  });

  it('drops everything when it is cleared, and goes on', () => {
    const output = new OutputBuffer();
    output.write(Buffer.alloc(20_000));
    output.clear();
    assert.equal(output.length, 0);
    output.writeText('next');
    assert.equal(content(output).toString(), 'next');
    assert.equal(inspect(output), 'OutputBuffer { length: 4, offset: 0 }');
  });
});
