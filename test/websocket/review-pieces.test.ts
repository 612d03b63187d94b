/** Messages in pieces, when frames are cut, when they are wrong, and when the connection ends inside one. */
import assert from 'node:assert/strict';
import type { WebSocketConnection } from '#lib/websocket/connection';
import type { WebSocketOptions } from '#lib/websocket/connection-options';
import { ALONE, agreed } from '../support/deflates.js';
import { turn } from '../support/node-sockets.js';
import { bytePair, overSockets } from '../support/pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { BINARY, CLOSE, CONTINUATION, closing, FIN, PING, RawPeer, RSV1, TEXT } from '../support/websocket-peer.js';

function begin(options?: WebSocketOptions): { socket: WebSocketConnection; peer: RawPeer } {
  const [ours, theirs] = bytePair();
  return {
    socket: connectionOn(ours, 'server', options, agreed(ALONE)),
    peer: new RawPeer(theirs, { role: 'server' }),
  };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

async function readPieces(socket: WebSocketConnection): Promise<string[]> {
  const got: string[] = [];
  for await (const message of socket.pieces()) {
    const pieces: Buffer[] = [];
    for await (const piece of message) pieces.push(piece);
    got.push(Buffer.concat(pieces).toString());
  }
  return got;
}

describe('WebSocketConnection.pieces', () => {
  it('takes control frames that are cut anywhere, in a message and between two', async () => {
    for (let cut = 1; cut < 16; cut += 2) {
      const { socket, peer } = begin();
      const reading = readPieces(socket);
      const ping = peer.bytesOf(FIN | PING, 'a long ping');
      await peer.send({ first: TEXT, payload: 'abc' });
      for (const [first, payload] of [
        [FIN | CONTINUATION, 'def'],
        [FIN | TEXT, 'more'],
      ] as const) {
        await turns(2);
        await peer.write(ping.subarray(0, cut));
        await turns(2);
        await peer.write(ping.subarray(cut));
        await peer.send({ first, payload });
      }
      const close = peer.bytesOf(FIN | CLOSE, closing(1000));
      await peer.write(close.subarray(0, 7));
      await turns(2);
      await peer.write(close.subarray(7));
      assert.deepEqual(await reading, ['abcdef', 'more']);
      await peer.ended;
      const pong = `pong ${Buffer.from('a long ping').toString('hex')}`;
      assert.deepEqual(peer.told, [pong, pong, 'close 1000']);
    }
  });

  const WRONG: [name: string, frames: { first: number; payload: Buffer | string }[], code: string][] = [
    ['text that is wrong', [{ first: TEXT, payload: Buffer.of(0x61, 0xff) }], 'ERR_INVALID_UTF8'],
    [
      'text that ends inside a character, in an empty frame',
      [
        { first: TEXT, payload: Buffer.of(0x61, 0xc3) },
        { first: FIN | CONTINUATION, payload: '' },
      ],
      'ERR_INVALID_UTF8',
    ],
    [
      'compressed text that ends inside a character',
      // A stored block.
      [{ first: FIN | RSV1 | TEXT, payload: Buffer.of(0x00, 0x02, 0x00, 0xfd, 0xff, 0x61, 0xc3, 0x00) }],
      'ERR_INVALID_UTF8',
    ],
    ['what cannot be inflated', [{ first: FIN | RSV1 | TEXT, payload: Buffer.alloc(4, 0xff) }], 'ERR_INVALID_DEFLATE'],
  ];
  for (const [name, frames, code] of WRONG) {
    it(`closes with 1007 at ${name}`, async () => {
      const { socket, peer } = begin();
      const reading = readPieces(socket);
      // The frames behind it are nobody's.
      const all = [...frames, { first: FIN | BINARY, payload: 'later' }];
      await peer.write(Buffer.concat(all.map(({ first, payload }) => peer.bytesOf(first, payload))));
      await assert.rejects(reading, { code });
      assert.equal((await socket.closed).clean, false);
      await peer.ended;
      assert.deepEqual(peer.told, ['close 1007']);
    });
  }

  it('takes text that is not UTF-8 where nobody wants it checked, compressed or not, in pieces or whole', async () => {
    const bad = Buffer.of(0x61, 0xff);
    const stored = Buffer.concat([Buffer.of(0x00, 0x02, 0x00, 0xfd, 0xff), bad, Buffer.of(0x00)]);
    const frames = [
      { first: FIN | TEXT, payload: bad },
      { first: FIN | RSV1 | TEXT, payload: stored },
      { first: FIN | CLOSE, payload: closing(1000) },
    ];
    const inPieces = begin({ checkUtf8: false });
    await inPieces.peer.send(...frames);
    assert.deepEqual(await readPieces(inPieces.socket), ['a\ufffd', 'a\ufffd']);
    const whole = begin({ checkUtf8: false });
    await whole.peer.send(...frames);
    assert.equal(await whole.socket.read(), 'a\ufffd');
    assert.equal(await whole.socket.read(), 'a\ufffd');
  });

  it('does not let a message look whole that the close has cut off', async () => {
    const { socket, peer } = begin();
    const reading = readPieces(socket);
    await peer.send({ first: BINARY, payload: 'half' }, { first: FIN | CLOSE, payload: closing(1000) });
    await assert.rejects(reading, { code: 'ERR_UNEXPECTED_EOF' });
  });

  it('may be left at any message of those that were kept, once its connection was destroyed', async () => {
    const { socket, peer } = begin();
    await peer.write(Buffer.concat(['a', 'b', 'c'].map((text) => peer.bytesOf(FIN | TEXT, text))));
    await turns(3);
    const got: string[] = [];
    for await (const message of socket.pieces()) {
      for await (const piece of message) got.push(piece.toString());
      socket.destroy();
      if (got.length === 2) break;
    }
    assert.deepEqual(got, ['a']);
    const other = begin();
    await other.peer.write(Buffer.concat(['a', 'b'].map((text) => other.peer.bytesOf(FIN | TEXT, text))));
    await turns(3);
    for await (const message of other.socket.pieces()) {
      for await (const piece of message) assert.equal(piece.toString(), 'a');
      other.socket.destroy();
      break;
    }
  });
});

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
