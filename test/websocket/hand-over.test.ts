/**
 * A connection's byte stream, in the hands of others: released, ended by the shell that was kept, closed by a server that
 * drains. What was sent leaves first, and what nobody has taken is given back as frames.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { duplexPair } from 'node:stream';
import {
  adopt,
  type ByteStream,
  DuplexStream,
  drain,
  EOF,
  framed,
  lines,
  listen,
  type MiniprotoError,
} from 'miniproto';
import { acceptWebSocketStream, attachWebSocket, connectWebSocket, webSocketMessages } from 'miniproto/websocket';
import type { WebSocketConnection } from '#lib/websocket/connection';
import type { AgreedDeflate, WebSocketRole } from '#lib/websocket/established';
import { ALONE, agreed } from '../support/deflates.js';
import { NATIVE, nodePair, turn } from '../support/node-sockets.js';
import { clearFaults, FAIL, setFaults } from '../support/socket-pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { BINARY, CLOSE, CONTINUATION, closing, FIN, PING, RawPeer, RSV1, TEXT } from '../support/websocket-peer.js';

const code = (expected: string) => (error: MiniprotoError) => error.code === expected;

type Released = ByteStream & { release(): { writable: unknown } };
interface Ends {
  readonly ours: Released;
  readonly theirs: ByteStream;
  /** A byte stream on what was released. */
  again(): ByteStream;
}

const TRANSPORTS: { [name: string]: () => Promise<Ends> } = {
  [NATIVE ? 'a native socket' : "a socket of Node's"]: async () => {
    const { accepted, connected } = await nodePair('unix');
    const ours = adopt(accepted);
    return { ours, theirs: adopt(connected), again: () => adopt(ours.release().socket) };
  },
  'a Duplex': async () => {
    const [one, other] = duplexPair();
    const ours = new DuplexStream(one);
    const again = () => {
      ours.release();
      return new DuplexStream(one);
    };
    return { ours: ours as unknown as Released, theirs: new DuplexStream(other), again };
  },
};

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

async function begin(open: () => Promise<Ends>, role: WebSocketRole = 'server', deflate?: AgreedDeflate) {
  const ends = await open();
  const socket = connectionOn(ends.ours, role, { readHighWaterMark: 1 << 20 }, deflate);
  const peer = new RawPeer(ends.theirs, { role, ends: false });
  const destroy = (stream: ByteStream) => (stream as unknown as { destroy(): void }).destroy();
  return { ...ends, socket, peer, done: (last: ByteStream) => [last, ends.theirs].forEach(destroy) };
}

