/** `toWeb`: backpressure, both ends of both sides, and what errors do to the other side. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web';
import { EOF, framed, jsonLines, lines, mapped, memoryPair } from 'miniproto';
import { bytePair } from '../support/pairs.js';

/** Lets everything happen that is going to happen without more input. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
}

function pairOfLines(capacity = 65_536, makePair = bytePair) {
  const [one, other] = makePair({ capacity });
  return { talk: framed(one, lines()), peer: framed(other, lines()) };
}

describe('toWeb', () => {
  it('gives Web streams of records', async () => {
    const { talk, peer } = pairOfLines();
    const { readable, writable } = talk.toWeb();
    assert.ok(readable instanceof ReadableStream);
    assert.ok(writable instanceof WritableStream);
    const writer = writable.getWriter();
    await writer.write('hello');
    await writer.close();
    assert.equal(await peer.read(), 'hello');
    assert.equal(await peer.read(), EOF);
    await peer.write('bye');
    await peer.end();
    const got: string[] = [];
    for await (const line of readable) got.push(line);
    assert.deepEqual(got, ['bye']);
  });

  it('pipes between sockets through a TransformStream', async () => {
    const records = Array.from({ length: 2000 }, (_, i) => ({ i }));
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const { readable, writable } = framed(socket, jsonLines<{ i: number }>()).toWeb();
      const double = new TransformStream<{ i: number }, { i: number }>({
        transform: ({ i }, controller) => controller.enqueue({ i: 2 * i }),
      });
      readable
        .pipeThrough(double)
        .pipeTo(writable)
        .catch((error) => assert.fail(error));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as { port: number };
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const { readable, writable } = framed(socket, jsonLines<{ i: number }>()).toWeb();
    const sending = ReadableStream.from(records).pipeTo(writable);
    const got: unknown[] = [];
    for await (const record of readable) got.push(record);
    await sending;
    assert.deepEqual(
      got,
      records.map(({ i }) => ({ i: 2 * i })),
    );
    server.close();
    await once(server, 'close');
  });

  it('reads a record when it is asked for, and not before', async () => {
    const [one, other] = bytePair();
    let decoded = 0;
    const count = (line: string) => {
      decoded++;
      return line;
    };
    const peer = framed(other, lines());
    for (let i = 0; i < 10; i++) await peer.write(`${i}`);
    await peer.flush();
    const { readable } = framed(one, mapped(lines(), { decode: count, encode: String })).toWeb();
    await settle();
    assert.equal(decoded, 0);
    const reader = readable.getReader();
    assert.deepEqual(await reader.read(), { done: false, value: '0' });
    await settle();
    assert.equal(decoded, 1);
  });

  it('reads ahead as many records as it is told to', async () => {
    const { talk, peer } = pairOfLines();
    let decoded = 0;
    const [one, other] = bytePair();
    const count = (line: string) => {
      decoded++;
      return line;
    };
    const sender = framed(other, lines());
    for (let i = 0; i < 10; i++) await sender.write(`${i}`);
    await sender.flush();
    framed(one, mapped(lines(), { decode: count, encode: String })).toWeb({ readableHighWaterMark: 3 });
    await settle();
    assert.equal(decoded, 3);
    await Promise.all([talk.close(), peer.close()]);
  });

  it('holds a writer while the peer does not read', async () => {
    const [one, other] = memoryPair({ capacity: 64 });
    const { writable } = framed(one, lines(), { writeHighWaterMark: 64 }).toWeb();
    const peer = framed(other, lines());
    const writer = writable.getWriter();
    let written = 0;
    const writes = Array.from({ length: 20 }, () => writer.write('x'.repeat(31)).then(() => written++));
    await settle();
    assert.ok(written < 20, 'everything was taken without room');
    assert.ok((writer.desiredSize ?? 0) <= 0);
    for (let i = 0; i < 20; i++) assert.equal(await peer.read(), 'x'.repeat(31));
    await Promise.all(writes);
  });

  it('goes on writing after the peer has ended, and reading after it has closed', async () => {
    const { talk, peer } = pairOfLines();
    const { readable, writable } = talk.toWeb();
    await peer.end();
    const reader = readable.getReader();
    assert.deepEqual(await reader.read(), { done: true, value: undefined });
    const writer = writable.getWriter();
    await writer.write('after');
    await writer.close();
    assert.equal(await peer.read(), 'after');
    assert.equal(await peer.read(), EOF);
  });

  it('stops reading when cancelled, goes on writing, and closes when both are over', async () => {
    const below = new PassThrough();
    const other = new PassThrough();
    const talk = framed({ readable: below, writable: other }, lines());
    const { readable, writable } = talk.toWeb();
    const reader = readable.getReader();
    const waiting = reader.read();
    await settle();
    await reader.cancel('enough');
    assert.deepEqual(await waiting, { done: true, value: undefined });
    below.write('unread\n');
    await settle();
    assert.equal(below.destroyed, false);
    const writer = writable.getWriter();
    await writer.write('still here');
    const closing = writer.close();
    const closed = once(below, 'close');
    below.end();
    await closing;
    assert.equal(String(other.read()), 'still here\n');
    await closed;
    assert.equal(below.errored, null);
  });

  it('gives the records before an error, then fails both sides and destroys the stream', async () => {
    const [one, other] = memoryPair();
    const { readable, writable } = framed(one, jsonLines()).toWeb({ readableHighWaterMark: 0 });
    const peer = framed(other, lines());
    for (const line of ['1', '2', 'nonsense']) await peer.write(line);
    await peer.flush();
    const wanted = { name: 'ProtocolError', code: 'ERR_INVALID_JSON', offset: 4 };
    const writer = writable.getWriter();
    const closed = assert.rejects(writer.closed, wanted);
    const got: unknown[] = [];
    const reading = async () => {
      for await (const record of readable) got.push(record);
    };
    await assert.rejects(reading(), wanted);
    assert.deepEqual(got, [1, 2]);
    await closed;
    await assert.rejects(writer.write('x'), wanted);
    await assert.rejects(peer.read(), { name: 'TransportError' });
  });

  it('fails both sides with a record that cannot be written', async () => {
    const { talk } = pairOfLines();
    const { readable, writable } = talk.toWeb();
    const wanted = { code: 'ERR_RECORD_CONTAINS_SEPARATOR' };
    const reading = assert.rejects(readable.getReader().read(), wanted);
    await assert.rejects(writable.getWriter().write('two\nlines'), wanted);
    await reading;
  });

  it('destroys everything when aborted', async () => {
    const { talk, peer } = pairOfLines(65_536, memoryPair);
    const { readable, writable } = talk.toWeb();
    const reason = new Error('no more');
    const reading = assert.rejects(readable.getReader().read(), reason);
    await writable.abort(reason);
    await reading;
    await assert.rejects(peer.read(), { name: 'TransportError' });
  });

  it('fails both sides when the stream below fails', async () => {
    const below = new PassThrough();
    const { readable, writable } = framed(below, lines()).toWeb();
    const cause = new Error('the cable is cut');
    const wanted = { name: 'TransportError', code: 'ERR_TRANSPORT', cause };
    const closed = assert.rejects(writable.getWriter().closed, wanted);
    const reading = assert.rejects(readable.getReader().read(), wanted);
    below.destroy(cause);
    await reading;
    await closed;
  });

  it('gives null and undefined as records, which Web streams allow', async () => {
    const [one, other] = bytePair();
    const codec = mapped(lines(), {
      decode: (line: string) => (line === '' ? undefined : JSON.parse(line)),
      encode: String,
    });
    const { readable } = framed(one, codec).toWeb();
    const peer = framed(other, lines());
    for (const line of ['null', '', '1']) await peer.write(line);
    await peer.end();
    const got: unknown[] = [];
    for await (const record of readable) got.push(record);
    assert.deepEqual(got, [null, undefined, 1]);
  });

  it('checks its options', () => {
    const { talk } = pairOfLines();
    assert.throws(() => talk.toWeb(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => talk.toWeb({ readableHighWaterMark: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => talk.toWeb({ writableHighWaterMark: 0 }), { code: 'ERR_OUT_OF_RANGE' });
  });
});
