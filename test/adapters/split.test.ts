/** `miniproto/split` by itself: what a user of split2 relies on, in `pipeline`, on real files, sockets and gzip streams. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, gzipSync } from 'node:zlib';
import split from 'miniproto/split';

/** The lines of a stream that is given `chunks`. */
async function linesOf(stream: Duplex, chunks: readonly (string | Uint8Array)[]): Promise<unknown[]> {
  const lines: unknown[] = [];
  const sink = new Writable({
    objectMode: true,
    write(line, _encoding, callback) {
      lines.push(line);
      callback();
    },
  });
  await pipeline(chunks, stream, sink);
  return lines;
}

describe('split', () => {
  it('gives two lines of one chunk, without their end', async () => {
    assert.deepEqual(await linesOf(split(), ['hello\nworld']), ['hello', 'world']);
    assert.deepEqual(await linesOf(split(), ['hello\r\nworld\r\n']), ['hello', 'world']);
  });

  it('joins a line of several chunks', async () => {
    assert.deepEqual(await linesOf(split(), ['hello\nwor', 'ld\nbye\nwo', 'rld']), ['hello', 'world', 'bye', 'world']);
    assert.deepEqual(await linesOf(split(), ['hello', 'world']), ['helloworld']);
    assert.deepEqual(await linesOf(split(), ['hello\n', 'world']), ['hello', 'world']);
    assert.deepEqual(await linesOf(split(), ['hello\r', '\nworld']), ['hello', 'world']);
  });

  it('gives empty lines, but no empty line at the end', async () => {
    assert.deepEqual(await linesOf(split(), ['\n\na\n\n']), ['', '', 'a', '']);
    assert.deepEqual(await linesOf(split(), []), []);
    assert.deepEqual(await linesOf(split(), ['']), []);
  });

  it('takes strings, RegExps and objects with Symbol.split as matchers', async () => {
    const matcher = { [Symbol.split]: (text: string) => text.split('~') };
    for (const any of ['~', /~/, matcher]) {
      assert.deepEqual(await linesOf(split(any), ['hello~wo', 'rld']), ['hello', 'world']);
    }
    assert.deepEqual(await linesOf(split('--'), ['a-', '-b---', 'c']), ['a', 'b', '-c']);
  });

  it('maps lines, and drops those that the mapper makes undefined of', async () => {
    const text = '{"a":42}\n{"b":24}';
    assert.deepEqual(await linesOf(split(JSON.parse), [text]), [{ a: 42 }, { b: 24 }]);
    assert.deepEqual(await linesOf(split('~', JSON.parse), [text.replace('\n', '~')]), [{ a: 42 }, { b: 24 }]);
    assert.deepEqual(
      await linesOf(
        split(() => undefined),
        ['hello\nworld'],
      ),
      [],
    );
  });

  it('destroys the stream with what the mapper throws, at a line or at the end', async () => {
    const failure = new Error('no');
    const fail = () => {
      throw failure;
    };
    for (const text of ['a\nb', 'hello']) {
      const stream = split(fail);
      await assert.rejects(linesOf(stream, [text]), failure);
      assert.equal(stream.destroyed, true);
    }
  });

  it('destroys the stream with what a listener throws', async () => {
    const failure = new Error('no');
    const stream = split().on('data', (line) => {
      if (line === 'c') throw failure;
    });
    stream.end('a\nb\nc\nd\n');
    assert.deepEqual(await once(stream, 'error'), [failure]);
  });

  it('keeps characters whole that chunks cut apart', async () => {
    const bytes = Buffer.from('烫烫烫\r\n锟斤拷😀é');
    for (const size of [1, 2, 3, 5]) {
      const chunks: Buffer[] = [];
      for (let from = 0; from < bytes.length; from += size) chunks.push(bytes.subarray(from, from + size));
      assert.deepEqual(await linesOf(split(), chunks), ['烫烫烫', '锟斤拷😀é']);
    }
    const cut = Buffer.from('烫烫').subarray(0, 4);
    assert.deepEqual(await linesOf(split(), [cut.subarray(0, 3), cut.subarray(3)]), ['烫\ufffd']);
  });

  it('fails when an unfinished line is longer than maxLength', async () => {
    const failed = linesOf(split({ maxLength: 2 }), ['hey']);
    await assert.rejects(failed, { name: 'Error', message: 'maximum buffer reached' });
    assert.deepEqual(await linesOf(split({ maxLength: 2 }), ['烫烫\nb']), ['烫烫', 'b']);
  });

  it('drops lines longer than maxLength with skipOverflow', async () => {
    const stream = split({ maxLength: 2, skipOverflow: true });
    assert.deepEqual(await linesOf(stream, ['a\n123', '456', '789\nb\nc']), ['a', 'b', 'c']);
  });

  it('passes options on and leaves the object as it is', () => {
    const unwanted = () => assert.fail();
    const options = Object.freeze({ highWaterMark: 1024, transform: unwanted, flush: unwanted });
    for (const stream of [split(options), split('~', options), split(JSON.parse, options), split('~', null, options)]) {
      assert.equal(stream.readableHighWaterMark, 1024);
      assert.equal(stream.writableHighWaterMark, 1024);
      assert.equal(stream.readableObjectMode, true);
      assert.equal(stream.writableObjectMode, false);
    }
    assert.equal(split().readableHighWaterMark, defaultMark());
  });

  it('has the properties that split2 has', () => {
    const stream = split('~', JSON.parse, { maxLength: 3 });
    assert.ok(stream instanceof Transform);
    assert.equal(stream.matcher, '~');
    assert.equal(stream.mapper, JSON.parse);
    assert.equal(stream.maxLength, 3);
    assert.equal(stream.skipOverflow, false);
    assert.equal(stream.overflow, false);
  });

  it('emits close when destroyed, and stops giving lines in mid-chunk', async () => {
    const lines: string[] = [];
    const stream = split().on('data', (line) => {
      lines.push(line);
      if (line === 'b') stream.destroy();
    });
    stream.write('a\nb\nc\nd\n');
    await once(stream, 'close');
    assert.deepEqual(lines, ['a', 'b']);
  });

  it('holds its source while the reader is slow', async () => {
    let pulled = 0;
    const source = new Readable({
      highWaterMark: 1,
      read() {
        pulled++;
        this.push('x'.repeat(99).concat('\n').repeat(10));
      },
    });
    const stream = source.pipe(split({ highWaterMark: 16 }));
    stream.once('data', () => stream.pause());
    await once(stream, 'pause');
    // Everything that the machinery does without a reader has been done when the loop comes round.
    for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);
    assert.ok(pulled < 10, `${pulled} chunks were read ahead`);
    source.destroy();
    stream.destroy();
  });

  it('is loaded as a function by require', () => {
    const required = createRequire(import.meta.url)('miniproto/split');
    assert.equal(typeof required, 'function');
    assert.equal(required, split);
  });
});

