/**
 * How a DuplexStream takes chunks as they come, and stops: bounded where nobody takes them, in peace with what others do
 * to the Node stream, and leaving it as it was.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { execPath, versions } from 'node:process';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { type Codec, EOF, type FramedStream, framed, lengthPrefixed, lines, NOT_READY, netstring } from 'miniproto';
import { DuplexStream } from '#lib/streams/duplex-stream';
import { OneChunkReadable } from '../support/one-chunk-readable.js';

const MARK = 100;
const CHUNK = Buffer.alloc(40, 'x');

/** Everything that has been put off until now has happened. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** It gives its chunks by itself. */
const flows = ({ readableFlowing }: Readable): boolean => readableFlowing === true;

/** Node 26 gives one chunk a read, and is read: there the records alone are looked at. */
const READS_ONE = Number.parseInt(versions.node, 10) >= 26;

/** A source that makes a chunk when it is read, and how often it was. */
function sourceOf(wire: Buffer, size: number): { source: Readable; counted: { reads: number } } {
  const counted = { reads: 0 };
  let at = 0;
  const source = new Readable({
    read() {
      this.push(at >= wire.length ? null : wire.subarray(at, at + size));
      at += size;
    },
  });
  const read = source.read.bind(source);
  source.read = (byteCount) => {
    if (byteCount !== 0 && !flows(source)) counted.reads++;
    return read(byteCount);
  };
  return { source, counted };
}

/** The values of all records. */
async function everyRecord(
  stream: Pick<FramedStream<string, unknown>, 'onRecord' | 'batches' | typeof Symbol.asyncIterator>,
  form: 'for await' | 'batches' | 'push',
) {
  const got: string[] = [];
  if (form === 'push') await stream.onRecord((record) => got.push(record.value()));
  else if (form === 'batches') for await (const batch of stream.batches()) got.push(...batch.values());
  else for await (const record of stream) got.push(record);
  return got;
}

/** Counts how often the codec's framer looks at bytes. */
function countTries(codec: Codec<unknown, never>): { count: number } {
  const tries = { count: 0 };
  const { framer } = codec.framing!;
  const counted = {
    frame: (...args: Parameters<typeof framer.frame>) => {
      tries.count++;
      return framer.frame(...args);
    },
  };
  Object.defineProperty(codec, 'framing', { value: { ...codec.framing!, framer: counted } });
  return tries;
}

/** A stream that flows: somebody has waited for it. */
async function flowing(): Promise<{ source: PassThrough; stream: DuplexStream }> {
  const source = new PassThrough({ highWaterMark: MARK });
  const stream = new DuplexStream(source, { readHighWaterMark: MARK });
  assert.equal(stream.tryFill(1), NOT_READY);
  const waiting = stream.ready('read');
  source.write('a');
  await waiting;
  assert.equal(stream.tryFill(1), 1);
  stream.input.consume(1);
  return { source, stream };
}

