/** What frames hold that wait to be sent. */
import assert from 'node:assert/strict';
import { memoryUsage } from 'node:process';
import { OutputBuffer } from '#lib/bytes/output-buffer';
import { writeFrame } from '#lib/websocket/frame-writer';
import { BINARY, FIN } from '../support/websocket-peer.js';

/** Bytes of a frame, and how many frames. */
const PILES = [
  [16 * 1024, 400],
  [1024 * 1024, 16],
] as const;

describe('writeFrame', () => {
  for (const [name, keys] of [
    ['masked', () => 0x01020304],
    ['unmasked', undefined],
  ] as const) {
    for (const [size, count] of PILES) {
      it(`holds little more than the bytes of ${name} frames of ${size} bytes that pile up`, () => {
        const output = new OutputBuffer();
        const payload = Buffer.alloc(size, 'x');
        const before = memoryUsage().arrayBuffers;
        for (let i = 0; i < count; i++) {
          writeFrame({ output, keys, lends: true }, FIN | BINARY, payload, 0, size, { stable: false });
        }
        const held = memoryUsage().arrayBuffers - before;
        assert.ok(output.length >= count * size);
        assert.ok(held < 2 * output.length, `${held} for ${output.length}`);
        output.clear();
      });
    }
  }
});