for (const [name, open] of Object.entries(TRANSPORTS)) {
  describe(`release of ${name} that carries a WebSocket`, () => {
    it('lets what was sent leave first, however it was', async () => {
      const { socket, peer, again, done } = await begin(open);
      socket.send('one');
      socket.cork();
      socket.send(Buffer.alloc(40_000));
      const writer = socket.beginMessage({ type: 'text' });
      assert.ok(typeof writer === 'object');
      writer.write('be').catch(() => {});
      writer.end('gun');
      const stream = again();
      const theirs = framed(stream, webSocketMessages({ role: 'server' }));
      await theirs.write('of the next one');
      await peer.received(5);
      assert.deepEqual(
        peer.told.map((told) => told.replace(/0{10,}/, '00')),
        ['text one', 'binary 00... (40000)', 'text unfinished be', 'continuation 67756e', 'text of the next one'],
      );
      done(stream);
    });

    it('is over for those who had the connection: nothing is taken, readers are told', async () => {
      const { socket, again, done } = await begin(open);
      const reading = assert.rejects(socket.read(), code('ERR_STREAM_DESTROYED'));
      const writer = socket.beginMessage();
      assert.ok(typeof writer === 'object');
      const stream = again();
      assert.deepEqual([socket.send('lost?'), socket.beginMessage(), socket.ping()], [EOF, EOF, false]);
      assert.throws(() => writer.tryWrite('lost?'), code('ERR_STREAM_ENDED'));
      await reading;
      const { error, clean } = await socket.closed;
      assert.deepEqual([(error as MiniprotoError).code, clean], ['ERR_STREAM_DESTROYED', false]);
      await assert.rejects(socket.read(), code('ERR_STREAM_DESTROYED'));
      done(stream);
    });

    for (const role of ['server', 'client'] as const) {
      it(`gives back what nobody has taken, frames that are not whole too, to a ${role}`, async () => {
        const sizes = [5, 200, 70_000];
        for (const size of sizes) {
          for (const cut of [1, 2, 3, 4, 7, 9, 13, 14, 15, 100, size]) {
            const { ours, socket, peer, again, done } = await begin(open, role);
            const last = peer.bytesOf(FIN | CONTINUATION, 'é'.repeat(size / 2));
            const parts = [
              peer.bytesOf(FIN | TEXT, 'taken'),
              peer.bytesOf(FIN | BINARY, 'bytes'),
              peer.bytesOf(FIN | PING, ''),
              peer.bytesOf(FIN | TEXT, ''),
              peer.bytesOf(TEXT, 'begun '),
              peer.bytesOf(CONTINUATION, 'and '),
              last,
            ];
            const bytes = Buffer.concat(parts);
            const at = bytes.length - last.length + Math.min(cut, last.length - 1);
            await peer.write(bytes.subarray(0, at));
            assert.equal(await socket.read(), 'taken');
            while (ours.input.offset + ours.input.length < at) await turn();
            // The beginning of the message in fragments is being put together.
            if (cut % 2 === 1) {
              assert.deepEqual(await socket.read(), Buffer.from('bytes'));
              assert.equal(socket.tryRead(), '');
              socket.tryRead();
            }
            const stream = again();
            const next = framed(stream, webSocketMessages({ role }));
            void peer.write(Buffer.concat([bytes.subarray(at), peer.bytesOf(FIN | TEXT, 'behind it')]));
            if (cut % 2 === 0) assert.deepEqual([await next.read(), await next.read()], [Buffer.from('bytes'), '']);
            assert.equal(await next.read(), `begun and ${'é'.repeat(size / 2)}`);
            assert.equal(await next.read(), 'behind it');
            done(stream);
          }
        }
      });
    }

    it('gives back messages that are compressed as they came', async () => {
      const { socket, peer, again, done } = await begin(open, 'server', agreed(ALONE));
      const stored = Buffer.from([0, 1, 0, 0xfe, 0xff, 0x61, 0]);
      await peer.send({ first: FIN | RSV1 | TEXT, payload: stored }, { first: RSV1 | TEXT, payload: stored });
      await turns(3);
      assert.equal(await socket.read(), 'a');
      socket.tryRead();
      const stream = again();
      const bytes = peer.bytesOf(RSV1 | TEXT, stored);
      while (stream.input.length < bytes.length) if (typeof stream.tryFill(bytes.length) !== 'number') await turn();
      const given = stream.input.take(bytes.length);
      assert.deepEqual([given[0], given[1]], [RSV1 | TEXT, 0x80 | stored.length]);
      assert.deepEqual(
        given.subarray(6).map((byte, at) => byte ^ given[2 + (at & 3)]!),
        stored,
      );
      done(stream);
    });

    it('is refused while its messages are handed out or read in pieces, and nothing changes', async () => {
      const { ours, socket, peer, done } = await begin(open);
      const refused = () => assert.throws(() => ours.release(), code('ERR_READ_IN_PROGRESS'));
      await peer.send({ first: FIN | TEXT, payload: 'in pieces' });
      for await (const message of socket.pieces()) {
        refused();
        for await (const piece of message) assert.equal(String(piece), 'in pieces');
        break;
      }
      const got: string[] = [];
      void socket.onMessage((message) => {
        refused();
        got.push(message.text());
        socket.send(message);
      });
      await peer.send({ first: FIN | TEXT, payload: 'one' }, { first: FIN | TEXT, payload: 'two' });
      await peer.received(2);
      assert.deepEqual(
        [got, peer.told],
        [
          ['one', 'two'],
          ['text one', 'text two'],
        ],
      );
      socket.destroy();
      done(ours);
    });
  });
}

