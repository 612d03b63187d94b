/** Views as Buffers: what `subarray` gives, by another way. */
import assert from 'node:assert/strict';
import { byteLengthOf, viewOf } from '#lib/bytes/view';
import { bytesOf } from '#lib/websocket/outbound';

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

describe('byteLengthOf', () => {
  const resizable = new (ArrayBuffer as unknown as new (size: number, options: object) => ArrayBuffer)(8, {
    maxByteLength: 16,
  });
  const KINDS = [Buffer.from('abc'), Buffer.from(resizable), Buffer.from(new SharedArrayBuffer(8)), Buffer.alloc(0)];

  it('gives what byteLength gives', () => {
    for (const bytes of [...KINDS, new Uint8Array(5)]) assert.equal(byteLengthOf(bytes), bytes.byteLength);
  });

  it('is 0 of memory that is gone, in optimised code that has seen resizable memory too', () => {
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 10_000; i++) {
        const bytes = KINDS[i % KINDS.length]!;
        byteLengthOf(bytes);
        bytesOf(bytes);
      }
      const payload = Buffer.allocUnsafeSlow(10);
      structuredClone(payload.buffer, { transfer: [payload.buffer as ArrayBuffer] });
      assert.equal(byteLengthOf(payload), 0, `round ${round}`);
      assert.throws(() => bytesOf(payload), { code: 'ERR_PAYLOAD_DETACHED' }, `round ${round}`);
    }
  });
});
