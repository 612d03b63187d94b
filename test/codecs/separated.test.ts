/** Separated records: one and several separators, of one and more bytes, and what must not be written between them. */
import assert from 'node:assert/strict';
import { framed, lines, mapped, memoryPair, type SeparatedOptions, separated } from 'miniproto';
import { codecCases } from '../support/wire-cases.js';

const latin1 = <O extends Partial<SeparatedOptions>>(options?: O) => ({ encoding: 'latin1' as const, ...options });

codecCases('SeparatedCodec reads', [
  {
    name: 'one byte',
    codec: () => separated(';', latin1()),
    input: 'a;;bc;',
    records: [
      ['a', 2],
      ['', 3],
      ['bc', 6],
    ],
    cut: 'tail',
  },
  {
    name: 'several bytes, of which parts are data',
    codec: () => separated('--X', latin1()),
    input: 'a-b--X--X---Xc--',
    records: [
      ['a-b', 6],
      ['', 9],
      ['-', 13],
      ['c--', 16],
    ],
    unterminated: true,
    cut: 'tail',
  },
  {
    name: 'bytes, by default',
    codec: () => separated(Uint8Array.of(0)),
    input: 'a\0\xff\0',
    records: [
      [Buffer.from('a'), 2],
      [Buffer.of(0xff), 4],
    ],
    cut: 'tail',
  },
  {
    name: 'several separators, the first in the input',
    codec: () => separated([';', ','], latin1({ tail: 'refuse' as const })),
    input: 'a,b;c,',
    records: [
      ['a', 2],
      ['b', 4],
      ['c', 6],
    ],
  },
  {
    name: 'several separators, the longest at one place',
    codec: () => separated(['\n', '\r\n', '\r'], latin1({ tail: 'refuse' as const })),
    input: 'a\r\nb\rc\n\n\r\n',
    records: [
      ['a', 3],
      ['b', 5],
      ['c', 7],
      ['', 8],
      ['', 10],
    ],
    cut: 'pieces',
  },
  {
    name: 'separators of which one begins another',
    codec: () => separated(['ab', 'abab', 'b'], latin1({ tail: 'refuse' as const })),
    input: 'xababyabzb',
    records: [
      ['x', 5],
      ['y', 8],
      ['z', 10],
    ],
    cut: 'pieces',
  },
  {
    name: 'separators that are kept',
    codec: () => separated(['--', ';'], latin1({ keep: true })),
    input: 'a--;b',
    records: [
      ['a--', 3],
      [';', 4],
      ['b', 5],
    ],
    unterminated: true,
    cut: 'tail',
  },
  {
    name: 'a separator of more than one character that is no ASCII',
    codec: () => separated('→', { encoding: 'utf8' }),
    input: Buffer.from('ä→→b→'),
    records: [
      ['ä', 5],
      ['', 8],
      ['b', 12],
    ],
    cut: 'tail',
  },
  {
    name: 'a long separator',
    codec: () => separated('-'.repeat(40), latin1({ tail: 'refuse' as const })),
    input: `a${'-'.repeat(40)}`,
    records: [['a', 41]],
  },
  {
    name: 'ERR_RECORD_TOO_LARGE for one byte more than maxLength',
    codec: () => separated('--', latin1({ maxLength: 2, tail: 'refuse' as const })),
    input: 'ab--abc--',
    records: [['ab', 4]],
    error: ['LimitError', 'ERR_RECORD_TOO_LARGE', 4],
  },
  {
    name: 'nothing of records over the limit that are skipped, wherever they are cut',
    codec: () => separated('--', latin1({ maxLength: 2, overflow: 'skip' as const, tail: 'drop' as const })),
    input: 'abcdef-g--ab--xyz-----c--',
    records: [
      ['ab', 14],
      ['', 21],
      ['-c', 25],
    ],
    cut: 'pieces',
  },
  {
    name: 'records over the limit in pieces',
    codec: () => separated(';', { maxLength: 2, overflow: 'pieces' }),
    input: 'abcde;f;',
    records: [
      [{ data: Buffer.from('ab'), piece: 'part' }, 2],
      [{ data: Buffer.from('cd'), piece: 'part' }, 4],
      [{ data: Buffer.from('e'), piece: 'last' }, 6],
      [{ data: Buffer.from('f'), piece: 'whole' }, 8],
    ],
    cut: 'pieces',
  },
]);

codecCases('MappedCodec reads', [
  {
    name: 'values of records',
    codec: () => mapped(lines(), { decode: Number, encode: String }),
    input: '1\n22\n',
    records: [
      [1, 2],
      [22, 5],
    ],
    cut: 'tail',
  },
  {
    name: 'ERR_INVALID_RECORD where the function throws, behind the values before it',
    codec: () =>
      mapped(lines({ tail: 'refuse' }), {
        name: 'digits',
        decode: (text) => {
          if (!/^\d+$/.test(text)) throw new Error('no digits');
          return Number(text);
        },
        encode: String,
      }),
    input: '1\n2\nx\n4\n',
    records: [
      [1, 2],
      [2, 4],
    ],
    error: ['ProtocolError', 'ERR_INVALID_RECORD', 4],
  },
]);

describe('SeparatedCodec writes', () => {
  const refused: [string, string[], string[], string[]][] = [
    ['a separator inside', [';', ','], ['a;b', 'a,b'], ['ab', '']],
    ['bytes that make one with the separator behind', ['aa'], ['xa', 'aa'], ['x', 'ax']],
    ['bytes that make a longer one with the separator behind', ['\n', '\r\n'], ['a\r'], ['a', '\ra']],
    ['bytes that make a longer one with the separator before', ['\n', '\n\n'], ['', '\nx'], ['x']],
    ['bytes that make a longer one around the separator', ['|', '<|>'], ['a<'], ['>a', 'a>']],
  ];
  for (const [title, separators, bad, good] of refused) {
    it(`refuses a record with ${title}`, () => {
      const stream = framed(memoryPair()[0], separated(separators));
      const error = { name: 'UsageError', code: 'ERR_RECORD_CONTAINS_SEPARATOR' };
      for (const record of bad) {
        assert.throws(() => stream.tryWrite(record), error, JSON.stringify(record));
        assert.throws(() => stream.tryWrite(Buffer.from(record)), error, JSON.stringify(record));
      }
      assert.equal(stream.pendingOutput, 0);
      for (const record of good) assert.equal(stream.tryWrite(record), true, JSON.stringify(record));
    });
  }

  it('refuses separators that are none', () => {
    assert.throws(() => separated(''), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => separated([]), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => separated('x'.repeat(257)), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => separated(Array.from({ length: 17 }, String)), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => separated(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => separated([5 as never]), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});