describe('WebSocketConnection whose byte stream others have', () => {
  it('sends on what the system has not taken when it is released, the pong that waits included', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const ours = adopt(accepted);
    const socket = connectionOn(ours, 'server');
    const peer = new RawPeer(new DuplexStream(connected), { role: 'server', ends: false });
    setFaults({ send: [10, ...Array(20).fill(FAIL.again)] }, { repeats: false });
    socket.send(Buffer.alloc(100_000, 1));
    await peer.send({ first: FIN | PING, payload: 'a' }, { first: FIN | PING, payload: 'b' });
    while (ours.input.offset < 14) await turn();
    assert.equal(socket.bufferedAmount, 100_000);
    const { socket: released } = ours.release();
    clearFaults();
    const stream = adopt(released);
    await framed(stream, webSocketMessages({ role: 'server' })).write('behind it');
    await peer.received(3);
    assert.equal(peer.frames[0]!.payload.length, 100_000);
    assert.deepEqual(peer.told.slice(1), ['pong 62', 'text behind it']);
    stream.destroy();
    connected.destroy();
  });

  it('ends with the shell that was kept: behind what was sent, by a close frame', async function () {
    if (!NATIVE) this.skip();
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted, { keepShell: true });
    const socket = connectionOn(stream, 'server', { writeHighWaterMark: 1 << 26 });
    for (let i = 0; i < 100; i++) assert.equal(socket.send(Buffer.alloc(60_000)), true);
    const peer = new RawPeer(adopt(connected), { role: 'server', answersClose: true, reads: false });
    accepted.end();
    await turns(3);
    peer.startReading();
    await Promise.all([once(accepted, 'finish'), once(accepted, 'close')]);
    assert.deepEqual([peer.frames.length, peer.told.at(-1)], [101, 'close 1001']);
    assert.deepEqual(await socket.closed, { code: 1001, reason: '', clean: true });
  });

  it('says how much waits to be sent in the counters of its byte stream', async () => {
    const { accepted, connected } = await nodePair();
    const stream = adopt(accepted);
    const socket = connectionOn(stream, 'server');
    socket.cork();
    socket.send(Buffer.alloc(999));
    assert.equal(stream.counters().memoryHeld, 1003);
    socket.destroy();
    connected.destroy();
  });

  it('is closed by a handshake where its handler is done, or its server drains', async () => {
    const server = net.createServer({ pauseOnConnect: true });
    const servers = { listen: await listen({ port: 0, host: '127.0.0.1' }, accept), http: http.createServer() };
    async function accept(stream: ByteStream) {
      const socket = await acceptWebSocketStream(stream);
      socket!.send('served');
    }
    const web = servers.http.listen(0, '127.0.0.1');
    await once(web, 'listening');
    attachWebSocket(web, {}, (socket) => void socket.send('attached'));
    const first = await connectWebSocket(`ws://127.0.0.1:${servers.listen.port}/`);
    assert.equal(await first.read(), 'served');
    assert.equal(await first.read(), EOF);
    const { clean, code: said } = await first.closed;
    assert.deepEqual([clean, said], [true, 1001]);
    const second = await connectWebSocket(`ws://127.0.0.1:${(web.address() as net.AddressInfo).port}/`);
    assert.equal(await second.read(), 'attached');
    await drain(web);
    assert.deepEqual(await second.closed, { code: 1001, reason: '', clean: true });
    await servers.listen.close();
    server.close();
  });

  it('is destroyed when a server that drains has no time left for it', async () => {
    const { accepted, connected } = await nodePair();
    const { server } = accepted as unknown as { server: net.Server };
    const socket = connectionOn(adopt(accepted), 'server', { closeTimeoutMs: 2 ** 31 - 1 });
    void socket.close();
    await drain(server, { timeoutMs: 1 });
    const { clean, error } = await socket.closed;
    assert.deepEqual([clean, (error as MiniprotoError).code], [false, 'ERR_CLOSE_TIMEOUT']);
    connected.destroy();
  });

  it('has its byte stream for itself: no framed stream on it, and none below it', async () => {
    const [one, other] = duplexPair();
    const stream = new DuplexStream(one);
    const socket: WebSocketConnection = connectionOn(stream, 'client');
    assert.throws(() => framed(stream, lines()), code('ERR_STREAM_IN_USE'));
    await assert.rejects(acceptWebSocketStream(stream), code('ERR_STREAM_IN_USE'));
    await assert.rejects(connectWebSocket('ws://x/', { socket: stream }), code('ERR_STREAM_IN_USE'));
    assert.throws(() => connectionOn(stream, 'server'), code('ERR_STREAM_IN_USE'));
    const peer = new RawPeer(new DuplexStream(other), { role: 'client', answersClose: true });
    await peer.send({ first: FIN | TEXT, payload: 'still works' }, { first: FIN | CLOSE, payload: closing(1000) });
    assert.equal(await socket.read(), 'still works');
    assert.equal((await socket.closed).code, 1000);
  });
});

describe('release of a Duplex with a framed stream on it', () => {
  it('lets what was written leave first', async () => {
    const [one, other] = duplexPair();
    const stream = new DuplexStream(one);
    const talk = framed(stream, lines());
    talk.tryWrite('written');
    stream.release();
    one.write('by the next one\n');
    const reader = framed(new DuplexStream(other), lines());
    assert.deepEqual([await reader.read(), await reader.read()], ['written', 'by the next one']);
    one.destroy();
  });
});

describe('release of a Duplex that has ended', () => {
  it('is refused while a WebSocket keeps what nobody has taken, and nothing has changed', async () => {
    const [one, other] = duplexPair();
    const ours = new DuplexStream(one);
    const socket = connectionOn(ours, 'server');
    const theirs = connectionOn(new DuplexStream(other), 'client');
    theirs.send('taken');
    theirs.send('kept');
    assert.equal(await socket.read(), 'taken');
    socket.send('on its way');
    other.end();
    one.resume();
    while (!one.readableEnded) await turn();
    assert.throws(() => ours.release(), code('ERR_UNREAD_INPUT'));
    assert.equal(await theirs.read(), 'on its way');
    assert.equal(await socket.read(), 'kept');
    socket.destroy();
    theirs.destroy();
  });
});
