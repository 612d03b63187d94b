/**
 * Where in the stream a message begins that is wrong as a whole: errors say it, whatever came with it and whoever reads,
 * in pieces too.
 */
import assert from 'node:assert/strict';
import { type MiniprotoError, NOT_READY } from 'miniproto';
import type { WebSocketConnection } from '#lib/websocket/connection';
import type { MessagePieces } from '#lib/websocket/message-pieces';
import { ALONE, agreed } from '../support/deflates.js';
import { turn } from '../support/node-sockets.js';
import { bytePair, overSockets } from '../support/pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { BINARY, CLOSE, CONTINUATION, closing, FIN, PING, RawPeer, RSV1, TEXT } from '../support/websocket-peer.js';

interface Frame {
  first: number;
  payload: Buffer | string;
}

/** A block of deflate that is stored. */
const stored = (payload: Buffer): Buffer =>
  Buffer.concat([Buffer.of(0, payload.length, 0, ~payload.length & 0xff, 0xff), payload, Buffer.of(0)]);

const GOOD: Frame[] = [
  { first: FIN | TEXT, payload: 'first' },
  { first: FIN | RSV1 | TEXT, payload: stored(Buffer.from('compressed')) },
  { first: BINARY, payload: 'in two ' },
  { first: FIN | PING, payload: 'between them' },
  { first: FIN | CONTINUATION, payload: 'fragments' },
];

const WRONG: [name: string, frames: Frame[], code: string][] = [
  ['cannot be inflated', [{ first: FIN | RSV1 | TEXT, payload: Buffer.alloc(4, 0xff) }], 'ERR_INVALID_DEFLATE'],
  [
    'is no text when it is inflated, in two frames',
    [
      { first: RSV1 | TEXT, payload: stored(Buffer.of(0x61, 0xff)).subarray(0, 3) },
      { first: FIN | CONTINUATION, payload: stored(Buffer.of(0x61, 0xff)).subarray(3) },
    ],
    'ERR_INVALID_UTF8',
  ],
  [
    'is too long when it is inflated',
    [{ first: FIN | RSV1 | BINARY, payload: stored(Buffer.alloc(101)) }],
    'ERR_MESSAGE_TOO_LARGE',
  ],
  [
    'is too long with its last frame',
    [
      { first: BINARY, payload: Buffer.alloc(60) },
      { first: FIN | CONTINUATION, payload: Buffer.alloc(60) },
    ],
    'ERR_MESSAGE_TOO_LARGE',
  ],
];

const READERS: { [name: string]: (socket: WebSocketConnection) => Promise<unknown> } = {
  read: async (socket) => {
    for await (const message of socket) void message;
  },
  'read, of what was kept': async (socket) => {
    for (let i = 0; i < 5; i++) await turn();
    for await (const message of socket) void message;
  },
  batches: async (socket) => {
    for await (const batch of socket.batches()) for (const message of batch) message.text();
  },
  onMessage: async (socket) => {
    const { error } = await socket.onMessage(() => {});
    throw error;
  },
};

for (const role of ['server', 'client'] as const) {
  describe(`offsets of errors about messages, ${role}`, () => {
    for (const [name, frames, code] of WRONG) {
      for (const [reader, read] of Object.entries(READERS)) {
        it(`a message that ${name}: ${reader}`, async () => {
          const [ours, theirs] = bytePair();
          const socket = connectionOn(ours, role, { maxMessageLength: 100 }, agreed(ALONE));
          const peer = new RawPeer(theirs, { role });
          const bytesOf = (list: Frame[]) =>
            Buffer.concat(list.map(({ first, payload }) => peer.bytesOf(first, payload)));
          const good = bytesOf([...GOOD, ...GOOD]);
          const ended = assert.rejects(read(socket), { code, offset: good.length });
          await peer.write(Buffer.concat([good, bytesOf(frames), bytesOf(GOOD)]));
          await ended;
          socket.destroy();
        });
      }
    }
  });
}

