/**
 * Long sessions of mixed frames against the `ws` package, in both roles: texts, binaries, fragments, pings and pongs,
 * compressed or not, both sides at once. What each side says that it has sent is what the other says that it got.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { NOT_READY } from 'miniproto';
import { connectWebSocket, type DeflateOptions, listenWebSocket } from 'miniproto/websocket';
import { WebSocket, WebSocketServer } from 'ws';
import type { WebSocketConnection } from '#lib/websocket/connection';
import { turn, until } from '../../support/node-sockets.js';
import { Random, SEED, seeded } from '../../support/random.js';

/** Messages of each side in a session. */
const MESSAGES = 400;

type Part = string | Buffer;

/** One thing that a side does. */
type Deed =
  | { readonly kind: 'message'; readonly text: boolean; readonly parts: readonly Part[]; readonly compress: boolean }
  | { readonly kind: 'ping' | 'pong'; readonly payload: Buffer };

/** Everything that a side has got, in order: control frames may come between the fragments of a message. */
interface Heard {
  messages: string[];
  pings: string[];
  pongs: string[];
}

const heardNothing = (): Heard => ({ messages: [], pings: [], pongs: [] });
const print = (text: boolean, bytes: Uint8Array) =>
  `${text ? 'text' : 'binary'} ${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`;

function deedsOf(random: Random): Deed[] {
  const deeds: Deed[] = [];
  for (let messages = 0; messages < MESSAGES; ) {
    if (random.oneIn(8)) {
      deeds.push({ kind: random.oneIn(3) ? 'pong' : 'ping', payload: Buffer.from(random.bytes(random.below(126))) });
      continue;
    }
    messages++;
    deeds.push(messageOf(random));
  }
  return deeds;
}

function lengthOf(random: Random): number {
  if (random.oneIn(40)) return random.between(60_000, 140_000);
  if (random.oneIn(5)) return random.pick([0, 1, 125, 126, 127, 1023, 1024, 16_383, 16_384, 16_385]);
  return random.below(2000);
}

function messageOf(random: Random): Deed {
  const text = random.oneIn(2);
  const length = lengthOf(random);
  const words = ['alpha', 'beta ', '\u00fcml\u00e4ut', '\u{1f600}', '{"json":true}', '\0'];
  const part = (size: number): Part => {
    if (!text) return Buffer.from(random.oneIn(2) ? random.bytes(size) : Buffer.alloc(size, random.next()));
    let said = '';
    while (said.length < size) said += random.pick(words);
    return said;
  };
  const count = random.oneIn(4) ? random.between(2, 6) : 1;
  const parts = Array.from({ length: count }, () => part(Math.floor(length / count)));
  return { kind: 'message', text, parts, compress: random.oneIn(2) };
}

/** What whoever hears all of it has heard. */
function heardOf(deeds: readonly Deed[]): Heard {
  const heard = heardNothing();
  for (const deed of deeds) {
    if (deed.kind === 'message')
      heard.messages.push(print(deed.text, Buffer.concat(deed.parts.map((part) => Buffer.from(part as string)))));
    else heard[`${deed.kind}s`].push(deed.payload.toString('hex'));
  }
  return heard;
}

/** Our side: does its deeds and notes what it hears. */
async function ours(socket: WebSocketConnection, deeds: readonly Deed[], random: Random, heard: Heard): Promise<void> {
  socket.observe({
    ping: (payload) => heard.pings.push(payload.toString('hex')),
    pong: (payload) => heard.pongs.push(payload.toString('hex')),
  });
  void socket.onMessage((message, self) => {
    heard.messages.push(print(message.type === 'text', message.borrow()));
    if (!random.oneIn(50)) return;
    self.pause();
    setImmediate(() => self.resume());
  });
  for (const deed of deeds) {
    if (deed.kind !== 'message') socket[deed.kind](deed.payload);
    else await say(socket, deed);
    if (random.oneIn(10)) await turn();
  }
}

async function say(socket: WebSocketConnection, deed: Extract<Deed, { kind: 'message' }>): Promise<void> {
  const { parts, compress } = deed;
  const type = deed.text ? 'text' : 'binary';
  if (parts.length === 1) return socket.write(parts[0]!, { type, compress });
  let writer = socket.beginMessage({ type, compress });
  while (typeof writer !== 'object') {
    assert.equal(writer, NOT_READY);
    await socket.drain();
    writer = socket.beginMessage({ type, compress });
  }
  for (const part of parts.slice(0, -1)) await writer.write(part);
  writer.end(parts.at(-1));
}

