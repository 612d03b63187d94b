/** `createWebSocketStream`: chunks for messages, ends for closes, and backpressure both ways. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createWebSocketStream, WebSocket } from 'miniproto/ws';
import * as ws from 'ws';
import { closeOf, listening, pair, raw, stopAll } from '../support/ws-pairs.js';

describe('createWebSocketStream', () => {
  afterEach(stopAll);

  it('gives messages as chunks, and sends chunks as messages', async () => {
    const { here, there } = await pair();
    const stream = createWebSocketStream(there);
    here.send('text');
    assert.deepEqual((await once(stream, 'data'))[0], Buffer.from('text'));
    stream.write('answer');
    const [data, isBinary] = await once(here, 'message');
    assert.deepEqual([String(data), isBinary], ['answer', true]);
    stream.destroy();
  });

  it('gives text as strings in objectMode', async () => {
    const { here, there } = await pair();
    const stream = createWebSocketStream(there, { readableObjectMode: true });
    here.send('text');
    here.send(Buffer.from('bytes'));
    const chunks: unknown[] = [];
    for await (const chunk of stream) if (chunks.push(chunk) === 2) break;
    assert.deepEqual(chunks, ['text', Buffer.from('bytes')]);
  });

  it('may be written to before the connection is open, and ends with it', async () => {
    const { server, url } = await listening();
    const connected = once(server, 'connection');
    const socket = new WebSocket(url);
    const stream = createWebSocketStream(socket);
    stream.end('early');
    const [peer] = (await connected) as [WebSocket];
    assert.equal(String((await once(peer, 'message'))[0]), 'early');
    assert.deepEqual(await closeOf(peer), [1005, '']);
    stream.resume();
    await once(stream, 'close');
    assert.equal(stream.writableFinished, true);
    assert.equal(socket.readyState, WebSocket.CLOSED);
  });

  it('moves much more than fits anywhere, both ways at once, and loses nothing', async () => {
    const { server, url } = await listening();
    server.on('connection', (peer) => {
      const stream = createWebSocketStream(peer);
      stream.pipe(stream);
    });
    for (const Client of [WebSocket, ws.WebSocket]) {
      const socket = new (Client as typeof WebSocket)(url);
      const make = Client === WebSocket ? createWebSocketStream : ws.createWebSocketStream;
      const stream = make(socket as never, { highWaterMark: 16_384 });
      const total = 24 << 20;
      let sent = 0;
      const source = new Readable({
        read() {
          const chunk = Buffer.allocUnsafe(65_536);
          for (let i = 0; i < chunk.length; i += 4) chunk.writeUInt32LE(sent + i, i);
          sent += chunk.length;
          this.push(chunk);
          if (sent === total) this.push(null);
        },
      });
      let received = 0;
      await pipeline(source, stream, async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          assert.equal(chunk.readUInt32LE(0), received);
          received += chunk.length;
        }
      });
      assert.equal(received, total);
    }
  });

  it('holds a peer back while nobody reads', async () => {
    const { here, there } = await pair();
    createWebSocketStream(there, { highWaterMark: 1024 });
    const chunk = Buffer.alloc(65_536);
    let called = 0;
    for (let i = 0; i < 400; i++) here.send(chunk, () => called++);
    while (!there.isPaused) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(here.bufferedAmount > 1 << 20);
    assert.ok(called < 400);
    here.terminate();
    there.terminate();
    await once(there, 'close');
  });

  it('fails with the WebSocket, and terminates it when it is destroyed', async () => {
    const { here, socket } = await raw();
    const stream = createWebSocketStream(here);
    socket.write(Buffer.from([0x85, 0x80, 0, 0, 0, 0]));
    const [error] = await once(stream, 'error');
    assert.equal(error.code, 'WS_ERR_INVALID_OPCODE');
    socket.destroy();

    const second = await pair();
    const destroyed = createWebSocketStream(second.there);
    const closed = closeOf(second.here);
    destroyed.destroy(new Error('mine'));
    assert.equal((await once(destroyed, 'error'))[0].message, 'mine');
    assert.deepEqual(await closed, [1006, '']);
  });

  it('fails with a handshake that fails', async () => {
    const stream = createWebSocketStream(new WebSocket('ws://127.0.0.1:1'));
    const closed = new Promise((resolve) => stream.on('close', resolve));
    assert.equal((await once(stream, 'error'))[0].code, 'ECONNREFUSED');
    await closed;
  });
});
