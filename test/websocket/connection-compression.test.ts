/** What a connection compresses of what it sends, seen by how many bytes arrive. */
import assert from 'node:assert/strict';
import { connectWebSocket, listenWebSocket, prepareMessage, type WebSocketConnection } from 'miniproto/websocket';

const TEXT = 'all the same '.repeat(1000);

/** Bytes that reach a client for what `send` does, once it has read the one message that comes of it. */
async function bytesFor(memory: 'shared' | 'none', send: (socket: WebSocketConnection) => void): Promise<number> {
  const server = await listenWebSocket({ port: 0, host: '127.0.0.1', deflate: { memory } }, send);
  const socket = await connectWebSocket(`ws://127.0.0.1:${server.port}/`, { deflate: true });
  assert.match(socket.extensions, /permessage-deflate/);
  const before = socket.stream.input.offset;
  assert.equal(await socket.read(), TEXT);
  const bytes = socket.stream.input.offset - before;
  await socket.close(1000);
  await server.close();
  return bytes;
}

const WAYS: { [name: string]: (socket: WebSocketConnection) => void } = {
  'a message': (socket) => void socket.send(TEXT),
  'a message that is to be compressed': (socket) => void socket.send(TEXT, { compress: true }),
  'a prepared message': (socket) => void socket.send(prepareMessage(TEXT)),
  'a prepared message that is to be compressed': (socket) => void socket.send(prepareMessage(TEXT, { compress: true })),
  'a message in pieces': (socket) => {
    const message = socket.beginMessage({ type: 'text' });
    if (typeof message === 'symbol') throw new Error('no room');
    message.tryWrite(TEXT.slice(0, 5000));
    message.end(TEXT.slice(5000));
  },
};

describe('WebSocketConnection, what it compresses', () => {
  for (const [name, send] of Object.entries(WAYS)) {
    it(`compresses ${name}`, async () => assert.ok((await bytesFor('shared', send)) < 1000));
    it(`compresses nothing of ${name} with memory 'none'`, async () => {
      assert.ok((await bytesFor('none', send)) > TEXT.length);
    });
  }
});
