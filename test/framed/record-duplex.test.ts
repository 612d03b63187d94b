/** `toDuplex`: records through pipeline, sockets and slow readers, and every way in which a Node stream can end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EOF, framed, jsonLines, lengthPrefixed, lines, mapped, memoryPair, NOT_READY } from 'miniproto';
import { bytePair } from '../support/pairs.js';

/** Lets everything happen that is going to happen without more input. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
}

function collect<T>(records: T[], highWaterMark = 16): Writable {
  return new Writable({
    objectMode: true,
    highWaterMark,
    write(record, _encoding, callback) {
      records.push(record);
      setImmediate(callback);
    },
  });
}

describe('RecordDuplex', () => {
  it('is a Duplex in object mode on both sides', () => {
    const duplex = framed(bytePair()[0], lines()).toDuplex();
    assert.ok(duplex instanceof Duplex);
    assert.equal(duplex.readableObjectMode, true);
    assert.equal(duplex.writableObjectMode, true);
  });

  for (const way of ['toDuplex', 'toWeb'] as const) {
    it(`is the only reader: after ${way} each other one is refused, and takes nothing`, async () => {
      const [one, other] = memoryPair();
      const talk = framed(one, lines());
      const iterator = talk.records();
      const taken: AsyncIterable<unknown> = way === 'toWeb' ? talk.toWeb().readable : talk.toDuplex();
      other.tryWrite(Buffer.from('first\nsecond\n'));
      const busy = { name: 'UsageError', code: 'ERR_READ_IN_PROGRESS' };
      for (const read of ['tryRead', 'tryReadBatch', 'tryReadPieces', 'toDuplex', 'toWeb'] as const) {
        assert.throws(() => talk[read](), busy, read);
      }
      const waits = [talk.read(), talk.readPieces(), talk.onRecord(() => {}), talk.batches().next(), iterator.next()];
      for (const wait of waits) await assert.rejects(wait, busy);
      const got: unknown[] = [];
      for await (const record of taken) {
        if (got.push(record) === 2) break;
      }
      assert.deepEqual(got, ['first', 'second']);
      talk.destroy();
    });
  }

  it('leaves reading to others where it only writes', async () => {
    const [one, other] = memoryPair();
    const talk = framed(one, lines());
    const duplex = talk.toDuplex({ readable: false });
    const peer = framed(other, lines());
    await Promise.all([peer.write('hello'), new Promise((resolve) => duplex.write('world', resolve))]);
    assert.deepEqual([await talk.read(), await peer.read()], ['hello', 'world']);
    duplex.destroy();
  });

  it('gives records and takes records', async () => {
    const [one, other] = bytePair();
    const duplex = framed(one, lines()).toDuplex();
    const peer = framed(other, lines());
    duplex.write('hello');
    duplex.end('world');
    const got: string[] = [];
    for await (const line of peer) got.push(line);
    assert.deepEqual(got, ['hello', 'world']);
    await peer.write('bye');
    await peer.end();
    assert.deepEqual(await duplex.toArray(), ['bye']);
  });

  it('carries records between two sockets in a pipeline', async () => {
    const records = Array.from({ length: 20_000 }, (_, i) => ({ i, text: 'x'.repeat(i % 50) }));
    const got: unknown[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const duplex = framed(socket, jsonLines()).toDuplex();
      // An echo.
      pipeline(duplex, duplex).catch((error) => assert.fail(error));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as { port: number };
    const duplex = framed(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), jsonLines()).toDuplex();
    await pipeline(Readable.from(records), duplex, async (source: AsyncIterable<unknown>) => {
      for await (const record of source) got.push(record);
    });
    assert.deepEqual(got, records);
    server.close();
    await once(server, 'close');
  });

  it('reads no further than its mark and one record while nobody reads', async () => {
    const [one, other] = bytePair();
    let decoded = 0;
    const count = (line: string) => {
      decoded++;
      return line;
    };
    const counted = mapped(lines(), { decode: count, encode: String });
    const duplex = framed(one, counted).toDuplex({ readableHighWaterMark: 3 });
    const peer = framed(other, lines());
    for (let i = 0; i < 100; i++) await peer.write(`${i}`);
    await peer.flush();
    duplex.once('readable', () => {});
    await settle();
    assert.ok(decoded <= 4, `${decoded} records were decoded`);
    assert.equal(duplex.readableLength, 3);
    assert.equal(duplex.read(), '0');
    await settle();
    assert.ok(decoded <= 5, `${decoded} records were decoded`);
    duplex.destroy();
  });

  it('holds a peer that sends to a reader that does not read', async () => {
    const [one, other] = bytePair({ capacity: 1024 });
    const duplex = framed(one, lines(), { readHighWaterMark: 1024 }).toDuplex({ readableHighWaterMark: 1 });
    duplex.on('readable', () => {});
    const peer = framed(other, lines(), { writeHighWaterMark: 1024 });
    let taken = 0;
    for (let refused = 0; refused < 20; ) {
      assert.ok(taken < 10_000, 'the peer is never held');
      if (peer.tryWrite('x'.repeat(99)) === true) taken++;
      else {
        refused++;
        await settle();
      }
    }
    duplex.destroy();
  });

  it('calls back when a record has been taken, and not before', async () => {
    const [one, other] = memoryPair({ capacity: 64 });
    const duplex = framed(one, lines(), { writeHighWaterMark: 64 }).toDuplex({ writableHighWaterMark: 2 });
    const peer = framed(other, lines());
    let called = 0;
    for (let i = 0; i < 20; i++) duplex.write('x'.repeat(31), () => called++);
    await settle();
    assert.ok(called < 20, 'everything was taken without room');
    assert.equal(duplex.writableNeedDrain, true);
    for (let i = 0; i < 20; i++) assert.equal(await peer.read(), 'x'.repeat(31));
    await settle();
    assert.equal(called, 20);
    duplex.destroy();
  });

  it('lets the memory of a large record be used again after its callback', async () => {
    const [one, other] = bytePair();
    const duplex = framed(one, lengthPrefixed({ bytes: 4 })).toDuplex();
    const peer = framed(other, lengthPrefixed({ bytes: 4 }));
    const payload = Buffer.alloc(40_000, 1);
    duplex.write(payload, () => payload.fill(2));
    const first = await peer.read();
    assert.ok(first !== EOF);
    assert.deepEqual(first, Buffer.alloc(40_000, 1));
    duplex.destroy();
  });

  it('ends its readable side at EOF and goes on writing, with allowHalfOpen', async () => {
    const [one, other] = bytePair();
    const duplex = framed(one, lines()).toDuplex();
    const peer = framed(other, lines());
    await peer.end();
    duplex.resume();
    await once(duplex, 'end');
    const closed = once(duplex, 'close');
    duplex.end('after');
    assert.equal(await peer.read(), 'after');
    assert.equal(await peer.read(), EOF);
    await closed;
  });

  it('ends its writable side at EOF without allowHalfOpen', async () => {
    const [one, other] = bytePair();
    const duplex = framed(one, lines()).toDuplex({ allowHalfOpen: false });
    const peer = framed(other, lines());
    await peer.end();
    duplex.resume();
    await once(duplex, 'close');
    assert.equal(duplex.writableFinished, true);
    assert.equal(await peer.read(), EOF);
  });

  it('closes by itself when both sides have ended', async () => {
    const [one, other] = bytePair();
    const duplex = framed(one, lines()).toDuplex();
    const peer = framed(other, lines());
    duplex.end('a');
    assert.equal(await peer.read(), 'a');
    await peer.end();
    duplex.resume();
    await once(duplex, 'close');
    assert.equal(duplex.errored, null);
  });

  it("writes a codec's farewell at its end", async () => {
    const [one, other] = bytePair();
    const codec = {
      ...plainCodec(),
      end: (output: { write(bytes: Uint8Array): void }) => output.write(Buffer.from('bye\n')),
    };
    const duplex = framed(one, codec).toDuplex();
    duplex.end('hello');
    const peer = framed(other, lines());
    assert.equal(await peer.read(), 'hello');
    assert.equal(await peer.read(), 'bye');
    assert.equal(await peer.read(), EOF);
    duplex.destroy();
  });

  it('gives the records before an error first, however they are read', async () => {
    const readers: Record<string, (duplex: Duplex, got: unknown[]) => Promise<void>> = {
      'for await': async (duplex, got) => {
        for await (const record of duplex) got.push(record);
      },
      data: (duplex, got) =>
        new Promise((_resolve, reject) => {
          duplex.on('data', (record) => got.push(record)).on('error', reject);
        }),
      readable: (duplex, got) =>
        new Promise((_resolve, reject) => {
          duplex.on('error', reject).on('readable', () => {
            for (let record = duplex.read(); record !== null; record = duplex.read()) got.push(record);
          });
        }),
      'a slow pipeline': (duplex, got) => pipeline(duplex, collect(got, 1)),
    };
    for (const [name, read] of Object.entries(readers)) {
      const [one, other] = bytePair();
      const duplex = framed(one, jsonLines()).toDuplex();
      const sent = framed(other, lines());
      for (const line of ['1', '2', '3', 'nonsense', '5']) await sent.write(line);
      await sent.end();
      const got: unknown[] = [];
      await assert.rejects(read(duplex, got), { name: 'ProtocolError', code: 'ERR_INVALID_JSON', offset: 6 }, name);
      assert.deepEqual(got, [1, 2, 3], name);
      assert.equal(duplex.destroyed, true, name);
      assert.throws(() => sent.tryWrite('x'), `${name}: the framed stream is destroyed too`);
    }
  });

  it('refuses records that are null or undefined, after those before them', async () => {
    for (const nothing of [null, undefined]) {
      const [one, other] = bytePair();
      const codec = mapped(lines(), { decode: (line: string) => (line === '' ? nothing : line), encode: String });
      const duplex = framed(one, codec).toDuplex();
      const peer = framed(other, lines());
      for (const line of ['a', 'b', '', 'c']) await peer.write(line);
      const got: unknown[] = [];
      const reading = (async () => {
        for await (const record of duplex) got.push(record);
      })();
      await assert.rejects(reading, { name: 'UsageError', code: 'ERR_RECORD_NULL', protocol: 'lines' });
      assert.deepEqual(got, ['a', 'b']);
    }
  });

  it('fails with what a record that cannot be written throws', async () => {
    const [one] = bytePair();
    const duplex = framed(one, lines()).toDuplex();
    duplex.write('two\nlines');
    const [error] = await once(duplex, 'error');
    assert.equal(error.code, 'ERR_RECORD_CONTAINS_SEPARATOR');
    assert.equal(duplex.destroyed, true);
  });

  it('fails with the error of the stream below', async () => {
    const below = new PassThrough();
    const duplex = framed(below, lines()).toDuplex();
    duplex.resume();
    const cause = new Error('the cable is cut');
    setImmediate(() => below.destroy(cause));
    const [error] = await once(duplex, 'error');
    assert.equal(error.code, 'ERR_TRANSPORT');
    assert.equal(error.cause, cause);
  });

  it('destroys the stream below when it is destroyed, and drops a wait for records', async () => {
    const below = new PassThrough();
    const duplex = framed(below, lines()).toDuplex();
    duplex.resume();
    await settle();
    duplex.destroy();
    await once(duplex, 'close');
    assert.equal(below.destroyed, true);
    assert.equal(duplex.errored, null);
  });

  it('ends by its AbortSignal', async () => {
    const abort = new AbortController();
    const duplex = framed(bytePair()[0], lines()).toDuplex({ signal: abort.signal });
    const reading = assert.rejects(duplex.toArray(), { name: 'AbortError' });
    abort.abort();
    await reading;
    assert.equal(duplex.destroyed, true);
  });

  it('leaves the successor alone when the framed stream was switched', async () => {
    const [one, other] = bytePair();
    const talk = framed(one, lines());
    const duplex = talk.toDuplex();
    const next = talk.switchTo(lengthPrefixed({ bytes: 1 }));
    duplex.resume();
    const [error] = await once(duplex, 'error');
    assert.equal(error.code, 'ERR_STREAM_SWITCHED');
    await framed(other, lengthPrefixed({ bytes: 1 })).write(Buffer.from('still here'));
    assert.equal(String(await next.read()), 'still here');
  });

  it('has one side only, where that is asked for', async () => {
    const source = framed(Readable.from([Buffer.from('a\nb\n')], { objectMode: false }), lines());
    const duplex = source.toDuplex({ writable: false });
    assert.deepEqual(await duplex.toArray(), ['a', 'b']);
    const chunks: Buffer[] = [];
    const sink = new Writable({
      write(chunk, _encoding, callback) {
        chunks.push(chunk);
        callback();
      },
    });
    const writer = framed(sink, lines()).toDuplex({ readable: false });
    await pipeline(['x', 'y'], writer);
    assert.equal(String(Buffer.concat(chunks)), 'x\ny\n');
  });

  it('feeds a Transform of records', async () => {
    const [one, other] = bytePair();
    const upper = new Transform({
      objectMode: true,
      transform: (line, _encoding, callback) => callback(null, line.toUpperCase()),
    });
    const echo = framed(one, lines()).toDuplex();
    const done = pipeline(echo, upper, echo);
    const peer = framed(other, lines());
    await peer.write('hello');
    assert.equal(await peer.read(), 'HELLO');
    await peer.end();
    assert.equal(await peer.read(), EOF);
    await done;
  });

  it('checks its options, and that nobody else reads', async () => {
    const talk = framed(bytePair()[0], lines());
    assert.throws(() => talk.toDuplex(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    const abort = new AbortController();
    const reading = talk.read({ signal: abort.signal });
    assert.throws(() => talk.toDuplex(), { code: 'ERR_READ_IN_PROGRESS' });
    abort.abort();
    await assert.rejects(reading);
    assert.equal(talk.tryRead(), NOT_READY);
  });
});

/** Lines of ASCII, as plainly as they can be. */
function plainCodec() {
  const inner = lines();
  return {
    name: 'plain',
    shared: true,
    decode: inner.decode.bind(inner),
    finish: inner.finish.bind(inner),
    encode: inner.encode.bind(inner),
  };
}
