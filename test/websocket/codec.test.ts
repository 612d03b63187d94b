/** WebSocket as codecs: what a program composes by itself, over memory pairs whose capacity cuts frames anywhere. */
import assert from 'node:assert/strict';
import { EOF, framed, type MemoryStream, memoryPair, ProtocolError, UsageError } from 'miniproto';
import { HeaderList, requestHeads, webSocketFrames, webSocketMessages } from 'miniproto/websocket';

const CLIENT = { role: 'client' } as const;
const SERVER = { role: 'server' } as const;

describe('idea: WebSocket is HTTP lines, then lengths, and masks in one direction only', () => {
  it('composes header lines and frames on one connection, at the very byte', async () => {
    const [client, server] = memoryPair({ capacity: 7 });
    const answering = (async () => {
      const heads = framed(server, requestHeads());
      const request = await heads.read();
      assert.ok(typeof request !== 'symbol');
      assert.deepEqual([request.method, request.target, request.headers.get('upgrade')], ['GET', '/chat', 'websocket']);
      return heads.switchTo(webSocketMessages(SERVER));
    })();
    const heads = framed(client, requestHeads());
    const headers = new HeaderList().add('Host', 'example').add('Upgrade', 'websocket');
    await heads.write({ method: 'GET', target: '/chat', version: '1.1', headers });
    // The first frame does not wait for the answer.
    const talk = heads.switchTo(webSocketMessages(CLIENT));
    await talk.write('hello');
    const served = await answering;
    assert.equal(await served.read(), 'hello');
  });

  it('masks what a client says, and nothing that a server says', async () => {
    const [client, server] = memoryPair();
    const key = 0x04030201;
    await framed(client, webSocketMessages({ ...CLIENT, maskKeys: () => key })).write(Buffer.alloc(4));
    await framed(server, webSocketMessages(SERVER)).write(Buffer.alloc(4));
    assert.deepEqual(await bytesAt(server, 10), [0x82, 0x84, 1, 2, 3, 4, 1, 2, 3, 4]);
    assert.deepEqual(await bytesAt(client, 6), [0x82, 0x04, 0, 0, 0, 0]);
  });
});

/** The first bytes that have come. */
async function bytesAt(stream: MemoryStream, count: number): Promise<number[]> {
  while (typeof stream.tryFill(count) !== 'number') await stream.ready('read');
  return [...stream.input.peek(count)];
}

describe('webSocketFrames', () => {
  for (const capacity of [1, 3, 1000]) {
    it(`gives frames as they are, ${capacity} bytes at a time`, async () => {
      const [client, server] = memoryPair({ capacity });
      const asking = framed(client, webSocketFrames({ ...CLIENT, compression: true }));
      const answering = framed(server, webSocketFrames({ ...SERVER, compression: true }));
      const frames = [
        { opcode: 1, fin: false, compressed: true, payload: Buffer.from('begin') },
        { opcode: 9, fin: true, compressed: false, payload: Buffer.alloc(125, 7) },
        { opcode: 0, fin: true, compressed: false, payload: Buffer.alloc(70_000, 8) },
        { opcode: 2, fin: true, compressed: false, payload: Buffer.alloc(0) },
        { opcode: 8, fin: true, compressed: false, payload: Buffer.from([3, 232]) },
      ];
      const reading = (async () => {
        for (const frame of frames) assert.deepEqual(await answering.read(), frame);
      })();
      for (const frame of frames) await asking.write(frame);
      await reading;
    });
  }

  it('refuses what the protocol forbids, in both directions', async () => {
    const [client, server] = memoryPair();
    const asking = framed(client, webSocketFrames(CLIENT));
    assert.throws(() => asking.tryWrite({ opcode: 9, payload: 'x'.repeat(126) }), UsageError);
    assert.throws(() => asking.tryWrite({ opcode: 8, fin: false, payload: '' }), UsageError);
    await asking.write({ opcode: 3, payload: '' });
    await assert.rejects(framed(server, webSocketFrames(SERVER)).read(), { code: 'ERR_INVALID_FRAME', offset: 0 });
  });

  it('refuses a role that is none, and a frame that is over the limit', async () => {
    assert.throws(() => webSocketFrames({ role: 'peer' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => webSocketFrames({ ...CLIENT, maskKeys: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    const [client, server] = memoryPair();
    await framed(client, webSocketFrames(CLIENT)).write({ opcode: 2, payload: Buffer.alloc(11) });
    const reading = framed(server, webSocketFrames({ ...SERVER, maxMessageLength: 10 })).read();
    await assert.rejects(reading, { code: 'ERR_MESSAGE_TOO_LARGE' });
  });
});

describe('webSocketMessages', () => {
  it('joins fragments, answers pings in between, and ends with a close on both sides', async () => {
    const [client, server] = memoryPair({ capacity: 5 });
    const raw = framed(client, webSocketFrames(CLIENT));
    const talk = framed(server, webSocketMessages(SERVER));
    const sending = (async () => {
      await raw.write({ opcode: 1, fin: false, payload: 'in two ' });
      await raw.write({ opcode: 9, payload: 'still there?' });
      await raw.write({ opcode: 0, payload: 'fragments' });
      await raw.write({ opcode: 8, payload: Buffer.from([3, 233]) });
    })();
    assert.equal(await talk.read(), 'in two fragments');
    const ended = talk.read();
    await sending;
    const pong = await raw.read();
    assert.ok(typeof pong !== 'symbol');
    assert.deepEqual([pong.opcode, pong.payload.toString()], [10, 'still there?']);
    const close = await raw.read();
    assert.ok(typeof close !== 'symbol');
    assert.deepEqual([close.opcode, [...close.payload]], [8, [3, 233]]);
    await raw.end();
    assert.equal(await ended, EOF);
    assert.throws(() => talk.tryWrite('too late'), { code: 'ERR_STREAM_ENDED' });
  });

  it('tells of an end without a close, and answers a violation with its code', async () => {
    const [client, server] = memoryPair();
    const talk = framed(server, webSocketMessages(SERVER));
    await client.end();
    await assert.rejects(talk.read(), { code: 'ERR_UNEXPECTED_EOF' });

    const [other, third] = memoryPair();
    const raw = framed(other, webSocketFrames(CLIENT));
    await raw.write({ opcode: 1, payload: Buffer.from([0xff]) });
    const strict = framed(third, webSocketMessages(SERVER));
    await assert.rejects(strict.read(), (error) => error instanceof ProtocolError && error.code === 'ERR_INVALID_UTF8');
    await strict.flush();
    const close = await raw.read();
    assert.ok(typeof close !== 'symbol');
    assert.deepEqual([close.opcode, close.payload.readUInt16BE(0)], [8, 1007]);
  });
});
