/**
 * Many clients of `wss:` at once, with messages of many sizes, echoed and compared; and some that are gone in the middle of
 * a message, theirs or ours, and do no harm to the others.
 */
import assert from 'node:assert/strict';
import { NOT_READY } from 'miniproto';
import {
  connectWebSocket,
  type ListeningWebSocketServer,
  listenWebSocket,
  type WebSocketConnection,
} from 'miniproto/websocket';
import { nativeTls } from '#lib/native';
import { SecureSocketStream } from '#lib/tls/secure-socket-stream';
import { certificate, identity } from '../support/certificates.js';
import { until } from '../support/node-sockets.js';
import { Random, SEED, seeded } from '../support/random.js';
import { WITHOUT_SECURE } from '../support/secure-sockets.js';

const CLIENTS = 64;
const LARGEST = 300 * 1024;
const TLS = { ca: certificate('ca') };
const HALF = Buffer.alloc(LARGEST / 2, 'half');

/** Bytes of one client, to be told from those of any other. */
function bytesOf(random: Random, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let word = random.next() | 1, i = 0; i < size; i++) {
    word = Math.imul(word, 0x5bd1e995) + 0x6d2b79f5;
    bytes[i] = word >>> 24;
  }
  return bytes;
}

/** Mostly small; each client has a large one as well. */
function messagesOf(random: Random): Buffer[] {
  const sizes = Array.from({ length: 12 }, () => random.below(random.pick([2, 126, 2000, 20_000])));
  sizes[random.below(sizes.length)] = random.between(LARGEST / 2, LARGEST);
  return sizes.map((size) => bytesOf(random, size));
}

/** Writes all, as far ahead as it may, and compares what comes back. */
async function converse(socket: WebSocketConnection, messages: readonly Buffer[]): Promise<void> {
  const writing = (async () => {
    for (const message of messages) await socket.write(message);
  })();
  for (const [index, message] of messages.entries()) {
    const back = await socket.read();
    assert.ok(message.equals(back as Buffer), `message ${index} of ${message.length} bytes`);
  }
  await writing;
  const { code, clean } = await socket.close(1000);
  assert.deepEqual([code, clean], [1000, true]);
}

/** Ways to be gone in the middle of a message. */
const WAYS_OUT: { readonly [title: string]: (socket: WebSocketConnection) => Promise<void> } = {
  'half of its message sent': async (socket) => {
    const writer = socket.beginMessage({ type: 'binary' });
    assert.ok(typeof writer === 'object');
    await writer.write(HALF);
    socket.destroy();
  },
  'a message taken that has not left': async (socket) => {
    while (socket.send(HALF) !== NOT_READY);
    socket.destroy();
  },
  'half of an answer heard': async (socket) => {
    await socket.write(Buffer.alloc(LARGEST));
    for await (const message of socket.pieces()) {
      for await (const piece of message) {
        assert.ok(piece.length > 0);
        socket.destroy();
        return;
      }
    }
  },
};

describe('many WebSockets over TLS', function () {
  this.timeout(60_000);
  let server: ListeningWebSocketServer;
  let url: string;
  let sessions: number | undefined;

  beforeEach(async () => {
    sessions = nativeTls()?.counters().sessions;
    server = await listenWebSocket({ port: 0, host: '127.0.0.1', tls: identity('server') }, (socket) => {
      assert.equal(socket.stream instanceof SecureSocketStream, WITHOUT_SECURE === undefined);
      return socket.onMessage((message) => void socket.send(message)).then(() => undefined);
    });
    url = `wss://127.0.0.1:${server.port}/`;
  });

  afterEach(async () => {
    await server.close({ timeoutMs: 1000 });
    await until(() => nativeTls()?.counters().sessions === sessions);
  });

  const connecting = (count: number) =>
    Promise.all(Array.from({ length: count }, () => connectWebSocket(url, { tls: TLS })));

  seeded(`${CLIENTS} of them get back what they sent, each its own, in order`, async (random) => {
    const clients = await connecting(CLIENTS);
    assert.equal(server.connections.size, CLIENTS);
    await Promise.all(clients.map((socket) => converse(socket, messagesOf(random))));
    await until(() => server.connections.size === 0);
  });

  for (const [title, leave] of Object.entries(WAYS_OUT)) {
    it(`go on when some are destroyed with ${title}`, async () => {
      const random = new Random(SEED + title.length);
      const [clients, leaving] = await Promise.all([connecting(16), connecting(8)]);
      const talking = clients.map((socket) => converse(socket, messagesOf(random)));
      await Promise.all([...talking, ...leaving.map(leave)]);
      await until(() => server.connections.size === 0);
      // And there is room for the next ones.
      const [next] = await connecting(1);
      await converse(next!, [HALF]);
    });
  }
});
