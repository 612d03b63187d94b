/**
 * Short masks: what is masked through words is what is masked byte by byte, wherever it lies, and nothing around it.
 */
import assert from 'node:assert/strict';
import { maskShort } from '#lib/reference/short-masks';
import { seeded } from '../support/random.js';

/** RFC 6455 §5.3, as it is written there. */
function maskedAsWritten(bytes: Buffer, from: number, to: number, key: Buffer): Buffer {
  const masked = Buffer.from(bytes);
  for (let i = from; i < to; i++) masked[i] = bytes[i]! ^ key[(i - from) % 4]!;
  return masked;
}

describe('Short masks', () => {
  seeded('change what is between two indices, and nothing else', (random) => {
    const page = Buffer.allocUnsafeSlow(400);
    for (let from = 0; from < 8; from++) {
      for (const size of [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 63, 64, 65, 125, 126, 255]) {
        page.set(random.bytes(page.length));
        const key = Buffer.from(random.bytes(4));
        const expected = maskedAsWritten(page, from, from + size, key);
        maskShort(page, from, from + size, key.readUInt32LE());
        assert.deepEqual(page, expected, `${size} bytes at ${from}`);
      }
    }
  });

  seeded('are right on pages in turn, at the end of one, and on one that begins between two words', (random) => {
    const pages = [64, 67, 128].map((size) => Buffer.allocUnsafeSlow(size));
    pages.push(Buffer.allocUnsafeSlow(70).subarray(1), Buffer.allocUnsafeSlow(72).subarray(4));
    for (let round = 0; round < 500; round++) {
      const page = random.pick(pages);
      page.set(random.bytes(page.length));
      const from = random.below(page.length);
      const to = random.oneIn(2) ? page.length : random.between(from, page.length);
      const key = Buffer.from(random.bytes(4));
      const expected = maskedAsWritten(page, from, to, key);
      maskShort(page, from, to, key.readUInt32LE());
      assert.deepEqual(page, expected);
    }
  });
});
