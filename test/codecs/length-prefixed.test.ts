/** Length-prefixed records, netstrings and records of a fixed size: every kind of length field, and what is refused. */
import assert from 'node:assert/strict';
import {
  type FramedStream,
  fixed,
  framed,
  type LengthPrefixedOptions,
  lengthPrefixed,
  memoryPair,
  netstring,
} from 'miniproto';
import { type CodecCase, codecCases } from '../support/wire-cases.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const text = Buffer.from;

/** Two records, the second one empty, with a field of `width` bytes. */
function widthCase(width: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8, endian: 'big' | 'little'): CodecCase {
  const field = (value: number) => {
    const bytes = Buffer.alloc(width);
    bytes[endian === 'big' ? width - 1 : 0] = value;
    return bytes;
  };
  return {
    name: `a length of ${width} bytes, ${endian}-endian`,
    codec: () => lengthPrefixed({ bytes: width, endian }),
    input: Buffer.concat([field(5), text('hello'), field(0), field(1), text('x')]),
    records: [
      [text('hello'), width + 5],
      [text(''), 2 * width + 5],
      [text('x'), 3 * width + 6],
    ],
  };
}

const WIDTHS = [1, 2, 3, 4, 5, 6, 7, 8] as const;

codecCases('LengthPrefixedCodec reads', [
  ...WIDTHS.flatMap((width) => [widthCase(width, 'big'), widthCase(width, 'little')]),
  {
    name: 'a varint of one, two and more bytes',
    codec: () => lengthPrefixed({ bytes: 'varint' }),
    input: Buffer.concat([hex('02'), text('ab'), hex('8001'), Buffer.alloc(128, 'x'), hex('00')]),
    records: [
      [text('ab'), 3],
      [Buffer.alloc(128, 'x'), 133],
      [text(''), 134],
    ],
  },
  {
    name: 'ERR_LENGTH_OVERLONG for a varint that could be shorter',
    codec: () => lengthPrefixed({ bytes: 'varint' }),
    input: hex('01 61 8000'),
    records: [[text('a'), 2]],
    error: ['ProtocolError', 'ERR_LENGTH_OVERLONG', 2],
  },
  {
    name: 'ERR_LENGTH_TOO_LONG for a varint of more than maxLengthBytes',
    codec: () => lengthPrefixed({ bytes: 'varint', maxLengthBytes: 3 }),
    input: hex('01 61 808080 01'),
    records: [[text('a'), 2]],
    error: ['LimitError', 'ERR_LENGTH_TOO_LONG', 2],
  },
  {
    name: 'ERR_LENGTH_OVERFLOW for a length over 2^53 - 1',
    codec: () => lengthPrefixed({ bytes: 8 }),
    input: hex('0000000000000001 61 0020000000000000 62'),
    records: [[text('a'), 9]],
    error: ['ProtocolError', 'ERR_LENGTH_OVERFLOW', 9],
  },
  {
    name: 'ERR_LENGTH_OVERFLOW for a varint over 2^53 - 1',
    codec: () => lengthPrefixed({ bytes: 'varint', maxLengthBytes: 8 }),
    input: hex('ffffffffffffff7f'),
    records: [],
    error: ['ProtocolError', 'ERR_LENGTH_OVERFLOW', 0],
  },
  {
    name: 'ERR_RECORD_TOO_LARGE by the length alone, whatever follows',
    codec: () => lengthPrefixed({ bytes: 4, maxLength: 3 }),
    input: hex('00000003 616263 00000004 61'),
    records: [[text('abc'), 7]],
    error: ['LimitError', 'ERR_RECORD_TOO_LARGE', 7],
  },
  {
    name: 'ERR_RECORD_TOO_LARGE for a length of 2^53 - 1, which reserves nothing',
    codec: () => lengthPrefixed({ bytes: 8 }),
    input: hex('001fffffffffffff 61'),
    records: [],
    error: ['LimitError', 'ERR_RECORD_TOO_LARGE', 0],
  },
  {
    name: 'ASCII decimals',
    codec: () => lengthPrefixed({ bytes: 'decimal', terminator: ' ' }),
    input: '0 3 abc11 hello world',
    records: [
      [text(''), 2],
      [text('abc'), 7],
      [text('hello world'), 21],
    ],
  },
  {
    name: 'ERR_LENGTH_NOT_DIGIT in a decimal',
    codec: () => lengthPrefixed({ bytes: 'decimal' }),
    input: '1:a1x:b',
    records: [[text('a'), 3]],
    error: ['ProtocolError', 'ERR_LENGTH_NOT_DIGIT', 3],
  },
  {
    name: 'ERR_LENGTH_NOT_DIGIT for a decimal without digits',
    codec: () => lengthPrefixed({ bytes: 'decimal' }),
    input: ':a',
    records: [],
    error: ['ProtocolError', 'ERR_LENGTH_NOT_DIGIT', 0],
  },
  {
    name: 'ERR_LENGTH_OVERLONG for a decimal with a leading zero',
    codec: () => lengthPrefixed({ bytes: 'decimal' }),
    input: '1:a01:b',
    records: [[text('a'), 3]],
    error: ['ProtocolError', 'ERR_LENGTH_OVERLONG', 3],
  },
  {
    name: 'ERR_LENGTH_TOO_LONG for a decimal of more than maxLengthBytes digits',
    codec: () => lengthPrefixed({ bytes: 'decimal', maxLengthBytes: 2 }),
    input: '2:ab123:',
    records: [[text('ab'), 4]],
    error: ['LimitError', 'ERR_LENGTH_TOO_LONG', 4],
  },
  {
    name: 'bytes before the field, stripped with it',
    codec: () => lengthPrefixed({ bytes: 1, offset: 2 }),
    input: '??\x03abc!!\x00',
    records: [
      [text('abc'), 6],
      [text(''), 9],
    ],
  },
  {
    name: 'header and payload together, where the header is kept',
    codec: () => lengthPrefixed({ bytes: 2, offset: 1, header: 'keep' }),
    input: 'T\x00\x02abU\x00\x00',
    records: [
      [text('T\0\x02ab'), 5],
      [text('U\0\0'), 8],
    ],
  },
  {
    name: 'a length that counts its own header, by a negative adjustment',
    codec: () => lengthPrefixed({ bytes: 2, adjustment: -2 }),
    input: hex('0005 616263 0002'),
    records: [
      [text('abc'), 5],
      [text(''), 7],
    ],
  },
  {
    name: 'a length that leaves a header out, by a positive adjustment',
    codec: () => lengthPrefixed({ bytes: 1, adjustment: 2 }),
    input: hex('01 aabb 63 00 aabb'),
    records: [
      [hex('aabb63'), 4],
      [hex('aabb'), 7],
    ],
  },
  {
    name: 'ERR_LENGTH_NEGATIVE where the adjustment makes it so',
    codec: () => lengthPrefixed({ bytes: 2, adjustment: -2 }),
    input: hex('0002 0001'),
    records: [[text(''), 2]],
    error: ['ProtocolError', 'ERR_LENGTH_NEGATIVE', 2],
  },
  {
    name: 'a trailer after each payload',
    codec: () => lengthPrefixed({ bytes: 1, trailer: '\n' }),
    input: '\x02ab\n\x00\n',
    records: [
      [text('ab'), 4],
      [text(''), 6],
    ],
  },
  {
    name: 'UTF-8 text',
    codec: () => lengthPrefixed({ bytes: 1, encoding: 'utf8' }),
    input: Buffer.concat([hex('06'), text('€uro'), hex('00')]),
    records: [
      ['€uro', 7],
      ['', 8],
    ],
  },
  {
    name: 'ERR_INVALID_UTF8 on request',
    codec: () => lengthPrefixed({ bytes: 1, encoding: 'utf8-strict' }),
    input: hex('01 61 02 c328'),
    records: [['a', 2]],
    error: ['ProtocolError', 'ERR_INVALID_UTF8', 2],
  },
  {
    name: 'latin1 text',
    codec: () => lengthPrefixed({ bytes: 1, encoding: 'latin1' }),
    input: '\x01\xe9\x02ab',
    records: [
      ['é', 2],
      ['ab', 5],
    ],
  },
  {
    name: 'ERR_UNEXPECTED_EOF for a record that the end cuts off',
    codec: () => lengthPrefixed({ bytes: 2 }),
    input: hex('0001 61 0005 6162'),
    records: [[text('a'), 3]],
    error: ['ProtocolError', 'ERR_UNEXPECTED_EOF', 3],
  },
]);

