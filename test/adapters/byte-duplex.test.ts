/** `toDuplex` of a byte stream: both ways, at every capacity, and every way in which either can end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DuplexStream, memoryPair, NOT_READY, toDuplex } from 'miniproto';
import { ByteDuplex } from '#lib/adapters/byte-duplex';
import { byteStreamContract, pattern, readToEnd, writeAll } from '../support/byte-stream-contract.js';
import { socketPair, TRANSPORT } from '../support/socket-pairs.js';

// A byte stream over a Duplex over a byte stream is one as any other.
for (const capacity of [1, 7, 65536]) {
  const over = (pair: ReturnType<typeof memoryPair>) => ({
    one: new DuplexStream(toDuplex(pair[0])),
    other: new DuplexStream(toDuplex(pair[1])),
  });
  const bulk = capacity < 100 ? 2000 : 200_000;
  byteStreamContract(`toDuplex of a memory pair of capacity ${capacity}`, () => over(memoryPair({ capacity })), {
    bulk,
  });
}

byteStreamContract(`toDuplex of connections, over ${TRANSPORT}`, async () => {
  const { one, other } = await socketPair();
  return { one: new DuplexStream(toDuplex(one)), other: new DuplexStream(toDuplex(other)) };
});

describe('ByteDuplex', () => {
  it('is a Duplex of bytes', () => {
    const duplex = toDuplex(memoryPair()[0]);
    assert.ok(duplex instanceof Duplex);
    assert.equal(duplex.readableObjectMode, false);
    assert.equal(duplex.writableObjectMode, false);
    assert.equal(duplex.allowHalfOpen, true);
  });

  it('refuses what is no byte stream', () => {
    const wrong = { code: 'ERR_INVALID_ARG_TYPE' };
    for (const value of [undefined, null, 5, {}, new Duplex()]) assert.throws(() => toDuplex(value as never), wrong);
    assert.throws(() => toDuplex(memoryPair()[0], 5 as never), wrong);
  });

  it('carries bytes through a pipeline, in both directions at once', async () => {
    const [one, other] = memoryPair({ capacity: 1000 });
    const bytes = pattern(300_000);
    const echo = toDuplex(other);
    const echoed = pipeline(echo, echo);
    const duplex = toDuplex(one);
    const got: Buffer[] = [];
    duplex.on('data', (chunk: Buffer) => void got.push(chunk));
    await Promise.all([pipeline(Readable.from([bytes]), duplex), once(duplex, 'end'), echoed]);
    assert.ok(Buffer.concat(got).equals(bytes));
  });

  it('takes no more off the stream than there is room for', async () => {
    const [one, other] = memoryPair({ capacity: 1000 });
    const duplex = toDuplex(one, { readableHighWaterMark: 10 });
    duplex.read(0);
    for (let sent = 0; ; ) {
      const taken = other.tryWrite(pattern(100));
      if (taken === NOT_READY) break;
      sent += taken as number;
      assert.ok(sent < 200_000, 'nobody reads');
      await new Promise(setImmediate);
    }
    duplex.destroy();
  });

  it('calls a large write done only when its memory is free', async () => {
    const { one, other } = await socketPair();
    const duplex = toDuplex(one);
    const bytes = pattern(1_000_000);
    const copy = Buffer.from(bytes);
    duplex.write(bytes, () => bytes.fill(0));
    duplex.end();
    assert.ok((await readToEnd(other)).equals(copy));
    other.destroy();
    duplex.destroy();
  });

  it('fails after what was read before the failure has been given out', async () => {
    const [one, other] = memoryPair();
    const duplex = toDuplex(one);
    const seen: string[] = [];
    duplex.on('error', (error) => seen.push((error.cause as Error).message));
    await writeAll(other, Buffer.from('last'));
    duplex.read(0);
    one.destroy(new Error('the cable'));
    await new Promise(setImmediate);
    duplex.on('data', (chunk) => seen.push(String(chunk)));
    await new Promise((resolve) => duplex.once('close', resolve));
    assert.deepEqual(seen, ['last', 'the cable']);
  });

  it('gives the failure of the stream to whoever writes', async () => {
    const [one] = memoryPair({ capacity: 10 });
    const duplex = toDuplex(one);
    const failed = once(duplex, 'error');
    duplex.write(pattern(100));
    one.destroy(new Error('the cable'));
    assert.equal((await failed)[0].cause.message, 'the cable');
  });

  it('destroys the stream when it is destroyed', async () => {
    const [one, other] = memoryPair();
    const duplex = toDuplex(one).on('error', () => {});
    duplex.destroy(new Error('enough'));
    await new Promise((resolve) => duplex.once('close', resolve));
    assert.ok(one.destroyed);
    await assert.rejects(one.ready('read'), (error: Error) => (error.cause as Error).message === 'enough');
    other.destroy();
  });

  it('touches nothing while it is held, and then does all that was asked for', async () => {
    const [one, other] = memoryPair();
    const duplex = new ByteDuplex(one);
    duplex.hold();
    await writeAll(other, Buffer.from('question'));
    const read = once(duplex, 'data');
    duplex.end('answer');
    await new Promise(setImmediate);
    assert.equal(one.input.length, 0);
    assert.equal(other.tryFill(), NOT_READY);
    duplex.begin();
    assert.equal(String((await read)[0]), 'question');
    assert.equal(String(await readToEnd(other)), 'answer');
    duplex.destroy();
    other.destroy();
  });
});
