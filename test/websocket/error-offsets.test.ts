/** Where in the stream a message begins that is wrong as a whole: errors say it, whatever came with it and whoever reads. */
import assert from 'node:assert/strict';
import type { WebSocketConnection } from '#lib/websocket/connection';
import { ALONE, agreed } from '../support/deflates.js';
import { turn } from '../support/node-sockets.js';
import { bytePair, overSockets } from '../support/pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { BINARY, CONTINUATION, FIN, PING, RawPeer, RSV1, TEXT } from '../support/websocket-peer.js';

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

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
