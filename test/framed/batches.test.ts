/** The fast path: batches with their cursors, and the push form. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import {
  type Batch,
  EOF,
  type FramedStream,
  framed,
  jsonLines,
  lengthPrefixed,
  lines,
  mapped,
  memoryPair,
  NOT_READY,
  type RecordCursor,
  separated,
} from 'miniproto';
import { bytePair } from '../support/pairs.js';

const expired = { name: 'UsageError', code: 'ERR_RECORD_EXPIRED' };

function fed<R, W>(codec: Parameters<typeof framed<R, W>>[1], text: string, options?: Parameters<typeof bytePair>[0]) {
  const [near, far] = bytePair(options);
  const bytes = Buffer.from(text, 'latin1');
  assert.equal(far.tryWrite(bytes), bytes.length);
  return { far, stream: framed(near, codec) };
}

function batchOf<R, W>(stream: FramedStream<R, W>): Batch<R> {
  return stream.tryReadBatch() as Batch<R>;
}

describe('Batch', () => {
  it('has cursors with every field of a record', () => {
    const { stream } = fed(separated([';', '--'], { encoding: 'latin1' }), 'ab;\xe9--;');
    const batch = batchOf(stream);
    assert.equal(batch.length, 3);
    const seen = Array.from(batch, (cursor) => [
      cursor.length,
      cursor.separatorIndex,
      cursor.piece,
      cursor.unterminated,
      cursor.byteAt(0),
      cursor.byteAt(cursor.length),
      cursor.byteAt(-1),
      cursor.value(),
      cursor.text('latin1'),
      cursor.bytes().toString('latin1'),
      cursor.borrow().toString('latin1'),
    ]);
    assert.deepEqual(seen, [
      [2, 0, 'whole', false, 0x61, undefined, undefined, 'ab', 'ab', 'ab', 'ab'],
      [1, 1, 'whole', false, 0xe9, undefined, undefined, 'é', 'é', '\xe9', '\xe9'],
      [0, 0, 'whole', false, undefined, undefined, undefined, '', '', '', ''],
    ]);
  });

  it('says which record the end of the stream ended', async () => {
    const { far, stream } = fed(lines(), 'a\nb');
    await far.end();
    const flags: boolean[] = [];
    for await (const batch of stream.batches()) for (const cursor of batch) flags.push(cursor.unterminated);
    assert.deepEqual(flags, [false, true]);
  });

  it('gives texts that are no ASCII in the encoding asked for', () => {
    const { stream } = fed(lines(), 'ä\nb\xc3\xa4\n1\n2\n3\n4\n5\n');
    const texts = Array.from(batchOf(stream), (cursor) => [cursor.text(), cursor.text('latin1'), cursor.value()]);
    assert.deepEqual(texts.slice(0, 3), [
      ['\ufffd', 'ä', '\ufffd'],
      ['bä', 'bÃ¤', 'bä'],
      ['1', '1', '1'],
    ]);
  });

  it('expires when the next one is asked for, whatever of it is used', async () => {
    const { far, stream } = fed(lines(), 'a\nb\n');
    const batch = batchOf(stream);
    const [first] = batch;
    const iterator = batch[Symbol.iterator]();
    far.tryWrite(Buffer.from('c\n'));
    assert.equal(stream.tryRead(), 'b');
    const cursor = first as RecordCursor<string>;
    const uses = [
      () => cursor.length,
      () => cursor.piece,
      () => cursor.unterminated,
      () => cursor.separatorIndex,
      () => cursor.byteAt(0),
      () => cursor.value(),
      () => cursor.text(),
      () => cursor.bytes(),
      () => cursor.borrow(),
      () => batch.values(),
      () => iterator.next(),
      () => stream.tryWrite(cursor),
    ];
    for (const use of uses) assert.throws(use, expired, String(use));
    assert.equal(stream.tryRead(), 'c');
  });

  for (const [name, codec] of [
    ['a codec with a framer', () => lines()],
    ['a codec without one', () => noFramer()],
  ] as const) {
    it(`is read whole by asking for the next one: ${name}`, () => {
      const { far, stream } = fed(codec(), 'a\nb\nc\n');
      for (const cursor of batchOf(stream)) {
        assert.equal(cursor.value(), 'a');
        break;
      }
      far.tryWrite(Buffer.from('d\n'));
      assert.deepEqual(batchOf(stream).values(), ['d']);
    });

    it(`gives back what was not visited when the iteration is left: ${name}`, async () => {
      const { stream } = fed(codec(), 'a\nb\nc\nd\n');
      for await (const batch of stream.batches()) {
        for (const cursor of batch) if (cursor.value() === 'b') break;
        break;
      }
      assert.equal(stream.tryRead(), 'c');
      for await (const batch of stream.batches()) {
        assert.deepEqual([...batch].length, 1);
        break;
      }
      assert.equal(stream.tryRead(), NOT_READY);
    });

    it(`values are owned and count as visited: ${name}`, async () => {
      const { stream } = fed(codec(), 'a\nb\n');
      let values: string[] = [];
      for await (const batch of stream.batches()) {
        values = batch.values();
        break;
      }
      assert.deepEqual(values, ['a', 'b']);
      assert.equal(stream.tryRead(), NOT_READY);
    });
  }

  it('values of bytes are those of the cursor and of single reads, small and large, and do not overlap', () => {
    const sizes = [0, 1, 64, 4095, 4096, 5000, 0, 8191, 8192, 3, 3000, 3000, 3000, 20_000, 1, 0];
    const text = sizes.map((size, i) => String.fromCharCode(97 + i).repeat(size));
    const input = text.map((one) => `${one.length}:${one}`).join('');
    const codec = () => lengthPrefixed({ bytes: 'decimal' });
    for (const skipped of [0, 1, 5]) {
      const { stream } = fed(codec(), input, { capacity: 1 << 20 });
      for (let i = 0; i < skipped; i++) stream.tryRead();
      const given: Buffer[] = [];
      for (let batch = stream.tryReadBatch(); batch !== NOT_READY; batch = stream.tryReadBatch()) {
        const live = batch as Batch<Buffer>;
        const copies: string[] = [];
        for (const record of live) copies.push(record.bytes().toString());
        const [first, second] = [live.values(), live.values()];
        assert.ok(first.every((record, i) => record.toString() === copies[i]));
        assert.ok(first.every((record) => Object.getPrototypeOf(record) === Buffer.prototype));
        given.push(...second.map((record) => Buffer.from(record)));
        // Whoever writes to a record changes no neighbour; only large ones may be views of what arrived.
        for (const [i, record] of first.entries()) record.fill(i);
        assert.ok(first.every((record, i) => record.every((byte) => byte === i)));
        assert.ok(second.every((record, i) => record.length >= 4096 || record.toString() === copies[i]));
      }
      assert.equal(given.length, text.length - skipped);
      assert.ok(given.every((record, i) => record.toString() === text[skipped + i]));
    }
  });

  it('a small record that is kept keeps no more than a slab, whichever way it was taken', async () => {
    // A slab of ours, or the one of Node's pool: 8 KiB, or 64 since Node 24.
    const most = Math.max(8192, Buffer.from('x').buffer.byteLength);
    const chunk = Buffer.alloc(64 * 1024, Buffer.concat([Buffer.of(0, 0, 0, 60), Buffer.alloc(60, 'x')]));
    const ways: ((stream: FramedStream<Buffer, unknown>) => Buffer[])[] = [
      (stream) => batchOf(stream).values(),
      (stream) => Array.from(batchOf(stream), (record) => record.value()),
      (stream) => Array.from(batchOf(stream), (record) => record.bytes()),
      (stream) => Array.from({ length: 1024 }, () => stream.tryRead() as Buffer),
    ];
    for (const take of ways) {
      const stream = framed(Readable.from([chunk], { objectMode: false }), lengthPrefixed());
      await stream.ready('read');
      const records = take(stream);
      assert.equal(records.length, 1024);
      assert.ok(records.every((record) => record.length === 60 && record[59] === 0x78));
      assert.ok(records.every(({ buffer }) => buffer !== chunk.buffer && buffer.byteLength <= most));
    }
  });

  it('a cursor out of its batch throws from every field, also where the record was empty', () => {
    for (const text of ['a\n', '\n']) {
      const { stream } = fed(lines({ encoding: 'buffer' }), text);
      const [record] = batchOf(stream) as unknown as RecordCursor<Buffer>[] & Iterable<RecordCursor<Buffer>>;
      assert.equal(record!.byteAt(1), undefined);
      assert.equal(stream.tryRead(), NOT_READY);
      assert.throws(() => record!.length, expired);
      assert.throws(() => record!.byteAt(0), expired);
      assert.throws(() => record!.byteAt(7), expired);
      assert.throws(() => record!.borrow(), expired);
      assert.throws(() => record!.bytes(), expired);
    }
  });

  for (const [name, codec] of [
    ['a codec with a framer', () => lines()],
    ['a codec without one', () => noFramer()],
  ] as const) {
    it(`starts at the first record each time it is iterated: ${name}`, async () => {
      const { stream } = fed(codec(), 'a\nb\nc\n');
      const seen: string[] = [];
      for await (const batch of stream.batches()) {
        for (const cursor of batch) seen.push(cursor.text());
        for (const cursor of batch) seen.push(cursor.text());
        seen.push(...batch.values());
        for (const cursor of batch) seen.push(cursor.text());
        break;
      }
      assert.equal(seen.join(''), 'abcabcabcabc');
      assert.equal(stream.tryRead(), NOT_READY);
    });

    it(`gives back what no loop has visited, whichever got furthest: ${name}`, async () => {
      const { stream } = fed(codec(), 'a\nb\nc\nd\n');
      for await (const batch of stream.batches()) {
        for (const cursor of batch) if (cursor.text() === 'b') break;
        for (const cursor of batch) if (cursor.text() === 'a') break;
        break;
      }
      assert.equal(stream.tryRead(), 'c');
    });
  }

  it('an iteration that is started again ends before a record that could not be decoded', () => {
    const { stream } = fed(jsonLines<number>(), '1\n2\n{\n4\n');
    const batch = batchOf(stream);
    assert.throws(() => Array.from(batch, (cursor) => cursor.value()), { code: 'ERR_INVALID_JSON' });
    assert.deepEqual(
      Array.from(batch, (cursor) => cursor.value()),
      [1, 2],
    );
    assert.throws(() => stream.tryRead(), { code: 'ERR_INVALID_JSON' });
  });

  it('an expired batch cannot be iterated again', () => {
    const { stream } = fed(lines(), 'a\n');
    const batch = batchOf(stream);
    for (const _ of batch);
    stream.tryRead();
    assert.throws(() => [...batch], expired);
  });

  for (const encoding of ['utf8', 'latin1', 'buffer'] as const) {
    it(`text in two encodings in turn decodes the batch once in each: records as ${encoding}`, () => {
      const { stream } = fed(lines({ encoding }), Buffer.from('grün\n'.repeat(1000)).toString('latin1'));
      const batch = batchOf(stream);
      const counted = countDecoded(() => {
        for (const cursor of batch) {
          assert.equal(cursor.text(), 'grün');
          assert.equal(cursor.text('latin1'), 'gr\xc3\xbcn');
        }
      });
      assert.equal(batch.length, 1000);
      // Bytes, and for UTF-8 the two bytes of each unit; the last rows of a group may be decoded one by one.
      assert.ok(counted < 4 * 6000, `${counted} bytes decoded of 6000`);
    });
  }

  it('a record that cannot be decoded ends the batch before it, and the error comes with the next read', () => {
    const { stream } = fed(jsonLines<number>(), '1\n2\n{\n4\n');
    assert.deepEqual(batchOf(stream).values(), [1, 2]);
    const error = { code: 'ERR_INVALID_JSON', offset: 4, protocol: 'json-lines' };
    for (let i = 0; i < 2; i++) assert.throws(() => stream.tryReadBatch(), error);
    assert.throws(() => stream.tryRead(), error);
  });

  it('an error met through a cursor sticks too', async () => {
    const { stream } = fed(jsonLines<number>(), '1\n{\n3\n');
    const error = { code: 'ERR_INVALID_JSON', offset: 2 };
    const seen: number[] = [];
    await assert.rejects(async () => {
      for await (const batch of stream.batches()) for (const cursor of batch) seen.push(cursor.value());
    }, error);
    assert.deepEqual(seen, [1]);
    assert.throws(() => stream.tryRead(), error);
  });

  it('a first record that cannot be decoded throws from values, and sticks', () => {
    const { stream } = fed(jsonLines<number>(), '{\n1\n');
    const batch = batchOf(stream);
    assert.throws(() => batch.values(), { code: 'ERR_INVALID_JSON', offset: 0 });
    assert.throws(() => stream.tryRead(), { code: 'ERR_INVALID_JSON', offset: 0 });
  });

  it('a cursor over values that are neither text nor bytes has value() alone', () => {
    const codec = mapped(noFramer(), { decode: Number, encode: String });
    const { stream } = fed(codec, '1\n');
    for (const cursor of batchOf(stream)) {
      assert.equal(cursor.value(), 1);
      assert.throws(() => cursor.bytes(), { code: 'ERR_RECORD_NOT_ENCODABLE' });
    }
  });
});

/** Bytes that become text meanwhile. */
function countDecoded(run: () => void): number {
  type Slices = Record<'latin1Slice' | 'utf8Slice' | 'ucs2Slice', (from: number, to: number) => string>;
  const prototype = Buffer.prototype as unknown as Slices;
  const names = ['latin1Slice', 'utf8Slice', 'ucs2Slice'] as const;
  const originals = names.map((name) => prototype[name]);
  let count = 0;
  names.forEach((name, index) => {
    prototype[name] = function (this: Buffer, from, to) {
      count += to - from;
      return originals[index]!.call(this, from, to);
    };
  });
  try {
    run();
  } finally {
    names.forEach((name, index) => {
      prototype[name] = originals[index]!;
    });
  }
  return count;
}

