/**
 * What holds for whatever is sent and however it arrives: every way of reading gives the same messages, pausing anywhere
 * loses nothing, what the writer writes the framer reads, and two connections understand each other.
 */
import assert from 'node:assert/strict';
import { EOF, NOT_READY } from 'miniproto';
import { OutputBuffer } from '#lib/bytes/output-buffer';
import {
  createFrameTable,
  H_CONSUMED,
  HEADER_WORDS,
  R_FLAGS,
  R_LENGTH,
  R_OFFSET,
  ROW_WORDS,
  WS_FIRST_SHIFT,
} from '#lib/frame-table';
import { native } from '#lib/native';
import type { WebSocketConnection } from '#lib/websocket/connection';
import { writeFrame, writeTextFrame } from '#lib/websocket/frame-writer';
import { turn } from '../support/node-sockets.js';
import { bytePair, overSockets } from '../support/pairs.js';
import { type Random, seeded } from '../support/random.js';
import { connectionOn, READERS, readAll } from '../support/websocket-cases.js';
import { CLOSE, closing, FIN, RawPeer } from '../support/websocket-peer.js';
import { randomFrames, randomLength, randomText } from '../support/websocket-wire.js';

type Message = string | Buffer;

/** Good frames without a close among them, and the messages that they are, by a reader that knows only the RFC. */
function conversation(random: Random, masked: boolean): { input: Buffer; messages: Message[] } {
  const frames: Buffer[] = [];
  while (frames.length < 30) {
    frames.push(...randomFrames(random, masked, false).filter((frame) => (frame[0]! & 15) !== CLOSE));
  }
  const messages: Message[] = [];
  let open: { text: boolean; parts: Buffer[] } | undefined;
  for (const frame of frames) {
    const opcode = frame[0]! & 15;
    if (opcode >= 8) continue;
    open ??= { text: opcode === 1, parts: [] };
    open.parts.push(payloadOf(frame));
    if ((frame[0]! & FIN) === 0) continue;
    const whole = Buffer.concat(open.parts);
    messages.push(open.text ? whole.toString() : whole);
    open = undefined;
  }
  return { input: Buffer.concat(frames), messages };
}

function payloadOf(frame: Buffer): Buffer {
  const short = frame[1]! & 0x7f;
  const header = short < 126 ? 2 : short === 126 ? 4 : 10;
  if ((frame[1]! & 0x80) === 0) return frame.subarray(header);
  const key = frame.subarray(header, header + 4);
  return Buffer.from(frame.subarray(header + 4).map((byte, index) => byte ^ key[index & 3]!));
}

async function deliver(random: Random, peer: RawPeer, input: Buffer): Promise<void> {
  let from = 0;
  for (const to of random.cuts(input.length, random.oneIn(3) ? 40 : 6)) {
    await peer.write(input.subarray(from, to));
    from = to;
    if (random.oneIn(2)) await turn();
  }
  await peer.send({ first: FIN | CLOSE, payload: closing(1000) });
}

/** Takes a message or a few, by one of the forms that may be left at any time. @returns false at the end. */
async function readSome(random: Random, socket: WebSocketConnection, messages: Message[]): Promise<boolean> {
  const way = random.below(3);
  if (way < 2) {
    const next = way === 0 ? await socket.read() : socket.tryRead();
    if (next === NOT_READY) await turn();
    else if (next !== EOF) messages.push(next as Message);
    return next !== EOF;
  }
  for await (const batch of socket.batches()) {
    for (const message of batch) {
      messages.push(message.value());
      if (random.oneIn(4)) return true;
    }
    return true;
  }
  return false;
}

/** Pauses, resumes and changes who reads, as it is drawn. */
async function readRestlessly(random: Random, socket: WebSocketConnection): Promise<Message[]> {
  const messages: Message[] = [];
  for (let left = random.below(20); left > 0; left--) if (!(await readSome(random, socket, messages))) return messages;
  let done = false;
  const reading = socket.onMessage((message, self) => {
    messages.push(message.value());
    if (random.oneIn(3)) self.pause();
    if (random.oneIn(3)) self.resume();
  });
  void reading.then(() => {
    done = true;
  });
  while (!done) {
    await turn();
    if (random.oneIn(3)) socket.pause();
    else socket.resume();
  }
  // What was kept for a handler that had paused comes behind the end.
  for (let i = 0; i < 200; i++) {
    socket.resume();
    await turn();
  }
  return messages;
}

