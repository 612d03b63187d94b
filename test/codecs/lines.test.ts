/** Lines: every kind of line end and every form of a line, and the writing that goes with them. */
import assert from 'node:assert/strict';
import { framed, jsonLines, lines, memoryPair, separated, UsageError } from 'miniproto';
import { codecCases } from '../support/wire-cases.js';

const UTF8 = Buffer.from('zwölf\n€ 𝄞\n\n');
const BAD = Buffer.from('ok\n\xff\xfe\nnever\n', 'latin1');

codecCases('LineCodec reads', [
  {
    name: 'LF, and a CR before it, by default; CR elsewhere is data',
    codec: () => lines(),
    input: 'one\ntwo\r\nth\rree\n\n\r\n\r\r\n',
    records: [
      ['one', 4],
      ['two', 9],
      ['th\rree', 16],
      ['', 17],
      ['', 19],
      ['\r', 22],
    ],
    cut: 'tail',
  },
  {
    name: 'a last line without its end',
    codec: () => lines(),
    input: 'one\ntwo',
    records: [
      ['one', 4],
      ['two', 7],
    ],
    unterminated: true,
    cut: 'tail',
  },
  {
    name: 'a last line that ends with a CR',
    codec: () => lines(),
    input: 'a\r',
    records: [['a\r', 2]],
    unterminated: true,
    cut: 'tail',
  },
  { name: 'nothing as no line', codec: () => lines(), input: '', records: [] },
  {
    name: 'LF alone, and leaves a CR in the line',
    codec: () => lines({ newline: 'lf' }),
    input: 'a\r\nb\n',
    records: [
      ['a\r', 3],
      ['b', 5],
    ],
    cut: 'tail',
  },
  {
    name: 'CRLF alone, and leaves a lone CR or LF in the line',
    codec: () => lines({ newline: 'crlf' }),
    input: 'a\nb\rc\r\r\n\r\nd\r\n',
    records: [
      ['a\nb\rc\r', 8],
      ['', 10],
      ['d', 13],
    ],
    cut: 'tail',
  },
  {
    name: 'strict CRLF',
    codec: () => lines({ newline: 'strict-crlf' }),
    input: 'a\r\n\r\nbc\r\n',
    records: [
      ['a', 3],
      ['', 5],
      ['bc', 9],
    ],
    cut: 'tail',
  },
  {
    name: 'ERR_BARE_LF where strict CRLF is asked for',
    codec: () => lines({ newline: 'strict-crlf', tail: 'refuse' }),
    input: 'a\r\nbc\nd\r\n',
    records: [['a', 3]],
    error: ['ProtocolError', 'ERR_BARE_LF', 3],
  },
  {
    name: 'ERR_BARE_CR where strict CRLF is asked for',
    codec: () => lines({ newline: 'strict-crlf', tail: 'drop' }),
    input: 'a\r\nbc\rd\r\n',
    records: [['a', 3]],
    error: ['ProtocolError', 'ERR_BARE_CR', 3],
    cut: 'drop',
  },
  {
    name: 'UTF-8 by default',
    codec: () => lines(),
    input: UTF8,
    records: [
      ['zwölf', 7],
      ['€ 𝄞', 16],
      ['', 17],
    ],
    cut: 'tail',
  },
  {
    name: 'U+FFFD for what is no UTF-8',
    codec: () => lines(),
    input: BAD,
    records: [
      ['ok', 3],
      ['\ufffd\ufffd', 6],
      ['never', 12],
    ],
    cut: 'tail',
  },
  {
    name: 'ERR_INVALID_UTF8 for what is no UTF-8, on request, behind the lines before it',
    codec: () => lines({ encoding: 'utf8-strict', tail: 'refuse' }),
    input: BAD,
    records: [['ok', 3]],
    error: ['ProtocolError', 'ERR_INVALID_UTF8', 3],
  },
  {
    name: 'valid UTF-8 when it is checked',
    codec: () => lines({ encoding: 'utf8-strict' }),
    input: UTF8,
    records: [
      ['zwölf', 7],
      ['€ 𝄞', 16],
      ['', 17],
    ],
    unterminated: true,
    cut: 'tail',
  },
  {
    name: 'latin1',
    codec: () => lines({ encoding: 'latin1' }),
    input: 'caf\xe9\n\xff\x80\n',
    records: [
      ['café', 5],
      ['ÿ\x80', 8],
    ],
    cut: 'tail',
  },
  {
    name: 'bytes',
    codec: () => lines({ encoding: 'buffer' }),
    input: 'a\0b\n\xff\n',
    records: [
      [Buffer.from('a\0b'), 4],
      [Buffer.of(0xff), 6],
    ],
    cut: 'tail',
  },
  {
    name: 'detached strings',
    codec: () => lines({ detached: true }),
    input: 'one\ntwo\nthree\n',
    records: [
      ['one', 4],
      ['two', 8],
      ['three', 14],
    ],
    cut: 'tail',
  },
  {
    name: 'lines with their ends, on request',
    codec: () => lines({ keep: true }),
    input: 'a\nb\r\n\nc',
    records: [
      ['a\n', 2],
      ['b\r\n', 5],
      ['\n', 6],
      ['c', 7],
    ],
    unterminated: true,
    cut: 'tail',
  },
  {
    name: 'a line of exactly maxLength bytes, and ERR_RECORD_TOO_LARGE for one more',
    codec: () => lines({ maxLength: 3, tail: 'refuse' }),
    input: 'abc\r\nabc\nabcd\nx\n',
    records: [
      ['abc', 5],
      ['abc', 9],
    ],
    error: ['LimitError', 'ERR_RECORD_TOO_LARGE', 9],
  },
  {
    name: 'no unterminated tail where it is refused',
    codec: () => lines({ tail: 'refuse' }),
    input: 'a\nbc',
    records: [['a', 2]],
    error: ['ProtocolError', 'ERR_UNEXPECTED_EOF', 2],
  },
  {
    name: 'no unterminated tail where it is dropped',
    codec: () => lines({ tail: 'drop' }),
    input: 'a\nbc',
    records: [['a', 2]],
    unterminated: true,
    cut: 'drop',
  },
  {
    name: 'lines that are too long as nothing, where they are skipped',
    codec: () => lines({ maxLength: 2, overflow: 'skip', tail: 'drop' }),
    input: 'toolong\nab\nabc\n\ncd\n',
    records: [
      ['ab', 11],
      ['', 16],
      ['cd', 19],
    ],
    cut: 'drop',
  },
  {
    name: 'lines that are too long in pieces, where they are asked for',
    codec: () => lines({ maxLength: 3, overflow: 'pieces', encoding: 'latin1', tail: 'refuse' }),
    input: 'ab\nabcdefg\nabc\nabcdef\n',
    records: [
      [{ data: 'ab', piece: 'whole' }, 3],
      [{ data: 'abc', piece: 'part' }, 6],
      [{ data: 'def', piece: 'part' }, 9],
      [{ data: 'g', piece: 'last' }, 11],
      [{ data: 'abc', piece: 'whole' }, 15],
      [{ data: 'abc', piece: 'part' }, 18],
      [{ data: 'def', piece: 'last' }, 22],
    ],
    cut: 'pieces',
  },
]);

