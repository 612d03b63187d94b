/** `encodeTransform`: every codec, as the inverse of `decodeTransform`; chunks, backpressure, and errors. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import {
  type Codec,
  decodeTransform,
  encodeTransform,
  fixed,
  jsonLines,
  lengthPrefixed,
  lines,
  mapped,
  NEED_READ,
  NOT_READY,
  netstring,
  separated,
} from 'miniproto';

/** The chunks that a Transform gives for `records`. */
async function chunksOf(transform: Transform, records: readonly unknown[]): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  await pipeline(Readable.from(records), transform, async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) chunks.push(chunk);
  });
  return chunks;
}

async function textOf(transform: Transform, records: readonly unknown[]): Promise<string> {
  return Buffer.concat(await chunksOf(transform, records)).toString('latin1');
}

describe('encodeTransform', () => {
  it('writes the records of every codec', async () => {
    assert.equal(await textOf(encodeTransform(lines()), ['a', '', 'bc']), 'a\n\nbc\n');
    assert.equal(await textOf(encodeTransform(separated('--')), ['a', Buffer.from('b')]), 'a--b--');
    assert.equal(await textOf(encodeTransform(lengthPrefixed({ bytes: 2 })), [Buffer.from('abc')]), '\0\x03abc');
    assert.equal(await textOf(encodeTransform(netstring()), [Buffer.from('abc')]), '3:abc,');
    assert.equal(await textOf(encodeTransform(fixed(2)), [Buffer.from('ab')]), 'ab');
    assert.equal(await textOf(encodeTransform(jsonLines()), [{ a: 1 }, 7]), '{"a":1}\n7\n');
    assert.equal(await textOf(encodeTransform(mapped(lines(), { decode: Number, encode: String })), [1, 2]), '1\n2\n');
  });

  it('is the inverse of decodeTransform, through gzip', async () => {
    const records = Array.from({ length: 20_000 }, (_, i) => ({ i, text: 'é'.repeat(i % 40) }));
    const got: unknown[] = [];
    const streams = [encodeTransform(jsonLines()), createGzip(), createGunzip(), decodeTransform(jsonLines())] as const;
    await pipeline(Readable.from(records), ...streams, async (source: AsyncIterable<unknown>) => {
      for await (const record of source) got.push(record);
    });
    assert.deepEqual(got, records);
  });

  it('is a Transform of objects to bytes', () => {
    const transform = encodeTransform(lines(), { writableHighWaterMark: 3, readableHighWaterMark: 100 });
    assert.ok(transform instanceof Transform);
    assert.equal(transform.writableObjectMode, true);
    assert.equal(transform.readableObjectMode, false);
    assert.equal(transform.writableHighWaterMark, 3);
    assert.equal(transform.readableHighWaterMark, 100);
  });

  it('gives the small records of a turn as one chunk', async () => {
    const transform = encodeTransform(lines());
    const chunks: Buffer[] = [];
    transform.on('data', (chunk) => chunks.push(chunk));
    for (const line of ['a', 'b', 'c']) transform.write(line);
    await new Promise(setImmediate);
    assert.deepEqual(chunks.map(String), ['a\nb\nc\n']);
    transform.end('d');
    await once(transform, 'end');
    assert.deepEqual(chunks.map(String), ['a\nb\nc\n', 'd\n']);
  });

  it('gives a large payload as it lies, without a copy', async () => {
    const payload = Buffer.alloc(100_000, 'x');
    const transform = encodeTransform(lengthPrefixed({ bytes: 4 }));
    const chunks: Buffer[] = [];
    transform.on('data', (chunk) => chunks.push(chunk)).end(payload);
    await once(transform, 'end');
    assert.ok(chunks.every((chunk) => chunk.length === 4 || chunk.buffer === payload.buffer));
  });

  it('takes no more than its marks while nobody reads', async () => {
    const transform = encodeTransform(lines(), { readableHighWaterMark: 1000, writableHighWaterMark: 2 });
    let taken = 0;
    const source = new Readable({
      objectMode: true,
      highWaterMark: 1,
      read() {
        taken++;
        this.push('x'.repeat(99));
      },
    });
    source.pipe(transform);
    for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate);
    assert.ok(taken < 25, `${taken} records were taken`);
    assert.ok(transform.readableLength <= 2000);
    source.destroy();
    transform.destroy();
  });

  it('keeps the order with a slow sink', async () => {
    const records = Array.from({ length: 2000 }, (_, i) => `${i} ${'x'.repeat(i % 100)}`);
    const parts: Buffer[] = [];
    const sink = new Writable({
      highWaterMark: 100,
      write(chunk, _encoding, callback) {
        parts.push(chunk);
        setImmediate(callback);
      },
    });
    await pipeline(Readable.from(records), encodeTransform(lines(), { readableHighWaterMark: 200 }), sink);
    assert.equal(Buffer.concat(parts).toString(), records.map((line) => `${line}\n`).join(''));
  });

  it('writes a greeting and a farewell', async () => {
    const inner = lines();
    const codec: Codec<unknown, string> = {
      name: 'polite',
      start: (output) => void output.writeText('hello\n'),
      end: (output) => void output.writeText('bye\n'),
      decode: (input) => inner.decode(input),
      encode: (record, output) => inner.encode(record, output),
    };
    assert.equal(await textOf(encodeTransform(codec), ['a']), 'hello\na\nbye\n');
    const silent = { ...codec };
    assert.equal(await textOf(encodeTransform(silent), []), 'hello\nbye\n');
    assert.throws(() => encodeTransform(silent), { code: 'ERR_CODEC_IN_USE' });
  });

  it('fails with what a record that cannot be written throws, after the bytes of those before it', async () => {
    const transform = encodeTransform(lines());
    const chunks: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of transform) chunks.push(chunk);
    })();
    transform.write('a');
    transform.write('two\nlines');
    await assert.rejects(reading, { name: 'UsageError', code: 'ERR_RECORD_CONTAINS_SEPARATOR' });
    assert.equal(String(Buffer.concat(chunks)), 'a\n');
    assert.equal(transform.destroyed, true);
  });

  it('is ERR_ONE_DIRECTION when the codec has to hear its peer', async () => {
    const codec: Codec<unknown, string> = { name: 'shy', decode: () => 0, encode: () => NEED_READ };
    await assert.rejects(chunksOf(encodeTransform(codec), ['a']), { code: 'ERR_ONE_DIRECTION', protocol: 'shy' });
  });

  it('refuses what else than true an encode answers', async () => {
    for (const answer of [undefined, false, NOT_READY, 3]) {
      const wrong: Codec<unknown, string> = { name: 'wrong', decode: () => 0, encode: () => answer as never };
      await assert.rejects(chunksOf(encodeTransform(wrong), ['a']), {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /NEED_READ/,
      });
    }
  });

  it('fails when a payload is detached before its turn has ended', async () => {
    const transform = encodeTransform(lengthPrefixed({ bytes: 4 }), { readableHighWaterMark: 1 << 20 });
    const failed = once(transform, 'error');
    const payload = new Uint8Array(50_000);
    transform.write(payload);
    structuredClone(payload.buffer, { transfer: [payload.buffer] });
    const [error] = await failed;
    assert.equal(error.code, 'ERR_PAYLOAD_DETACHED');
  });

  it('checks its arguments', () => {
    assert.throws(() => encodeTransform(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => encodeTransform(lines(), null as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
