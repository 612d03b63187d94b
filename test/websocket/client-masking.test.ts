/** What a client sends is masked, each frame once and by a key of its own, and what it was given stays as it was. */
import assert from 'node:assert/strict';
import { bytePair, overSockets } from '../support/pairs.js';
import { seeded } from '../support/random.js';
import { connectionOn } from '../support/websocket-cases.js';
import { RawPeer } from '../support/websocket-peer.js';

/** On both sides of each form of a header, of words, of what is masked natively, and of what goes by reference. */
const SIZES = [0, 1, 3, 17, 64, 125, 126, 185, 186, 192, 1000, 16_383, 16_384, 65_536];

describe('A WebSocket client', () => {
  seeded('masks each frame once, however little the stream takes at a time', async (random) => {
    for (const capacity of [7, 100, 5000, 1 << 20]) {
      const [ours, theirs] = bytePair({ capacity });
      const socket = connectionOn(ours, 'client', { writeHighWaterMark: 1 << 22 });
      const peer = new RawPeer(theirs, { role: 'client' });
      const sent: Buffer[] = [];
      for (let i = 0; i < 60; i++) {
        // Within a turn, in later ones, and while the stream takes what was sent before.
        const size = capacity < 1000 ? random.pick(SIZES.slice(0, 10)) : random.pick(SIZES);
        const text = random.oneIn(4);
        const payload = text ? Buffer.alloc(size, 'x') : Buffer.from(random.bytes(size));
        const given = Buffer.from(payload);
        assert.equal(socket.send(text ? given.toString() : given), true);
        assert.deepEqual(given, payload);
        if (size < 16_384) given.fill(0xaa);
        sent.push(payload);
        if (random.oneIn(5)) await peer.received(random.below(i + 1));
      }
      const frames = await peer.received(sent.length);
      assert.deepEqual(
        frames.map(({ payload }) => payload),
        sent,
      );
      const keys = new Set(frames.map(({ key }) => key!.toString('hex')));
      assert.ok(keys.size > 55, `${keys.size} keys`);
      socket.destroy();
    }
  });

  it('takes the keys of a source of its own, in the order of its messages', async () => {
    const [ours, theirs] = bytePair();
    let next = 0xfffffffe;
    const socket = connectionOn(ours, 'client', { maskKeys: () => next++ >>> 0 });
    const peer = new RawPeer(theirs, { role: 'client' });
    for (const message of ['one', Buffer.from('two'), Buffer.alloc(20_000, 'three'), 'four']) socket.send(message);
    const frames = await peer.received(4);
    assert.deepEqual(
      frames.map(({ key }) => key!.readUInt32LE()),
      [0xfffffffe, 0xffffffff, 0, 1],
    );
    assert.equal(frames[3]!.payload.toString(), 'four');
    socket.destroy();
  });
});

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
