/**
 * The wire cases by the codec of messages, without a connection: what a peer sends, whole, in crumbs and cut anywhere, and
 * what the codec makes of it and answers. Options that only connections have leave a case out.
 */
import assert from 'node:assert/strict';
import { framed, type MiniprotoError, memoryPair, NEED_WRITE } from 'miniproto';
import { webSocketMessages } from 'miniproto/websocket';
import type { WebSocketRole } from '#lib/websocket/established';
import { turn } from '../../support/node-sockets.js';
import { type CaseOutcome, expected, framesOf, type WebSocketCase } from '../../support/websocket-cases.js';
import { FIN, PING, RawPeer, TEXT, tell } from '../../support/websocket-peer.js';
import { SECTIONS } from './cases/index.js';

type Outcome = Omit<CaseOutcome, 'closed'>;

const ROLES = ['server', 'client'] as const;
/** Bytes. Longer inputs are not sent byte by byte. */
const LONGEST_CRUMBS = 160;

function codecFor({ options = {} }: WebSocketCase, role: WebSocketRole): ReturnType<typeof webSocketMessages> {
  const { maxMessageLength } = options;
  return webSocketMessages({ role, ...(maxMessageLength === undefined ? {} : { maxMessageLength }) });
}

function isForCodecs({ options = {} }: WebSocketCase): boolean {
  return Object.keys(options).every((name) => name === 'maxMessageLength');
}

async function converse(wire: WebSocketCase, role: WebSocketRole, chunks: readonly Uint8Array[]): Promise<Outcome> {
  const [ours, theirs] = memoryPair({ capacity: 1 << 20 });
  const talk = framed(ours, codecFor(wire, role));
  const peer = new RawPeer(theirs, { role });
  const messages: (string | Buffer)[] = [];
  const reading = (async () => {
    try {
      for await (const message of talk) messages.push(message);
      return 'EOF';
    } catch (error) {
      return (error as MiniprotoError).code;
    }
  })();
  for (const chunk of chunks) await peer.write(chunk);
  const end = await reading;
  await talk.flush();
  await ours.end();
  assert.equal(await peer.ended, undefined);
  return { messages, sent: peer.frames.map(tell), end };
}

async function run(wire: WebSocketCase, role: WebSocketRole): Promise<void> {
  const { closed: _closed, ...right } = expected(wire);
  const input = Buffer.concat(framesOf(wire, role));
  const ways = [[input], [input.subarray(0, input.length >> 1), input.subarray(input.length >> 1)]];
  if (input.length < LONGEST_CRUMBS) ways.push(Array.from(input, (byte) => Buffer.of(byte)));
  for (const chunks of ways) assert.deepEqual(await converse(wire, role, chunks), right, `${chunks.length} chunks`);
}

for (const [title, cases] of SECTIONS) {
  describe(`webSocketMessages, ${title}`, () => {
    for (const wire of cases.filter(isForCodecs)) {
      for (const role of ROLES) {
        if ((wire.role ?? role) === role) it(`${wire.name} [${role}]`, () => run(wire, role));
      }
    }
  });
}

describe('webSocketMessages, floods (RFC 6455 §10)', () => {
  it('reads no further for a peer that pings and does not read, and loses nothing', async () => {
    const [ours, theirs] = memoryPair({ capacity: 4096 });
    const talk = framed(ours, webSocketMessages({ role: 'server' }));
    const peer = new RawPeer(theirs, { role: 'server', reads: false });
    const payload = (index: number) => Buffer.alloc(125, index);
    const count = 2000;
    const sending = (async () => {
      for (let i = 0; i < count; i++) await peer.send({ first: FIN | PING, payload: payload(i) });
      await peer.send({ first: FIN | TEXT, payload: 'behind' });
    })();
    let answer = talk.tryRead();
    for (let turns = 0; answer !== NEED_WRITE && turns < count; turns++) {
      await turn();
      answer = talk.tryRead();
    }
    assert.equal(answer, NEED_WRITE);
    assert.equal(talk.pendingRead, NEED_WRITE);
    assert.ok(talk.pendingOutput < 80_000, `${talk.pendingOutput} bytes wait`);
    peer.startReading();
    assert.equal(await talk.read(), 'behind');
    await sending;
    const frames = await peer.received(count);
    assert.ok(frames.every((frame, index) => frame.payload.equals(payload(index))));
    ours.destroy();
  });

  it('reads on although much of its own waits to leave', async () => {
    const [ours, theirs] = memoryPair({ capacity: 4096 });
    const talk = framed(ours, webSocketMessages({ role: 'server' }));
    const peer = new RawPeer(theirs, { role: 'server', reads: false });
    talk.tryWrite(Buffer.alloc(1 << 20));
    await peer.send({ first: FIN | PING, payload: '?' }, { first: FIN | TEXT, payload: 'hello' });
    assert.equal(await talk.read(), 'hello');
    ours.destroy();
  });
});
