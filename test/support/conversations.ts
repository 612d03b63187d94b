/**
 * Conversations between two framed streams, each with what one side does and what the other answers, for tests that let
 * the layer below fail in the middle of them. They end with documented errors only, whatever happens below.
 */
import assert from 'node:assert/strict';
import { EOF, type FramedStream, lengthPrefixed, type MiniprotoError, TransportError } from 'miniproto';
import { ERROR_MESSAGES } from '#lib/errors';
import { pattern } from './byte-stream-contract.js';
import { RekeyCodec } from './rekey-codec.js';

export type Lines = FramedStream<string, string | Uint8Array>;

/** What one side does; the other side answers as a mirror. */
export const CONVERSATIONS: Record<
  string,
  { capacity: number; run(stream: Lines): Promise<void>; peer(stream: Lines): Promise<void> }
> = {
  'lines, a switch and an end': {
    capacity: 7,
    async run(stream) {
      await stream.write('hello');
      assert.equal(await next(stream), 'HELLO');
      const records = stream.switchTo(lengthPrefixed({ bytes: 2 }));
      await records.write(pattern(300));
      for await (const record of records) assert.equal(record.length, 300);
      await records.end();
    },
    async peer(stream) {
      await stream.write((await next(stream)).toUpperCase());
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
      for (let i = 0; i < 6; i++) assert.equal(await next(secret), `secret ${i}`);
      await secret.end();
    },
    async peer(stream) {
      const secret = stream.switchTo(new RekeyCodec(6, 3));
      for (let i = 0; i < 6; i++) await secret.write(await next(secret));
      await secret.end();
    },
  },
};

/** A record that has to come. @throws TransportError where the peer was gone before it. */
async function next(stream: Lines): Promise<string> {
  const record = await stream.read();
  if (record === EOF) throw new TransportError('ERR_STREAM_PREMATURE_CLOSE');
  return record as string;
}

/** @throws AssertionError unless the error is one of ours. */
export function assertDocumented(error: unknown): void {
  const { code, name } = error as MiniprotoError;
  assert.ok(Object.hasOwn(ERROR_MESSAGES, code), `${name}: ${(error as Error).stack}`);
}
