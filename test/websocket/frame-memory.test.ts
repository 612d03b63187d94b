/** What frames hold that wait to be sent. */
import assert from 'node:assert/strict';
import { memoryUsage } from 'node:process';
import { OutputBuffer } from '#lib/bytes/output-buffer';
import { writeFrame } from '#lib/websocket/frame-writer';
import { BINARY, FIN } from '../support/websocket-peer.js';

const SIZE = 16 * 1024;
const COUNT = 400;

describe('writeFrame', () => {
  for (const [name, keys] of [
    ['masked', () => 0x01020304],
    ['unmasked', undefined],
  ] as const) {
    it(`holds little more than the bytes of ${name} frames that pile up`, () => {
      const output = new OutputBuffer();
      const payload = Buffer.alloc(SIZE, 'x');
      const before = memoryUsage().arrayBuffers;
      for (let i = 0; i < COUNT; i++) {
        writeFrame({ output, keys, lends: true }, FIN | BINARY, payload, 0, SIZE, { stable: false });
      }
      const held = memoryUsage().arrayBuffers - before;
      assert.ok(output.length >= COUNT * SIZE);
      assert.ok(held < 2 * output.length, `${held} for ${output.length}`);
      output.clear();
    });
  }
});