codecCases('NetstringCodec reads', [
  {
    name: 'netstrings',
    codec: () => netstring(),
    input: '5:hello,0:,12:hello world!,',
    records: [
      [text('hello'), 8],
      [text(''), 11],
      [text('hello world!'), 27],
    ],
  },
  {
    name: 'ERR_TRAILER_MISSING where the comma is something else',
    codec: () => netstring({ encoding: 'latin1' }),
    input: '1:a,1:b;1:c,',
    records: [['a', 4]],
    error: ['ProtocolError', 'ERR_TRAILER_MISSING', 4],
  },
]);

codecCases('FixedCodec reads', [
  {
    name: 'records of one size',
    codec: () => fixed(3),
    input: 'abcdefghi',
    records: [
      [text('abc'), 3],
      [text('def'), 6],
      [text('ghi'), 9],
    ],
  },
  {
    name: 'ERR_UNEXPECTED_EOF for a shorter rest',
    codec: () => fixed(4),
    input: 'abcdef',
    records: [[text('abcd'), 4]],
    error: ['ProtocolError', 'ERR_UNEXPECTED_EOF', 4],
  },
]);

function written(codec: Parameters<typeof framed<unknown, never>>[1], records: unknown[]): Buffer {
  const [ours, peer] = memoryPair();
  const stream = framed(ours, codec) as unknown as FramedStream<unknown, unknown>;
  for (const record of records) assert.equal(stream.tryWrite(record), true);
  stream.tryFlush();
  peer.tryFill();
  return peer.input.take(peer.input.length);
}

