/**
 * What is wrong is told behind every message that came before it, and of two that are wrong the first one is, in every
 * way of reading, at once or of what was kept; and every read that follows is told the same.
 */
import assert from 'node:assert/strict';
import type { MiniprotoError } from 'miniproto';
import { ALONE, agreed } from '../support/deflates.js';
import { turn } from '../support/node-sockets.js';
import { bytePair, overSockets } from '../support/pairs.js';
import { connectionOn, READERS, readAll } from '../support/websocket-cases.js';
import { BINARY, CLOSE, CONTINUATION, closing, FIN, RawPeer, RSV1, RSV2, TEXT } from '../support/websocket-peer.js';

/** A block of deflate that is stored. */
const stored = (payload: Buffer): Buffer =>
  Buffer.concat([Buffer.of(0, payload.length, 0, ~payload.length & 0xff, 0xff), payload, Buffer.of(0)]);

interface Wrong {
  first: number;
  payload: Buffer;
  code: string;
  /** The bytes that come of it. */
  most?: number;
  /** Nothing limits what is read in pieces. */
  notInPieces?: true;
}

const MESSAGES: { [name: string]: Wrong } = {
  'cannot be inflated': { first: FIN | RSV1 | TEXT, payload: Buffer.alloc(4, 0xff), code: 'ERR_INVALID_DEFLATE' },
  'is too long when it is inflated': {
    first: FIN | RSV1 | BINARY,
    payload: stored(Buffer.alloc(110)),
    code: 'ERR_MESSAGE_TOO_LARGE',
    notInPieces: true,
  },
  'is no text when it is inflated': {
    first: FIN | RSV1 | TEXT,
    payload: stored(Buffer.of(0xff)),
    code: 'ERR_INVALID_UTF8',
  },
};

const FRAMES: { [name: string]: Wrong } = {
  ...MESSAGES,
  'is too long by its header': {
    first: FIN | BINARY,
    payload: Buffer.alloc(2000),
    code: 'ERR_MESSAGE_TOO_LARGE',
    most: 60,
  },
  'has a reserved opcode': { first: FIN | 3, payload: Buffer.alloc(0), code: 'ERR_INVALID_FRAME' },
  'has a reserved bit': { first: FIN | RSV2 | TEXT, payload: Buffer.alloc(0), code: 'ERR_INVALID_FRAME' },
  'continues nothing': { first: FIN | CONTINUATION, payload: Buffer.alloc(0), code: 'ERR_INVALID_FRAME' },
  'is no text': { first: FIN | TEXT, payload: Buffer.of(0xff), code: 'ERR_INVALID_UTF8' },
};

for (const role of ['server', 'client'] as const) {
  describe(`WebSocketConnection, the order of what is wrong, ${role}`, () => {
    const begin = () => {
      const [ours, theirs] = bytePair();
      const socket = connectionOn(ours, role, { maxMessageLength: 100 }, agreed(ALONE));
      const peer = new RawPeer(theirs, { role });
      const bytesOf = ({ first, payload, most }: Wrong) => peer.bytesOf(first, payload).subarray(0, most);
      const good = Buffer.concat(
        ['zero', 'one'].map((text) => peer.bytesOf(FIN | RSV1 | TEXT, stored(Buffer.from(text)))),
      );
      return { socket, peer, bytesOf, good };
    };

    for (const by of READERS) {
      for (const when of ['at once', 'late'] as const) {
        const outcomeOf = async (
          { socket, peer, good }: ReturnType<typeof begin>,
          wrong: Buffer[],
          { code }: Wrong,
        ): Promise<void> => {
          const got: (string | Buffer)[] = [];
          const read = () => readAll(socket, by, (message) => got.push(message));
          const reading = when === 'at once' ? read() : undefined;
          await peer.write(Buffer.concat([good, ...wrong]));
          if (when === 'late') for (let i = 0; i < 5; i++) await turn();
          assert.equal(await (reading ?? read()), code);
          assert.deepEqual(got, ['zero', 'one']);
          const right = { code, offset: good.length };
          // A handler is the only reader from then on.
          if (by !== 'onMessage') {
            await assert.rejects(socket.read(), right);
            assert.throws(() => socket.tryRead(), right);
          }
          await socket.closed;
          const error = (await socket.closed).error as MiniprotoError;
          assert.deepEqual({ code: error.code, offset: error.offset }, right);
        };

        it(`one that is wrong behind good ones, by ${by}, ${when}`, async () => {
          for (const wrong of Object.values(FRAMES)) {
            if (wrong.notInPieces && by === 'pieces') continue;
            const begun = begin();
            await outcomeOf(begun, [begun.bytesOf(wrong)], wrong);
          }
        });

        for (const [name, message] of Object.entries(MESSAGES)) {
          if (message.notInPieces && by === 'pieces') continue;
          it(`a message that ${name} before frames that are wrong, or an end, by ${by}, ${when}`, async () => {
            for (const second of Object.values(FRAMES)) {
              const begun = begin();
              await outcomeOf(begun, [begun.bytesOf(message), begun.bytesOf(second)], message);
            }
            const last = begin();
            await outcomeOf(last, [last.bytesOf(message), last.peer.bytesOf(FIN | CLOSE, closing(1000))], message);
          });
        }
      }
    }
  });
}

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
