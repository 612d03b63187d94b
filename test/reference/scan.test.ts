/**
 * Byte search over every implementation, against oracles of one line: all sizes and alignments where vector code
 * changes its ways, needles right beside the range, and every byte value.
 */
import assert from 'node:assert/strict';
import { describeEach } from '../support/implementations.js';
import { type Random, seeded } from '../support/random.js';
import { ALIGNMENTS, place, SIZES, spots } from '../support/sizes.js';

const NEEDLE = 0x0a;

/** Every placement: size, alignment; the filler is not the needle, and needles lie on both sides of the range. */
function forPlacements(body: (bytes: Uint8Array, from: number, to: number) => void): void {
  for (const size of SIZES) {
    for (const alignment of ALIGNMENTS) {
      const { bytes, from, to } = place(size, alignment, 0x20);
      bytes[from - 1] = NEEDLE;
      bytes[to] = NEEDLE;
      body(bytes, from, to);
    }
  }
}

/** Indices of `byte` in [from, to), the plain way. */
function allOf(bytes: Uint8Array, from: number, to: number, byte: number): number[] {
  const indices: number[] = [];
  for (let i = from; i < to; i++) if (bytes[i] === byte) indices.push(i);
  return indices;
}

function randomRange(random: Random, bytes: Uint8Array): [from: number, to: number] {
  const from = random.below(bytes.length + 1);
  return [from, random.between(from, bytes.length)];
}

describeEach('indexOfByte', (native) => {
  it('answers -1 in a range without the byte, with the byte on both sides', () => {
    forPlacements((bytes, from, to) => assert.equal(native.indexOfByte(bytes, from, to, NEEDLE), -1));
  });

  it('answers the first of two places, at every spot of every size and alignment', () => {
    forPlacements((bytes, from, to) => {
      for (const spot of spots(to - from)) {
        bytes[from + spot] = NEEDLE;
        if (to > from) bytes[to - 1] = NEEDLE;
        assert.equal(native.indexOfByte(bytes, from, to, NEEDLE), from + spot);
        bytes[from + spot] = 0x20;
        bytes[to - 1] = 0x20;
      }
    });
  });

  it('tells every byte value from every other', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
    const twice = new Uint8Array([...bytes, ...bytes]);
    for (let value = 0; value < 256; value++) {
      assert.equal(native.indexOfByte(bytes, 0, 256, value), value);
      assert.equal(native.indexOfByte(twice, value + 1, 512, value), value + 256);
      assert.equal(
        native.indexOfByte(
          bytes.filter((byte) => byte !== value),
          0,
          255,
          value,
        ),
        -1,
      );
    }
  });
});

describeEach('indexOfAny', (native) => {
  const naive = (bytes: Uint8Array, from: number, to: number, any: number[]) => {
    for (let i = from; i < to; i++) if (any.includes(bytes[i])) return i;
    return -1;
  };

  it('answers the first of any, at every spot of every size and alignment', () => {
    forPlacements((bytes, from, to) => {
      assert.equal(native.indexOfAny(bytes, from, to, NEEDLE, 0x0d, 0xff), -1);
      for (const [index, spot] of spots(to - from).entries()) {
        const needle = [NEEDLE, 0x0d, 0xff][index % 3];
        bytes[from + spot] = needle;
        assert.equal(native.indexOfAny(bytes, from, to, NEEDLE, 0x0d, 0xff), from + spot);
        bytes[from + spot] = 0x20;
      }
    });
  });

  it('knows every byte value in each of the three places', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
    for (let value = 0; value < 255; value++) {
      assert.equal(native.indexOfAny(bytes, 0, 256, value, 255, 255), value);
      assert.equal(native.indexOfAny(bytes, 0, 256, 255, value, 255), value);
      assert.equal(native.indexOfAny(bytes, 0, 256, 255, 255, value), value);
    }
  });

  seeded('agrees with a loop on random bytes and ranges', (random) => {
    for (let round = 0; round < 2000; round++) {
      const bytes = random.bytes(random.below(300));
      const [from, to] = randomRange(random, bytes);
      const any = [...random.bytes(3)];
      assert.equal(native.indexOfAny(bytes, from, to, any[0], any[1], any[2]), naive(bytes, from, to, any));
    }
  });
});