/** Lines by a codec that is asked record by record. */
function noFramer() {
  const codec = lines();
  return {
    name: 'plain',
    decode: codec.decode.bind(codec),
    encode: codec.encode.bind(codec),
    finish: codec.finish.bind(codec),
  };
}

describe('idea: verbatim records pass as they are', () => {
  it('a cursor is written to another stream, framed anew', async () => {
    const { stream } = fed(lines(), 'one\ntwo\n');
    const [near, far] = bytePair();
    const out = framed(near, lengthPrefixed({ bytes: 1 }));
    for (const cursor of batchOf(stream)) assert.equal(out.tryWrite(cursor), true);
    out.tryFlush();
    far.tryFill();
    assert.equal(far.input.take(8).toString('latin1'), '\x03one\x03two');
  });

  it('a cursor written to a mapped codec is its value, also when it has to wait', async () => {
    const { stream } = fed(jsonLines(), '{"a":1}\n[2]\n');
    const [near, far] = memoryPair({ capacity: 1 });
    const out = framed(near, jsonLines(), { writeHighWaterMark: 1 });
    const writes: Promise<void>[] = [];
    for (const cursor of batchOf(stream)) writes.push(out.write(cursor));
    stream.tryRead();
    const reader = framed(far, jsonLines());
    assert.deepEqual([await reader.read(), await reader.read()], [{ a: 1 }, [2]]);
    await Promise.all(writes);
  });

  it('a cursor that has to wait is copied, and sent although its batch has ended', async () => {
    const { stream } = fed(lines(), `${'x'.repeat(30_000)}\nshort\n`);
    const [near, far] = bytePair({ capacity: 100 });
    const out = framed(near, lines(), { writeHighWaterMark: 1 });
    const writes: Promise<void>[] = [];
    for (const cursor of batchOf(stream)) writes.push(out.write(cursor));
    assert.equal(stream.tryRead(), NOT_READY);
    const reader = framed(far, lines());
    assert.deepEqual([await reader.read(), await reader.read()], ['x'.repeat(30_000), 'short']);
    await Promise.all(writes);
  });
});

