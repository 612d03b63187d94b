/**
 * The closing handshake, from our side and from both, and ends that are none. RFC 6455 §7
 *
 * What close frames of the peer look like is in cases/closing.ts.
 */
import assert from 'node:assert/strict';
import { EOF, NOT_READY } from 'miniproto';
import type { WebSocketConnection } from '#lib/websocket/connection';
import type { WebSocketOptions } from '#lib/websocket/connection-options';
import type { WebSocketRole } from '#lib/websocket/established';
import { turn, until } from '../../support/node-sockets.js';
import { bytePair, overSockets } from '../../support/pairs.js';
import { connectionOn, summary } from '../../support/websocket-cases.js';
import { CLOSE, closing, FIN, PING, PONG, RawPeer, type RawPeerOptions, TEXT } from '../../support/websocket-peer.js';

interface Begun {
  socket: WebSocketConnection;
  peer: RawPeer;
}

for (const role of ['server', 'client'] as const) closingSuite(role);

function closingSuite(role: WebSocketRole): void {
  function begin(options?: WebSocketOptions, peerOptions?: Partial<RawPeerOptions>): Begun {
    const [ours, theirs] = bytePair();
    return { socket: connectionOn(ours, role, options), peer: new RawPeer(theirs, { role, ...peerOptions }) };
  }
  const closeFrame = (payload: Uint8Array = closing(1000)) => ({ first: FIN | CLOSE, payload });

  describe(`WebSocketConnection, closing as a ${role} (RFC 6455 §7)`, () => {
    it('7.1.2: sends its close frame behind everything, waits for the answer, and is closed', async () => {
      const { socket, peer } = begin({}, { answersClose: true });
      socket.send('last');
      assert.equal(socket.state, 'open');
      const closed = socket.close(1001, 'bye');
      assert.equal(socket.state, 'closing');
      assert.deepEqual(await closed, { code: 1001, reason: 'bye', clean: true });
      assert.equal(socket.state, 'closed');
      assert.deepEqual(peer.told, ['text last', 'close 1001 bye']);
      assert.deepEqual(await socket.closed, await closed);
    });

    it('7.4: a close frame without a code, and with the longest reason', async () => {
      for (const [code, reason, told] of [
        [undefined, '', 'close'],
        [4999, 'ü'.repeat(61), `close 4999 ${'ü'.repeat(61)}`],
      ] as const) {
        const { socket, peer } = begin({}, { answersClose: true });
        const { clean } = await socket.close(code, reason);
        assert.equal(clean, true);
        assert.deepEqual(peer.told, [told]);
      }
    });

    it('7.4: refuses codes and reasons that may not be sent, and stays open', () => {
      const { socket } = begin();
      for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1000.5, Number.NaN, '1000']) {
        assert.throws(() => socket.close(code as number), { code: 'ERR_INVALID_ARG_VALUE' });
      }
      assert.throws(() => socket.close(1000, 'r'.repeat(124)), { code: 'ERR_INVALID_ARG_VALUE' });
      assert.throws(() => socket.close(1000, 'ü'.repeat(62)), { code: 'ERR_INVALID_ARG_VALUE' });
      assert.throws(() => socket.close(undefined, 'reason'), { code: 'ERR_INVALID_ARG_VALUE' });
      assert.equal(socket.state, 'open');
      socket.destroy();
    });

    it('5.5.1: sends nothing behind its close frame', async () => {
      const { socket, peer } = begin({}, { ends: false });
      void socket.close(1000);
      assert.equal(socket.send('x'), EOF);
      assert.equal(socket.ping(), false);
      assert.equal(socket.pong(), false);
      assert.equal(socket.beginMessage(), EOF);
      await assert.rejects(socket.write('x'), { code: 'ERR_STREAM_ENDED' });
      await assert.rejects(socket.roundTrip(), { code: 'ERR_STREAM_ENDED' });
      await peer.send({ first: FIN | PING, payload: 'p' }, closeFrame());
      await peer.stream.end();
      await socket.closed;
      assert.deepEqual(peer.told, ['close 1000']);
    });

    it('7.1.2: is closed once, however often it is asked to', async () => {
      const { socket, peer } = begin({}, { answersClose: true });
      const ends = await Promise.all([socket.close(1000), socket.close(3000, 'again'), socket.close()]);
      assert.deepEqual(new Set(ends.map(({ code }) => code)), new Set([1000]));
      assert.deepEqual(await socket.close(1001), ends[0]);
      assert.deepEqual(peer.told, ['close 1000']);
    });

    it('7.1.2: messages that come before the answer can be read', async () => {
      const { socket, peer } = begin({}, { ends: false });
      const closed = socket.close(1000);
      await peer.send({ first: FIN | TEXT, payload: 'one' }, { first: FIN | PONG, payload: '' });
      await peer.send({ first: FIN | TEXT, payload: 'two' }, closeFrame());
      await peer.stream.end();
      assert.equal((await closed).clean, true);
      assert.equal(await socket.read(), 'one');
      assert.equal(await socket.read(), 'two');
      assert.equal(await socket.read(), EOF);
    });

    it('7.1.2: what nobody reads does not keep the answer from being seen', async () => {
      const { socket, peer } = begin({ readHighWaterMark: 1000 }, { ends: false });
      const closed = socket.close(1000);
      for (let i = 0; i < 100; i++) await peer.send({ first: FIN | TEXT, payload: 'x'.repeat(500) });
      await peer.send(closeFrame());
      await peer.stream.end();
      assert.equal((await closed).clean, true);
    });

    it('5.5.1: of a message whose middle was dropped nothing is given out', async () => {
      const { socket, peer } = begin({ readHighWaterMark: 100 }, { ends: false });
      const closed = socket.close(1000);
      await peer.send({ first: TEXT, payload: 'x'.repeat(90) }, { first: 0, payload: 'dropped'.repeat(20) });
      await until(() => socket.tryRead() === NOT_READY);
      await turn();
      await peer.send({ first: 0, payload: 'kept?' }, { first: FIN, payload: 'end' }, closeFrame());
      await peer.stream.end();
      await closed;
      const rest: unknown[] = [];
      for (let next = await socket.read(); next !== EOF; next = await socket.read()) rest.push(next);
      for (const text of rest) assert.equal(text, `${'x'.repeat(90)}${'dropped'.repeat(20)}kept?end`);
    });

    it('7.1.3: both sides close at once', async () => {
      const [ours, theirs] = bytePair();
      const one = connectionOn(ours, role);
      const other = connectionOn(theirs, role === 'server' ? 'client' : 'server');
      const [first, second] = await Promise.all([one.close(3001), other.close(3002)]);
      assert.deepEqual([first.code, first.clean], [3002, true]);
      assert.deepEqual([second.code, second.clean], [3001, true]);
    });

    it('7.1.1: a peer that never answers is given up, with an error', async () => {
      const { socket } = begin({ closeTimeoutMs: 20 }, { answersClose: false, ends: false });
      const info = summary(await socket.close(1000));
      assert.deepEqual(info, { code: 1006, reason: '', clean: false, error: 'ERR_CLOSE_TIMEOUT' });
      await assert.rejects(socket.read(), { code: 'ERR_CLOSE_TIMEOUT' });
    });

    it('7.1.1: the time may be given with the call', async () => {
      const { socket } = begin({ closeTimeoutMs: 3_600_000 }, { answersClose: false, ends: false });
      assert.equal((await socket.close(1000, '', { timeoutMs: 10 })).code, 1006);
    });

    it('7.1.1: a peer that answers and does not end is given up; the end was clean', async () => {
      const { socket } = begin({ closeTimeoutMs: 20 }, { answersClose: true, ends: false });
      assert.deepEqual(summary(await socket.close(1000)), { code: 1000, reason: '', clean: true });
    });

    it('7.1.1: a peer that floods instead of ending is given up', async () => {
      const { socket, peer } = begin({ closeTimeoutMs: 50 }, { answersClose: true, ends: false });
      const closed = socket.close(1000);
      await peer.received(1);
      await turn();
      let over = false;
      void closed.then(() => {
        over = true;
      });
      while (!over) {
        await Promise.race([peer.write(Buffer.alloc(60_000)), socket.closed]);
        await turn();
      }
      assert.equal((await closed).clean, true);
    });

    it('7.1.5: the end of the stream without a close frame is 1006', async () => {
      const { socket, peer } = begin();
      await peer.send({ first: FIN | TEXT, payload: 'one' });
      await peer.stream.end();
      assert.equal(await socket.read(), 'one');
      await assert.rejects(socket.read(), { code: 'ERR_UNEXPECTED_EOF' });
      const info = summary(await socket.closed);
      assert.deepEqual(info, { code: 1006, reason: '', clean: false, error: 'ERR_UNEXPECTED_EOF' });
      assert.deepEqual(peer.told, []);
    });

    it('7.1.5: so is an end inside a frame, at every byte of it', async () => {
      const frame = new RawPeer(bytePair()[1], { role, reads: false }).bytesOf(FIN | TEXT, 'text');
      for (let cut = 0; cut < frame.length; cut++) {
        const { socket, peer } = begin();
        await peer.write(frame.subarray(0, cut));
        await peer.stream.end();
        assert.equal(summary(await socket.closed).error, 'ERR_UNEXPECTED_EOF');
        if (cut === 8) break;
      }
    });

    it('7.1.5: and an end while the answer is waited for', async () => {
      const { socket, peer } = begin({}, { answersClose: false });
      const closed = socket.close(1000);
      await peer.received(1);
      assert.deepEqual(summary(await closed), { code: 1006, reason: '', clean: false, error: 'ERR_UNEXPECTED_EOF' });
    });

    it('a failing stream is a TransportError, in every state', async () => {
      for (const state of ['open', 'inside a frame', 'closing'] as const) {
        const { socket, peer } = begin({}, { ends: false });
        if (state === 'inside a frame') await peer.write(peer.bytesOf(FIN | TEXT, 'text').subarray(0, 5));
        if (state === 'closing') void socket.close(1000);
        await turn();
        peer.stream.destroy();
        const { code, clean, error } = await socket.closed;
        assert.deepEqual([code, clean], [1006, false]);
        // A Unix socket that is closed is no failure but an end.
        assert.match(error!.name, /TransportError|ProtocolError/, state);
        assert.equal(socket.send('x'), EOF);
        await assert.rejects(socket.read(), (thrown) => thrown === error);
        await assert.rejects(socket.write('x'), (thrown) => thrown instanceof Error);
      }
    });

    it('destroy ends it at once, with the error that is given, and nobody waits for ever', async () => {
      const { socket } = begin({}, { ends: false });
      const reason = new Error('enough');
      const reading = assert.rejects(socket.read(), (error) => error === reason);
      const trip = assert.rejects(socket.roundTrip(), (error) => error === reason);
      const writer = socket.beginMessage();
      assert.ok(typeof writer === 'object');
      const writing = assert.rejects(socket.write('behind the message'));
      socket.destroy(reason);
      socket.destroy(new Error('again'));
      await Promise.all([reading, trip, writing]);
      const info = await socket.closed;
      assert.deepEqual([info.code, info.error], [1006, reason]);
      assert.equal(socket.state, 'closed');
    });

    it('is closed by await using', async () => {
      const { socket, peer } = begin({}, { answersClose: true });
      {
        await using own = socket;
        own.send('x');
      }
      assert.equal(socket.state, 'closed');
      assert.deepEqual(peer.told, ['text x', role === 'server' ? 'close 1001' : 'close 1000']);
    });

    it('leaves although it is corked', async () => {
      const { socket, peer } = begin({}, { answersClose: true });
      socket.cork();
      socket.send('x');
      assert.equal((await socket.close(1000)).clean, true);
      assert.deepEqual(peer.told, ['text x', 'close 1000']);
    });

    it('7.1.7: a violation while it closes ends it, without a second close frame', async () => {
      const { socket, peer } = begin({}, { ends: false });
      const closed = socket.close(1000);
      await peer.received(1);
      await peer.write(Buffer.from([0x83, 0x00]));
      await peer.stream.end();
      assert.equal(summary(await closed).error, 'ERR_INVALID_FRAME');
      assert.deepEqual(peer.told, ['close 1000']);
    });

    it('7.1.7: does not wait for a peer that ignores the close frame of a violation', async () => {
      const { socket, peer } = begin({ closeTimeoutMs: 30 }, { ends: false });
      await peer.write(Buffer.from([0x83, 0x00]));
      assert.equal(summary(await socket.closed).error, 'ERR_INVALID_FRAME');
      assert.deepEqual(peer.told, ['close 1002']);
    });

    it('leaves no timer behind, however it ends', async () => {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      await turn();
      const before = timers();
      const hour = { closeTimeoutMs: 3_600_000 };
      const clean = begin(hour, { answersClose: true });
      await clean.socket.close(1000);
      const wrong = begin(hour);
      await wrong.peer.write(Buffer.from([0x83, 0x00]));
      await wrong.socket.closed;
      const destroyed = begin({ ...hour, pingIntervalMs: 1000, idleTimeoutMs: 1000, maxLifetimeMs: 1000 });
      void destroyed.socket.close(1000);
      destroyed.socket.destroy();
      const reset = begin(hour);
      void reset.socket.close(1000);
      reset.peer.stream.destroy();
      await reset.socket.closed;
      for (const { peer } of [clean, wrong, destroyed, reset]) peer.stream.destroy();
      await until(() => timers() <= before);
    });
  });
}

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
