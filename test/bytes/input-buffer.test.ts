/**
 * InputBuffer against a model: one flat array of everything that was appended, and how much of it was consumed.
 *
 * Chunks of every kind arrive (tiny ones that are copied together, large ones that stay where they are, ones with a
 * recycle function), and every read is compared with the array. A chunk's memory is overwritten as soon as the buffer
 * gives it back, so that a byte that was still in use shows.
 */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { InputBuffer, type Segment } from '#lib/bytes/input-buffer';
import { NOT_READY } from '#lib/status';
import { type Random, seeded } from '../support/random.js';

/** Chunk sizes on both sides of where chunks are copied together, and of the pages they are copied to. */
const SIZES = [0, 1, 2, 5, 64, 511, 512, 513, 4095, 4096, 4097, 9000];

const KINDS = ['kept', 'recycled', 'page'] as const;
/** Bytes that a page has in front of it. */
const ROOM = 1000;

class Model {
  readonly buffer = new InputBuffer();
  /** Everything that was appended. */
  readonly bytes: number[] = [];
  consumed = 0;
  /** Per chunk with a recycle function: where it ends in `bytes`, and how often it was given back. */
  readonly chunks: { end: number; recycled: number }[] = [];

  get rest(): Uint8Array {
    return Uint8Array.from(this.bytes.slice(this.consumed));
  }

  append(chunk: Uint8Array, kind: 'kept' | 'recycled' | 'page'): void {
    this.bytes.push(...chunk);
    if (kind === 'kept') return this.buffer.append(chunk);
    const entry = { end: this.bytes.length, recycled: 0 };
    this.chunks.push(entry);
    const page = Buffer.concat([Buffer.alloc(kind === 'page' ? ROOM : 0), chunk]);
    const recycle = () => {
      entry.recycled++;
      page.fill(0xee);
    };
    if (kind === 'recycled' || chunk.length === 0)
      this.buffer.append(page.subarray(page.length - chunk.length), recycle);
    else this.buffer.appendPage(page, ROOM, page.length, recycle);
  }

  consume(count: number): void {
    this.buffer.consume(count);
    this.consumed += count;
  }

  /** What must hold after every step. */
  check(): void {
    assert.equal(this.buffer.length, this.bytes.length - this.consumed);
    assert.equal(this.buffer.offset, this.consumed);
    assert.ok(this.buffer.frontLength <= this.buffer.length);
    assert.equal(this.buffer.frontLength === 0, this.buffer.length === 0);
    for (const { end, recycled } of this.chunks) {
      assert.ok(recycled <= 1, 'a chunk is given back once');
      if (end <= this.consumed) assert.equal(recycled, 1, 'a consumed chunk is given back');
    }
  }
}

function randomStep(random: Random, model: Model): void {
  const { buffer, rest } = model;
  const size = rest.length;
  switch (random.below(8)) {
    case 0:
    case 1:
      return model.append(random.bytes(random.pick(SIZES), Uint8Array.of(1, 2, 3)), random.pick(KINDS));
    case 2:
      return model.consume(random.below(size + 1));
    case 3: {
      const to = random.below(size + 1);
      const from = random.below(to + 1);
      assert.deepEqual([...buffer.peek(to, from)], [...rest.subarray(from, to)]);
      return;
    }
    case 4: {
      if (size === 0) return;
      const at = random.below(size);
      assert.equal(buffer.byteAt(at), rest[at]);
      return;
    }
    case 5: {
      const wanted = random.bytes(random.between(1, 9), Uint8Array.of(1, 2, 3));
      const from = random.below(size + 2);
      const expected = Buffer.from(rest.buffer).indexOf(wanted, from);
      // Buffer counts a start behind its end as its end.
      assert.equal(buffer.indexOf(wanted, from), from > size ? -1 : expected);
      assert.equal(buffer.indexOf(2, from), from >= size ? -1 : rest.indexOf(2, from));
      return;
    }
    case 6: {
      const width = random.between(1, 6);
      if (size < width) return;
      const at = random.below(size - width + 1);
      assert.equal(buffer.peekUint(at, width), Buffer.from(rest.buffer).readUIntBE(at, width));
      assert.equal(buffer.peekUint(at, width, 'little'), Buffer.from(rest.buffer).readUIntLE(at, width));
      return;
    }
    default: {
      const count = Math.min(size, random.pick([0, 1, 3, 700, 5000]));
      assert.deepEqual([...buffer.take(count)], [...rest.subarray(0, count)]);
      model.consumed += count;
    }
  }
}

