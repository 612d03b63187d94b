/** The promise of a push: an ordinary one to whoever waits, and nothing more than a word to a server that does not. */
import assert from 'node:assert/strict';
import { inspect, types } from 'node:util';
import { type ByteStream, connect, framed, lines, listen, memoryPair, serve } from 'miniproto';

const ignore = () => {};

/** A push over memory, and the other side. */
function pushing(handler: (line: string) => void = ignore) {
  const [one, other] = memoryPair();
  return { one, peer: framed(other, lines()), end: framed(one, lines()).onRecord((record) => handler(record.value())) };
}

const boom = new RangeError('a mistake');
const fails = () => {
  throw boom;
};

describe('the promise of a push', () => {
  it('is a promise, and what its methods give are ordinary ones', async () => {
    const { end, peer } = pushing();
    assert.ok(end instanceof Promise && types.isPromise(end));
    for (const next of [end.then(), end.catch(ignore), end.finally(ignore)]) {
      assert.equal(Object.getPrototypeOf(next), Promise.prototype);
    }
    await peer.end();
    assert.equal(await end, undefined);
  });

  it('resolves for all who wait, before its end and after it', async () => {
    const { end, peer } = pushing();
    const told: string[] = [];
    const first = end.then(() => told.push('first'));
    const all = Promise.all([end, Promise.race([end]), end.finally(() => told.push('finally'))]);
    await peer.end();
    await all;
    await first;
    await end.then(() => told.push('late'));
    assert.deepEqual(told.sort(), ['finally', 'first', 'late']);
  });

  it('rejects for all who wait, before its end and after it', async () => {
    const { end, peer } = pushing(fails);
    const early = assert.rejects(end, boom);
    await peer.write('hello');
    await early;
    await assert.rejects(end, boom);
    assert.equal(await end.catch((error) => error), boom);
  });

  it('is an unhandled rejection where it fails and nobody waits', async () => {
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    const told = new Promise((resolve) => process.once('unhandledRejection', resolve));
    try {
      const { peer } = pushing(fails);
      await peer.write('hello');
      assert.equal(await told, boom);
    } finally {
      for (const listener of others) process.on('unhandledRejection', listener);
    }
  });

  it('shows what it is', () => {
    assert.match(inspect(pushing().end), /^PushEnd \[Promise\]/);
  });
});

describe('a handler that returns the promise of its push', () => {
  it('has its connection closed with care at the end', async () => {
    const server = await listen({ port: 0, host: '127.0.0.1' }, (stream) =>
      framed(stream, lines()).onRecord((record, out) => out.write(record)),
    );
    const talk = framed(await connect({ port: server.port, host: '127.0.0.1' }), lines());
    await talk.write('hello');
    assert.equal(await talk.read(), 'hello');
    await talk.end();
    await talk.close();
    while (server.connections.size > 0) await new Promise(setImmediate);
    await server.close();
  });

  it('has its connection destroyed when it fails, and onError told, once, though others wait too', async () => {
    for (const waits of [false, true]) {
      const [one, other] = memoryPair();
      const told: unknown[] = [];
      const caught: unknown[] = [];
      const handler = (stream: ByteStream) => {
        const end = framed(stream, lines()).onRecord(fails);
        if (waits) void end.catch((error) => caught.push(error));
        // Later, when the server has its word already.
        else setImmediate(() => end.catch((error) => caught.push(error)));
        return end;
      };
      serve(one, handler, { onError: (error) => told.push(error) });
      const peer = framed(other, lines());
      await new Promise(setImmediate);
      await peer.write('hello');
      await assert.rejects(peer.read(), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
      await new Promise(setImmediate);
      assert.deepEqual([told, caught], [[boom], [boom]]);
      assert.ok(one.abandoned);
    }
  });

  it('is told of where the push is on another stream', async () => {
    const [one] = memoryPair();
    const { end, peer } = pushing(fails);
    const told: unknown[] = [];
    serve(one, () => end, { onError: (error, stream) => told.push(error, stream) });
    await peer.write('hello');
    await new Promise(setImmediate);
    assert.deepEqual(told, [boom, one]);
  });
});