describe('Flow', () => {
  it('takes a mark and a chunk of what nobody reads, and lets the Node stream fill up behind it', async () => {
    const { source, stream } = await flowing();
    let written = 0;
    for (let round = 0; round < 50; round++) {
      if (source.write(CHUNK)) written++;
      else await turn();
    }
    assert.ok(stream.input.length >= MARK && stream.input.length <= MARK + 2 * CHUNK.length, `${stream.input.length}`);
    assert.ok(source.writableNeedDrain, 'whoever writes is held');
    source.end();
    while (stream.tryFill(stream.input.length + 1) !== EOF) {
      stream.input.consume(stream.input.length);
      await stream.ready('read').catch(() => {});
    }
    assert.ok(written < 50);
  });

  it('waits for a record that is larger than the mark without stopping, and not for what comes behind it', async () => {
    const { source, stream } = await flowing();
    assert.equal(stream.tryFill(10 * MARK), NOT_READY);
    for (let sent = 0; sent < 10 * MARK; sent += CHUNK.length) source.write(CHUNK);
    await turn();
    assert.equal(stream.tryFill(10 * MARK), stream.input.length);
    const { length } = stream.input;
    for (let more = 0; more < 20; more++) source.write(CHUNK);
    await turn();
    assert.ok(stream.input.length <= length + CHUNK.length, `${stream.input.length - length} more`);
  });

  it('is ready at once when bytes came between the attempt and the wait', async () => {
    const { source, stream } = await flowing();
    assert.equal(stream.tryFill(1), NOT_READY);
    source.write('b');
    assert.equal(stream.pendingRead, undefined);
    await stream.ready('read');
    assert.equal(stream.tryFill(1), 1);
  });

  for (const form of ['for await', 'batches', 'push'] as const) {
    for (const { size, recordCount } of [
      { size: 1, recordCount: 500 },
      { size: 100, recordCount: 10_000 },
    ]) {
      it(`takes chunks of ${size} that a source makes at once as they come, by ${form}`, async () => {
        const records = Array.from({ length: recordCount }, (_, i) => 'r'.repeat(i % 70));
        const wire = Buffer.concat(records.map((text) => Buffer.from(`${text.length}:${text},`)));
        const { source, counted } = sourceOf(wire, size);
        const codec = netstring({ encoding: 'latin1' });
        const tries = countTries(codec);
        const got = await everyRecord(framed(source, codec), form);
        assert.deepEqual(got, records);
        // A read of each, and with it a tick and an event, is what it was; and for a push, a look at each by itself.
        const chunkCount = wire.length / size;
        if (size > 1 && READS_ONE) return;
        assert.ok(counted.reads < chunkCount / 20, `${counted.reads} reads for ${chunkCount} chunks`);
        if (form !== 'for await') assert.ok(tries.count < chunkCount / 10, `${tries.count} tries of ${chunkCount}`);
      });
    }
  }

  it('tells a push of what it needs and not of each chunk, and of the end in any case', async () => {
    const source = new PassThrough();
    const codec = lengthPrefixed({ bytes: 1 });
    const tries = countTries(codec);
    const got: string[] = [];
    const done = framed(source, codec).onRecord((record) => got.push(record.text()));
    done.catch(() => {});
    await turn();
    for (const byte of Buffer.from(`\x64${'x'.repeat(100)}`)) source.write(Buffer.of(byte));
    await turn();
    assert.deepEqual(got, ['x'.repeat(100)]);
    assert.ok(tries.count < 10, `${tries.count} tries`);
    source.end(Buffer.of(5, 1));
    await assert.rejects(done, { code: 'ERR_UNEXPECTED_EOF' });
  });

  it('gives all crumbs that lie in the Node stream without a wait, before its end and after', async () => {
    for (const ended of [false, true]) {
      const source = new OneChunkReadable({ highWaterMark: 1 << 20, read() {} });
      const stream = new DuplexStream(source);
      for (let i = 0; i < 1000; i++) source.push(Buffer.of(i & 0x7f));
      if (ended) source.push(null);
      assert.equal(stream.tryFill(1000), 1000);
      stream.destroy();
      await turn();
    }
  });

  it('reads by "readable" where somebody else listens for that', async () => {
    const source = new PassThrough();
    source.on('readable', () => {});
    const stream = framed(source, lines());
    const first = stream.read();
    source.write('one\ntwo\n');
    assert.equal(await first, 'one');
    assert.equal(await stream.read(), 'two');
    const last = stream.read();
    source.end();
    assert.equal(await last, EOF);
  });

  it('goes on when somebody waits for a stream that was paused', async () => {
    const { source, stream } = await flowing();
    source.pause();
    source.write('b');
    await turn();
    assert.equal(stream.tryFill(1), 1);
    stream.input.consume(1);
    const waiting = stream.ready('read');
    source.write('c');
    await waiting;
    assert.equal(stream.tryFill(1), 1);
  });

  it('tells of what arrives within a write of ours when that write is done', async () => {
    const loop = new PassThrough();
    const talk = framed(loop, lines());
    const heard: string[] = [];
    const pushing = talk.onRecord((record, out) => {
      heard.push(record.text());
      if (heard.length < 5) out.write(`line ${heard.length}`);
      else loop.end();
    });
    await turn();
    await talk.write('line 0');
    await pushing;
    assert.deepEqual(heard, ['line 0', 'line 1', 'line 2', 'line 3', 'line 4']);
  });

  it('loses nothing of a child that has exited, however slowly it is read', async () => {
    const count = 4000;
    const program = `for (let i = 0; i < ${count}; i++) console.log(String(i).padStart(30))`;
    const child = spawn(execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    let next = 0;
    for await (const line of framed(child.stdout, lines())) {
      assert.equal(Number(line), next++);
      // By then the pipe holds what the stream has not taken, or the child waits for room.
      if (next === 1) await Promise.race([exited, setTimeout(200)]);
      else if (next === count / 2) await exited;
    }
    assert.equal(next, count);
  });

  it('gives the bytes that a stream holds which was paused and then destroyed', async () => {
    const { source, stream } = await flowing();
    source.pause();
    source.write('bc');
    source.destroy(new Error('gone'));
    assert.equal(stream.tryFill(2), 2);
    await assert.rejects(stream.ready('read'), { code: 'ERR_TRANSPORT' });
  });

  it('loses nothing when it is released in the tick in which somebody began to wait', async () => {
    const source = new PassThrough();
    const stream = new DuplexStream(source);
    assert.equal(stream.tryFill(1), NOT_READY);
    const waiting = stream.ready('read');
    source.write('ab');
    stream.release();
    await assert.rejects(waiting, { code: 'ERR_STREAM_DESTROYED' });
    await turn();
    source.end('c');
    const chunks: Buffer[] = [];
    for await (const chunk of source) chunks.push(chunk as Buffer);
    assert.equal(String(Buffer.concat(chunks)), 'abc');
  });

  it('draws nothing more from a stream that gave what is no bytes', async () => {
    let given = 0;
    const source = new Readable({
      objectMode: true,
      read: () => void setImmediate(() => source.push({ given: ++given })),
    });
    await assert.rejects(framed(source, lines()).read(), { code: 'ERR_TRANSPORT' });
    const then = given;
    for (let turns = 0; turns < 50; turns++) await turn();
    assert.ok(given <= then + source.readableHighWaterMark, `${given - then} more`);
    source.destroy();
  });

  for (const [name, stop, rest] of [
    ['while it flows', () => {}, 40],
    ['while it is stopped', (source: PassThrough) => source.write(Buffer.alloc(3 * MARK, 'x')), 340],
  ] as const) {
    it(`leaves a released stream to whoever listens next, ${name}`, async () => {
      const { source, stream } = await flowing();
      stop(source);
      source.write(CHUNK);
      await turn();
      stream.release();
      assert.equal(source.listenerCount('data'), 0);
      await turn();
      const chunks: Buffer[] = [];
      source.on('data', (chunk: Buffer) => chunks.push(chunk));
      source.end('z');
      await once(source, 'end');
      assert.equal(String(Buffer.concat(chunks)), `${'x'.repeat(rest)}z`);
    });
  }

  it('never touched, is left untouched', async () => {
    let reads = 0;
    const source = new Readable({ read: () => void reads++ });
    new DuplexStream(source).release();
    await turn();
    assert.equal(reads, 0);
    assert.equal(source.readableFlowing, null);
  });
});
