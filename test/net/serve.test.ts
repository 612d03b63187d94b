/** `serve`: what `listen` does with a connection, for one that comes from somewhere else. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { adopt, asByteStream, type Connection, EOF, framed, lines, memoryPair, serve } from 'miniproto';
import { nodePair, startProgram } from '../support/node-sockets.js';

describe('serve', () => {
  it('closes with care when the handler has come to its end, what it did not wait for included', async () => {
    const { accepted, connected } = await nodePair();
    serve(adopt(accepted), async (stream) => {
      const talk = framed(stream, lines());
      for await (const line of talk) {
        if (line === 'quit') break;
      }
      void talk.write('x'.repeat(500_000));
    });
    const client = framed(connected, lines());
    await client.write('hello');
    await client.write('quit');
    assert.equal(String(await client.read()).length, 500_000);
    assert.equal(await client.read(), EOF);
    await client.close();
  });

  it('destroys a connection whose handler throws or rejects, and tells onError', async () => {
    const boom = new RangeError('a mistake');
    const told: unknown[] = [];
    const handlers = [
      () => {
        throw boom;
      },
      () => Promise.reject(boom),
    ];
    for (const handler of handlers) {
      const [one, other] = memoryPair();
      serve(one, handler, { onError: (error, stream) => told.push(error, stream) });
      const talk = framed(other, lines());
      await assert.rejects(talk.read(), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
      assert.deepEqual(told.splice(0), [boom, one]);
    }
  });

  it('leaves a connection to a handler that returns no promise', async () => {
    const [one, other] = memoryPair();
    let given: unknown;
    serve(one, (stream) => {
      given = stream;
    });
    assert.equal(given, one);
    one.tryWrite(Buffer.from('still here\n'));
    assert.equal(await framed(other, lines()).read(), 'still here');
  });

  it('lets no client that hangs up end the process, though nobody listens to errors', async () => {
    const program = startProgram(`
      import { createServer } from 'node:net';
      import { adopt, framed, lines, serve } from 'miniproto';
      const server = createServer({ pauseOnConnect: true }, (socket) => {
        serve(adopt(socket), async (stream) => {
          await framed(stream, lines({ maxLength: 10 })).onRecord((line, out) => out.write(line));
        });
      });
      server.listen(0, '127.0.0.1', () => console.log(server.address().port));
      process.once('SIGTERM', () => server.close());`);
    const port = Number(await program.line());
    for (const text of ['hello\n', 'far too long for this one\n']) {
      const socket = net.connect(port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      socket.write(text);
      socket.resetAndDestroy();
      await once(socket, 'close');
    }
    const talk = framed(net.connect(port, '127.0.0.1'), lines());
    await talk.write('alive');
    assert.equal(await talk.read(), 'alive');
    await talk.close();
    program.child.kill('SIGTERM');
    assert.equal(await program.end(), 0);
  });

  it('checks its arguments', () => {
    const [one] = memoryPair();
    const handler = (_stream: Connection): void => {};
    assert.throws(() => serve(new net.Socket() as never, handler), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => serve(asByteStream(one), undefined as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => serve(one, () => {}, { onError: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
