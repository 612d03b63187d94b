/** `decodeTransform`: every codec in every chunking, backpressure, ends, errors, and codecs that write while they read. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable, Transform, Writable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip, gzipSync } from 'node:zlib';
import {
  CONTINUE,
  type Codec,
  decodeTransform,
  fixed,
  framed,
  jsonLines,
  lengthPrefixed,
  lines,
  mapped,
  memoryPair,
  NEED_WRITE,
  NOT_READY,
  netstring,
  separated,
} from 'miniproto';
import { seeded } from '../support/random.js';

/** Lets everything happen that is going to happen without more input. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
}

/** What a Transform gives for `chunks`, and what it failed with. */
async function decodeAll(
  transform: Transform,
  chunks: Iterable<Uint8Array>,
): Promise<{ records: unknown[]; error: unknown }> {
  const records: unknown[] = [];
  let error: unknown;
  await pipeline(Readable.from(chunks, { objectMode: false }), transform, async (source: AsyncIterable<unknown>) => {
    for await (const record of source) records.push(record);
  }).catch((reason) => {
    error = reason;
  });
  return { records, error };
}

/** A user's own codec: one byte a record, framed by nothing, without `finish`. */
function bytePairs(): Codec<string, string> {
  return {
    name: 'byte-pairs',
    shared: true,
    decode: (input) => (input.length < 2 ? input.need(2) : input.take(2).toString('latin1')),
    encode: (record, output) => {
      output.writeText(record, 'latin1');
      return true;
    },
  };
}

const INPUTS: readonly (readonly [
  name: string,
  make: () => Codec<unknown, never>,
  input: string,
  records: unknown[],
])[] = [
  ['lines', () => lines(), 'a\r\nb\n\nlong line\ntail', ['a', 'b', '', 'long line', 'tail']],
  ['separated', () => separated('--', { encoding: 'latin1' }), 'a--b----c', ['a', 'b', '', 'c']],
  [
    'lengthPrefixed',
    () => lengthPrefixed({ bytes: 1 }),
    '\x01a\x00\x03bcd',
    ['a', '', 'bcd'].map((s) => Buffer.from(s)),
  ],
  ['netstring', () => netstring(), '1:a,0:,3:bcd,', ['a', '', 'bcd'].map((s) => Buffer.from(s))],
  ['fixed', () => fixed(2), 'abcdef', ['ab', 'cd', 'ef'].map((s) => Buffer.from(s))],
  ['jsonLines', () => jsonLines(), '{"a":1}\n[]\n7', [{ a: 1 }, [], 7]],
  ['mapped', () => mapped(lines(), { decode: Number, encode: String }), '1\n2\n3', [1, 2, 3]],
  ["a user's own", bytePairs, 'abcdef', ['ab', 'cd', 'ef']],
];

/** Ways to read a Node stream to its end. */
const READERS: Record<string, (transform: Transform, got: string[]) => void> = {
  data: (transform, got) => transform.on('data', (line) => got.push(line)),
  pauses: (transform, got) => {
    transform.on('data', (line) => {
      got.push(line);
      transform.pause();
      setImmediate(() => transform.resume());
    });
  },
  readable: (transform, got) => {
    transform.on('readable', () => {
      for (let line = transform.read(); line !== null; line = transform.read()) got.push(line);
    });
  },
  'one at a time': (transform, got) => {
    transform.on('readable', () => {
      const line = transform.read();
      if (line === null) return;
      got.push(line);
      setImmediate(() => transform.emit('readable'));
    });
  },
  iterator: (transform, got) => {
    (async () => {
      for await (const line of transform) got.push(line);
    })().catch(assert.fail);
  },
};