describe('WebSocketConnection, properties', () => {
  for (const role of ['server', 'client'] as const) {
    seeded(`every way of reading gives the same messages, as a ${role}`, async (random) => {
      for (let round = 0; round < 4; round++) {
        const { input, messages } = conversation(random, role === 'server');
        for (const by of READERS) {
          const [ours, theirs] = bytePair({ capacity: random.pick([64, 1000, 65_536]) });
          const socket = connectionOn(ours, role, { readHighWaterMark: random.pick([1, 500, 65_536]) });
          const peer = new RawPeer(theirs, { role });
          const got: Message[] = [];
          const reading = readAll(socket, by, (message) => got.push(message));
          await deliver(random, peer, input);
          assert.equal(await reading, 'EOF');
          assert.deepEqual(got, messages, by);
          await socket.closed;
        }
      }
    });

    seeded(`pausing and changing readers at random points changes nothing, as a ${role}`, async (random) => {
      for (let round = 0; round < 20; round++) {
        const { input, messages } = conversation(random, role === 'server');
        const [ours, theirs] = bytePair({ capacity: random.pick([64, 1000, 65_536]) });
        const socket = connectionOn(ours, role, { readHighWaterMark: random.pick([1, 500, 65_536]) });
        const peer = new RawPeer(theirs, { role });
        const [got] = await Promise.all([readRestlessly(random, socket), deliver(random, peer, input)]);
        assert.deepEqual(got, messages);
      }
    });
  }

  seeded('two connections understand each other, whatever is sent how', async (random) => {
    for (let round = 0; round < 10; round++) {
      const [ours, theirs] = bytePair({ capacity: random.pick([64, 1000, 65_536]) });
      const marks = { writeHighWaterMark: random.pick([1, 1000, 65_536]) };
      const sides = [connectionOn(ours, 'server', marks), connectionOn(theirs, 'client', marks)];
      const said: Message[][] = [[], []];
      const got: Message[][] = [[], []];
      const reading = sides.map((side, index) =>
        readAll(side, random.pick(READERS), (message) => got[index]!.push(message)),
      );
      await Promise.all(sides.map((side, index) => talk(random, side, said[index]!)));
      void sides[random.below(2)]!.close(1000);
      assert.deepEqual(await Promise.all(reading), ['EOF', 'EOF']);
      assert.deepEqual(got, said.reverse());
    }
  });

  seeded('what the writer writes the framer reads', (random) => {
    for (let round = 0; round < 300; round++) {
      const masked = random.oneIn(2);
      const output = new OutputBuffer();
      const target = { output, keys: masked ? () => random.next() : undefined, lends: false };
      const right: [number, Buffer][] = [];
      for (let count = random.between(1, 12); count > 0; count--) {
        const text = randomText(random, randomLength(random));
        if (random.oneIn(2)) writeTextFrame(target, 0x81, text.toString());
        else writeFrame(target, 0x81, text, 0, text.length, { stable: random.oneIn(2) });
        right.push([0x81, text]);
      }
      const bytes = Buffer.concat(output.peek(1000));
      const framer = native().createWebSocketFramer({
        role: masked ? 'server' : 'client',
        maxLength: 1 << 20,
        compression: false,
        utf8: true,
      });
      const table = createFrameTable(64);
      const rows = framer.frame(bytes, 0, bytes.length, table, 64);
      assert.equal(table[H_CONSUMED], bytes.length);
      const read = Array.from({ length: rows }, (_, row) => {
        const at = HEADER_WORDS + row * ROW_WORDS;
        const from = table[at + R_OFFSET]!;
        return [(table[at + R_FLAGS]! >>> WS_FIRST_SHIFT) & 0xff, bytes.subarray(from, from + table[at + R_LENGTH]!)];
      });
      assert.deepEqual(read, right);
    }
  });
});

/** Sends messages in every way there is. */
async function talk(random: Random, socket: WebSocketConnection, said: Message[]): Promise<void> {
  for (let count = 25; count > 0; count--) {
    const bytes = randomText(random, random.oneIn(10) ? 40_000 : randomLength(random));
    const text = random.oneIn(2);
    said.push(text ? bytes.toString() : bytes);
    await random.pick([sendPieces, sendAtOnce, sendCorked])(random, socket, bytes, text);
    if (random.oneIn(5)) await turn();
  }
}

async function sendPieces(random: Random, socket: WebSocketConnection, bytes: Buffer, text: boolean): Promise<void> {
  let writer = socket.beginMessage({ type: text ? 'text' : 'binary' });
  while (writer === NOT_READY) {
    await socket.drain();
    writer = socket.beginMessage({ type: text ? 'text' : 'binary' });
  }
  assert.ok(typeof writer === 'object');
  let from = 0;
  for (const to of random.cuts(bytes.length, 4)) {
    await writer.write(bytes.subarray(from, to));
    from = to;
  }
  if (random.oneIn(2)) socket.ping('between');
  writer.end();
}

async function sendAtOnce(_: Random, socket: WebSocketConnection, bytes: Buffer, text: boolean): Promise<void> {
  while (socket.send(text ? bytes.toString() : bytes) !== true) await socket.drain();
}

async function sendCorked(random: Random, socket: WebSocketConnection, bytes: Buffer, text: boolean): Promise<void> {
  if (random.oneIn(4)) socket.cork();
  const writing = socket.write(bytes, { type: text ? 'text' : 'binary' });
  await Promise.resolve();
  socket.uncork();
  await writing;
}

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
