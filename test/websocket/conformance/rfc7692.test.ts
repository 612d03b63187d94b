/** permessage-deflate over connections: what a peer may send, and what ours sends. RFC 7692 */
import assert from 'node:assert/strict';
import { constants, inflateRawSync } from 'node:zlib';
import { memoryPair } from 'miniproto';
import { prepareMessage } from 'miniproto/websocket';
import { turn } from '../../support/node-sockets.js';
import { connectionOn, webSocketCases } from '../../support/websocket-cases.js';
import {
  BINARY,
  CONTINUATION,
  FIN,
  frameFor,
  PING,
  RawPeer,
  RSV1,
  type SentFrame,
  TEXT,
} from '../../support/websocket-peer.js';
import { agreed, deflated } from './cases/deflate.js';
import { COMPRESSED_SECTIONS } from './cases/index.js';

for (const [title, cases] of COMPRESSED_SECTIONS) webSocketCases(`WebSocketConnection, ${title}`, cases);

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const LONG = 'much to say, much to say, much to say. '.repeat(50);

/** What a peer makes of a frame. @param before what it may refer to */
function inflated({ payload }: Pick<SentFrame, 'payload'>, before = ''): string {
  const dictionary = before === '' ? {} : { dictionary: Buffer.from(before) };
  const bytes = Buffer.concat([payload, TAIL]);
  return inflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, ...dictionary }).toString();
}

for (const role of ['server', 'client'] as const) {
  const begin = (contextTakeover = false) => {
    const [ours, theirs] = memoryPair();
    const socket = connectionOn(ours, role, {}, agreed(contextTakeover)(role));
    return { socket, peer: new RawPeer(theirs, { role, ends: false }) };
  };

  describe(`WebSocketConnection, compressing as a ${role} (RFC 7692 §7.2.1)`, () => {
    it('sets RSV1, leaves the tail out, and can be inflated', async () => {
      const { socket, peer } = begin();
      socket.send(LONG);
      socket.send(Buffer.from(LONG));
      const [text, binary] = await peer.received(2);
      assert.deepEqual([text!.first, binary!.first], [FIN | RSV1 | TEXT, FIN | RSV1 | BINARY]);
      for (const frame of [text!, binary!]) {
        assert.ok(frame.payload.length < 200);
        assert.ok(!frame.payload.subarray(-4).equals(TAIL));
        assert.equal(inflated(frame), LONG);
      }
      socket.destroy();
    });

    it('compresses an empty message to something that is one', async () => {
      const { socket, peer } = begin();
      socket.send('', { compress: true });
      const [frame] = await peer.received(1);
      if ((frame!.first & RSV1) !== 0) assert.equal(inflated(frame!), '');
      else assert.equal(frame!.payload.length, 0);
      socket.destroy();
    });

    it('leaves alone what it is told to, and control frames', async () => {
      const { socket, peer } = begin();
      socket.send(LONG, { compress: false });
      socket.ping(LONG.slice(0, 125));
      socket.pong(LONG.slice(0, 125));
      const frames = await peer.received(3);
      assert.deepEqual(
        frames.map(({ first }) => first & RSV1),
        [0, 0, 0],
      );
      assert.equal(frames[0]!.payload.toString(), LONG);
      socket.destroy();
    });

    it('sets RSV1 on the first fragment alone', async () => {
      const { socket, peer } = begin();
      const writer = socket.beginMessage({ type: 'text' });
      assert.ok(typeof writer === 'object');
      for (let i = 0; i < 40; i++) await writer.write(`${i} ${LONG}`);
      socket.ping('between');
      writer.end('end');
      await peer.received(2);
      while ((peer.frames.at(-1)!.first & FIN) === 0 || (peer.frames.at(-1)!.first & 8) !== 0) await turn();
      const data = peer.frames.filter(({ first }) => (first & 15) !== PING);
      assert.deepEqual(
        data.map(({ first }) => first & 0x7f),
        [RSV1 | TEXT, ...data.slice(1).map(() => CONTINUATION)],
      );
      const whole = Buffer.concat(data.map(({ payload }) => payload));
      assert.equal(inflated({ payload: whole }), `${Array.from({ length: 40 }, (_, i) => `${i} ${LONG}`).join('')}end`);
      socket.destroy();
    });

    it('refers to what was before where that was agreed on, and can be followed', async () => {
      const { socket, peer } = begin(true);
      const texts = ['first of all', 'first of all, and second', 'first of all, and second, and third'];
      for (const text of texts) socket.send(text);
      socket.send('plain', { compress: false });
      socket.send(prepareMessage(LONG));
      socket.send(texts[2]!);
      const frames = await peer.received(6);
      let before = '';
      for (const [index, text] of texts.entries()) {
        assert.equal(inflated(frames[index]!, before), text);
        before += text;
      }
      assert.equal(frames[3]!.payload.toString(), 'plain');
      // A server shares the deflated frame, which refers to nothing before it; a client sends it as it is.
      const isShared = (frames[4]!.first & RSV1) !== 0;
      assert.equal(isShared ? inflated(frames[4]!) : frames[4]!.payload.toString(), LONG);
      assert.equal(inflated(frames[5]!, isShared ? before + LONG : before), texts[2]);
      socket.destroy();
    });

    it('sends on what was compressed, to itself and to others, whole', async () => {
      const from = begin();
      const others = [begin(), begin(true)];
      const back: string[] = [];
      void from.socket.onMessage((message, self) => {
        self.send(message);
        for (const { socket } of others) {
          socket.send(message);
          socket.send(message, { compress: false });
        }
        back.push(message.text());
      });
      await from.peer.send(
        { first: FIN | RSV1 | TEXT, payload: deflated(LONG) },
        { first: FIN | TEXT, payload: 'plain' },
        { first: RSV1 | TEXT, payload: deflated('cut').subarray(0, 2) },
        { first: FIN, payload: deflated('cut').subarray(2) },
      );
      await from.peer.received(3);
      const read = (frames: SentFrame[], before: string) =>
        frames.map((frame) => ((frame.first & RSV1) === 0 ? frame.payload.toString() : inflated(frame, before)));
      assert.deepEqual(back, [LONG, 'plain', 'cut']);
      assert.deepEqual(read(from.peer.frames, ''), [LONG, 'plain', 'cut']);
      for (const { peer, socket } of others) {
        await peer.received(6);
        assert.deepEqual(read(peer.frames.slice(0, 2), ''), [LONG, LONG]);
        assert.equal(peer.frames[3]!.payload.toString(), 'plain');
        assert.equal(peer.frames[5]!.payload.toString(), 'cut');
        socket.destroy();
      }
      from.socket.destroy();
    });

    it('keeps what a batch has inflated while others inflate and deflate', async () => {
      const one = begin();
      const other = begin();
      void other.socket.onMessage((message, self) => self.send(message));
      await one.peer.write(
        Buffer.concat([
          frameFor(role, FIN | RSV1 | TEXT, deflated('first message')),
          frameFor(role, FIN | RSV1 | TEXT, deflated('second message')),
        ]),
      );
      const got: string[] = [];
      for await (const batch of one.socket.batches()) {
        for (const message of batch) {
          await other.peer.send({ first: FIN | RSV1 | TEXT, payload: deflated('XXXXXXXXXXXXXXXXXXXXX') });
          await other.peer.received(got.length + 1);
          one.socket.send(LONG);
          got.push(message.text());
        }
        if (got.length === 2) break;
      }
      assert.deepEqual(got, ['first message', 'second message']);
      one.socket.destroy();
      other.socket.destroy();
    });
  });
}
