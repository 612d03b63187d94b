/**
 * What holds for every codec and every input: decode(encode(x)) is x, chunking changes nothing, and bytes of any kind
 * give records or documented errors, with progress, and without a byte consumed that has not come.
 */
import assert from 'node:assert/strict';
import {
  type Codec,
  EOF,
  fixed,
  framed,
  jsonLines,
  lengthPrefixed,
  lines,
  type MiniprotoError,
  mapped,
  memoryPair,
  NOT_READY,
  netstring,
  separated,
  UsageError,
} from 'miniproto';
import { ERROR_MESSAGES } from '#lib/errors';
import { type Random, seeded } from '../support/random.js';

type AnyCodec = Codec<unknown, never>;

interface Subject {
  readonly codec: () => AnyCodec;
  /** Bytes that matter to it. */
  readonly alphabet: string;
  /** Makes a record; text or bytes drawn from the alphabet by default. */
  readonly record?: (random: Random) => unknown;
}

const bytesRecord = (alphabet: string) => (random: Random) =>
  Buffer.from(random.bytes(random.pick([0, 1, 2, 3, 7, 40, 300]), Buffer.from(alphabet, 'latin1')));

const SUBJECTS: Record<string, Subject> = {
  'lines, either': { codec: () => lines({ encoding: 'latin1' }), alphabet: 'ab\r\n' },
  'lines, LF': { codec: () => lines({ encoding: 'buffer', newline: 'lf' }), alphabet: 'a\r\n' },
  'lines, CRLF': { codec: () => lines({ encoding: 'buffer', newline: 'crlf' }), alphabet: 'a\r\n' },
  'lines, strict': { codec: () => lines({ encoding: 'latin1', newline: 'strict-crlf' }), alphabet: 'abcde\r\n' },
  'lines, UTF-8': {
    codec: () => lines(),
    alphabet: 'a\n',
    record: (random) => 'aä€𝄞'.slice(0, random.pick([0, 1, 2, 3, 5])),
  },
  'lines, UTF-8 checked': {
    codec: () => lines({ encoding: 'utf8-strict' }),
    alphabet: 'a\xc3\xa4\n',
    record: (random) => 'ä€a'.slice(random.below(4)),
  },
  'lines, skipped': { codec: () => lines({ maxLength: 5, overflow: 'skip', tail: 'drop' }), alphabet: 'ab\r\n' },
  'lines, refused tail': { codec: () => lines({ maxLength: 20, tail: 'refuse' }), alphabet: 'abc\n' },
  'one separator': { codec: () => separated('aab', { encoding: 'buffer' }), alphabet: 'ab' },
  'overlapping separators': { codec: () => separated(['ab', 'b', 'aab', 'abab']), alphabet: 'abc' },
  'a longer separator': { codec: () => separated(['\n', '\n\n', '\r\n']), alphabet: 'a\r\n' },
  'separators around': { codec: () => separated(['|', '<|>', '||>']), alphabet: '<|>a' },
  'kept separators': { codec: () => separated([';'], { keep: true }), alphabet: 'ab;' },
  'length u8': { codec: () => lengthPrefixed({ bytes: 1, encoding: 'buffer' }), alphabet: '\0\x01\x02ab' },
  'length u16': { codec: () => lengthPrefixed({ bytes: 2, endian: 'little' }), alphabet: '\0\x01\x02ab' },
  'length u64': { codec: () => lengthPrefixed({ bytes: 8 }), alphabet: '\0\0\0\0\0\0\0\x01' },
  varint: { codec: () => lengthPrefixed({ bytes: 'varint', maxLength: 500 }), alphabet: '\0\x01\x80\x81a' },
  adjusted: { codec: () => lengthPrefixed({ bytes: 2, adjustment: -2, offset: 1 }), alphabet: '\0\x01\x02\x03' },
  netstring: { codec: () => netstring({ maxLengthBytes: 3 }), alphabet: '012:,' },
  fixed: { codec: () => fixed(5), alphabet: 'ab', record: (random) => Buffer.from(random.bytes(5)) },
  'JSON lines': {
    codec: () => jsonLines(),
    alphabet: '[]1,"\n',
    record: (random) => ({ a: random.next(), b: ['\n', '\u2028', '\r', null, random.below(9)] }),
  },
  mapped: {
    codec: () => mapped(lines(), { decode: (text) => text.length, encode: (size: number) => 'x'.repeat(size) }),
    alphabet: 'ab\n',
    record: (random) => random.below(50),
  },
};

