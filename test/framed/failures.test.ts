/**
 * The layer below fails at its operation 0, 1, 2, … until a conversation passes: only documented errors, nobody left
 * waiting, no rejection unhandled, and the neighbour goes on.
 */
import assert from 'node:assert/strict';
import { EOF, type FramedStream, framed, lengthPrefixed, lines, type MiniprotoError, memoryPair } from 'miniproto';
import { ERROR_MESSAGES } from '#lib/errors';
import { pattern } from '../support/byte-stream-contract.js';
import { FailingStream } from '../support/failing-stream.js';
import { RekeyCodec } from '../support/rekey-codec.js';

type Lines = FramedStream<string, string | Uint8Array>;

/** What one side does; the other side answers as a mirror. */
const CONVERSATIONS: Record<
  string,
  { capacity: number; run(stream: Lines): Promise<void>; peer(stream: Lines): Promise<void> }
> = {
  'lines, a switch and an end': {
    capacity: 7,
    async run(stream) {
      await stream.write('hello');
      assert.equal(await stream.read(), 'HELLO');
      const records = stream.switchTo(lengthPrefixed({ bytes: 2 }));
      await records.write(pattern(300));
      for await (const record of records) assert.equal(record.length, 300);
      await records.end();
    },
    async peer(stream) {
      await stream.write(String(await stream.read()).toUpperCase());
      const records = stream.switchTo(lengthPrefixed({ bytes: 2 }));
      const record = await records.read();
      if (record !== EOF) await records.write(record);
      await records.end();
      assert.equal(await records.read(), EOF);
    },
  },
  'batches, push and a careful close': {
    capacity: 64,
    async run(stream) {
      const writes = Array.from({ length: 20 }, (_, i) => stream.write(`line ${i}`));
      let seen = 0;
      for await (const batch of stream.batches()) {
        seen += batch.values().length;
        if (seen === 20) break;
      }
      await Promise.all(writes);
      await stream.end();
      await stream.close();
    },
    async peer(stream) {
      await stream.onRecord((record, out) => void out.write(record));
      await stream.close();
    },
  },
  'records in pieces': {
    capacity: 100,
    async run(stream) {
      const records = stream.switchTo(lengthPrefixed());
      const parts = await records.begin(1000);
      for (let i = 0; i < 10; i++) await parts.write(pattern(100));
      parts.end();
      await records.flush();
      const pieces = await records.readPieces();
      if (pieces !== EOF) await pieces.discard();
      await records.end();
    },
    async peer(stream) {
      const records = stream.switchTo(lengthPrefixed());
      const record = await records.read();
      if (record !== EOF) await records.write(record);
      await records.end();
    },
  },
  'a protocol that re-keys': {
    capacity: 1,
    async run(stream) {
      const secret = stream.switchTo(new RekeyCodec(5, 2));
      for (let i = 0; i < 6; i++) await secret.write(`secret ${i}`);
      for (let i = 0; i < 6; i++) assert.equal(await secret.read(), `secret ${i}`);
      await secret.end();
    },
    async peer(stream) {
      const secret = stream.switchTo(new RekeyCodec(6, 3));
      for (let i = 0; i < 6; i++) await secret.write(String(await secret.read()));
      await secret.end();
    },
  },
};

function assertDocumented(error: unknown): void {
  const { code, name } = error as MiniprotoError;
  assert.ok(Object.hasOwn(ERROR_MESSAGES, code), `${name}: ${(error as Error).stack}`);
}

for (const [name, { capacity, run, peer }] of Object.entries(CONVERSATIONS)) {
  it(`a transport that fails at any operation fails the conversation, and nothing else: ${name}`, async function () {
    this.timeout(30_000);
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    const [calm, partner] = memoryPair().map((stream) => framed(stream, lines()));
    try {
      for (let failAt = 0; ; failAt++) {
        assert.ok(failAt < 5000, 'a run passes at some point');
        const [near, far] = memoryPair({ capacity });
        const failing = new FailingStream(near, failAt);
        const other = framed(far, lines());
        const results = await Promise.allSettled([run(framed(failing, lines())), peer(other)]);
        for (const result of results) if (result.status === 'rejected') assertDocumented(result.reason);
        if (results[0].status === 'fulfilled' && results[1].status === 'fulfilled' && !failing.failed) break;
        near.destroy();
        far.destroy();
        await calm!.write(`${failAt}`);
        assert.equal(await partner!.read(), `${failAt}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(unhandled, []);
    } finally {
      process.off('unhandledRejection', onUnhandled);
    }
  });
}