codecCases('JSON lines read', [
  {
    name: 'one value a line',
    codec: () => jsonLines(),
    input: Buffer.from('{"a":1}\n[1, 2]\r\n"ü"\nnull\n'),
    records: [
      [{ a: 1 }, 8],
      [[1, 2], 16],
      ['ü', 21],
      [null, 26],
    ],
    cut: 'tail',
  },
  {
    name: 'ERR_INVALID_JSON for a line that is none, behind the lines before it',
    codec: () => jsonLines({ tail: 'refuse' }),
    input: '1\n2\n{\n3\n',
    records: [
      [1, 2],
      [2, 4],
    ],
    error: ['ProtocolError', 'ERR_INVALID_JSON', 4],
  },
  {
    name: 'ERR_INVALID_JSON for an empty line',
    codec: () => jsonLines({ tail: 'refuse' }),
    input: '\n1\n',
    records: [],
    error: ['ProtocolError', 'ERR_INVALID_JSON', 0],
  },
  {
    name: 'ERR_INVALID_UTF8 for a line that is no UTF-8',
    codec: () => jsonLines({ tail: 'refuse' }),
    input: '1\n"\xff"\n',
    records: [[1, 2]],
    error: ['ProtocolError', 'ERR_INVALID_UTF8', 2],
  },
  {
    name: 'ERR_RECORD_TOO_LARGE for a line over the limit',
    codec: () => jsonLines({ maxLength: 3, tail: 'refuse' }),
    input: '123\n1234\n',
    records: [[123, 4]],
    error: ['LimitError', 'ERR_RECORD_TOO_LARGE', 4],
  },
  {
    name: 'values through a reviver',
    codec: () => jsonLines({ reviver: (key, value) => (key === 'n' ? BigInt(value as number) : value) }),
    input: '{"n":5}\n',
    records: [[{ n: 5n }, 8]],
    cut: 'tail',
  },
]);

