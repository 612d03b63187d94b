/** Masking of frames in a row, over every implementation, against RFC 6455 §5.2 and §5.3 as they are written. */
import assert from 'node:assert/strict';
import { describeEach } from '../support/implementations.js';
import { type Random, seeded } from '../support/random.js';

const SIZES = [0, 1, 3, 4, 15, 64, 125, 126, 127, 511, 512, 513, 4096, 65_535, 65_536, 70_000];

interface Frame {
  plain: Buffer;
  masked: Buffer;
}

function header(size: number, maskBit: number): Buffer {
  if (size < 126) return Buffer.of(0x82, maskBit | size);
  const long = size < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  long[0] = 0x82;
  long[1] = maskBit | (size < 65_536 ? 126 : 127);
  if (size < 65_536) long.writeUInt16BE(size, 2);
  else long.writeBigUInt64BE(BigInt(size), 2);
  return long;
}

function frame(random: Random, size: number): Frame {
  const key = random.bytes(4);
  const payload = Buffer.from(random.bytes(size));
  const start = Buffer.concat([header(size, 0x80), key]);
  const masked = payload.map((byte, index) => byte ^ key[index & 3]!);
  return { plain: Buffer.concat([start, payload]), masked: Buffer.concat([start, masked]) };
}

describeEach('maskFrames', (native) => {
  function check(frames: Frame[], from: number, cut: number): void {
    const plain = Buffer.concat(frames.map((one) => one.plain));
    const to = plain.length - cut;
    let end = 0;
    for (const one of frames) if (end + one.plain.length <= to) end += one.plain.length;
    const masked = Buffer.concat(frames.map((one) => one.masked)).subarray(0, end);
    const before = Buffer.alloc(from, 0xee);
    const bytes = Buffer.concat([before, plain]);
    assert.equal(native.maskFrames(bytes, from, from + to), from + end);
    assert.equal(Buffer.compare(bytes, Buffer.concat([before, masked, plain.subarray(end)])), 0);
  }

  seeded('masks each payload by its own key, and nothing else', (random) => {
    for (let round = 0; round < 200; round++) {
      const sizes = Array.from({ length: random.between(1, 8) }, () => random.pick(SIZES));
      check(
        sizes.map((size) => frame(random, size)),
        random.below(9),
        0,
      );
    }
  });

  seeded('ends before a frame that is not whole, wherever it is cut', (random) => {
    for (const size of [0, 5, 130, 600]) {
      const frames = [frame(random, 40), frame(random, size)];
      for (let cut = 1; cut <= frames[1]!.plain.length; cut++) check(frames, 3, cut);
    }
    const long = [frame(random, 40), frame(random, 65_536)];
    for (const cut of [1, 65_535, 65_536, 65_537, 65_540, 65_541, 65_548, 65_549]) check(long, 0, cut);
  });

  seeded('ends before a frame without a mask', (random) => {
    for (const size of [10, 300]) {
      const masked = frame(random, size);
      const rest = Buffer.concat([header(8, 0), Buffer.from('12345678')]);
      const bytes = Buffer.concat([masked.plain, rest]);
      assert.equal(native.maskFrames(bytes, 0, bytes.length), masked.plain.length);
      assert.equal(Buffer.compare(bytes, Buffer.concat([masked.masked, rest])), 0);
    }
  });
});