describe('LengthPrefixedCodec writes', () => {
  it('each kind of length', () => {
    assert.deepEqual(written(lengthPrefixed({ bytes: 2 }), ['ab', text('c')]), hex('0002 6162 0001 63'));
    assert.deepEqual(written(lengthPrefixed({ bytes: 3, endian: 'little' }), ['a']), hex('010000 61'));
    assert.deepEqual(written(lengthPrefixed({ bytes: 8 }), ['']), Buffer.alloc(8));
    assert.deepEqual(written(lengthPrefixed({ bytes: 'varint' }), ['x'.repeat(300)]).subarray(0, 3), hex('ac0278'));
    assert.deepEqual(written(netstring(), ['hello', '']), text('5:hello,0:,'));
    assert.deepEqual(written(lengthPrefixed({ bytes: 2, adjustment: -2 }), ['abc']), hex('0005 616263'));
    assert.deepEqual(written(lengthPrefixed({ bytes: 1, offset: 2, prefix: text('MP') }), ['a']), text('MP\x01a'));
    assert.deepEqual(written(lengthPrefixed({ bytes: 1, offset: 1 }), ['a']), text('\0\x01a'));
    assert.deepEqual(written(lengthPrefixed({ bytes: 1, header: 'keep' }), ['\x01a']), text('\x01a'));
    assert.deepEqual(written(fixed(2), [text('ab')]), text('ab'));
  });

  const refused: [string, LengthPrefixedOptions, string | Uint8Array][] = [
    ['does not fit the field', { bytes: 1 }, 'x'.repeat(256)],
    ['does not fit the digits', { bytes: 'decimal', maxLengthBytes: 1 }, 'x'.repeat(10)],
    ['does not fit the varint', { bytes: 'varint', maxLengthBytes: 1 }, 'x'.repeat(128)],
    ['is shorter than the adjustment', { bytes: 1, adjustment: 2 }, 'x'],
    ['brings a header that does not fit it', { bytes: 1, header: 'keep' }, '\x02a'],
    ['brings half a header', { bytes: 4, header: 'keep' }, '\0\0'],
    ['has characters that latin1 lacks', { bytes: 1, encoding: 'latin1' }, '€'],
    ['has a lone surrogate where UTF-8 is strict', { bytes: 1, encoding: 'utf8-strict' }, 'a\udc00'],
  ];
  for (const [title, options, record] of refused) {
    it(`refuses a record that ${title}, and takes nothing of it`, () => {
      const stream = framed(memoryPair()[0], lengthPrefixed(options));
      assert.throws(() => stream.tryWrite(record), { name: 'UsageError', code: 'ERR_RECORD_NOT_ENCODABLE' });
      assert.equal(stream.pendingOutput, 0);
    });
  }

  it('refuses a record of another size than the fixed one', () => {
    const stream = framed(memoryPair()[0], fixed(3));
    for (const size of [0, 2, 4]) {
      assert.throws(() => stream.tryWrite(new Uint8Array(size)), { code: 'ERR_RECORD_NOT_ENCODABLE' });
    }
    assert.throws(() => stream.tryWrite('abc' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  it('refuses options that are none', () => {
    const range = { code: 'ERR_OUT_OF_RANGE' };
    assert.throws(() => lengthPrefixed({ bytes: 9 as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => lengthPrefixed({ endian: 'middle' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => lengthPrefixed({ header: 'drop' as never }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => lengthPrefixed({ offset: -1 }), range);
    assert.throws(() => lengthPrefixed({ adjustment: 0.5 }), range);
    assert.throws(() => lengthPrefixed({ maxLength: -1 }), range);
    assert.throws(() => lengthPrefixed({ bytes: 'varint', maxLengthBytes: 9 }), range);
    assert.throws(() => lengthPrefixed({ bytes: 'decimal', maxLengthBytes: 0 }), range);
    assert.throws(() => lengthPrefixed({ bytes: 'varint', maxLengthBytes: null as never }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
    assert.throws(() => lengthPrefixed({ bytes: 'decimal', terminator: '::' }), range);
    assert.throws(() => lengthPrefixed({ trailer: '' }), range);
    assert.throws(() => lengthPrefixed({ offset: 2, prefix: new Uint8Array(1) }), range);
    assert.throws(() => lengthPrefixed({ offset: 1, prefix: 'x' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => lengthPrefixed({ terminator: 5 as never, bytes: 'decimal' }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => lengthPrefixed({ bytes: 'decimal', terminator: '€' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => lengthPrefixed({ bytes: 'decimal', terminator: '5' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => fixed(0), range);
    assert.throws(() => fixed('5' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