/** Everything that a codec gives for an input, and how it ends. */
function decodeAll(codec: AnyCodec, input: Buffer, cuts: readonly number[]): { records: unknown[]; end: string } {
  const [near, far] = memoryPair({ capacity: 1 << 20 });
  const stream = framed(near, codec);
  const records: unknown[] = [];
  let start = 0;
  for (const cut of [...cuts, undefined]) {
    if (cut === undefined) void far.end();
    else if (cut > start) far.tryWrite(input.subarray(start, cut));
    start = cut ?? start;
    for (let steps = 0; ; steps++) {
      assert.ok(steps <= input.length + 1, 'progress');
      let record: unknown;
      try {
        record = stream.tryRead();
      } catch (error) {
        const { code, offset, protocol, name } = error as MiniprotoError;
        assert.ok(Object.hasOwn(ERROR_MESSAGES, code), `${code} is documented`);
        assert.ok(/^(ProtocolError|LimitError)$/.test(name), name);
        assert.ok(offset !== undefined && offset <= start);
        assert.equal(protocol, codec.name);
        return { records, end: `${code} at ${offset}` };
      }
      assert.ok(near.input.offset <= start, 'consumed <= given');
      if (record === NOT_READY) break;
      if (record === EOF) return { records, end: 'EOF' };
      records.push(record);
    }
  }
  throw new Error('neither EOF nor an error at the end');
}

for (const [name, subject] of Object.entries(SUBJECTS)) {
  describe(`every input: ${name}`, () => {
    seeded('gives the same records and the same end however random bytes are cut', (random) => {
      const alphabet = Buffer.from(subject.alphabet, 'latin1');
      for (let round = 0; round < 150; round++) {
        const size = random.pick([0, 1, 5, 20, 100, 600]);
        const input = Buffer.from(random.bytes(size, random.oneIn(4) ? undefined : alphabet));
        const whole = decodeAll(subject.codec(), input, [size]);
        const cut = decodeAll(subject.codec(), input, random.cuts(size, 12));
        assert.deepEqual(cut, whole, `input ${JSON.stringify(input.toString('latin1'))}`);
      }
    });

    seeded('decodes what it encoded, and refuses the rest', (random) => {
      const make = subject.record ?? bytesRecord(subject.alphabet);
      let taken = 0;
      for (let round = 0; round < 60; round++) {
        const [near, far] = memoryPair({ capacity: 1 << 20 });
        const writer = framed(near, subject.codec()) as unknown as { tryWrite(r: unknown): true; tryFlush(): true };
        const written: unknown[] = [];
        for (let i = random.below(12); i > 0; i--) {
          const record = make(random);
          try {
            assert.equal(writer.tryWrite(record), true);
            written.push(record);
          } catch (error) {
            assert.ok(error instanceof UsageError, String(error));
          }
        }
        taken += written.length;
        assert.equal(writer.tryFlush(), true);
        far.tryFill(0);
        while (far.tryFill(far.input.length + 1) !== NOT_READY);
        const bytes = far.input.take(far.input.length);
        const { records, end } = decodeAll(subject.codec(), bytes, random.cuts(bytes.length, 8));
        if (name === 'lines, skipped' || name === 'lines, refused tail') continue;
        assert.equal(end, 'EOF');
        assert.deepEqual(
          records.map(plain),
          written.map((record) => plain(keptForm(name, record))),
        );
      }
      assert.ok(taken > 0, 'some records can be written');
    });
  });
}

/** Text and bytes are the same record in two forms. */
function plain(record: unknown): unknown {
  return record instanceof Uint8Array ? Buffer.from(record).toString('latin1') : record;
}

/** What a record that is written without its separator has when it is read. */
function keptForm(name: string, record: unknown): unknown {
  if (name !== 'kept separators') return record;
  const text = plain(record) as string;
  return text.endsWith(';') ? text : `${text};`;
}
