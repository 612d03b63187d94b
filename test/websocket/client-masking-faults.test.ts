/**
 * What a client sends over native sockets whose sends move a few bytes, or nothing, at any call: unmasked, it is what was
 * sent, on every connection, although their frames are written and masked in pages that all of them share.
 */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { socketCounters } from '#lib/net/reactor';
import type { WebSocketConnection } from '#lib/websocket/connection';
import { prepareMessage } from '#lib/websocket/prepared-message';
import { type Random, seeded } from '../support/random.js';
import { clearFaults, describeNative, FAIL, setFaults, socketPair } from '../support/socket-pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { BINARY, PING, RawPeer, TEXT } from '../support/websocket-peer.js';

/** On both sides of each form of a header, of what is masked when it leaves, of a page and of a block. */
const SIZES = [0, 1, 3, 17, 64, 125, 126, 1000, 5000, 16_383, 16_384, 65_535, 65_536, 70_000];

interface Client {
  socket: WebSocketConnection;
  peer: RawPeer;
  /** Opcode and payload of each message, in order. */
  sent: [number, Buffer][];
}

const open: WebSocketConnection[] = [];

async function clientOver(): Promise<Client> {
  const { one, other } = await socketPair();
  const socket = connectionOn(one, 'client', { writeHighWaterMark: 1 << 24 });
  open.push(socket);
  return { socket, peer: new RawPeer(other, { role: 'client' }), sent: [] };
}

function sendOne({ socket, sent }: Client, random: Random, sizes: readonly number[]): void {
  const payload = Buffer.from(random.bytes(random.pick(sizes)));
  const kind = random.below(8);
  if (kind === 0) {
    const text = payload.toString('latin1');
    sent.push([TEXT, Buffer.from(text)]);
    assert.equal(socket.send(text), true);
  } else if (kind === 1) {
    sent.push([BINARY, payload]);
    assert.equal(socket.send(prepareMessage(payload)), true);
  } else if (kind === 2 && payload.length <= 125) {
    sent.push([PING, payload]);
    assert.equal(socket.ping(payload), true);
  } else {
    const given = Buffer.from(payload);
    sent.push([BINARY, payload]);
    assert.equal(socket.send(given), true);
    assert.deepEqual(given, payload);
    // Shorter ones are copied, and their owner's again.
    if (given.length < 16_384) given.fill(0xaa);
  }
}

async function check(client: Client): Promise<void> {
  const frames = await client.peer.received(client.sent.length);
  assert.equal(frames.length, client.sent.length);
  for (const [index, { first, key, payload }] of frames.entries()) {
    const [opcode, expected] = client.sent[index]!;
    assert.equal(first & 15, opcode, `frame ${index}`);
    assert.ok(key !== undefined && payload.equals(expected), `frame ${index}, of ${expected.length} bytes`);
  }
}

describeNative('A WebSocket client whose sends move little', () => {
  afterEach(() => {
    clearFaults();
    for (const socket of open.splice(0)) socket.destroy();
  });

  seeded('sends what it was given, on every connection', async (random) => {
    for (let round = 0; round < 6; round++) {
      const clients = await Promise.all(Array.from({ length: 4 }, clientOver));
      const most = random.pick([3, 100, 5000, 70_000]);
      const steps = Array.from({ length: 40 }, () =>
        random.pick([
          0,
          random.between(1, most),
          random.between(1, most),
          FAIL.again,
          FAIL.noBuffers,
          FAIL.interrupted,
        ]),
      );
      setFaults({ send: [...steps, most] }, { repeats: true });
      const sizes = most < 1000 ? SIZES.slice(0, 8) : SIZES;
      for (let i = 0; i < 120; i++) {
        sendOne(random.pick(clients), random, sizes);
        // Within a turn, in later ones, and while the system takes what was sent before.
        if (random.oneIn(4)) await turn();
      }
      if (random.oneIn(2)) clearFaults();
      for (const client of clients) await check(client);
    }
  });

  seeded('sends what it was given when any one of its sends is refused or cut', async (random) => {
    for (const step of [FAIL.again, FAIL.noBuffers, FAIL.interrupted, 1, 7]) {
      for (let failAt = 0; ; failAt++) {
        const client = await clientOver();
        const before = socketCounters()!.sends;
        setFaults({ send: [...new Array<number>(failAt).fill(900), step] }, { repeats: false });
        for (let i = 0; i < 12; i++) {
          sendOne(client, random, [0, 5, 125, 200, 1000]);
          if (i % 4 === 3) await turn();
        }
        await check(client);
        const happened = socketCounters()!.sends - before > failAt;
        clearFaults();
        client.socket.destroy();
        if (!happened) break;
      }
    }
  });

  seeded('answers echoes with what it was given, from within its handler', async (random) => {
    const { one, other } = await socketPair();
    const client = connectionOn(one, 'client', { writeHighWaterMark: 1 << 24 });
    const server = connectionOn(other, 'server', { writeHighWaterMark: 1 << 24 });
    open.push(client, server);
    setFaults({ send: [0, 50, 1, FAIL.again, 3000, FAIL.noBuffers] }, { repeats: true });
    void server.onMessage((message, socket) => assert.equal(socket.send(message), true));
    const sent: Buffer[] = [];
    let echoes = 0;
    const next = () => {
      const payload = Buffer.from(random.bytes(random.pick([1, 64, 125, 126, 1000])));
      sent.push(payload);
      assert.equal(client.send(payload), true);
    };
    await new Promise<void>((resolve, reject) => {
      void client
        .onMessage((message) => {
          const expected = sent[echoes++];
          if (expected === undefined || !message.bytes().equals(expected)) reject(new Error(`echo ${echoes - 1}`));
          if (sent.length < 400) next();
          if (echoes === 400) resolve();
        })
        .then(undefined, reject);
      for (let i = 0; i < 20; i++) next();
    });
  });
});