/** What a codec writes for records, as text. */
function written(codec: Parameters<typeof framed>[1], records: unknown[]): string {
  const [ours, peer] = memoryPair();
  const stream = framed(ours, codec);
  for (const record of records) assert.equal(stream.tryWrite(record), true);
  stream.tryFlush();
  peer.tryFill();
  return peer.input.take(peer.input.length).toString('latin1');
}

describe('LineCodec writes', () => {
  it('LF or CRLF, as it reads', () => {
    assert.equal(written(lines(), ['a', '', Buffer.from('b')]), 'a\n\nb\n');
    assert.equal(written(lines({ newline: 'lf' }), ['a\r']), 'a\r\n');
    assert.equal(written(lines({ newline: 'crlf' }), ['a\nb\r']), 'a\nb\r\r\n');
    assert.equal(written(lines({ newline: 'strict-crlf' }), ['a']), 'a\r\n');
    assert.equal(written(lines({ keep: true }), ['a\n', 'b\r\n', 'c']), 'a\nb\nc\n');
    assert.equal(written(lines({ keep: true, newline: 'strict-crlf' }), ['a\r\n', 'b', '\r\n']), 'a\r\nb\r\n\r\n');
    assert.equal(written(lines({ encoding: 'latin1' }), ['é']), '\xe9\n');
    assert.equal(written(jsonLines(), [{ a: '\n' }]), '{"a":"\\n"}\n');
  });

  const refused: [string, Parameters<typeof lines>[0], (string | Uint8Array)[]][] = [
    ['a line end inside', {}, ['a\nb', '\n', Buffer.from('a\nb')]],
    ['a CR at the end, which would be taken for a part of it', {}, ['a\r', '\r', Buffer.from('\r')]],
    ['a CRLF inside', { newline: 'crlf' }, ['a\r\nb', Buffer.from('\r\n')]],
    ['any CR or LF where CRLF is strict', { newline: 'strict-crlf' }, ['a\rb', 'a\n', Buffer.from('\r')]],
    ['a line end before the one that is kept', { keep: true }, ['a\nb\n', '\n\n']],
    [
      'half of the CRLF that is kept where it is strict',
      { keep: true, newline: 'strict-crlf' },
      ['a\n', 'b\r', '\n\r'],
    ],
  ];
  for (const [title, options, records] of refused) {
    it(`refuses a record with ${title}`, () => {
      const stream = framed(memoryPair()[0], lines(options));
      const error = { name: 'UsageError', code: 'ERR_RECORD_CONTAINS_SEPARATOR', protocol: 'lines' };
      for (const record of records) assert.throws(() => stream.tryWrite(record as never), error, String(record));
      assert.equal(stream.pendingOutput, 0);
    });
  }

  it('refuses characters that latin1 would cut to a line end', () => {
    const stream = framed(memoryPair()[0], lines({ encoding: 'latin1' }));
    assert.throws(() => stream.tryWrite('a\u010ab'), { name: 'UsageError', code: 'ERR_RECORD_NOT_ENCODABLE' });
  });

  it('refuses values that have no JSON, and writes nothing of them', () => {
    const stream = framed(memoryPair()[0], jsonLines());
    for (const value of [undefined, () => {}, Symbol('x')]) {
      assert.throws(() => stream.tryWrite(value), { name: 'UsageError', code: 'ERR_RECORD_NOT_ENCODABLE' });
    }
    assert.equal(stream.pendingOutput, 0);
  });

  it('refuses values that JSON.stringify throws for, with what it throws as the cause', () => {
    const stream = framed(memoryPair()[0], jsonLines());
    const circle: { self?: unknown } = {};
    circle.self = circle;
    const failure = new Error('no JSON today');
    const failing = {
      toJSON() {
        throw failure;
      },
    };
    for (const value of [circle, 5n]) {
      assert.throws(
        () => stream.tryWrite(value),
        (error: UsageError) => {
          assert.ok(error instanceof UsageError);
          assert.equal(error.code, 'ERR_RECORD_NOT_ENCODABLE');
          assert.ok(error.cause instanceof TypeError);
          assert.match(error.message, /^json-lines: a value of type \w+ has no JSON: [^\n]+$/);
          return true;
        },
      );
    }
    assert.throws(() => stream.tryWrite(failing), { code: 'ERR_RECORD_NOT_ENCODABLE', cause: failure });
    assert.equal(stream.pendingOutput, 0);
  });

  it('refuses a lone surrogate where UTF-8 is strict, and U+FFFD for it elsewhere', () => {
    const text = 'a\ud800b';
    const strict = framed(memoryPair()[0], lines({ encoding: 'utf8-strict' }));
    const error = { name: 'UsageError', code: 'ERR_RECORD_NOT_ENCODABLE', protocol: 'lines' };
    for (const lone of [text, '\udc00', '\udc00\ud800']) assert.throws(() => strict.tryWrite(lone), error);
    assert.equal(strict.pendingOutput, 0);
    assert.equal(strict.tryWrite('\ud83d\ude00é'), true);
    for (const encoding of ['utf8', 'buffer'] as const) {
      assert.equal(written(lines({ encoding }), [text]), Buffer.from('a\ufffdb\n').toString('latin1'));
    }
  });

  it('refuses what is neither text nor bytes', () => {
    const stream = framed(memoryPair()[0], lines());
    for (const value of [undefined, null, 5, {}, []]) {
      assert.throws(() => stream.tryWrite(value as never), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' });
    }
  });

  it('refuses options that are none', () => {
    assert.throws(() => lines({ newline: 'cr' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => lines({ encoding: 'hex' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => lines({ maxLength: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => lines({ maxLength: 2 ** 31 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => lines({ keep: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    // @ts-expect-error UTF-8, the default of lines, cannot be cut into pieces
    assert.throws(() => lines({ overflow: 'pieces' }), { code: 'ERR_INVALID_ARG_VALUE' });
    // @ts-expect-error nor can it where it is asked for
    assert.throws(() => lines({ overflow: 'pieces', encoding: 'utf8-strict' }), { code: 'ERR_INVALID_ARG_VALUE' });
    // @ts-expect-error as with every separator
    assert.throws(() => separated(';', { overflow: 'pieces', encoding: 'utf8' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => lines({ tail: 'eat' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
  });
});
