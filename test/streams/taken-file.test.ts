/**
 * The file of an fs.ReadStream, read in its place: to everybody else the stream does what it does when it reads for itself.
 *
 * What it does then is taken from a twin of a class of its own, which is never taken. A stream that is taken has a `_read`
 * of its own for as long.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs, {
  closeSync,
  createReadStream,
  fstatSync,
  mkdtempSync,
  openSync,
  ReadStream,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DuplexStream, EOF, framed, lines, NOT_READY } from 'miniproto';
import { pattern, readExactly, readToEnd } from '../support/byte-stream-contract.js';

const PAGE = 65_536;

type Options = Exclude<Parameters<typeof createReadStream>[1], string | undefined>;

/** Reads as Node made it. */
class Twin extends ReadStream {}
const TwinStream = Twin as unknown as new (path: string, options?: Options) => ReadStream;

interface Inner extends ReadStream {
  fd: number | null;
  pos: number | undefined;
}

function isTaken(stream: ReadStream): boolean {
  return Object.hasOwn(stream, '_read');
}

/** What others see of a stream, from now on. */
function watch(stream: ReadStream): string[] {
  const seen: string[] = [];
  for (const event of ['open', 'ready', 'end', 'close', 'error'])
    stream.on(event, (value: unknown) => seen.push(value instanceof Error ? `${event} ${value.message}` : event));
  return seen;
}

function state(stream: ReadStream): Record<string, unknown> {
  const { bytesRead, pos, destroyed, readableEnded, readableDidRead, errored, fd } = stream as Inner;
  return { bytesRead, pos, destroyed, readableEnded, readableDidRead, errored: errored?.message, open: fd !== null };
}

/** Waits for 'close' alone: `once` rejects on 'error'. */
async function closed(stream: ReadStream): Promise<void> {
  if (!stream.closed) await new Promise<void>((resolve) => void stream.once('close', () => resolve()));
}

