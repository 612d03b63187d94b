/** What one connection does to the messages of another, in the turn of both or between two of its own. */
import assert from 'node:assert/strict';
import { constants, deflateRawSync } from 'node:zlib';
import { EOF, type MiniprotoError } from 'miniproto';
import type { WebSocketConnection } from '#lib/websocket/connection';
import { agreed, WIDE } from '../support/deflates.js';
import { turn } from '../support/node-sockets.js';
import { bytePair, overSockets } from '../support/pairs.js';
import { clearFaults, describeNative, FAIL, setFaults, socketPair } from '../support/socket-pairs.js';
import { connectionOn } from '../support/websocket-cases.js';
import { CLOSE, closing, FIN, RawPeer, RSV1, TEXT } from '../support/websocket-peer.js';

interface Begun {
  readonly socket: WebSocketConnection;
  readonly peer: RawPeer;
}

function begin(): Begun {
  const [ours, theirs] = bytePair();
  const peer = new RawPeer(theirs, { role: 'server', ends: false });
  return { socket: connectionOn(ours, 'server', {}, agreed(WIDE)), peer };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Several texts as the bytes of one write. */
function texts(peer: RawPeer, ...list: string[]): Buffer {
  return Buffer.concat(list.map((text) => peer.bytesOf(FIN | TEXT, text)));
}

/** Writes at once, so that the other end can be read at once. */
function now(peer: RawPeer, bytes: Buffer): void {
  assert.equal(peer.stream.tryWriteStable([Buffer.from(bytes)]), bytes.length);
}

function deflated(text: string): { first: number; payload: Buffer } {
  const payload = deflateRawSync(Buffer.from(text), { finishFlush: constants.Z_SYNC_FLUSH });
  return { first: FIN | RSV1 | TEXT, payload: payload.subarray(0, -4) };
}

/**
 * Both get messages in one turn; in the handler of the first, more arrives for the second, and `act` has that one read.
 * @returns what the second was given.
 */
async function inTurnOfAnother(
  act: (other: Begun, got: string[]) => void,
  { before, cut }: { before?: (other: Begun, got: string[]) => void; cut: number },
): Promise<string[]> {
  const one = begin();
  const other = begin();
  const got: string[] = [];
  before?.(other, got);
  const last = texts(other.peer, 'third', 'fourth');
  let acted = false;
  void one.socket.onMessage(() => {
    if (acted) return;
    acted = true;
    now(other.peer, last.subarray(0, last.length - cut));
    act(other, got);
  });
  await turns(2);
  now(one.peer, texts(one.peer, 'go'));
  now(other.peer, texts(other.peer, 'first', 'second'));
  await turns(5);
  now(other.peer, last.subarray(last.length - cut));
  now(other.peer, other.peer.bytesOf(FIN | CLOSE, closing(1000)));
  await turns(8);
  one.socket.destroy();
  other.socket.destroy();
  return got;
}

const IN_ORDER = ['first', 'second', 'third', 'fourth'];

describe('WebSocketConnection beside others', () => {
  for (const cut of [0, 3]) {
    it(`keeps the order when a handler of another connection closes it, ${cut} bytes late`, async () => {
      const got = await inTurnOfAnother((other) => void other.socket.close(1000), {
        cut,
        before: ({ socket }, list) => void socket.onMessage((message) => list.push(message.text())),
      });
      assert.deepEqual(got, IN_ORDER);
    });

    it(`keeps the order when a handler of another connection reads it in pieces, ${cut} bytes late`, async () => {
      const read = async ({ socket }: Begun, got: string[]) => {
        for await (const message of socket.pieces()) {
          let text = '';
          for await (const piece of message) text += piece;
          got.push(text);
        }
      };
      assert.deepEqual(await inTurnOfAnother((other, got) => void read(other, got), { cut }), IN_ORDER);
    });

    it(`keeps the order when a handler of another connection gives it a handler, ${cut} bytes late`, async () => {
      const handle = ({ socket }: Begun, got: string[]) => {
        void socket.onMessage((message) => got.push(message.text()));
      };
      assert.deepEqual(await inTurnOfAnother(handle, { cut }), IN_ORDER);
    });
  }

  it('keeps what was inflated for a batch while others inflate', async () => {
    const one = begin();
    const other = begin();
    await one.peer.send(deflated('a'.repeat(50)), deflated('c'.repeat(50)));
    await turns(3);
    for await (const batch of one.socket.batches()) {
      const seen: string[] = [];
      for (const message of batch) {
        await other.peer.send(deflated('b'.repeat(50)));
        assert.equal(await other.socket.read(), 'b'.repeat(50));
        seen.push(message.text());
      }
      assert.deepEqual(seen, ['a'.repeat(50), 'c'.repeat(50)]);
      break;
    }
    one.socket.destroy();
    other.socket.destroy();
  });

  it('keeps what was inflated for a handler while that reads another connection, whole and in pieces', async () => {
    const one = begin();
    const others = [begin(), begin()];
    for (const { peer } of others) await peer.send(deflated('b'.repeat(50)));
    await turns(3);
    const reading: Promise<unknown>[] = [];
    const seen = new Promise<string>((resolve) => {
      void one.socket.onMessage((message) => {
        assert.equal(others[0]!.socket.tryRead(), 'b'.repeat(50));
        reading.push(others[1]!.socket.pieces().next());
        resolve(message.text());
      });
    });
    await one.peer.send(deflated('a'.repeat(50)));
    assert.equal(await seen, 'a'.repeat(50));
    await Promise.all(reading);
    for (const { socket } of [one, ...others]) socket.destroy();
  });

  for (const by of ['read', 'onMessage', 'batches'] as const) {
    it(`gives compressed messages that were kept after its close, by ${by}`, async () => {
      const { socket, peer } = begin();
      await peer.send(deflated('one'), deflated('two'), { first: FIN | CLOSE, payload: closing(1000) });
      await peer.received(1);
      await peer.stream.end();
      await socket.closed;
      await turns(3);
      const got: unknown[] = [];
      if (by === 'read') for (let i = 0; i < 3; i++) got.push(await socket.read());
      else if (by === 'onMessage') await socket.onMessage((message) => got.push(message.text()));
      else for await (const batch of socket.batches()) for (const message of batch) got.push(message.text());
      assert.deepEqual(got, by === 'read' ? ['one', 'two', EOF] : ['one', 'two']);
    });
  }
});

describeNative('WebSocketConnection whose first message cannot leave', () => {
  afterEach(clearFaults);

  for (const by of ['nobody', 'onMessage', 'read'] as const) {
    it(`is closed by that, although it was not watching yet, and read by ${by}`, async () => {
      const { one, other } = await socketPair();
      setFaults({ send: [FAIL.reset] }, { repeats: false });
      const socket = connectionOn(one, 'server');
      socket.send('welcome');
      const read = by === 'read' ? socket.read() : by === 'onMessage' ? socket.onMessage(() => {}) : undefined;
      read?.catch(() => {});
      await turns(10);
      assert.equal(socket.state, 'closed');
      assert.equal(((await socket.closed).error as MiniprotoError).code, 'ERR_TRANSPORT');
      await read?.catch(() => {});
      other.destroy();
    });
  }
});

if (!import.meta.url.includes('over=')) await overSockets(import.meta.url);
