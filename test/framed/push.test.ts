/**
 * What the large records of a push and of batches lie in: memory that is used again when a record was handed on, so nothing
 * that somebody still reads may lie in it. And what stops a push in the middle of a batch.
 */
import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { type Batch, EOF, framed, lengthPrefixed, lines, memoryPair } from 'miniproto';

const KIB = 1024;
const RECORD = 256 * KIB;
const COUNT = 24;

/** Records behind a length of 4 bytes, each of its own byte, in chunks that cut them anywhere. */
function wire(): Buffer {
  const records = Array.from({ length: COUNT }, (_, index) => {
    const record = Buffer.alloc(4 + RECORD, index + 1);
    record.writeUInt32BE(RECORD);
    return record;
  });
  return Buffer.concat(records);
}

function* chunksOf(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Takes everything, and looks at it when the first `late` pieces have been queued: they are read that late. */
function lateSink(late: number): { sink: Writable; written: Buffer[] } {
  const written: Buffer[] = [];
  const waiting: { chunk: Buffer; done: () => void }[] = [];
  const sink = new Writable({
    highWaterMark: Number.MAX_SAFE_INTEGER,
    writev(parts, done) {
      for (const { chunk } of parts) waiting.push({ chunk, done: () => {} });
      waiting.at(-1)!.done = done;
      if (waiting.length >= late) this.emit('due');
      else setImmediate(() => this.emit('due'));
    },
  });
  sink.on('due', () => {
    for (const { chunk, done } of waiting.splice(0)) {
      written.push(Buffer.from(chunk));
      done();
    }
  });
  return { sink, written };
}

const open = (writable?: Writable) => {
  const readable = Readable.from(chunksOf(wire(), 60 * KIB), { objectMode: false });
  return framed(writable === undefined ? readable : { readable, writable }, lengthPrefixed());
};

describe('the large records of a push', () => {
  it('arrive as they were where a Node stream reads their echo late', async () => {
    const { sink, written } = lateSink(8);
    const stream = open(sink);
    await stream.onRecord((record, out) => void out.write(record));
    await stream.flush();
    assert.deepEqual(Buffer.concat(written), wire());
  });

  it('keep what value() and bytes() gave, and what was sent of it', async () => {
    const { sink, written } = lateSink(4);
    const stream = open(sink);
    const values: Buffer[] = [];
    await stream.onRecord((record, out) => {
      values.push(values.length % 2 === 0 ? record.value() : record.bytes());
      out.write(values.at(-1)!);
    });
    await stream.flush();
    assert.equal(values.length, COUNT);
    for (const [index, value] of values.entries()) assert.deepEqual(value, Buffer.alloc(RECORD, index + 1));
    assert.deepEqual(Buffer.concat(written), wire());
  });

  it('give values that can be transferred', async () => {
    const stream = open();
    const values: Buffer[] = [];
    await stream.onRecord((record) => void values.push(record.value()));
    for (const value of values) {
      const copy = structuredClone(value.buffer, { transfer: [value.buffer as ArrayBuffer] });
      assert.equal(copy.byteLength >= RECORD, true);
    }
  });

  it('leave what follows to a codec that keeps what it sees', async () => {
    const stream = open();
    const kept: Buffer[] = [];
    let count = 0;
    await stream.onRecord(() => {
      if (++count < COUNT / 2) return;
      const next = stream.switchTo({
        name: 'views',
        decode: (input) => {
          if (input.length < 4 + RECORD) return input.need(4 + RECORD);
          const view = input.peek(4 + RECORD);
          input.consume(4 + RECORD);
          return view;
        },
        encode: () => true,
      });
      void (async () => {
        for await (const record of next) kept.push(record as Buffer);
      })();
    });
    while (kept.length < COUNT / 2) await new Promise((resolve) => setImmediate(resolve));
    for (const [index, record] of kept.entries()) assert.equal(record[RECORD], COUNT / 2 + index + 1);
  });
});

describe('the large records of batches', () => {
  it('lie in the same memory one after the other, and once one was kept in memory of their own', async () => {
    const memories: ArrayBufferLike[] = [];
    let kept: Buffer | undefined;
    for await (const batch of open().batches()) {
      for (const record of batch) {
        memories.push(record.borrow().buffer);
        if (memories.length === COUNT / 2) kept = record.value();
      }
    }
    assert.equal(memories.length, COUNT);
    assert.equal(new Set(memories.slice(0, COUNT / 2)).size, 1);
    assert.equal(new Set(memories.slice(COUNT / 2 - 1)).size, COUNT / 2 + 1);
    assert.deepEqual(kept, Buffer.alloc(RECORD, COUNT / 2));
  });

  const ways: Record<string, (batch: Batch<Buffer>, index: number) => Buffer[]> = {
    'values()': (batch) => batch.values(),
    'value() and bytes()': (batch, index) =>
      Array.from(batch, (record) => (index % 2 === 0 ? record.value() : record.bytes())),
  };
  for (const [way, take] of Object.entries(ways)) {
    it(`keep what ${way} gave, also between single reads`, async () => {
      const stream = open();
      const given: Buffer[] = [];
      for (let single = await stream.read(); single !== EOF; single = await stream.read()) {
        given.push(single);
        for await (const batch of stream.batches()) {
          given.push(...take(batch, given.length));
          break;
        }
      }
      assert.equal(given.length, COUNT);
      for (const [index, record] of given.entries()) assert.deepEqual(record, Buffer.alloc(RECORD, index + 1));
    });
  }

  it('arrive as they were where a Node stream reads their echo late', async () => {
    const { sink, written } = lateSink(8);
    const stream = open(sink);
    for await (const batch of stream.batches()) {
      for (const record of batch) if (stream.tryWrite(record) !== true) await stream.write(record);
    }
    await stream.flush();
    assert.deepEqual(Buffer.concat(written), wire());
  });
});

describe('a push that is interrupted', () => {
  it('refuses a write after the end in the same call', async () => {
    const stream = framed(Readable.from([Buffer.from('a\nb\n')], { objectMode: false }), lines());
    const seen: string[] = [];
    await assert.rejects(
      stream.onRecord((record, out) => {
        seen.push(record.text());
        void stream.end().catch(() => {});
        out.write('x');
      }),
      { code: 'ERR_STREAM_ENDED' },
    );
    assert.deepEqual(seen, ['a']);
  });

  it('refuses a write while a record is written in parts', async () => {
    const { sink } = lateSink(1);
    const readable = Readable.from([Buffer.from('\0\0\0\x01a\0\0\0\x01b')], { objectMode: false });
    const stream = framed({ readable, writable: sink }, lengthPrefixed());
    await assert.rejects(
      stream.onRecord((_record, out) => {
        stream.tryBegin(10);
        out.write(Buffer.from('x'));
      }),
      { code: 'ERR_RECORD_UNFINISHED' },
    );
  });

  it('gives no further record of the batch after an abort', async () => {
    const controller = new AbortController();
    const stream = framed(Readable.from([Buffer.from('a\nb\nc\n')], { objectMode: false }), lines());
    const seen: string[] = [];
    const push = stream.onRecord(
      (record) => {
        seen.push(record.text());
        controller.abort();
      },
      { signal: controller.signal },
    );
    await assert.rejects(push, { name: 'AbortError' });
    assert.deepEqual(seen, ['a']);
    assert.equal(await stream.read(), 'b');
  });
});

describe('a push and those who write beside it', () => {
  it('does not wait for each other where two ends send and their handlers only read', async () => {
    const ends = memoryPair({ capacity: 100 }).map((end) => framed(end, lengthPrefixed(), { writeHighWaterMark: 100 }));
    const seen = [0, 0];
    const pushes = ends.map((talk, index) => talk.onRecord(() => void seen[index]++));
    const writes = ends.map(async (talk) => {
      for (let i = 0; i < 50; i++) await talk.write(Buffer.alloc(99));
      await talk.end();
    });
    await Promise.all([...pushes, ...writes]);
    assert.deepEqual(seen, [50, 50]);
  });

  it('waits for its own answers, also where they were written to the stream', async () => {
    const [one, other] = memoryPair({ capacity: 100 });
    const talk = framed(other, lines(), { writeHighWaterMark: 100 });
    let seen = 0;
    const push = talk.onRecord(() => {
      seen++;
      void talk.write('x'.repeat(99));
    });
    for (let i = 0; i < 100; i++) {
      one.tryWrite(Buffer.from('again\n'));
      await new Promise(setImmediate);
    }
    assert.ok(seen < 10, `${seen} records were read`);
    talk.destroy();
    await assert.rejects(push, { code: 'ERR_STREAM_DESTROYED' });
  });
});
