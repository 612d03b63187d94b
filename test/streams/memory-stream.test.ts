/**
 * The pair in memory, at capacities that produce every state of backpressure, and what only it can say exactly.
 */
import assert from 'node:assert/strict';
import { EOF, type MiniprotoError, memoryPair, NOT_READY } from 'miniproto';
import { byteStreamContract, pattern, readToEnd } from '../support/byte-stream-contract.js';

for (const capacity of [1, 2, 7, 64 * 1024, [1, 64 * 1024] as const]) {
  const connect = () => {
    const [one, other] = memoryPair({ capacity });
    return { one, other };
  };
  byteStreamContract(`memory pair, capacity ${capacity}`, connect, { bulk: capacity === 64 * 1024 ? 200_000 : 8_000 });
}

describe('idea: optimistic calls, every one tried first and waited for afterwards', () => {
  it('answers with counts and statuses byte by byte at capacity 1', () => {
    const [one, other] = memoryPair({ capacity: 1 });
    assert.equal(one.tryWrite(pattern(3)), 1);
    assert.equal(one.pendingWrite, NOT_READY);
    assert.equal(one.tryWrite(pattern(2, 1)), NOT_READY);
    assert.equal(one.pendingOutput, 1);
    assert.equal(other.pendingRead, undefined);
    assert.equal(other.tryFill(2), NOT_READY);
    assert.equal(other.input.length, 1);
    assert.equal(one.tryWrite(pattern(2, 1)), 1);
    assert.equal(other.tryFill(2), 2);
  });
});

describe('MemoryStream', () => {
  it('reads no further ahead than its high-water mark', () => {
    const [one, other] = memoryPair({ capacity: 1000, readHighWaterMark: 10 });
    assert.equal(one.tryWrite(pattern(1000)), 1000);
    assert.equal(other.tryFill(), 10);
    assert.equal(other.tryFill(300), 300);
    other.input.consume(295);
    assert.equal(other.tryFill(6), 10);
  });

  it('gives what the peer had written before it was destroyed, then fails', async () => {
    const [one, other] = memoryPair();
    const cause = new Error('crash');
    one.tryWrite(pattern(5));
    one.destroy(cause);
    assert.equal(other.tryFill(5), 5);
    assert.ok(other.input.take(5).equals(pattern(5)));
    assert.throws(
      () => other.tryFill(),
      (error: MiniprotoError) => error.code === 'ERR_STREAM_PREMATURE_CLOSE' && (error.cause as Error).cause === cause,
    );
    await assert.rejects(other.ready('read'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
  });

  it('keeps an end that was said before the peer was destroyed; only writing fails', async () => {
    const [one, other] = memoryPair();
    one.tryWrite(pattern(5));
    await one.end();
    one.destroy();
    assert.ok((await readToEnd(other)).equals(pattern(5)));
    assert.equal(other.tryFill(), EOF);
    assert.throws(() => other.tryWrite(pattern(1)), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
    await assert.rejects(other.end(), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
  });

  it('refuses capacities and marks that are none', () => {
    assert.throws(() => memoryPair({ capacity: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => memoryPair({ capacity: 1.5 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => memoryPair({ capacity: '1' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => memoryPair({ readHighWaterMark: 0 }), { code: 'ERR_OUT_OF_RANGE' });
  });
});