describe('idea: push for application data', () => {
  it('hands out every record in order and resolves at the end', async () => {
    const { far, stream } = fed(lines(), 'a\nb\n');
    const seen: string[] = [];
    const done = stream.onRecord((record) => seen.push(record.value()));
    await new Promise((resolve) => setImmediate(resolve));
    far.tryWrite(Buffer.from('c\nd'));
    await far.end();
    await done;
    assert.deepEqual(seen, ['a', 'b', 'c', 'd']);
    assert.equal(stream.tryRead(), EOF);
  });

  it('echoes cursors, and stops reading while its answers do not leave', async () => {
    const [near, far] = memoryPair({ capacity: 100, readHighWaterMark: 100 });
    const echo = framed(near, lines(), { writeHighWaterMark: 50 });
    let handled = 0;
    const done = echo.onRecord((record, out) => {
      handled++;
      out.write(record);
    });
    const client = framed(far, lines());
    const texts = Array.from({ length: 300 }, (_, i) => `line ${i}`);
    const writing = (async () => {
      for (const text of texts) await client.write(text);
      await client.end();
    })();
    for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(handled < 60, `${handled} handled although nobody reads the answers`);
    const read: string[] = [];
    for (const _ of texts) read.push((await client.read()) as string);
    await Promise.all([writing, done]);
    assert.deepEqual(read, texts);
  });

  it('a handler that throws rejects, and the rest stays readable behind the record', async () => {
    const { stream } = fed(lines(), 'a\nb\nc\nd\n');
    const boom = new Error('handler');
    const failing = stream.onRecord((record) => {
      if (record.text() === 'b') throw boom;
    });
    await assert.rejects(failing, boom);
    assert.equal(stream.tryRead(), 'c');
    assert.equal(stream.tryRead(), 'd');
  });

  it('a handler that returns a promise rejects, whether it rejects itself or not, and the rest stays readable', async () => {
    const { stream } = fed(lines(), 'a\nb\nc\n');
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const refused = { code: 'ERR_INVALID_ARG_VALUE', message: /must be synchronous/ };
      const failing = stream.onRecord(async (record) => {
        await Promise.resolve();
        record.text();
      });
      await assert.rejects(failing, refused);
      await assert.rejects(
        stream.onRecord(async () => {}),
        refused,
      );
      assert.equal(stream.tryRead(), 'c');
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', note);
    }
    assert.deepEqual(unhandled, []);
  });

  it('a switch inside the handler hands the rest over, and resolves', async () => {
    const { stream } = fed(lines(), 'HELLO\n\x03abc\x01d');
    let next: FramedStream<Buffer, string | Uint8Array> | undefined;
    await stream.onRecord((record) => {
      assert.equal(record.text(), 'HELLO');
      next = stream.switchTo(lengthPrefixed({ bytes: 1 }));
      assert.throws(() => record.text(), expired);
    });
    assert.deepEqual([String(next!.tryRead()), String(next!.tryRead())], ['abc', 'd']);
  });

  it('a destroy inside the handler rejects, and drops the rest', async () => {
    const { stream } = fed(lines(), 'a\nb\n');
    let handled = 0;
    const done = stream.onRecord(() => {
      handled++;
      stream.destroy();
    });
    await assert.rejects(done, { code: 'ERR_STREAM_DESTROYED' });
    assert.equal(handled, 1);
  });

  it('refuses other reads inside the handler, and after its end allows them again', async () => {
    const { far, stream } = fed(lines(), 'a\nb\n');
    const refused = { code: 'ERR_READ_IN_PROGRESS' };
    let handled = 0;
    const done = stream.onRecord(() => {
      handled++;
      assert.throws(() => stream.tryRead(), refused);
      assert.throws(() => stream.tryReadBatch(), refused);
    });
    await far.end();
    await done;
    assert.equal(handled, 2);
    assert.equal(stream.tryRead(), EOF);
  });

  it('an abort ends it, and loses nothing', async () => {
    const { far, stream } = fed(lines(), 'a\nb');
    const controller = new AbortController();
    const done = stream.onRecord(() => {}, { signal: controller.signal });
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort(new Error('stop'));
    await assert.rejects(done, { message: 'stop' });
    far.tryWrite(Buffer.from('\n'));
    assert.equal(stream.tryRead(), 'b');
  });

  it('refuses what is no function', () => {
    const { stream } = fed(lines(), '');
    assert.throws(() => stream.onRecord('x' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('rejects with what makes its answers impossible', async () => {
    const { far, stream } = fed(lines(), 'a\nb\n');
    far.destroy();
    const done = stream.onRecord((record, out) => void out.write(record));
    await assert.rejects(done, { name: 'TransportError' });
  });
});

describe('a source that always has more', () => {
  /** Gives chunks for as long as it is asked, all at once, until the event loop has had a turn. */
  function endless(): { source: Readable; turns: () => number } {
    let turns = 0;
    const source = new Readable({
      read() {
        this.push(turns < 3 ? Buffer.alloc(64 * 1024, 'line\n') : null);
      },
    });
    const count = () => {
      turns++;
      if (turns < 3) setImmediate(count);
    };
    setImmediate(count);
    return { source, turns: () => turns };
  }

  it('leaves the event loop its turns in each form of reading', async () => {
    const forms: ((source: Readable) => Promise<void>)[] = [
      async (source) => {
        for await (const _ of framed(source, lines()).batches());
      },
      async (source) => {
        for await (const _ of framed(source, lines()));
      },
      (source) => framed(source, lines()).onRecord(() => {}),
      async (source) => {
        const talk = framed(source, lines());
        while ((await talk.read()) !== EOF);
      },
    ];
    for (const read of forms) {
      const { source, turns } = endless();
      await read(source);
      assert.equal(turns(), 3);
    }
  });
});