describe('split on real streams', () => {
  const folder = mkdtempSync(join(tmpdir(), 'miniproto-split-'));
  const file = join(folder, 'log');
  const expected = Array.from({ length: 50_000 }, (_, i) => (i % 7 === 0 ? `${i} Zürich 烫` : `${i} plain`));
  const text = `${expected.join('\n')}\n`;

  before(() => writeFileSync(file, text));
  after(() => rmSync(folder, { recursive: true }));

  it('reads a file with for await', async () => {
    const lines: string[] = [];
    for await (const line of createReadStream(file).pipe(split())) lines.push(line);
    assert.deepEqual(lines, expected);
  });

  it('reads what gunzip gives, in a pipeline', async () => {
    const gunzip = createGunzip();
    gunzip.end(gzipSync(text));
    const lines: string[] = [];
    await pipeline(gunzip, split(), async (source: AsyncIterable<string>) => {
      for await (const line of source) lines.push(line);
    });
    assert.deepEqual(lines, expected);
  });

  it('reads a socket', async () => {
    const server = createServer((socket) => socket.end(text)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const lines: string[] = [];
    const stream = connect(address.port, '127.0.0.1').pipe(split());
    stream.on('data', (line: string) => lines.push(line));
    await once(stream, 'end');
    assert.deepEqual(lines, expected);
    server.close();
  });

  it('feeds a slow Writable without losing a line', async () => {
    const lines: string[] = [];
    const slow = new Writable({
      objectMode: true,
      highWaterMark: 2,
      write(line, _encoding, callback) {
        lines.push(line);
        if (lines.length % 1000 === 0) setImmediate(callback);
        else callback();
      },
    });
    await pipeline(createReadStream(file), split(), slow);
    assert.deepEqual(lines, expected);
  });
});

/** The high-water mark of streams of objects, which is not the same in all Node versions. */
function defaultMark(): number {
  return new PassThrough({ objectMode: true }).readableHighWaterMark;
}
