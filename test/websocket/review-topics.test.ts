/** Publishing while a publish is under way: listeners hear of connections that stall, fail or are closed for it. */
import assert from 'node:assert/strict';
import type { WebSocketConnection } from '#lib/websocket/connection';
import { Topics } from '#lib/websocket/topics';
import { turn } from '../support/node-sockets.js';
import { clearFaults, describeNative, FAIL, setFaults, socketPairs } from '../support/socket-pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { RawPeer } from '../support/websocket-peer.js';

async function begin(count: number): Promise<{ socket: WebSocketConnection; peer: RawPeer }[]> {
  const pairs = await socketPairs('unix', count);
  const begun = pairs.map(({ one, other }) => ({
    socket: connectionOn(one, 'server', { whenFull: 'close', writeHighWaterMark: 100 }),
    peer: new RawPeer(other, { role: 'server' }),
  }));
  await turn();
  await turn();
  return begun;
}

describeNative('Topics, publish inside publish', () => {
  afterEach(clearFaults);

  it('cuts no frame where a connection fails, others stall, and a listener publishes', async () => {
    const all = await begin(5);
    const topics = new Topics();
    for (const { socket } of all) topics.subscribe(socket, 'room');
    (all[0]!.socket.stream as unknown as { whenClosed(listener: () => void): void }).whenClosed(() =>
      topics.publish('room', 'has left'),
    );
    setFaults({ send: [FAIL.reset, 5, 0, FAIL.again, 1, 2, FAIL.again, 3] }, { repeats: false });
    const { sent } = topics.publish('room', 'an outer message');
    assert.equal(sent, 4);
    for (const { socket, peer } of all.slice(1)) {
      await peer.received(2);
      assert.deepEqual(peer.told, ['text an outer message', 'text has left']);
      socket.destroy();
    }
  });

  it('cuts no frame where a connection is closed because it is full, and a listener publishes', async () => {
    const [one, slow, other] = (await begin(3)) as [Begun, Begun, Begun];
    const topics = new Topics();
    for (const { socket } of [one, slow, other]) topics.subscribe(socket, 'room');
    setFaults({ send: [FAIL.again] }, { repeats: true });
    slow.socket.send('x'.repeat(200));
    await turn();
    slow.socket.whenClosed(() => topics.publish('room', 'has left'));
    // The first write is the one of the listener, to the one whose turn in the outer publish is still to come.
    setFaults({ send: [3, 4, FAIL.again, 2] }, { repeats: false });
    topics.publish('room', 'an outer message');
    for (const { socket, peer } of [one, other]) {
      await peer.received(2);
      assert.deepEqual([...peer.told].sort(), ['text an outer message', 'text has left']);
      assert.equal(socket.state, 'open');
      socket.destroy();
    }
  });
});

type Begun = Awaited<ReturnType<typeof begin>>[number];
