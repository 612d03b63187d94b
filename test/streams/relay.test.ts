/** `relay`: order, backpressure, half-close, ends of every kind, over each kind of stream. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Duplex, PassThrough } from 'node:stream';
import { asByteStream, type ByteStream, EOF, memoryPair, NOT_READY, relay } from 'miniproto';
import { turn } from '../support/handshakes.js';
import { Far } from '../support/proxies.js';
import { socketPair } from '../support/socket-pairs.js';

/** Two outer ends, and the inner ones that are relayed. */
async function line(kind: 'memory' | 'tiny' | 'sockets' | 'duplex' | 'mixed'): Promise<ByteStream[]> {
  const memory = (capacity: number) => memoryPair({ capacity });
  const sockets = async () => {
    const { one, other } = await socketPair('tcp');
    return [one, other];
  };
  const duplexes = () => {
    const [there, back] = [new PassThrough({ highWaterMark: 100 }), new PassThrough({ highWaterMark: 100 })];
    return [
      asByteStream(Duplex.from({ readable: back, writable: there })),
      asByteStream({ readable: there, writable: back }),
    ];
  };
  const made = {
    memory: () => [memory(65_536), memory(65_536)],
    tiny: () => [memory(1), memory(3)],
    sockets: async () => [await sockets(), await sockets()],
    duplex: () => [duplexes(), duplexes()],
    mixed: async () => [await sockets(), duplexes()],
  };
  const [[a, b], [c, d]] = (await made[kind]()) as [ByteStream[], ByteStream[]];
  return [a!, b!, c!, d!];
}

async function sendAll(stream: ByteStream, bytes: Buffer): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    const taken = stream.tryWrite(bytes.subarray(from));
    if (typeof taken === 'number') from += taken;
    else await stream.ready('write');
  }
  await stream.end();
}

async function readAll(stream: ByteStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let answer = stream.tryFill(1); answer !== EOF; answer = stream.tryFill(1)) {
    if (typeof answer === 'number') parts.push(stream.input.take(stream.input.length));
    else await stream.ready('read');
  }
  return Buffer.concat(parts);
}

describe('relay', () => {
  for (const kind of ['memory', 'tiny', 'sockets', 'duplex', 'mixed'] as const) {
    it(`moves both directions whole and in order: ${kind}`, async () => {
      const [left, one, other, right] = await line(kind);
      const size = kind === 'tiny' ? 5000 : 3_000_000;
      const [there, back] = [randomBytes(size), randomBytes(size + 1)];
      const relaying = relay(one!, other!);
      const [, , fromRight, fromLeft] = await Promise.all([
        sendAll(left!, there),
        sendAll(right!, back),
        readAll(left!),
        readAll(right!),
      ]);
      assert.ok(fromLeft.equals(there) && fromRight.equals(back));
      assert.deepEqual(await relaying, { there: size, back: size + 1 });
      left!.destroy();
      right!.destroy();
    });

    it(`passes an end on while the other direction goes on: ${kind}`, async () => {
      const [left, one, other, right] = await line(kind);
      const relaying = relay(one!, other!);
      const [question] = await Promise.all([readAll(right!), sendAll(left!, Buffer.from('a question'))]);
      assert.equal(question.toString(), 'a question');
      const [answer] = await Promise.all([readAll(left!), sendAll(right!, Buffer.from('an answer'))]);
      assert.equal(answer.toString(), 'an answer');
      await relaying;
      left!.destroy();
      right!.destroy();
    });
  }

  it('begins with what is in the inputs, and sends it in the turn', async () => {
    const [left, one] = memoryPair();
    const [other, right] = memoryPair();
    left.tryWrite(Buffer.from('unread'));
    one.tryFill(6);
    const relaying = relay(one, other);
    assert.equal(right.tryFill(6), 6);
    await Promise.all([left.end(), right.end()]);
    await relaying;
  });

  it('reads nothing while something waits to be written', async () => {
    const [left, one] = memoryPair({ capacity: 1000, readHighWaterMark: 1000 });
    const [other, right] = memoryPair({ capacity: 10 });
    const relaying = relay(one, other);
    let sent = 0;
    for (let rounds = 0; rounds < 100; rounds++) {
      const taken = left.tryWrite(Buffer.alloc(1000));
      if (typeof taken === 'number') sent += taken;
      await turn();
    }
    assert.ok(sent <= 2010, `${sent} bytes were taken`);
    const reading = readAll(right);
    await left.end();
    await right.end();
    assert.equal((await reading).length, sent);
    await relaying;
  });

  it('lets others go on while a direction always has more', async () => {
    const size = 3_000_000;
    const [left, one] = memoryPair({ capacity: size });
    const [other, right] = memoryPair({ capacity: size });
    left.tryWrite(Buffer.alloc(size));
    const relaying = relay(one, other);
    await Promise.resolve();
    for (let ticks = 0; ticks < 1000; ticks++) await Promise.resolve();
    assert.equal(right.tryFill(size), NOT_READY);
    await Promise.all([left.end(), right.end(), relaying]);
    assert.equal(right.tryFill(size), size);
  });

  it('destroys both when one cannot be read', async () => {
    const [left, one] = memoryPair();
    const [other, right] = memoryPair();
    const far = new Far(right);
    const relaying = relay(one, other);
    await turn();
    left.destroy(new Error('gone'));
    await assert.rejects(relaying, { code: 'ERR_STREAM_PREMATURE_CLOSE' });
    await far.over;
    assert.ok(one.destroyed && other.destroyed);
  });

  it('lets a side that takes no more say what it has to say', async () => {
    const [left, one] = memoryPair();
    const there = new PassThrough();
    const back = new PassThrough();
    const relaying = relay(one, asByteStream({ readable: back, writable: there }));
    const failure = new Error('the pipe is broken');
    there.destroy(failure);
    left.tryWrite(Buffer.from('in vain'));
    await turn();
    back.end('and still an answer');
    assert.equal((await readAll(left)).toString(), 'and still an answer');
    await left.end();
    await assert.rejects(relaying, /the pipe is broken/);
  });

  it('ends with the reason of its signal, and destroys both', async () => {
    const [, one] = memoryPair();
    const [other] = memoryPair();
    const controller = new AbortController();
    const relaying = relay(one, other, { signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(relaying, reason);
    assert.ok(one.destroyed && other.destroyed);
    await assert.rejects(relay(one, other, { signal: controller.signal }), reason);
    await assert.rejects(relay(one, other, { signal: 1 as unknown as AbortSignal }), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const none of [undefined, 1, new PassThrough()]) {
      await assert.rejects(relay(one, none as never), { code: 'ERR_INVALID_ARG_TYPE' });
      await assert.rejects(relay(none as never, one), { code: 'ERR_INVALID_ARG_TYPE' });
    }
  });
});
