/** Frames over many chunks: in which memory they are while they come, and what is found on the way. */
import assert from 'node:assert/strict';
import { NOT_READY } from 'miniproto';
import { InputBuffer } from '#lib/bytes/input-buffer';
import { HEADER_WORDS, R_LENGTH, R_OFFSET } from '#lib/frame-table';
import { type FrameRun, FrameSource } from '#lib/websocket/frame-source';
import { BINARY, FIN, TEXT } from '../support/websocket-peer.js';
import { frameOf } from '../support/websocket-wire.js';

const CHUNK = 64 * 1024;
const KEY = Uint8Array.of(1, 2, 3, 4);

/** Chunks of a frame, in memory of their own as a socket gives them. */
function chunksOf(first: number, payload: Uint8Array): Buffer[] {
  const frame = frameOf({ first: FIN | first, payload, key: KEY });
  return Array.from({ length: Math.ceil(frame.length / CHUNK) }, (_, i) =>
    Buffer.from(frame.subarray(i * CHUNK, (i + 1) * CHUNK)),
  );
}

function source() {
  const input = new InputBuffer();
  const framing = { role: 'server', maxLength: 1 << 24, compression: false, utf8: true } as const;
  return { input, frames: new FrameSource({ input, tryFill: () => NOT_READY }, framing) };
}

/** The payload of a run of one row. */
function payloadOf({ bytes, table, base, rows }: FrameRun): Buffer {
  assert.equal(rows, 1);
  const from = table[base + HEADER_WORDS + R_OFFSET]!;
  return bytes.subarray(from, from + table[base + HEADER_WORDS + R_LENGTH]!);
}

describe('FrameSource', () => {
  const payload = Buffer.from('aä€𝄞'.repeat(90_000));

  it('has a long text come to where it stays, on a stream that has delivered as much', () => {
    const { input, frames } = source();
    for (let message = 0; message < 3; message++) {
      const chunks = chunksOf(TEXT, payload);
      const last = chunks.pop()!;
      let memory: Buffer | undefined;
      for (const [index, chunk] of chunks.entries()) {
        input.append(chunk);
        assert.equal(frames.tryNextRun(), NOT_READY);
        if (index === 1) memory = input.front()!.bytes;
        if (index > 1 && message > 0) assert.equal(input.front()!.bytes, memory, `chunk ${index}`);
      }
      input.append(last);
      const run = frames.tryNextRun() as FrameRun;
      assert.equal(run.bytes === memory, message > 0);
      assert.ok(payloadOf(run).equals(payload));
      frames.done(run);
    }
  });

  it('reserves no more than twice what has come of the first', () => {
    const { input, frames } = source();
    for (const chunk of chunksOf(TEXT, payload).slice(0, -1)) {
      input.append(chunk);
      assert.equal(frames.tryNextRun(), NOT_READY);
      assert.ok(input.memoryHeld <= 2 * input.length, `${input.memoryHeld} for ${input.length}`);
    }
  });

  it('gives memory back that others wait for while a long text comes', () => {
    const { input, frames } = source();
    let back = 0;
    const chunks = chunksOf(TEXT, payload);
    for (const [index, chunk] of chunks.entries()) {
      input.append(chunk, () => back++);
      const answer = frames.tryNextRun();
      if (index === chunks.length - 1) assert.ok(payloadOf(answer as FrameRun).equals(payload));
      else assert.equal(back, index === 0 ? 0 : index + 1);
    }
  });

  it('finds a byte of a long text wrong as soon as it has come', () => {
    const { input, frames } = source();
    const wrong = Buffer.from(payload);
    wrong[3 * CHUNK] = 0xff;
    const chunks = chunksOf(TEXT, wrong);
    for (const chunk of chunks.slice(0, 3)) {
      input.append(chunk);
      assert.equal(frames.tryNextRun(), NOT_READY);
    }
    input.append(chunks[3]!);
    assert.throws(() => frames.tryNextRun(), { code: 'ERR_INVALID_UTF8' });
  });

  it('leaves other payloads in their chunks until they are complete', () => {
    const { input, frames } = source();
    const chunks = chunksOf(BINARY, payload);
    const last = chunks.pop()!;
    for (const chunk of chunks) {
      input.append(chunk);
      assert.equal(frames.tryNextRun(), NOT_READY);
      assert.equal(input.frontLength, CHUNK);
    }
    input.append(last);
    assert.ok(payloadOf(frames.tryNextRun() as FrameRun).equals(payload));
  });
});
