/** FileStream: reads a file as it is, with pages that it uses again, and only reads. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EOF, framed, lengthPrefixed, lines, NOT_READY, openFileStream } from 'miniproto';
import { pattern, readExactly, readToEnd } from '../support/byte-stream-contract.js';

describe('FileStream', () => {
  let folder: string;
  let path: string;
  const bytes = pattern(300_000);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    path = join(folder, 'file');
    writeFileSync(path, bytes);
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const pageSize of [997, 4096, 65_536, undefined]) {
    it(`gives the whole file with pages of ${pageSize ?? 'the default size'}`, async () => {
      const stream = await openFileStream(path, pageSize === undefined ? {} : { pageSize });
      assert.ok((await readToEnd(stream)).equals(bytes));
      assert.equal(stream.tryFill(), EOF);
      assert.equal(stream.pendingRead, EOF);
    });
  }

  for (const [start, end] of [
    [0, 0],
    [0, 1],
    [100, 200],
    [299_000, 400_000],
    [300_000, 300_001],
  ] as const) {
    it(`gives the bytes from ${start} to ${end}`, async () => {
      const stream = await openFileStream(path, { start, end, pageSize: 64 });
      assert.ok((await readToEnd(stream)).equals(bytes.subarray(start, end)));
    });
  }

  it('keeps bytes that were not consumed while further pages are read', async () => {
    const stream = await openFileStream(path, { pageSize: 5000 });
    while (stream.tryFill(100_000) === NOT_READY) await stream.ready('read');
    assert.ok(stream.input.peek(100_000).equals(bytes.subarray(0, 100_000)));
    assert.ok((await readToEnd(stream)).equals(bytes));
  });

  it('gives records over page borders intact, owned, and in batches', async () => {
    const rows = Array.from({ length: 3000 }, (_, i) => `line ${i} ${'x'.repeat(i % 200)}`);
    const text = join(folder, 'text');
    writeFileSync(text, rows.join('\n'));
    const read: string[] = [];
    for await (const batch of framed(await openFileStream(text, { pageSize: 4096 }), lines()).batches()) {
      read.push(...batch.values());
    }
    assert.deepEqual(read, rows);
    const records = rows.map((row) => Buffer.concat([Buffer.of(0, 0, 0, row.length), Buffer.from(row)]));
    writeFileSync(text, Buffer.concat(records));
    const kept: Buffer[] = [];
    for await (const record of framed(await openFileStream(text, { pageSize: 4096 }), lengthPrefixed()))
      kept.push(record);
    assert.deepEqual(kept.map(String), rows);
  });

  for (const longest of [200, 4000]) {
    it(`gives a record over a page border in one batch with the page behind it, of up to ${longest} bytes`, async () => {
      const rows = Array.from({ length: 300 }, (_, i) =>
        `line ${i} ${'x'.repeat((i * 997) % longest)}`.slice(0, longest),
      );
      const text = join(folder, 'text');
      writeFileSync(text, `${rows.join('\n')}\n`);
      const read: string[][] = [];
      for await (const batch of framed(await openFileStream(text, { pageSize: 8192 }), lines()).batches()) {
        read.push(batch.values());
      }
      assert.deepEqual(read.flat(), rows);
      // But for the last page, which may be too short for that.
      assert.ok(read.length <= Math.ceil(statSync(text).size / 8192) + 1);
    });
  }

  it('only reads: a write is refused', async () => {
    const stream = await openFileStream(path);
    assert.throws(() => stream.tryWrite(pattern(1)), { name: 'UsageError', code: 'ERR_STREAM_ENDED' });
    assert.equal(stream.tryFlush(), true);
    await stream.end();
    await stream.close();
  });

  it('rejects who waits when it is destroyed, and survives a read that is under way', async () => {
    const stream = await openFileStream(path);
    const waiting = stream.ready('read');
    stream.destroy();
    await assert.rejects(waiting, { code: 'ERR_STREAM_DESTROYED' });
    assert.throws(() => stream.tryFill(), { code: 'ERR_STREAM_DESTROYED' });
  });

  it('rejects with what the system says when there is no such file, and fails on a folder', async () => {
    await assert.rejects(openFileStream(join(folder, 'none')), { code: 'ENOENT' });
    const stream = await openFileStream(folder);
    await assert.rejects(readExactly(stream, 1), { name: 'TransportError', code: 'ERR_TRANSPORT' });
  });

  it('ends where a file that shrinks ends', async () => {
    const shrinking = join(folder, 'shrinking');
    writeFileSync(shrinking, bytes);
    const stream = await openFileStream(shrinking, { pageSize: 1000 });
    await readExactly(stream, 10);
    truncateSync(shrinking, 10);
    const rest = await readToEnd(stream);
    assert.ok(rest.length < bytes.length - 10);
  });

  it('reads what has no positions: a FIFO', async function () {
    const fifo = join(folder, 'fifo');
    try {
      execFileSync('mkfifo', [fifo]);
    } catch {
      this.skip();
    }
    // The shell waits for a reader before it writes.
    const writer = spawn('sh', ['-c', 'printf "a\\nb\\n" > "$0"', fifo], { stdio: 'ignore' });
    const done = once(writer, 'close');
    const read: string[] = [];
    for await (const line of framed(await openFileStream(fifo), lines())) read.push(line);
    assert.deepEqual(read, ['a', 'b']);
    await done;
  });

  it('refuses wrong options', async () => {
    await assert.rejects(openFileStream(path, { pageSize: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(openFileStream(path, { start: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(openFileStream(path, { start: 5, end: 4 }), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(openFileStream(path, { pageSize: '4' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
