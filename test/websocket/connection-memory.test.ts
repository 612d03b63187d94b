/** Whose memory it is: what users and Node hand over is not written to, and what is given out stays as it is. */
import assert from 'node:assert/strict';
import { duplexPair, PassThrough } from 'node:stream';
import { DuplexStream, memoryPair, NOT_READY } from 'miniproto';
import { connectionOn } from '../support/websocket-cases.js';
import { BINARY, FIN, frameFor, RawPeer, RSV1, TEXT } from '../support/websocket-peer.js';
import { agreed, deflated } from './conformance/cases/deflate.js';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('WebSocketConnection and memory', () => {
  it('does not unmask in the memory of whoever wrote to a Duplex', async () => {
    const [ours, theirs] = duplexPair();
    const frame = frameFor('server', FIN | TEXT, 'hello');
    const before = Buffer.from(frame);
    theirs.write(frame);
    const socket = connectionOn(new DuplexStream(ours), 'server');
    theirs.write(frame);
    assert.equal(await socket.read(), 'hello');
    assert.equal(await socket.read(), 'hello');
    theirs.write(frame);
    assert.equal(await socket.read(), 'hello');
    assert.deepEqual(frame, before);
    socket.destroy();
  });

  it('does not unmask what is not whole in the memory of others either', async () => {
    const readable = new PassThrough();
    const frame = frameFor('server', FIN | TEXT, 'x'.repeat(200_000));
    const before = Buffer.from(frame);
    const socket = connectionOn(new DuplexStream({ readable, writable: new PassThrough() }), 'server');
    readable.write(frame.subarray(0, 70_000));
    await turn();
    await turn();
    readable.write(frame.subarray(70_000));
    assert.equal((await socket.read()).toString(), 'x'.repeat(200_000));
    assert.deepEqual(frame, before);
    socket.destroy();
  });

  it('gives messages that stay as they are while others come', async () => {
    const [ours, theirs] = memoryPair();
    const socket = connectionOn(ours, 'server');
    const peer = new RawPeer(theirs, { role: 'server' });
    const sizes = [10, 5000, 70_000, 3, 200_000, 0, 4096];
    const kept: (string | Buffer)[] = [];
    const reading = (async () => {
      for (const _ of sizes) kept.push((await socket.read()) as Buffer);
    })();
    for (const [index, size] of sizes.entries()) {
      await peer.send({ first: FIN | BINARY, payload: Buffer.alloc(size, index + 1) });
    }
    await reading;
    assert.deepEqual(
      kept,
      sizes.map((size, index) => Buffer.alloc(size, index + 1)),
    );
    socket.destroy();
  });

  it("ends the life of a cursor with its turn, and its copy is the holder's", async () => {
    const [ours, theirs] = memoryPair();
    const socket = connectionOn(ours, 'server');
    const peer = new RawPeer(theirs, { role: 'server' });
    const cursors: { text(): string }[] = [];
    const copies: Buffer[] = [];
    void socket.onMessage((message) => {
      cursors.push(message);
      copies.push(message.bytes());
    });
    await peer.send({ first: FIN | TEXT, payload: 'one' }, { first: FIN | TEXT, payload: 'two' });
    while (copies.length < 2) await turn();
    for (const cursor of cursors) assert.throws(() => cursor.text(), { code: 'ERR_RECORD_EXPIRED' });
    assert.throws(() => socket.send(cursors[0] as never), { code: 'ERR_RECORD_EXPIRED' });
    assert.deepEqual(copies.map(String), ['one', 'two']);
    socket.destroy();
  });

  it('sends what was borrowed of a compressed message as it was, though others are inflated meanwhile', async () => {
    const [ours, theirs] = memoryPair({ capacity: 1000 });
    const socket = connectionOn(ours, 'server', { writeHighWaterMark: 1 << 22 }, agreed(false)('server'));
    const peer = new RawPeer(theirs, { role: 'server', reads: false });
    const sizes = [16_384, 20_000, 60_000, 20_000, 100_000];
    let heard = 0;
    void socket.onMessage((message) => {
      heard++;
      socket.send(message.borrow(), { compress: false });
    });
    for (const [index, size] of sizes.entries()) {
      await peer.send({ first: FIN | RSV1 | BINARY, payload: deflated(Buffer.alloc(size, index + 1)) });
    }
    while (heard < sizes.length) await turn();
    peer.startReading();
    const frames = await peer.received(sizes.length);
    for (const [index, size] of sizes.entries())
      assert.ok(frames[index]!.payload.equals(Buffer.alloc(size, index + 1)));
    socket.destroy();
  });

  it('inflates for others when a handler has let go of memory that it had borrowed', async () => {
    const streams = [memoryPair(), memoryPair()];
    const [careless, other] = streams.map(([ours]) => connectionOn(ours, 'server', {}, agreed(false)('server')));
    const peers = streams.map(([, theirs]) => new RawPeer(theirs, { role: 'server' }));
    const letGo = careless!.onMessage((message) => {
      const buffer = message.borrow().buffer as ArrayBuffer & { transfer?(): ArrayBuffer };
      try {
        if (buffer.transfer !== undefined) buffer.transfer();
        else structuredClone(buffer, { transfer: [buffer] });
      } catch (error) {
        // Newer Nodes (24.21, 26) keep memory that is marked as untransferable where it is, whoever asks.
        assert.match(String(error), /TypeError: ArrayBuffer is not detachable/);
        assert.notEqual(buffer.byteLength, 0);
      }
    });
    for (const peer of peers) await peer.send({ first: FIN | RSV1 | TEXT, payload: deflated('hello') });
    assert.equal(await other!.read(), 'hello');
    await peers[1]!.send({ first: FIN | RSV1 | TEXT, payload: deflated('again') });
    assert.equal(await other!.read(), 'again');
    for (const socket of [careless!, other!]) socket.destroy();
    await letGo;
  });

  it('refuses memory that is gone, and takes nothing of it', async () => {
    const [ours, theirs] = memoryPair();
    const socket = connectionOn(ours, 'server');
    const peer = new RawPeer(theirs, { role: 'server' });
    const gone = new ArrayBuffer(8);
    const view = new Uint8Array(gone);
    structuredClone(gone, { transfer: [gone] });
    assert.throws(() => socket.send(view), { code: 'ERR_PAYLOAD_DETACHED' });
    assert.throws(() => socket.send(gone), { code: 'ERR_PAYLOAD_DETACHED' });
    assert.throws(() => socket.send(123 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => socket.ping(view), { code: 'ERR_PAYLOAD_DETACHED' });
    assert.equal(socket.bufferedAmount, 0);
    socket.send('still here');
    assert.equal((await peer.received(1))[0]!.payload.toString(), 'still here');
    socket.destroy();
  });

  it('copies small payloads before the call returns', async () => {
    const [ours, theirs] = memoryPair();
    const socket = connectionOn(ours, 'server');
    const peer = new RawPeer(theirs, { role: 'server' });
    const payload = Buffer.alloc(1000, 1);
    socket.send(payload);
    payload.fill(2);
    assert.deepEqual((await peer.received(1))[0]!.payload, Buffer.alloc(1000, 1));
    socket.destroy();
  });

  it('leaves payloads alone that a client masks, of every size', async () => {
    const [ours, theirs] = memoryPair();
    const socket = connectionOn(ours, 'client', { writeHighWaterMark: 1 << 22 });
    const peer = new RawPeer(theirs, { role: 'client' });
    for (const size of [1, 100, 16_383, 16_384, 70_000, 1_000_000]) {
      const payload = Buffer.alloc(size, 7);
      assert.equal(socket.send(payload), true);
      await socket.flush();
      assert.deepEqual(payload, Buffer.alloc(size, 7));
    }
    const frames = await peer.received(6);
    for (const { payload } of frames) assert.ok(payload.equals(Buffer.alloc(payload.length, 7)));
    socket.destroy();
  });

  it('keeps its high mark as its bound when the peer does not read', async () => {
    const [ours] = memoryPair({ capacity: 1000 });
    const socket = connectionOn(ours, 'server', { writeHighWaterMark: 10_000 });
    let taken = 0;
    while (socket.send(Buffer.alloc(500)) !== NOT_READY) taken++;
    assert.ok(taken >= 19 && taken <= 23, `${taken} messages`);
    assert.ok(socket.bufferedAmount < 12_000);
    for (let i = 0; i < 100; i++) assert.equal(socket.send('more'), NOT_READY);
    assert.ok(socket.bufferedAmount < 12_000);
    socket.destroy();
  });
});
