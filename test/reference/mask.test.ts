/**
 * Masking over every implementation, against RFC 6455 §5.3 as it is written: octet i is XORed with key octet i mod 4.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { maskCopy } from '#lib/reference/mask';
import { describeEach } from '../support/implementations.js';
import { seeded } from '../support/random.js';
import { ALIGNMENTS, place, SIZES } from '../support/sizes.js';

const KEY = 0xd4c3b2a1;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function keyByte(key: number, index: number): number {
  return (key >>> ((index & 3) * 8)) & 0xff;
}

function masked(bytes: Uint8Array, key: number, phase: number): Uint8Array {
  return bytes.map((byte, index) => byte ^ keyByte(key, index + phase));
}

function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.compare(actual, expected), 0);
}

describeEach('mask', (native) => {
  it('masks the range and nothing beside it, at every size, alignment and phase', () => {
    for (const size of SIZES) {
      for (const alignment of ALIGNMENTS) {
        const { bytes, from, to } = place(size, alignment);
        for (let i = from; i < to; i++) bytes[i] = i * 7;
        const phase = alignment & 3;
        const expected = bytes.slice();
        expected.set(masked(bytes.subarray(from, to), KEY, phase), from);
        assert.equal(native.mask(bytes, from, to, KEY, phase), (phase + size) & 3);
        assertSame(bytes, expected);
      }
    }
  });

  it('masks every byte value with every byte value', () => {
    for (let value = 0; value < 256; value++) {
      const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const key = (value * 0x01010101) >>> 0;
      native.mask(bytes, 0, 256, key, 0);
      assertSame(
        bytes,
        Uint8Array.from({ length: 256 }, (_, byte) => byte ^ value),
      );
    }
  });

  seeded('carries the phase across pieces of any size', (random) => {
    for (let round = 0; round < 500; round++) {
      const whole = random.bytes(random.below(2000));
      const bytes = whole.slice();
      const key = random.next();
      let phase = 0;
      let from = 0;
      for (const cut of random.cuts(bytes.length, 6)) {
        phase = native.mask(bytes, from, cut, key, phase);
        from = cut;
      }
      assertSame(bytes, masked(whole, key, 0));
      native.mask(bytes, 0, bytes.length, key, 0);
      assertSame(bytes, whole);
    }
  });
});

describe('maskCopy of the reference', () => {
  it('may move a range forward over itself, as its framer does', () => {
    for (const by of [1, 6, 14, 100]) {
      const whole = Uint8Array.from({ length: 200_001 }, (_, i) => i * 13);
      const bytes = whole.slice();
      maskCopy(bytes, by, bytes.length, bytes, 0, KEY, 1);
      assertSame(bytes.subarray(0, bytes.length - by), masked(whole.subarray(by), KEY, 1));
    }
  });
});

describe('mask without WebAssembly', () => {
  it('gives the same, by loops', () => {
    const program = `
      import assert from 'node:assert/strict';
      import { mask } from '#lib/reference/mask';
      assert.ok(delete globalThis.WebAssembly); // it is looked for at the first use
      const bytes = new Uint8Array(100_003).map((_, i) => i * 7);
      const expected = bytes.map((byte, i) => byte ^ [0xa1, 0xb2, 0xc3, 0xd4][(i + 3) & 3]);
      for (let round = 0; round < 2; round++) {
        assert.equal(mask(bytes, 0, bytes.length, ${KEY}, 3), (3 + bytes.length) & 3);
        assert.equal(Buffer.compare(bytes, round === 0 ? expected : bytes.map((_, i) => i * 7)), 0);
      }`;
    const flags = ['--conditions=miniproto-modules', '--input-type=module', '--eval', program];
    execFileSync(process.execPath, flags, { cwd: ROOT, encoding: 'utf8' });
  });
});

describeEach('maskCopy', (native) => {
  it('leaves the source and the bytes beside the target, at every size and both alignments', () => {
    for (const size of SIZES) {
      for (const alignment of ALIGNMENTS) {
        const source = place(size, alignment);
        const target = place(size, (alignment * 13) & 63, 0xee);
        for (let i = source.from; i < source.to; i++) source.bytes[i] = i * 11;
        const before = source.bytes.slice();
        const expected = target.bytes.slice();
        expected.set(masked(source.bytes.subarray(source.from, source.to), KEY, 2), target.from);
        const phase = native.maskCopy(source.bytes, source.from, source.to, target.bytes, target.from, KEY, 2);
        assert.equal(phase, (2 + size) & 3);
        assertSame(target.bytes, expected);
        assertSame(source.bytes, before);
      }
    }
  });

  seeded('gives what a copy and mask give, at random places', (random) => {
    for (let round = 0; round < 1000; round++) {
      const source = random.bytes(random.below(1200));
      const from = random.below(source.length + 1);
      const to = random.between(from, source.length);
      const at = random.below(70);
      const target = random.bytes(at + (to - from) + random.below(70));
      const [key, phase] = [random.next(), random.below(4)];
      const expected = target.slice();
      expected.set(masked(source.subarray(from, to), key, phase), at);
      assert.equal(native.maskCopy(source, from, to, target, at, key, phase), (phase + to - from) & 3);
      assertSame(target, expected);
    }
  });

  it('copies within one buffer, between ranges that do not overlap', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
    const expected = bytes.slice();
    expected.set(masked(bytes.subarray(0, 500), KEY, 1), 500);
    native.maskCopy(bytes.subarray(0, 500), 0, 500, bytes, 500, KEY, 1);
    assertSame(bytes, expected);
  });
});
