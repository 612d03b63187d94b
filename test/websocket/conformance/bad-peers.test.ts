/**
 * Peers that mean no good, or are broken: each gets a typed error or an end, costs bounded memory, and harms no other.
 *
 * Also what has to pass although it looks bad: 4 MiB in fragments of 64 bytes. RFC 6455 §10.4
 */
import assert from 'node:assert/strict';
import { EOF, NOT_READY } from 'miniproto';
import type { WebSocketConnection } from '#lib/websocket/connection';
import type { WebSocketOptions } from '#lib/websocket/connection-options';
import { turn, until } from '../../support/node-sockets.js';
import { bytePair, overSockets } from '../../support/pairs.js';
import { connectionOn, READERS, readAll, summary } from '../../support/websocket-cases.js';
import { BINARY, CLOSE, CONTINUATION, closing, FIN, PING, RawPeer, TEXT } from '../../support/websocket-peer.js';

function begin(options?: WebSocketOptions, peerOptions = {}): { socket: WebSocketConnection; peer: RawPeer } {
  const [ours, theirs] = bytePair();
  return {
    socket: connectionOn(ours, 'server', options),
    peer: new RawPeer(theirs, { role: 'server', ends: false, ...peerOptions }),
  };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Bytes of buffers that this process holds, after what is garbage has gone. */
function heldBytes(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().arrayBuffers;
}

describe('WebSocketConnection, bad peers (RFC 6455 §10)', () => {
  describe('many fragments', () => {
    const count = (4 << 20) / 64;

    for (const by of READERS) {
      it(`lets 4 MiB in fragments of 64 bytes through by ${by}`, async function () {
        this.timeout(30_000);
        const { socket, peer } = begin();
        const messages: (string | Buffer)[] = [];
        const reading = readAll(socket, by, (message) => messages.push(message));
        const middle = Buffer.concat(
          Array.from({ length: 1024 }, () => peer.bytesOf(CONTINUATION, Buffer.alloc(64, 0x61))),
        );
        await peer.write(peer.bytesOf(TEXT, Buffer.alloc(64, 0x61)));
        for (let i = 0; i < count / 1024 - 1; i++) await peer.write(middle);
        await peer.write(middle.subarray(0, 1023 * (middle.length / 1024)));
        await peer.send({ first: FIN, payload: '' }, { first: FIN | CLOSE, payload: closing(1000) });
        await peer.stream.end();
        assert.equal(await reading, 'EOF');
        assert.equal(messages.length, 1);
        assert.ok(messages[0] === 'a'.repeat(count * 64));
      });
    }

    it('costs nothing for a hundred thousand empty fragments', async () => {
      const { socket, peer } = begin();
      const reading = socket.read();
      const before = heldBytes();
      await peer.write(peer.bytesOf(BINARY, ''));
      const empty = Buffer.concat(Array.from({ length: 1000 }, () => peer.bytesOf(CONTINUATION, '')));
      for (let i = 0; i < 100; i++) await peer.write(empty);
      await turns(3);
      assert.ok(heldBytes() - before < 8 << 20);
      await peer.write(peer.bytesOf(FIN, 'x'));
      assert.deepEqual(await reading, Buffer.from('x'));
      socket.destroy();
    });
  });

  describe('floods', () => {
    it('keeps only the last pong for a peer that pings and does not read', async () => {
      const { socket, peer } = begin({}, { reads: false });
      void socket.onMessage(() => {});
      const pings = Buffer.concat(
        Array.from({ length: 500 }, (_, index) => peer.bytesOf(FIN | PING, Buffer.alloc(125, index))),
      );
      let sent = 0;
      const flood = (async () => {
        for (; sent < 40; sent++) await peer.write(pings);
      })();
      await turns(30);
      assert.ok(socket.bufferedAmount < 200_000, `${socket.bufferedAmount} bytes wait`);
      peer.startReading();
      await flood;
      const last = Buffer.alloc(125, 499);
      await until(() => peer.frames.at(-1)?.payload.equals(last) === true);
      assert.ok(peer.frames.length <= 40 * 500);
      socket.destroy();
    });

    it('answers pings of a peer that reads them, each', async () => {
      const { socket, peer } = begin();
      for (let i = 0; i < 200; i++) await peer.send({ first: FIN | PING, payload: Buffer.of(i) });
      const frames = await peer.received(200);
      assert.ok(frames.every(({ payload }, index) => payload[0] === index));
      socket.destroy();
    });

    it('stops reading messages that nobody takes, and goes on when somebody does', async () => {
      const { socket, peer } = begin({ readHighWaterMark: 10_000 });
      let sent = 0;
      const flood = (async () => {
        for (; sent < 2000; sent++) await peer.send({ first: FIN | BINARY, payload: Buffer.alloc(1000, sent) });
      })();
      await turns(50);
      const stuck = sent;
      await turns(50);
      assert.equal(sent, stuck, 'the peer is held by its own output');
      assert.ok(sent < 1500);
      for (let i = 0; i < 2000; i++) assert.equal(((await socket.read()) as Buffer)[0], i & 0xff);
      await flood;
      socket.destroy();
    });

    it('sees a close behind messages of which only one is taken', async () => {
      const { socket, peer } = begin({ readHighWaterMark: 1000 });
      await peer.write(
        Buffer.concat([peer.bytesOf(FIN | BINARY, Buffer.alloc(2000)), peer.bytesOf(FIN | CLOSE, closing(1000))]),
      );
      await turns(5);
      assert.equal((await socket.read()).toString().length, 2000);
      await peer.stream.end();
      assert.equal((await socket.closed).code, 1000);
      assert.equal(await socket.read(), EOF);
    });

    it('lets others have their turn while one floods', async () => {
      const loud = begin();
      const quiet = begin();
      let stop = false;
      void loud.socket.onMessage(() => {});
      void quiet.socket.onMessage((message, self) => self.send(message));
      const block = Buffer.concat(Array.from({ length: 1000 }, () => loud.peer.bytesOf(FIN | TEXT, 'noise')));
      const flood = (async () => {
        while (!stop) await loud.peer.write(block);
      })();
      for (let i = 1; i <= 20; i++) {
        await quiet.peer.send({ first: FIN | TEXT, payload: 'hear me' });
        await quiet.peer.received(i);
      }
      stop = true;
      loud.socket.destroy();
      await flood;
      quiet.socket.destroy();
    });
  });

  describe('silence', () => {
    const SILENT = [
      ['from the beginning', () => Buffer.alloc(0)],
      ['inside a header', (peer: RawPeer) => peer.bytesOf(FIN | TEXT, 'text').subarray(0, 1)],
      ['inside a long length', (peer: RawPeer) => peer.bytesOf(FIN | BINARY, Buffer.alloc(70_000)).subarray(0, 5)],
      ['inside a key', (peer: RawPeer) => peer.bytesOf(FIN | TEXT, 'text').subarray(0, 4)],
      ['inside a payload', (peer: RawPeer) => peer.bytesOf(FIN | TEXT, 'text').subarray(0, 8)],
      ['inside a ping', (peer: RawPeer) => peer.bytesOf(FIN | PING, 'ping').subarray(0, 8)],
      ['between fragments', (peer: RawPeer) => peer.bytesOf(TEXT, 'text')],
      ['inside a close frame', (peer: RawPeer) => peer.bytesOf(FIN | CLOSE, closing(1000)).subarray(0, 7)],
    ] as const;

    for (const [where, bytes] of SILENT) {
      it(`${where} ends with ERR_IDLE_TIMEOUT where there is one`, async () => {
        const { socket, peer } = begin({ idleTimeoutMs: 40 });
        const reading = readAll(socket, 'read', () => {});
        await peer.write(bytes(peer));
        assert.equal(summary(await socket.closed).error, 'ERR_IDLE_TIMEOUT');
        assert.equal(await reading, 'ERR_IDLE_TIMEOUT');
      });

      it(`${where} does not keep us from closing`, async () => {
        const { socket, peer } = begin({ closeTimeoutMs: 20 });
        await peer.write(bytes(peer));
        await turn();
        assert.equal(summary(await socket.close(1000)).error, 'ERR_CLOSE_TIMEOUT');
      });
    }

    it('of a peer that is not listened to is none', async () => {
      const { socket, peer } = begin({ idleTimeoutMs: 40, readHighWaterMark: 100 });
      await peer.send({ first: FIN | TEXT, payload: 'x'.repeat(500) });
      await turn();
      socket.pause();
      await new Promise((resolve) => setTimeout(resolve, 120));
      assert.equal(socket.state, 'open');
      assert.equal((await socket.read()).toString().length, 500);
      assert.equal(summary(await socket.closed).error, 'ERR_IDLE_TIMEOUT');
    });

    it('is ended by pongs', async () => {
      const { socket, peer } = begin({ idleTimeoutMs: 400, pingIntervalMs: 80 });
      for (let i = 1; i <= 8; i++) {
        await peer.received(i);
        await peer.send({ first: FIN | 10, payload: '' });
      }
      assert.equal(socket.state, 'open');
      assert.equal(summary(await socket.closed).error, 'ERR_IDLE_TIMEOUT');
    });

    it('or none, a lifetime ends with 1001', async () => {
      const { socket, peer } = begin({ maxLifetimeMs: 20 }, { answersClose: true, ends: true });
      assert.deepEqual(await socket.closed, { code: 1001, reason: '', clean: true });
      assert.deepEqual(peer.told, ['close 1001']);
    });
  });

  describe('a peer that never reads', () => {
    it('holds the handler back and not more than the mark', async () => {
      const { socket, peer } = begin({ writeHighWaterMark: 20_000 }, { reads: false });
      let handed = 0;
      void socket.onMessage((message, self) => {
        handed++;
        assert.equal(self.send(message), true);
      });
      let sent = 0;
      const sending = (async () => {
        for (; sent < 3000; sent++) await peer.send({ first: FIN | BINARY, payload: Buffer.alloc(1000) });
      })();
      await turns(100);
      const [stuckAt, wasSent] = [handed, sent];
      await turns(50);
      assert.deepEqual([handed, sent], [stuckAt, wasSent]);
      assert.ok(sent < 3000);
      socket.destroy();
      peer.stream.destroy();
      await sending;
    });

    it('is dropped messages where that was asked for', () => {
      const { socket } = begin({ writeHighWaterMark: 2000, whenFull: 'drop' }, { reads: false });
      for (let i = 0; i < 2000; i++) socket.send(Buffer.alloc(1000));
      assert.ok(socket.dropped > 0 && socket.dropped < 2000);
      assert.equal(socket.state, 'open');
      socket.destroy();
    });

    it('is closed where that was asked for', async () => {
      const { socket } = begin({ writeHighWaterMark: 2000, whenFull: 'close' }, { reads: false });
      let last: unknown = true;
      for (let i = 0; i < 2000 && last === true; i++) last = socket.send(Buffer.alloc(1000));
      assert.equal(last, NOT_READY);
      assert.equal(summary(await socket.closed).error, 'ERR_SLOW_PEER');
      assert.equal(socket.send('x'), EOF);
    });

    it('does not keep us from closing', async () => {
      const { socket } = begin({ closeTimeoutMs: 20, writeHighWaterMark: 1 << 21 }, { reads: false });
      socket.send(Buffer.alloc(1 << 20));
      assert.equal(summary(await socket.close(1000)).error, 'ERR_CLOSE_TIMEOUT');
    });

    it('and closes, is given up in time', async () => {
      const { socket, peer } = begin({ closeTimeoutMs: 20, writeHighWaterMark: 1 << 21 }, { reads: false });
      socket.send(Buffer.alloc(1 << 20));
      await peer.send({ first: FIN | CLOSE, payload: closing(1000) });
      assert.equal((await socket.closed).code, 1000);
    });

    it('is let go of with a write that waits', async () => {
      const { socket } = begin({ writeHighWaterMark: 1000 }, { reads: false });
      const writing = (async () => {
        for (;;) await socket.write(Buffer.alloc(10_000));
      })();
      const draining = assert.rejects(
        turns(5).then(() => socket.drain()),
        Error,
      );
      await turns(10);
      const reason = new Error('enough');
      socket.destroy(reason);
      await assert.rejects(writing, Error);
      await draining;
    });
  });

  describe('limits', () => {
    it('reserves nothing for what is merely declared', async () => {
      const before = heldBytes();
      const pairs = Array.from({ length: 20 }, () => begin());
      // 16 MiB each, of which one byte comes.
      const declared = Buffer.from([FIN | BINARY, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 0]);
      for (const { peer } of pairs) await peer.write(declared);
      await turns(5);
      const held = heldBytes() - before;
      for (const { socket } of pairs) socket.destroy();
      assert.ok(held < 10 << 20, `${held} bytes`);
    });

    it('ends a message that is too long with 1009, whoever reads, and what came before is read', async () => {
      for (const by of READERS.filter((form) => form !== 'pieces')) {
        const { socket, peer } = begin({ maxMessageLength: 1000 }, { ends: true });
        const messages: unknown[] = [];
        const reading = readAll(socket, by, (message) => messages.push(message));
        await peer.write(
          Buffer.concat([
            peer.bytesOf(FIN | TEXT, 'good'),
            ...Array.from({ length: 11 }, (_, index) =>
              peer.bytesOf(index === 0 ? TEXT : CONTINUATION, 'x'.repeat(100)),
            ),
            peer.bytesOf(FIN, ''),
            peer.bytesOf(FIN | TEXT, 'behind'),
          ]),
        );
        assert.equal(await reading, 'ERR_MESSAGE_TOO_LARGE', by);
        assert.deepEqual(messages, ['good'], by);
        await socket.closed;
        assert.deepEqual(peer.told, ['close 1009'], by);
      }
    });

    it('says so although the message was kept until after the peer had closed', async () => {
      const { socket, peer } = begin({ maxMessageLength: 100 }, { ends: true });
      await peer.write(
        Buffer.concat([
          peer.bytesOf(TEXT, 'x'.repeat(80)),
          peer.bytesOf(FIN, 'x'.repeat(80)),
          peer.bytesOf(FIN | TEXT, 'behind'),
          peer.bytesOf(FIN | CLOSE, closing(1000)),
        ]),
      );
      await peer.received(1);
      await assert.rejects(socket.read(), { code: 'ERR_MESSAGE_TOO_LARGE' });
      await assert.rejects(socket.read(), { code: 'ERR_MESSAGE_TOO_LARGE' });
    });
  });

  describe('others', () => {
    it('are unharmed by a violation, a reset, a flood and a handler that throws', async () => {
      const good = begin();
      void good.socket.onMessage((message, self) => self.send(message));
      const bad = Array.from({ length: 4 }, () => begin({ closeTimeoutMs: 20 }));
      const thrown = bad[3]!.socket.onMessage(() => {
        throw new Error('no');
      });
      await Promise.all([
        bad[0]!.peer.write(Buffer.from([0xff, 0xff, 0xff])),
        bad[1]!.peer
          .write(bad[1]!.peer.bytesOf(FIN | TEXT, 'half').subarray(0, 7))
          .then(() => bad[1]!.peer.stream.destroy()),
        bad[2]!.peer.write(Buffer.alloc(60_000, 0x0b)),
        bad[3]!.peer.send({ first: FIN | TEXT, payload: 'x' }),
        good.peer.send({ first: FIN | TEXT, payload: 'good' }),
      ]);
      await assert.rejects(thrown, { message: 'no' });
      for (const { socket } of bad) assert.equal((await socket.closed).clean, false);
      await good.peer.received(1);
      await good.peer.send({ first: FIN | TEXT, payload: 'still good' });
      await good.peer.received(2);
      assert.deepEqual(good.peer.told, ['text good', 'text still good']);
      good.socket.destroy();
    });
  });
});

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