/** The side of `ws`. */
async function theirs(socket: WebSocket, deeds: readonly Deed[], random: Random): Promise<void> {
  for (const deed of deeds) {
    if (deed.kind !== 'message') socket[deed.kind](deed.payload);
    else {
      const { parts, compress, text } = deed;
      for (const [index, part] of parts.entries()) {
        socket.send(part, { binary: !text, compress, fin: index === parts.length - 1 });
      }
    }
    if (random.oneIn(10)) await turn();
    while (socket.bufferedAmount > 1 << 20) await turn();
  }
}

function listenTo(socket: WebSocket): Heard {
  const heard = heardNothing();
  socket.on('message', (data, isBinary) => heard.messages.push(print(!isBinary, data as Buffer)));
  socket.on('ping', (payload) => heard.pings.push(payload.toString('hex')));
  socket.on('pong', (payload) => heard.pongs.push(payload.toString('hex')));
  return heard;
}

/** Both sides at once, then the closing handshake. */
async function session(here: WebSocketConnection, there: WebSocket, heardThere: Heard, random: Random): Promise<void> {
  const heardHere = heardNothing();
  const said = { here: deedsOf(random), there: deedsOf(random) };
  await Promise.all([
    ours(here, said.here, new Random(SEED + 1), heardHere),
    theirs(there, said.there, new Random(SEED + 2)),
  ]);
  const right = { here: heardOf(said.there), there: heardOf(said.here) };
  // Pongs that answer pings come besides, some of them not at all: only the last of several has to be answered.
  await until(
    () =>
      here.state !== 'open' ||
      (heardHere.messages.length >= MESSAGES &&
        heardThere.messages.length >= MESSAGES &&
        heardHere.pings.length >= right.here.pings.length &&
        heardThere.pings.length >= right.there.pings.length),
  );
  assert.deepEqual(heardHere.messages, right.here.messages);
  assert.deepEqual(heardThere.messages, right.there.messages);
  assert.deepEqual(heardHere.pings, right.here.pings);
  assert.deepEqual(heardThere.pings, right.there.pings);
  assert.equal(here.state, 'open');
  const closed = once(there, 'close');
  const [info] = await Promise.all([random.oneIn(2) ? here.close(4001, 'over') : here.closed, closeLater(there, here)]);
  assert.deepEqual([info.code, info.reason, info.clean], [4001, 'over', true]);
  assert.deepEqual((await closed).map(String), ['4001', 'over']);
}

/** Whoever of both was to close has begun it by now. */
async function closeLater(there: WebSocket, here: WebSocketConnection): Promise<void> {
  if (here.state === 'open') there.close(4001, 'over');
}

const COMPRESSION: readonly (readonly [name: string, ours: boolean | DeflateOptions, theirs: boolean | object])[] = [
  ['without compression', false, false],
  ['compressed, nothing kept', { memory: 'shared', threshold: 0 }, { threshold: 0 }],
  ['compressed with context', { memory: 128 * 1024, threshold: 100 }, { threshold: 100 }],
  [
    'compressed with small windows',
    { memory: 64 * 1024, serverMaxWindowBits: 10, clientMaxWindowBits: 9, threshold: 0 },
    { threshold: 0, serverMaxWindowBits: 10, clientMaxWindowBits: 9 },
  ],
];

describe('WebSocketConnection against ws, long sessions', () => {
  for (const [name, deflate, perMessageDeflate] of COMPRESSION) {
    seeded(`our client, their server, ${name}`, async (random) => {
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
      await once(server, 'listening');
      const arrived = new Promise<{ there: WebSocket; heard: Heard }>((resolve) => {
        server.once('connection', (there) => resolve({ there, heard: listenTo(there) }));
      });
      const { port } = server.address() as { port: number };
      const here = await connectWebSocket(`ws://127.0.0.1:${port}`, { deflate });
      const { there, heard } = await arrived;
      assert.equal(here.extensions !== '', deflate !== false, here.extensions);
      await session(here, there, heard, random);
      server.close();
    });

    seeded(`our server, their client, ${name}`, async (random) => {
      let arrive: (socket: WebSocketConnection) => void = () => {};
      const arrived = new Promise<WebSocketConnection>((resolve) => {
        arrive = resolve;
      });
      await using server = await listenWebSocket({ port: 0, host: '127.0.0.1', deflate }, async (socket) => {
        arrive(socket);
        await socket.closed;
      });
      const there = new WebSocket(`ws://127.0.0.1:${server.port}`, { perMessageDeflate });
      const heard = listenTo(there);
      await once(there, 'open');
      const here = await arrived;
      assert.equal(here.extensions !== '', deflate !== false, here.extensions);
      await session(here, there, heard, random);
    });
  }
});