/** Of what is read in pieces, where nothing limits the whole. */
const WRONG_IN_PIECES: [name: string, frames: Frame[], code: string, before?: Frame][] = [
  ...WRONG.slice(0, 2),
  ['is no text', [{ first: FIN | TEXT, payload: Buffer.of(0x61, 0xff, 0x61, 0x61) }], 'ERR_INVALID_UTF8'],
  [
    'is no text in its second frame, which is where',
    [{ first: FIN | CONTINUATION, payload: Buffer.of(0xff) }],
    'ERR_INVALID_UTF8',
    { first: TEXT, payload: 'good so far' },
  ],
];

/** How the bytes of the message that is wrong come, and what the reader has by then. */
const COMING = {
  whole: (bytes: Buffer) => [bytes],
  'a byte at a time': (bytes: Buffer) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)),
};

async function readPieces(socket: WebSocketConnection): Promise<void> {
  for await (const message of socket.pieces()) for await (const piece of message) void piece;
}

for (const role of ['server', 'client'] as const) {
  describe(`offsets of errors about messages in pieces, ${role}`, () => {
    const begin = () => {
      const [ours, theirs] = bytePair();
      const socket = connectionOn(ours, role, { maxMessageLength: 100 }, agreed(ALONE));
      const peer = new RawPeer(theirs, { role });
      const bytesOf = (list: Frame[]) => Buffer.concat(list.map(({ first, payload }) => peer.bytesOf(first, payload)));
      return { socket, peer, bytesOf, good: bytesOf([...GOOD, ...GOOD]) };
    };

    for (const [name, frames, code, before] of WRONG_IN_PIECES) {
      const beginning = before === undefined ? [] : [before];
      for (const [how, cut] of Object.entries(COMING)) {
        it(`a message that ${name}, ${how}`, async () => {
          const { socket, peer, bytesOf } = begin();
          const good = bytesOf([...GOOD, ...GOOD, ...beginning]);
          const ended = assert.rejects(readPieces(socket), { code, offset: good.length });
          await peer.write(good);
          for (const part of cut(bytesOf(frames))) {
            await peer.write(part);
            await turn();
          }
          await ended;
          assert.equal(((await socket.closed).error as MiniprotoError).offset, good.length);
        });
      }

      it(`a message that ${name}, of which the connection has joined the beginning by itself`, async () => {
        const { socket, peer, bytesOf } = begin();
        const good = bytesOf([...GOOD, ...GOOD, ...beginning]);
        await peer.write(Buffer.concat([good, bytesOf(frames)]));
        for (let i = 0; i < 5; i++) await turn();
        // As many as are good, which a reader of whole messages takes; the next one is begun.
        for (let i = 0; i < 6; i++) assert.notEqual(socket.tryRead(), NOT_READY);
        await assert.rejects(readPieces(socket), { code, offset: good.length });
      });
    }

    it('a close frame whose reason is no text', async () => {
      const { socket, peer, good } = begin();
      const ended = assert.rejects(readPieces(socket), { code: 'ERR_INVALID_UTF8', offset: good.length });
      await peer.write(Buffer.concat([good, peer.bytesOf(FIN | CLOSE, closing(1000, Buffer.of(0xff)))]));
      await ended;
    });

    it('an end inside a message: where the stream ended', async () => {
      const { socket, peer, bytesOf, good } = begin();
      const half = bytesOf([{ first: BINARY, payload: Buffer.alloc(50) }]);
      const offset = good.length + half.length;
      const got = (async () => {
        for await (const message of socket.pieces()) {
          for await (const piece of message) if (piece.length === 50) throw await failureOf(message);
        }
      })();
      const ended = assert.rejects(got, { code: 'ERR_UNEXPECTED_EOF', offset });
      await peer.write(Buffer.concat([good, half]));
      await turn();
      await peer.stream.end();
      await ended;
    });
  });
}

/** What reading the rest of a message fails with. */
async function failureOf(message: MessagePieces): Promise<unknown> {
  try {
    for await (const piece of message) void piece;
  } catch (error) {
    return error;
  }
  return undefined;
}

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
