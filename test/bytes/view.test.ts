/** Views as Buffers: what `subarray` gives, by another way. */
import assert from 'node:assert/strict';
import { viewOf } from '#lib/bytes/view';

describe('viewOf', () => {
  it('gives what subarray gives, at every range of pooled and own memory', () => {
    for (const bytes of [Buffer.from('0123456789'), Buffer.allocUnsafeSlow(10).fill('ab'), Buffer.alloc(0)]) {
      for (let from = 0; from <= bytes.length; from++) {
        for (let to = from; to <= bytes.length; to++) {
          const view = viewOf(bytes, from, to);
          const expected = bytes.subarray(from, to);
          assert.equal(Object.getPrototypeOf(view), Buffer.prototype);
          assert.equal(view.buffer, expected.buffer);
          assert.equal(view.byteOffset, expected.byteOffset);
          assert.equal(view.length, expected.length);
        }
      }
    }
  });

  it('shares the memory', () => {
    const bytes = Buffer.from('abc');
    viewOf(bytes, 1, 2)[0] = 0x42;
    assert.equal(bytes.toString(), 'aBc');
  });
});