describe('InputBuffer', () => {
  seeded('reads like the flat array of what was appended, whatever the order of steps', (random) => {
    for (let round = 0; round < 60; round++) {
      const model = new Model();
      for (let step = 0; step < 120; step++) {
        randomStep(random, model);
        model.check();
      }
      model.consume(model.buffer.length);
      model.check();
    }
  });

  seeded('gathers records over seams while it is consumed, byte for byte', (random) => {
    for (let round = 0; round < 200; round++) {
      const model = new Model();
      for (let i = random.between(1, 8); i > 0; i--) {
        model.append(random.bytes(random.pick(SIZES)), random.pick(['recycled', 'page']));
      }
      while (model.buffer.length > 0) {
        const count = random.between(1, Math.min(model.buffer.length, 6000));
        model.buffer.gather(count);
        assert.ok(model.buffer.frontLength >= count);
        const front = model.buffer.front()!;
        const { bytes, start, end } = front;
        assert.deepEqual([...bytes.subarray(start, end)], [...model.rest.subarray(0, end - start)]);
        model.consume(random.between(0, count));
        model.check();
      }
    }
  });

  it('reads the mirrored bytes of a seam once', () => {
    const buffer = new InputBuffer();
    buffer.append(Buffer.alloc(5000, 'a'));
    buffer.append(Buffer.alloc(5000, 'b'));
    buffer.gather(5003);
    assert.equal(buffer.length, 10_000);
    buffer.consume(5001);
    assert.equal(buffer.peek(2).toString(), 'bb');
    assert.equal(buffer.length, 4999);
    buffer.consume(4999);
    assert.equal(buffer.front(), undefined);
  });

  describe('reserve', () => {
    const MIB = 2 ** 20;
    /** A stream that has delivered much, at the beginning of a large record. */
    const begun = (): InputBuffer => {
      const input = new InputBuffer();
      input.append(Buffer.allocUnsafeSlow(16 * MIB));
      input.consume(16 * MIB);
      input.append(Buffer.from('head'));
      return input;
    };
    const roomIn = (input: InputBuffer): number => {
      const { from, to } = input.reserve(16 * MIB, { pooled: false });
      return to - from;
    };

    it('gives as much as the stream has delivered, until the thread has given away too much', () => {
      const inputs = Array.from({ length: 8 }, begun);
      const rooms = inputs.map(roomIn);
      assert.ok(
        rooms.slice(0, 3).every((room) => room === 16 * MIB - 4),
        String(rooms),
      );
      assert.ok(
        rooms.slice(4).every((room) => room < 64 * 1024),
        String(rooms),
      );
      // One that comes, one that is consumed and one whose stream has ended make room for others.
      inputs[0]!.commit(rooms[0]!);
      inputs[1]!.consume(4);
      inputs[2]!.noMore();
      assert.deepEqual([begun(), begun()].map(roomIn), [16 * MIB - 4, 16 * MIB - 4]);
      for (const input of inputs) input.noMore();
    });

    it('moves the beginning of a record that would not fit behind the ones before it, once and early', () => {
      const input = begun();
      const first = input.reserve(MIB, { pooled: true });
      first.bytes.fill('x', first.from, first.to);
      input.commit(first.to - first.from);
      input.consume(MIB - 10);
      const next = input.reserve(MIB, { pooled: true });
      assert.deepEqual([next.from, next.to], [10, MIB]);
      assert.notEqual(next.bytes, first.bytes);
      next.bytes.fill('y', next.from, next.from + 20);
      input.commit(20);
      assert.equal(input.peek(30).toString(), 'x'.repeat(10) + 'y'.repeat(20));
      assert.equal(input.reserve(MIB, { pooled: true }).bytes, next.bytes);
      input.noMore();
    });

    it('leaves the beginning of a record where there is room for all of it', () => {
      const input = begun();
      const { bytes, from } = input.reserve(2 * MIB, { pooled: true });
      input.commit(MIB);
      input.consume(MIB);
      const next = input.reserve(MIB, { pooled: true });
      assert.deepEqual([next.bytes, next.from, next.to], [bytes, from + MIB, 2 * MIB]);
      input.noMore();
    });

    it('gives nothing away for a stream that has ended', () => {
      const ended = Array.from({ length: 8 }, begun);
      for (const input of ended) {
        input.noMore();
        roomIn(input);
      }
      assert.equal(roomIn(begun()), 16 * MIB - 4);
    });

    it('takes back what was given to streams that were forgotten', async () => {
      setFlagsFromString('--expose-gc');
      const collect = runInNewContext('gc') as () => void;
      // What the tests before have left is not in the way.
      await setImmediate();
      collect();
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 2; i++) assert.equal(roomIn(begun()), 16 * MIB - 4, `round ${round}`);
        // A WeakRef that was asked keeps what it knows until the end of the turn.
        await setImmediate();
        collect();
      }
    });
  });

  describe('appendPage', () => {
    const page = (letter: string) => Buffer.alloc(ROOM + 5000, letter);

    /** A buffer with `rest` bytes of a page, and one that has learned which pages came back. */
    function bufferWith(rest: number): { buffer: InputBuffer; back: string[]; append: (letter: string) => void } {
      const [buffer, back] = [new InputBuffer(), [] as string[]];
      const append = (letter: string) => buffer.appendPage(page(letter), ROOM, ROOM + 5000, () => back.push(letter));
      append('a');
      buffer.consume(5000 - rest);
      return { buffer, back, append };
    }

    it('moves the rest in front of the page, and gives back where it lay', () => {
      const { buffer, back, append } = bufferWith(ROOM);
      buffer.searched = ROOM;
      append('b');
      assert.deepEqual(back, ['a']);
      assert.equal(buffer.frontLength, ROOM + 5000);
      assert.deepEqual([buffer.offset, buffer.searched], [5000 - ROOM, ROOM]);
      assert.equal(buffer.peek(ROOM + 5000).toString(), 'a'.repeat(ROOM) + 'b'.repeat(5000));
    });

    it('leaves the rest where it is when it does not fit, or somebody looks at it', () => {
      const long = bufferWith(ROOM + 1);
      const pinned = bufferWith(ROOM);
      pinned.buffer.pin();
      const shown = bufferWith(ROOM);
      shown.buffer.peek(2);
      shown.buffer.consume(1);
      for (const { buffer, back, append } of [long, pinned, shown]) {
        const { frontLength } = buffer;
        append('b');
        assert.deepEqual(back, []);
        assert.equal(buffer.frontLength, frontLength);
      }
      shown.buffer.consume(5000);
      shown.append('c');
      assert.deepEqual(shown.back, ['a', 'b']);
    });
  });

  it('finds a sequence that lies over three chunks', () => {
    const buffer = new InputBuffer();
    buffer.append(Buffer.from(`${'.'.repeat(5000)}ab`));
    buffer.append(Buffer.alloc(4096, 'c'));
    buffer.append(Buffer.from(`d${'.'.repeat(5000)}`));
    assert.equal(buffer.indexOf(Buffer.from('abcc')), 5000);
    assert.equal(buffer.indexOf(Buffer.from('ccd')), 5000 + 2 + 4094);
    assert.equal(buffer.indexOf(Buffer.from(`b${'c'.repeat(255)}`)), 5001);
    assert.equal(buffer.indexOf(Buffer.from('x')), -1);
  });

  it('copies small chunks together, so that single bytes cost bytes and not objects', () => {
    const buffer = new InputBuffer();
    for (let i = 0; i < 10_000; i++) buffer.append(Uint8Array.of(i));
    let segments = 0;
    for (let segment = buffer.front(); segment !== undefined; segment = segment.next) segments++;
    assert.ok(segments < 20, `${segments} segments`);
    assert.deepEqual([...buffer.peek(10_000)].slice(250, 260), [250, 251, 252, 253, 254, 255, 0, 1, 2, 3]);
  });

  it('leaves a small chunk behind a large one where it is', () => {
    const buffer = new InputBuffer();
    const small = Buffer.from('end');
    buffer.append(Buffer.alloc(5000));
    buffer.append(small);
    assert.equal(buffer.front()!.next!.bytes, small);
    assert.equal(String(buffer.peek(5003, 5000)), 'end');
  });

  it('does not let what was consumed know what follows', () => {
    const buffer = new InputBuffer();
    const seen = () => {
      const [segments, from] = [[] as Segment[], buffer.front()];
      for (let segment = from; segment !== undefined; segment = segment.next) segments.push(segment);
      return segments;
    };
    for (let i = 0; i < 4; i++) buffer.append(Buffer.alloc(5000, i));
    const [first, second, third] = seen();
    buffer.consume(5000);
    assert.equal(first!.next, undefined);
    // Gathered: what it was made of leaves the queue.
    buffer.peek(10_000);
    assert.equal(second!.next, undefined);
    assert.equal(third!.next, undefined);
    assert.equal(buffer.length, 15_000);
    assert.equal(buffer.byteAt(14_999), 3);
  });

  it('gives an empty chunk back at once', () => {
    const buffer = new InputBuffer();
    let recycled = 0;
    buffer.append(new Uint8Array(0), () => recycled++);
    assert.equal(recycled, 1);
    assert.equal(buffer.length, 0);
  });

  it('does not give a chunk back before its last byte is consumed', () => {
    const buffer = new InputBuffer();
    let recycled = 0;
    buffer.append(Buffer.alloc(5000), () => recycled++);
    buffer.consume(4999);
    assert.equal(recycled, 0);
    buffer.consume(1);
    assert.equal(recycled, 1);
  });

  it('forgets what was needed and searched when bytes are consumed', () => {
    const buffer = new InputBuffer();
    buffer.append(Buffer.from('abcdef'));
    assert.equal(buffer.need(100), NOT_READY);
    assert.equal(buffer.needed, 100);
    buffer.searched = 6;
    buffer.consume(1);
    assert.equal(buffer.needed, 0);
    assert.equal(buffer.searched, 0);
  });

  it('refuses what is out of range, and changes nothing', () => {
    const buffer = new InputBuffer();
    buffer.append(Buffer.from('abc'));
    const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    assert.throws(() => buffer.peek(4), range);
    assert.throws(() => buffer.peek(2, 3), range);
    assert.throws(() => buffer.consume(4), range);
    assert.throws(() => buffer.consume(-1), range);
    assert.throws(() => buffer.consume(Number.NaN), range);
    assert.throws(() => buffer.byteAt(3), range);
    assert.throws(() => buffer.take(4), range);
    assert.throws(() => buffer.peekUint(0, 4), range);
    assert.throws(() => buffer.peekUint(0, 7), range);
    assert.throws(() => buffer.indexOf(new Uint8Array(0)), range);
    assert.throws(() => buffer.indexOf(1, -1), range);
    assert.equal(buffer.peek(3).toString(), 'abc');
    assert.equal(inspect(buffer), 'InputBuffer { length: 3, offset: 0 }');
  });
});