describe('decodeTransform', () => {
  for (const [name, make, input, records] of INPUTS) {
    it(`gives the records of ${name}, whole, byte by byte and cut anywhere`, async () => {
      const bytes = Buffer.from(input, 'latin1');
      const cuttings = [[bytes], [...bytes].map((byte) => Buffer.of(byte))];
      for (let at = 0; at <= bytes.length; at++) cuttings.push([bytes.subarray(0, at), bytes.subarray(at)]);
      for (const chunks of cuttings) {
        assert.deepEqual(await decodeAll(decodeTransform(make()), chunks), { records, error: undefined });
      }
    });
  }

  seeded('gives what a framed stream gives, for random bytes in random pieces', async (random) => {
    const makers: (() => Codec<unknown, never>)[] = [lines, netstring, jsonLines, () => fixed(7)];
    for (let round = 0; round < 60; round++) {
      const bytes = Buffer.from(random.bytes(random.below(3000), Buffer.from('ab\r\n1:,')));
      const chunks = cut(bytes, random.cuts(bytes.length, 8));
      for (const make of makers) {
        const expected: unknown[] = [];
        let failure: unknown;
        const [one, other] = memoryPair({ capacity: 4096 });
        other.tryWrite(bytes);
        void other.end();
        try {
          for await (const record of framed(one, make())) expected.push(record);
        } catch (error) {
          failure = error;
        }
        const actual = await decodeAll(decodeTransform(make()), chunks);
        assert.deepEqual(actual.records, expected);
        assert.deepEqual(said(actual.error), said(failure));
      }
    }
  });

  seeded('gives every record whatever the marks, the pieces and the reader are', async (random) => {
    for (let round = 0; round < 300; round++) {
      const expected = Array.from({ length: random.below(200) }, (_, i) => `${i}`.repeat(random.below(5)));
      const bytes = Buffer.from(expected.map((line) => `${line}\n`).join(''));
      const readableHighWaterMark = random.pick([1, 2, 3, 16, 1000]);
      const options = { readableHighWaterMark, writableHighWaterMark: random.between(1, 300) };
      const transform = decodeTransform(lines(), options);
      const chunks = Readable.from(cut(bytes, random.cuts(bytes.length, 30)), { objectMode: false });
      const got: string[] = [];
      const [ended] = [once(transform, 'end'), chunks.pipe(transform)];
      READERS[random.pick(Object.keys(READERS))]!(transform, got);
      await ended;
      assert.deepEqual(got, expected);
    }
  });

  it('is a Transform of bytes to objects, with marks of their own', () => {
    const transform = decodeTransform(lines(), { readableHighWaterMark: 5, writableHighWaterMark: 77 });
    assert.ok(transform instanceof Transform);
    assert.equal(transform.readableObjectMode, true);
    assert.equal(transform.writableObjectMode, false);
    assert.equal(transform.readableHighWaterMark, 5);
    assert.equal(transform.writableHighWaterMark, 77);
  });

  it('decodes no further than its mark while nobody reads, and goes on when somebody does', async () => {
    let decoded = 0;
    const count = (line: string) => {
      decoded++;
      return line;
    };
    const transform = decodeTransform(mapped(lines(), { decode: count, encode: String }), { readableHighWaterMark: 3 });
    let answered = false;
    transform.write('x\n'.repeat(1000), () => {
      answered = true;
    });
    transform.end('tail');
    await settle();
    assert.equal(decoded, 3);
    assert.equal(answered, false);
    transform.read();
    await settle();
    assert.ok(decoded <= 5, `${decoded} records were decoded`);
    const rest = await transform.toArray();
    assert.equal(rest.length, 1000);
    assert.equal(rest.at(-1), 'tail');
    assert.equal(answered, true);
  });

  it('holds its source while a slow sink works', async () => {
    const transform = decodeTransform(lines(), { readableHighWaterMark: 2 });
    let most = 0;
    const got: string[] = [];
    const sink = new Writable({
      objectMode: true,
      highWaterMark: 1,
      write(line, _encoding, callback) {
        got.push(line);
        most = Math.max(most, transform.readableLength);
        setImmediate(callback);
      },
    });
    const text = Array.from({ length: 500 }, (_, i) => `line ${i}`);
    await pipeline([Buffer.from(text.join('\n'))], transform, sink);
    assert.deepEqual(got, text);
    assert.ok(most <= 2, `${most} records were held`);
  });

  it('gives all records to a listener that reads in the middle of its event', async () => {
    const transform = decodeTransform(lines(), { readableHighWaterMark: 1 });
    const got: string[] = [];
    transform.on('data', (line) => {
      got.push(line);
      transform.read(0);
    });
    transform.end('a\nb\nc\nd\n');
    await once(transform, 'end');
    assert.deepEqual(got, ['a', 'b', 'c', 'd']);
  });

  it('decodes what gunzip gives', async () => {
    const records = Array.from({ length: 5000 }, (_, i) => ({ i, text: 'ß'.repeat(i % 30) }));
    const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
    const got: unknown[] = [];
    const source = [gzipSync(text)];
    await pipeline(source, createGunzip(), decodeTransform(jsonLines()), async (events: AsyncIterable<unknown>) => {
      for await (const event of events) got.push(event);
    });
    assert.deepEqual(got, records);
  });

  it("fails with the codec's error, its offset and protocol, after the records before", async () => {
    const cases: [Codec<unknown, never>, string, unknown[], object][] = [
      [
        jsonLines(),
        '1\n2\nx\n3',
        [1, 2],
        { name: 'ProtocolError', code: 'ERR_INVALID_JSON', offset: 4, protocol: 'json-lines' },
      ],
      [netstring(), '1:a,2x', [Buffer.from('a')], { name: 'ProtocolError', code: 'ERR_LENGTH_NOT_DIGIT', offset: 4 }],
      [lines({ maxLength: 3 }), 'a\nabcd\n', ['a'], { name: 'LimitError', code: 'ERR_RECORD_TOO_LARGE', offset: 2 }],
      [fixed(4), 'abcdef', [Buffer.from('abcd')], { name: 'ProtocolError', code: 'ERR_UNEXPECTED_EOF', offset: 4 }],
      [lines({ tail: 'refuse' }), 'a\nb', ['a'], { name: 'ProtocolError', code: 'ERR_UNEXPECTED_EOF', offset: 2 }],
      [bytePairs(), 'abc', ['ab'], { name: 'ProtocolError', code: 'ERR_UNEXPECTED_EOF', offset: 2 }],
    ];
    for (const [codec, input, records, wanted] of cases) {
      for (const chunks of [[Buffer.from(input)], [...Buffer.from(input)].map((byte) => Buffer.of(byte))]) {
        const transform = decodeTransform(codec);
        const outcome = await decodeAll(transform, chunks);
        assert.deepEqual(outcome.records, records);
        assert.throws(() => {
          throw outcome.error;
        }, wanted);
        assert.equal(transform.destroyed, true);
      }
    }
  });

  it('refuses records that are null or undefined', async () => {
    for (const nothing of [null, undefined]) {
      const codec = mapped(lines(), { decode: (line: string) => (line === '' ? nothing : line), encode: String });
      const { records, error } = await decodeAll(decodeTransform(codec), [Buffer.from('a\n\nb\n')]);
      assert.deepEqual(records, ['a']);
      assert.equal((error as { code: string }).code, 'ERR_RECORD_NULL');
    }
  });

  it('ends by destroy and by AbortSignal in the middle of a chunk', async () => {
    const abort = new AbortController();
    const aborted = decodeTransform(lines(), { signal: abort.signal, readableHighWaterMark: 1 });
    aborted.write('a\n'.repeat(100));
    const reading = assert.rejects(aborted.toArray(), { name: 'AbortError' });
    abort.abort();
    await reading;
    const destroyed = decodeTransform(lines());
    const got: string[] = [];
    destroyed.on('data', (line) => {
      got.push(line);
      destroyed.destroy();
    });
    destroyed.write('a\nb\nc\n');
    await once(destroyed, 'close');
    assert.deepEqual(got, ['a']);
  });

  it('checks its arguments', () => {
    assert.throws(() => decodeTransform({} as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => decodeTransform(lines(), [] as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => decodeTransform(lines(), { output: {} as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    const codec = { ...bytePairs(), shared: false };
    decodeTransform(codec);
    assert.throws(() => decodeTransform(codec), { code: 'ERR_CODEC_IN_USE' });
  });
});

/** Answers each line with `ok <line>` before it gives it, and wants the answer to have left if it begins with a `!`. */
function answering(greeting = ''): Codec<string, never> {
  const inner = lines();
  let waiting: string | undefined;
  return {
    name: 'answering',
    start: (output) => void output.writeText(greeting),
    decode(input, output) {
      if (waiting !== undefined) {
        const line = waiting;
        waiting = undefined;
        return line;
      }
      const line = inner.decode(input);
      if (line === NOT_READY) return NOT_READY;
      if (line === '') return CONTINUE;
      output.writeText(`ok ${String(line)}\n`);
      if (!String(line).startsWith('!')) return line as string;
      waiting = line as string;
      return NEED_WRITE;
    },
    encode: () => true,
  };
}

describe('decodeTransform with a codec that writes while it reads', () => {
  it('is ERR_ONE_DIRECTION without an output', async () => {
    const wanted = { name: 'UsageError', code: 'ERR_ONE_DIRECTION', protocol: 'answering' };
    const { records, error } = await decodeAll(decodeTransform(answering()), [Buffer.from('a\nb\n')]);
    assert.deepEqual(records, []);
    assert.throws(() => {
      throw error;
    }, wanted);
    assert.throws(() => decodeTransform(answering('hello\n')), wanted);
  });

  it('writes to its output, the greeting first', async () => {
    const output = new PassThrough();
    const transform = decodeTransform(answering('hello\n'), { output });
    const { records, error } = await decodeAll(transform, [Buffer.from('a\n\n!b\nc\n')]);
    assert.equal(error, undefined);
    assert.deepEqual(records, ['a', '!b', 'c']);
    assert.equal(output.writableEnded, false);
    // One read() would give all of it, or from Node 26 on a chunk of it.
    assert.equal(await textOf(output.end()), 'hello\nok a\nok !b\nok c\n');
  });

  it('reads no further before a slow output has taken what was written', async () => {
    const taken: string[] = [];
    const release: (() => void)[] = [];
    const output = new Writable({
      write(chunk, _encoding, callback) {
        taken.push(String(chunk));
        release.push(callback);
      },
    });
    const transform = decodeTransform(answering(), { output });
    const got: string[] = [];
    transform.on('data', (line) => got.push(line));
    transform.end('a\nb\n!c\n');
    const ended = once(transform, 'end');
    for (const [i, line] of ['a', 'b', '!c'].entries()) {
      await settle();
      assert.deepEqual(taken.at(-1), `ok ${line}\n`);
      assert.equal(taken.length, i + 1);
      assert.ok(got.length <= i + 1);
      release[i]!();
    }
    await ended;
    assert.deepEqual(got, ['a', 'b', '!c']);
  });

  it('fails when its output fails', async () => {
    const failure = new Error('nobody listens');
    const output = new Writable({ write: (_chunk, _encoding, callback) => callback(failure) }).on('error', () => {});
    const { error } = await decodeAll(decodeTransform(answering(), { output }), [Buffer.from('a\nb\n')]);
    assert.equal(error, failure);
  });

  it('is ERR_CODEC_NO_PROGRESS when the codec waits for output that it has not written', async () => {
    const codec: Codec<string, never> = { name: 'stuck', decode: () => NEED_WRITE, encode: () => true };
    const { error } = await decodeAll(decodeTransform(codec), [Buffer.from('a')]);
    assert.equal((error as { code: string }).code, 'ERR_CODEC_NO_PROGRESS');
  });

  it('follows a codec to its successor', async () => {
    const second = lengthPrefixed({ bytes: 1 });
    const first: Codec<unknown, never> & { next?: Codec<unknown, never> } = {
      name: 'first',
      decode(input) {
        const line = lines().decode(input);
        if (line === 'GO') first.next = second;
        return line === 'GO' ? CONTINUE : line;
      },
      encode: () => true,
    };
    const { records } = await decodeAll(decodeTransform(first), [Buffer.from('a\nGO\n\x02xy\x01z')]);
    assert.deepEqual(records, ['a', Buffer.from('xy'), Buffer.from('z')]);
  });
});

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  let from = 0;
  return cuts.map((to) => {
    const chunk = bytes.subarray(from, to);
    from = to;
    return chunk;
  });
}

function said(error: unknown): unknown {
  const { code, offset, message } = (error ?? {}) as { code?: string; offset?: number; message?: string };
  return { code, offset, message };
}