describeEach('indexOfSequence', (native) => {
  const CRLF2 = Buffer.from('\r\n\r\n');

  it('answers the place, at every spot of every size and alignment, and never one that reaches out of the range', () => {
    forPlacements((bytes, from, to) => {
      for (const spot of spots(to - from)) {
        const clean = bytes.slice(from + spot, from + spot + CRLF2.length);
        bytes.set(CRLF2, from + spot);
        const fits = spot + CRLF2.length <= to - from;
        assert.equal(native.indexOfSequence(bytes, from, to, CRLF2), fits ? from + spot : -1);
        bytes.set(clean, from + spot);
      }
    });
  });

  it('finds a sequence of every length from 1 to 256 behind its own prefixes', () => {
    for (let length = 1; length <= 256; length++) {
      const sequence = new Uint8Array(length).fill(0x61);
      sequence[length - 1] = 0x62;
      const bytes = Buffer.concat([new Uint8Array(length + 3).fill(0x61), sequence, sequence]);
      assert.equal(native.indexOfSequence(bytes, 0, bytes.length, sequence), length + 3);
      assert.equal(native.indexOfSequence(bytes, 0, 2 * length + 2, sequence), -1);
    }
  });

  seeded('agrees with Buffer on few-lettered bytes', (random) => {
    const letters = Buffer.from('ab');
    for (let round = 0; round < 4000; round++) {
      const bytes = random.bytes(random.below(200), letters);
      const [from, to] = randomRange(random, bytes);
      const sequence = random.bytes(random.between(1, 7), letters);
      const found = Buffer.from(bytes.subarray(from, to)).indexOf(sequence);
      assert.equal(native.indexOfSequence(bytes, from, to, sequence), found < 0 ? -1 : found + from);
    }
  });
});

describeEach('indexAll', (native) => {
  const check = (bytes: Uint8Array, from: number, to: number, byte: number, room: number) => {
    const positions = new Int32Array(room + 4).fill(-7);
    const all = allOf(bytes, from, to, byte);
    const expected = all.slice(0, room);
    const lookedTo = all.length >= room ? (expected.at(-1) ?? from - 1) + 1 : to;
    const ascii = bytes.subarray(from, Math.max(from, lookedTo)).every((one) => one < 0x80);
    const count = native.indexAll(bytes, from, to, byte, positions.subarray(0, room));
    assert.equal(count, ascii ? expected.length : -expected.length - 1);
    assert.deepEqual([...positions], [...expected, ...new Array(room + 4 - expected.length).fill(-7)]);
  };

  it('lists every place at every size and alignment, and nothing beside the range', () => {
    forPlacements((bytes, from, to) => {
      for (const spot of spots(to - from)) bytes[from + spot] = NEEDLE;
      const expected = spots(to - from).sort((a, b) => a - b);
      const positions = new Int32Array(32);
      assert.equal(native.indexAll(bytes, from, to, NEEDLE, positions), expected.length);
      assert.deepEqual(
        [...positions.subarray(0, expected.length)],
        expected.map((spot) => from + spot),
      );
    });
  });

  it('tells a byte over 0x7f at every spot inside the range, and none beside it', () => {
    forPlacements((bytes, from, to) => {
      bytes[from - 1] = 0x80;
      bytes[to] = 0xff;
      const positions = new Int32Array(4);
      assert.equal(native.indexAll(bytes, from, to, NEEDLE, positions), 0);
      for (const spot of spots(to - from)) {
        bytes[from + spot] = 0x80;
        assert.equal(native.indexAll(bytes, from, to, NEEDLE, positions), -1);
        bytes[from + spot] = 0x20;
      }
    });
  });

  it('looks no further than the last position when the table is full', () => {
    const bytes = Buffer.from('a\nb\n\xff\n', 'latin1');
    for (let room = 0; room <= 5; room++) check(bytes, 0, bytes.length, NEEDLE, room);
  });

  it('lists every place of dense bytes: all of them', () => {
    for (const size of SIZES) check(new Uint8Array(size).fill(NEEDLE), 0, size, NEEDLE, Math.min(size, 300));
  });

  seeded('agrees with a loop on random bytes, ranges and room', (random) => {
    for (let round = 0; round < 3000; round++) {
      const alphabet = random.oneIn(2) ? Buffer.from('\n ab') : Buffer.from('\n a\x80\xff', 'latin1');
      const bytes = random.bytes(random.below(random.oneIn(4) ? 400 : 60), alphabet);
      const [from, to] = randomRange(random, bytes);
      check(bytes, from, to, random.pick(alphabet), random.below(40));
    }
  });
});