/** Turns of the loop that see an event through which nothing else announces. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await nextTurn();
}

describe('TakenFile', () => {
  let folder: string;
  let path: string;
  const bytes = pattern(300_000);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'miniproto-'));
    path = join(folder, 'file');
    writeFileSync(path, bytes);
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A FIFO whose reads wait until something is written to it, and who writes. */
  function fifo(test: Mocha.Context): { stream: ReadStream; writer: number } {
    const name = join(folder, `fifo-${Math.random()}`);
    try {
      execFileSync('mkfifo', [name]);
    } catch {
      // biome-ignore lint/suspicious/noSkippedTests: a system without FIFOs cannot hold a read up
      test.skip();
    }
    const writer = openSync(name, 'r+');
    return { stream: createReadStream(name), writer };
  }

  describe('in the place of a stream', () => {
    const cases: [string, Options, size?: number][] = [
      ['without options', {}],
      ['from its beginning, by position', { start: 0 }],
      ['from somewhere', { start: 100_001 }],
      ['a range', { start: 70_000, end: 200_000 }],
      ['one byte', { start: 70_000, end: 70_000 }],
      ['to some byte', { end: 99_999 }],
      ['to the end of a page', { end: PAGE - 1 }],
      ['to one byte after a page', { end: PAGE }],
      ['from behind the end', { start: 400_000 }],
      ['from the end on', { start: 300_000 }],
      ['a range that begins behind the end', { start: 400_000, end: 500_000 }],
      ['a range that ends behind the end', { start: 299_990, end: 500_000 }],
      ['with a large mark', { highWaterMark: 2 ** 20 }],
      ['without autoClose', { autoClose: false }],
      ['without emitClose', { emitClose: false }],
      ['of no bytes', {}, 0],
      ['of one byte', {}, 1],
      ['of a page less one', {}, PAGE - 1],
      ['of a page', {}, PAGE],
      ['of two pages and one', {}, 2 * PAGE + 1],
    ];
    for (const [name, options, size = bytes.length] of cases) {
      it(`gives the same bytes and events as Node: ${name}`, async () => {
        const file = join(folder, 'sized');
        writeFileSync(file, bytes.subarray(0, size));
        const ours = createReadStream(file, options);
        const twin = new TwinStream(file, options);
        const [events, twinEvents] = [watch(ours), watch(twin)];
        const stream = new DuplexStream(ours);
        assert.equal(stream.tryFill(), NOT_READY, 'not open yet');
        assert.ok(isTaken(ours));
        const got = await readToEnd(stream);
        assert.ok(got.equals(await readToEnd(new DuplexStream(twin))));
        assert.equal(stream.tryFill(), EOF);
        assert.equal(stream.pendingRead, EOF);
        // There may be no event to wait for.
        while (options.autoClose !== false && !(ours.closed && twin.closed)) await nextTurn();
        await settle();
        assert.deepEqual(events, twinEvents);
        assert.deepEqual(state(ours), state(twin));
        for (const one of [ours, twin] as Inner[]) if (one.fd !== null) closeSync(one.fd);
      });
    }

    it('reads a descriptor that was open already, from where it stands', async () => {
      const descriptor = openSync(path, 'r');
      fs.readSync(descriptor, Buffer.alloc(10));
      const source = createReadStream('', { fd: descriptor });
      const stream = new DuplexStream(source);
      assert.ok((await readToEnd(stream)).equals(bytes.subarray(10)));
      assert.equal(source.bytesRead, bytes.length - 10);
      await closed(source);
      assert.throws(() => fstatSync(descriptor), { code: 'EBADF' });
    });

    it('reads on where others have read, when nothing of it is buffered', async () => {
      const source = createReadStream(path, { start: 5, end: 200_004 });
      await once(source, 'readable');
      const first = source.read() as Buffer;
      source.removeAllListeners('readable');
      const stream = new DuplexStream(source);
      assert.ok(Buffer.concat([first, await readToEnd(stream)]).equals(bytes.subarray(5, 200_005)));
    });

    it('serves batches, iteration and a push', async () => {
      const rows = Array.from({ length: 30_000 }, (_, i) => `line ${i} ${'x'.repeat(i % 100)}`);
      const log = join(folder, 'log');
      writeFileSync(log, rows.join('\n'));
      const batched: string[] = [];
      for await (const batch of framed(createReadStream(log), lines()).batches()) batched.push(...batch.values());
      assert.deepEqual(batched, rows);
      const single: string[] = [];
      for await (const line of framed(createReadStream(log), lines())) single.push(line);
      assert.deepEqual(single, rows);
      const pushed: string[] = [];
      const source = createReadStream(log);
      let taken = false;
      source.once('ready', () => {
        taken = isTaken(source);
      });
      await framed(source, lines()).onRecord((record) => void pushed.push(record.text()));
      assert.ok(taken);
      assert.deepEqual(pushed, rows);
    });

    it('wakes who waits without having tried', async () => {
      const source = createReadStream(path);
      const stream = new DuplexStream(source);
      await stream.ready('read');
      await readExactly(stream, 1);
      const other = new DuplexStream(createReadStream('', { fd: openSync(path, 'r') }));
      await nextTurn();
      await other.ready('read');
      assert.equal(other.pendingRead, undefined);
      assert.ok((await readToEnd(other)).equals(bytes));
      stream.destroy();
    });

    it('reads no further than its mark when nobody takes what it has read', async () => {
      const large = join(folder, 'large');
      writeFileSync(large, Buffer.alloc(50 * PAGE));
      const source = createReadStream(large);
      const stream = new DuplexStream(source);
      while (stream.tryFill() === NOT_READY) await stream.ready('read');
      await settle();
      assert.ok(source.bytesRead <= 3 * PAGE);
      assert.ok(stream.input.length <= 2 * PAGE);
      assert.equal((await readToEnd(stream)).length, 50 * PAGE);
    });

    it('reads the standard input when that is a file', () => {
      const program = `import { framed, lines } from 'miniproto';
        const all = [];
        for await (const line of framed({ readable: process.stdin }, lines())) all.push(line);
        console.log(all.length, all.at(-1), process.stdin.bytesRead);`;
      const input = join(folder, 'input');
      writeFileSync(input, 'one\ntwo\n'.repeat(20_000));
      const descriptor = openSync(input, 'r');
      const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
        stdio: [descriptor, 'pipe', 'inherit'],
        encoding: 'utf8',
      });
      closeSync(descriptor);
      assert.equal(run.stdout, '40000 two 160000\n');
    });
  });

  describe('leaves a stream alone', () => {
    const cases: [string, () => ReadStream | Promise<ReadStream>][] = [
      ['of a class of its own', () => new TwinStream(path)],
      ['that reads less at a time', () => createReadStream(path, { highWaterMark: 1000 })],
      ['with another fs', () => createReadStream(path, { fs: { ...fs } } as Options)],
      ['of a FileHandle', async () => (await open(path)).createReadStream()],
      ['that has a "readable" listener', () => createReadStream(path).on('readable', () => {})],
      [
        'with a read of its own',
        () => {
          const source = createReadStream(path);
          source._read = ReadStream.prototype._read;
          return source;
        },
      ],
      [
        'with something buffered',
        async () => {
          const source = createReadStream(path);
          await once(source, 'readable');
          source.removeAllListeners('readable');
          assert.ok(source.readableLength > 0);
          return source;
        },
      ],
      [
        'that has begun to read',
        async () => {
          const source = createReadStream(path);
          await once(source, 'ready');
          source.read(0);
          return source;
        },
      ],
    ];
    for (const [name, make] of cases) {
      it(name, async () => {
        const source = await make();
        const mine = Object.hasOwn(source, '_read') ? source._read : undefined;
        const stream = new DuplexStream(source);
        stream.tryFill();
        assert.equal(Object.hasOwn(source, '_read') ? source._read : undefined, mine);
        assert.ok((await readToEnd(stream)).equals(bytes));
      });
    }

    it('that somebody meters', async () => {
      const source = createReadStream(path);
      let metered = 0;
      source.on('data', (chunk) => {
        metered += chunk.length;
      });
      source.pause();
      assert.ok((await readToEnd(new DuplexStream(source))).equals(bytes));
      assert.equal(metered, bytes.length);
    });

    it('when somebody has patched what it reads with', async () => {
      const { read } = fs;
      const { _read } = ReadStream.prototype;
      let calls = 0;
      for (const patch of [
        () => {
          fs.read = ((...args: Parameters<typeof read>) => {
            calls++;
            return read(...args);
          }) as typeof read;
        },
        () => {
          ReadStream.prototype._read = function (size) {
            calls++;
            _read.call(this, size);
          };
        },
      ]) {
        calls = 0;
        patch();
        try {
          assert.ok((await readToEnd(new DuplexStream(createReadStream(path)))).equals(bytes));
        } finally {
          fs.read = read;
          ReadStream.prototype._read = _read;
        }
        assert.ok(calls >= 5);
      }
    });
  });

  describe('at a failure', () => {
    /** The same failure, met by a stream of Node's and by one whose file is taken. */
    async function compare(
      make: (Class: new (path: string, options?: Options) => ReadStream) => ReadStream,
    ): Promise<string[]> {
      const seen: string[][] = [];
      const after: unknown[] = [];
      for (const Class of [ReadStream as never, TwinStream]) {
        const source = make(Class);
        const events = watch(source);
        await assert.rejects(readToEnd(new DuplexStream(source)), { name: 'TransportError', code: 'ERR_TRANSPORT' });
        await settle();
        if (!source.destroyed && (source as Inner).fd !== null) closeSync((source as Inner).fd!);
        else await closed(source);
        seen.push(events);
        after.push(state(source));
      }
      assert.deepEqual(seen[0], seen[1]);
      assert.deepEqual(after[0], after[1]);
      return seen[0]!;
    }

    it('says that there is no such file', async () => {
      const seen = await compare((Class) => new Class(join(folder, 'none')));
      assert.match(seen[0]!, /^error ENOENT/);
    });

    it('says that a folder cannot be read', async () => {
      const seen = await compare((Class) => new Class(folder));
      assert.match(seen[2]!, /^error EISDIR/);
    });

    it('leaves the file open after it where the user wants it so', async () => {
      const seen = await compare((Class) => new Class(folder, { autoClose: false }));
      assert.match(seen[2]!, /^error EISDIR/);
      assert.equal(seen.length, 3);
    });

    it('says that a descriptor cannot be read from', async () => {
      const seen = await compare((Class) => new Class('', { fd: openSync(join(folder, 'written'), 'w') }));
      assert.match(seen[0]!, /^error EBADF/);
    });

    it('gives what came before a read that fails', async () => {
      const source = createReadStream(path);
      const stream = new DuplexStream(source);
      const first = await readExactly(stream, 10);
      await settle();
      // The number is another file's now, which can only be written.
      const { fd } = source as Inner;
      closeSync(fd!);
      assert.equal(openSync(join(folder, 'written'), 'w'), fd);
      const pieces = [first];
      await assert.rejects(
        async () => {
          for (;;) pieces.push(await readExactly(stream, 1));
        },
        (error: Error) => (error.cause as NodeJS.ErrnoException).code === 'EBADF',
      );
      const got = Buffer.concat(pieces);
      assert.equal(got.length, source.bytesRead);
      assert.ok(got.length >= PAGE && got.equals(bytes.subarray(0, got.length)));
      await closed(source);
    });

    it('gives what came before the stream was destroyed', async () => {
      const source = createReadStream(path);
      const stream = new DuplexStream(source);
      await readExactly(stream, 10);
      const reason = new Error('enough');
      source.destroy(reason);
      assert.ok((await readExactly(stream, 100)).equals(bytes.subarray(10, 110)));
      await assert.rejects(readToEnd(stream), { code: 'ERR_TRANSPORT', cause: reason });
      await closed(source);
    });
  });

  describe('destroyed', () => {
    it('fails with ERR_STREAM_PREMATURE_CLOSE when the stream was destroyed without an error', async () => {
      const source = createReadStream(path);
      const stream = new DuplexStream(source);
      await readExactly(stream, 1);
      source.destroy();
      await assert.rejects(readToEnd(stream), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
    });

    it('fails when its signal aborts', async () => {
      const stop = new AbortController();
      const source = createReadStream(path, { signal: stop.signal });
      const stream = new DuplexStream(source);
      await readExactly(stream, 1);
      assert.ok(isTaken(source));
      stop.abort();
      await assert.rejects(readToEnd(stream), (error: Error) => (error.cause as Error).name === 'AbortError');
      await closed(source);
    });

    it('fails when it is destroyed before the file is open', async () => {
      const source = createReadStream(path);
      const stream = new DuplexStream(source);
      const waiting = stream.ready('read').then(() => readToEnd(stream));
      source.destroy();
      await assert.rejects(waiting, { code: 'ERR_STREAM_PREMATURE_CLOSE' });
      assert.equal((source as Inner).fd, null);
    });

    it('destroys the stream when a conversation is left early, which closes the file', async () => {
      const source = createReadStream(path);
      let descriptor = -1;
      source.on('open', (fd) => {
        descriptor = fd;
      });
      const talk = framed(source, lines({ encoding: 'buffer', maxLength: 2 ** 20 }));
      for await (const line of talk) if (line.length >= 0) break;
      assert.equal(source.destroyed, false);
      talk.destroy();
      assert.equal(source.destroyed, true);
      await closed(source);
      assert.throws(() => fstatSync(descriptor), { code: 'EBADF' });
    });

    it('closes the descriptor only when the thread pool has done with it', async function () {
      const { stream: source, writer } = fifo(this);
      const stream = new DuplexStream(source);
      const waiting = stream.ready('read').then(() => stream.ready('read'));
      const refused = assert.rejects(waiting, { code: 'ERR_STREAM_DESTROYED' });
      const [descriptor] = (await once(source, 'ready').then(() => [(source as Inner).fd!])) as [number];
      // The wake of the opening, and the second wait, which begins to read.
      await settle();
      stream.destroy();
      await refused;
      await settle();
      assert.ok(fstatSync(descriptor).isFIFO());
      assert.equal(source.closed, false);
      writeSync(writer, 'x');
      await closed(source);
      assert.throws(() => fstatSync(descriptor), { code: 'EBADF' });
      closeSync(writer);
    });
  });

  describe('given back', () => {
    it('lets go of a stream that was not open yet', async () => {
      const source = createReadStream(path);
      const stream = new DuplexStream(source);
      stream.tryFill();
      assert.ok(isTaken(source));
      stream.release();
      assert.ok(!isTaken(source));
      assert.equal(await text(source.setEncoding('latin1')), bytes.toString('latin1'));
    });

    for (const size of [10, 1000, PAGE, 3 * PAGE, 300_000]) {
      it(`gives unread bytes of a file of ${size} back, and the stream reads on`, async () => {
        const file = join(folder, 'shorter');
        writeFileSync(file, bytes.subarray(0, size));
        const source = createReadStream(file);
        const stream = new DuplexStream(source);
        const first = await readExactly(stream, 10);
        await settle();
        stream.release();
        const rest: Buffer[] = [];
        for await (const chunk of source) {
          rest.push(chunk as Buffer);
        }
        assert.ok(Buffer.concat([first, ...rest]).equals(bytes.subarray(0, size)));
        assert.equal(source.bytesRead, size);
        assert.ok(!isTaken(source));
      });
    }

    it('is taken again by another DuplexStream, or by the framed stream of a user', async () => {
      const source = createReadStream(path);
      const first = await readExactly(new DuplexStream(source), 0);
      assert.equal(first.length, 0);
      const log = createReadStream(path);
      const stream = new DuplexStream(log);
      const head = await readExactly(stream, 100);
      stream.release();
      const again = new DuplexStream(log);
      assert.ok(Buffer.concat([head, await readToEnd(again)]).equals(bytes));
      source.destroy();
    });

    it('pushes what was being read', async function () {
      const { stream: source, writer } = fifo(this);
      const stream = new DuplexStream(source);
      await stream.ready('read');
      assert.equal(stream.tryFill(), NOT_READY);
      assert.ok(isTaken(source));
      stream.release();
      writeSync(writer, 'first');
      const [chunk] = (await once(source, 'data')) as [Buffer];
      assert.equal(chunk.toString(), 'first');
      assert.equal(source.bytesRead, 5);
      assert.ok(!isTaken(source));
      source.destroy();
      writeSync(writer, 'x');
      await closed(source);
      closeSync(writer);
    });

    it('shows those who come later what is read from then on', async () => {
      const source = createReadStream(path);
      const stream = new DuplexStream(source);
      const first = await readExactly(stream, 10);
      const ahead = source.bytesRead;
      let metered = 0;
      source.on('data', (chunk) => {
        metered += chunk.length;
      });
      assert.ok(Buffer.concat([first, await readToEnd(stream)]).equals(bytes));
      assert.ok(metered >= bytes.length - ahead - 2 * PAGE && metered > 0);
      assert.ok(!isTaken(source));
    });

    it('reads what was put in front of it', async () => {
      const source = createReadStream(path, { end: 2 * PAGE - 1 });
      const stream = new DuplexStream(source);
      const first = await readExactly(stream, stream.input.length + 1);
      const here = stream.input.take(stream.input.length);
      source.unshift(Buffer.from('between'));
      const rest = await readToEnd(stream);
      assert.ok(rest.indexOf('between') >= 0);
      assert.equal(first.length + here.length + rest.length, 2 * PAGE + 7);
    });
  });

  it('leaves nothing open after many', async function () {
    if (process.platform !== 'linux') this.skip();
    const descriptors = (): number => fs.readdirSync('/proc/self/fd').length;
    const small = join(folder, 'small');
    writeFileSync(small, 'a\nb\n');
    const before = descriptors();
    for (let i = 0; i < 50; i++) {
      const source = createReadStream(small);
      const closed = once(source, 'close');
      const talk = framed(source, lines());
      assert.equal(await talk.read(), 'a');
      if (i % 2 === 0) assert.equal(await talk.read(), 'b');
      if (i % 3 === 0) talk.destroy();
      else for await (const line of talk) assert.equal(line, 'b');
      talk.destroy();
      await closed;
    }
    assert.equal(descriptors(), before);
    assert.equal(readFileSync(small, 'utf8'), 'a\nb\n');
  });
});
