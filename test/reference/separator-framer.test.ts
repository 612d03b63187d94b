/**
 * The separator framer over every implementation: wire cases for each rule, and what the header says between calls.
 *
 * `lines`, `crlf` and so on are framings to start from; a case says what it changes.
 */
import assert from 'node:assert/strict';
import * as t from '#lib/frame-table';
import type { SeparatorFraming } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';
import { separatorOracle } from '../support/oracle.js';
import { type Random, seeded } from '../support/random.js';
import { deliver } from '../support/stream.js';
import { runWireCase, type WireCase } from '../support/wire.js';

const { FLAG_PIECE: PIECE, FLAG_LAST_PIECE: LAST, FLAG_UNTERMINATED: UNTERMINATED } = t;

type Changes = Partial<Omit<SeparatorFraming, 'separators'>> & { separators?: readonly string[] };

/** A framing from characters; by default lines that end with LF, of at most 1 MiB, with the tail given. */
function framing(changes: Changes = {}): SeparatorFraming {
  const { separators = ['\n'], ...rest } = changes;
  return {
    keep: false,
    newline: 'plain',
    maxLength: 1 << 20,
    overflow: 'error',
    tail: 'give',
    ...rest,
    separators: separators.map((text) => Buffer.from(text, 'latin1')),
  };
}

const stripCr: Changes = { newline: 'strip-cr' };
const strict: Changes = { newline: 'strict-crlf', separators: ['\r\n'] };

/** Flags of a record that the separator of this index ended. */
const by = (index: number) => index << t.SEPARATOR_SHIFT;

const CASES: readonly (WireCase & { framing: Changes })[] = [
  { name: 'nothing gives no row', framing: {}, input: '', rows: [] },
  { name: 'lines and a tail', framing: {}, input: 'a\nbc\n\nd', rows: ['a', 'bc', '', ['d', UNTERMINATED]] },
  { name: 'a tail refused', framing: { tail: 'refuse' }, input: 'a\nbc', rows: ['a'], fault: ['UNEXPECTED_EOF', 2, 2] },
  { name: 'no tail to refuse', framing: { tail: 'refuse' }, input: 'a\n', rows: ['a'] },
  { name: 'a tail dropped', framing: { tail: 'drop' }, input: 'a\nbc', rows: ['a'] },
  { name: 'separators kept', framing: { keep: true }, input: 'a\n\nb', rows: ['a\n', '\n', ['b', UNTERMINATED]] },
  { name: 'separators only', framing: {}, input: '\n\n\n', rows: ['', '', ''] },
  { name: 'bytes over 0x7f', framing: {}, input: '\xff\n\x80\x0b\n', rows: ['\xff', '\x80\x0b'] },
  { name: 'a separator of NUL', framing: { separators: ['\0'] }, input: 'a\0\n\0', rows: ['a', '\n'] },

  { name: 'CR stripped where there is one', framing: stripCr, input: 'a\r\nb\n\r\n', rows: ['a', 'b', ''] },
  { name: 'only one CR stripped', framing: stripCr, input: '\r\r\na\rb\n', rows: ['\r', 'a\rb'] },
  { name: 'CR of a tail kept', framing: stripCr, input: 'a\r', rows: [['a\r', UNTERMINATED]] },
  { name: 'CR and LF kept', framing: { ...stripCr, keep: true }, input: 'a\r\nb\n', rows: ['a\r\n', 'b\n'] },
  { name: 'CR not counted', framing: { ...stripCr, maxLength: 2 }, input: 'ab\r\ncd\n', rows: ['ab', 'cd'] },
  {
    name: 'CR counted when it is payload',
    framing: { ...stripCr, maxLength: 2 },
    input: 'ab\rc\n',
    rows: [],
    fault: ['RECORD_TOO_LARGE', 3, 0],
  },

  { name: 'strict CRLF', framing: strict, input: 'a\r\n\r\nb', rows: ['a', '', ['b', UNTERMINATED]] },
  { name: 'bare LF', framing: strict, input: 'a\r\nbc\nd', rows: ['a'], fault: ['BARE_LF', 2, 3] },
  { name: 'bare LF at the front', framing: strict, input: 'a\r\n\n', rows: ['a'], fault: ['BARE_LF', 0, 3] },
  { name: 'bare CR', framing: strict, input: 'a\rb\r\n', rows: [], fault: ['BARE_CR', 1, 0] },
  { name: 'CR before CRLF', framing: strict, input: 'a\r\r\n', rows: [], fault: ['BARE_CR', 1, 0] },
  { name: 'CR at the end', framing: strict, input: 'ab\r', rows: [], fault: ['BARE_CR', 2, 0] },
  {
    name: 'bare LF before the tail policy',
    framing: { ...strict, tail: 'drop' },
    input: 'x\n',
    rows: [],
    fault: ['BARE_LF', 1, 0],
  },
  {
    name: 'bare LF at the limit',
    framing: { ...strict, maxLength: 2 },
    input: 'ab\n',
    rows: [],
    fault: ['BARE_LF', 2, 0],
  },
  {
    name: 'bare CR at the limit',
    framing: { ...strict, maxLength: 2 },
    input: 'ab\rc',
    rows: [],
    fault: ['BARE_CR', 2, 0],
  },
  { name: 'CRLF at the limit', framing: { ...strict, maxLength: 2 }, input: 'ab\r\n', rows: ['ab'] },
  {
    name: 'too large before a bare LF behind the limit',
    framing: { ...strict, maxLength: 2 },
    input: 'abc\n\r\n',
    rows: [],
    fault: ['RECORD_TOO_LARGE', 3, 0],
  },
  {
    name: 'bare bytes in what is skipped',
    framing: { ...strict, maxLength: 2, overflow: 'skip' },
    input: 'abc\nd\re\r\nok\r\n',
    rows: ['ok'],
    skipped: 1,
  },
  {
    name: 'a bare LF in a later piece',
    framing: { ...strict, maxLength: 2, overflow: 'pieces' },
    input: 'abcd\ne\r\n',
    rows: [['ab', PIECE]],
    fault: ['BARE_LF', 2, 2],
  },

  {
    name: 'CRLF as bytes',
    framing: { separators: ['\r\n'] },
    input: 'a\rb\nc\r\r\nd',
    rows: ['a\rb\nc\r', ['d', UNTERMINATED]],
  },
  { name: 'a separator that overlaps itself', framing: { separators: ['aab'] }, input: 'aaabaab', rows: ['a', ''] },
  {
    name: 'half a separator at the end',
    framing: { separators: ['\r\n\r\n'] },
    input: 'x\r\n\r',
    rows: [['x\r\n\r', UNTERMINATED]],
  },
  {
    name: 'the longest of several at one place',
    framing: { separators: ['\r', '\n', '\r\n'] },
    input: 'a\rb\nc\r\nd\n\r\r',
    rows: ['a', ['b', by(1)], ['c', by(2)], ['d', by(1)], '', ''],
  },
  {
    name: 'the first place before the longest',
    framing: { separators: ['bcd', 'ab'] },
    input: 'abcd-bcd',
    rows: [
      ['', by(1)],
      ['cd-', by(0)],
    ],
  },
  {
    name: 'four first bytes',
    framing: { separators: [';', ',', '||', '\t'] },
    input: 'a,b;c|d||e\t',
    rows: [['a', by(1)], 'b', ['c|d', by(2)], ['e', by(3)]],
  },

  { name: 'a payload of maxLength', framing: { maxLength: 3 }, input: 'abc\nd\n', rows: ['abc', 'd'] },
  {
    name: 'a payload over it',
    framing: { maxLength: 3 },
    input: 'a\nabcd\n',
    rows: ['a'],
    fault: ['RECORD_TOO_LARGE', 4, 2],
  },
  {
    name: 'no byte allowed',
    framing: { maxLength: 0 },
    input: '\n\nx',
    rows: ['', ''],
    fault: ['RECORD_TOO_LARGE', 1, 2],
  },
  {
    name: 'a tail over it',
    framing: { maxLength: 3 },
    input: 'a\nabcd',
    rows: ['a'],
    fault: ['RECORD_TOO_LARGE', 4, 2],
  },
  {
    name: 'long separators leave the limit as it is',
    framing: { separators: ['----'], maxLength: 3 },
    input: 'abc----abcd----',
    rows: ['abc'],
    fault: ['RECORD_TOO_LARGE', 4, 7],
  },

  {
    name: 'overlong ones skipped',
    framing: { maxLength: 3, overflow: 'skip' },
    input: 'abcd\nok\nabcdefgh\nabc\n',
    rows: ['ok', 'abc'],
    skipped: 2,
  },
  {
    name: 'an overlong tail skipped',
    framing: { maxLength: 1, overflow: 'skip' },
    input: 'a\nabc',
    rows: ['a'],
    skipped: 1,
  },
  {
    name: 'an overlong tail skipped, not refused',
    framing: { maxLength: 1, overflow: 'skip', tail: 'refuse' },
    input: 'a\nabc',
    rows: ['a'],
    skipped: 1,
  },
  {
    name: 'skipping up to a long separator',
    framing: { separators: ['\r\n\r\n'], maxLength: 2, overflow: 'skip' },
    input: 'abcdef\r\n\r\r\n\r\nxy\r\n\r\n',
    rows: ['xy'],
    skipped: 1,
  },

  {
    name: 'pieces',
    framing: { maxLength: 3, overflow: 'pieces' },
    input: 'abcdefgh\nabc\nabcd\nabcdef\n',
    rows: [
      ['abc', PIECE],
      ['def', PIECE],
      ['gh', LAST],
      'abc',
      ['abc', PIECE],
      ['d', LAST],
      ['abc', PIECE],
      ['def', LAST],
    ],
  },
  {
    name: 'the last piece alone keeps the separator',
    framing: { maxLength: 2, overflow: 'pieces', keep: true },
    input: 'abc\nab\n',
    rows: [['ab', PIECE], ['c\n', LAST], 'ab\n'],
  },
  {
    name: 'pieces of a tail',
    framing: { maxLength: 2, overflow: 'pieces' },
    input: 'abcde',
    rows: [
      ['ab', PIECE],
      ['cd', PIECE],
      ['e', LAST | UNTERMINATED],
    ],
  },
  {
    name: 'pieces of a refused tail',
    framing: { maxLength: 2, overflow: 'pieces', tail: 'refuse' },
    input: 'abcde',
    rows: [
      ['ab', PIECE],
      ['cd', PIECE],
    ],
    fault: ['UNEXPECTED_EOF', 1, 4],
  },
  {
    name: 'pieces around CRs',
    framing: { ...stripCr, maxLength: 1, overflow: 'pieces' },
    input: '\r\r\r\na\r\nbc\r\n',
    rows: [['\r', PIECE], ['\r', LAST], 'a', ['b', PIECE], ['c', LAST]],
  },
];

describeEach('separator framer', (native) => {
  for (const wire of CASES) {
    it(`${wire.name}: ${JSON.stringify(wire.input)}`, () => {
      const settings = framing(wire.framing);
      runWireCase(native.createSeparatorFramer(settings), wire, (input) => separatorOracle(input, settings));
    });
  }

  seeded('agrees with the oracle on random framings, inputs and cuts', (random) => {
    for (let round = 0; round < 3000; round++) {
      const settings = randomSeparatorFraming(random);
      const framer = native.createSeparatorFramer(settings);
      const input = random.bytes(random.below(random.oneIn(10) ? 200 : 30), Buffer.from('\r\na\xe9', 'latin1'));
      const expected = separatorOracle(input, settings);
      for (let cutting = 0; cutting < 5; cutting++) {
        const delivery = {
          cuts: random.cuts(input.length, 5),
          rowCount: random.between(1, 8),
          final: random.pick(['with-last', 'alone'] as const),
        };
        assert.deepEqual(deliver(framer, input, 0, input.length, delivery), expected, show(settings, input, delivery));
      }
    }
  });
});

function randomSeparatorFraming(random: Random): SeparatorFraming {
  const sets = [['\n'], ['\r\n'], ['\n', '\r\n', '\r'], ['\n\n'], ['\r', '\n\r'], ['aa', '\na\r', '\r'], ['\r\n\r\n']];
  const newline = random.pick(['plain', 'plain', 'strip-cr', 'strict-crlf'] as const);
  const only = newline === 'strip-cr' ? ['\n'] : ['\r\n'];
  return framing({
    separators: newline === 'plain' ? random.pick(sets) : only,
    newline,
    keep: random.oneIn(2),
    maxLength: random.oneIn(3) ? 1000 : random.between(1, 6),
    overflow: random.pick(['error', 'skip', 'pieces']),
    tail: random.pick(['give', 'refuse', 'drop']),
  });
}

function show(settings: SeparatorFraming, input: Uint8Array, delivery: unknown): string {
  const separators = settings.separators.map((separator) => Buffer.from(separator).toString('latin1'));
  return JSON.stringify({ ...settings, separators, input: Buffer.from(input).toString('latin1'), delivery });
}

describeEach('separator framer, the header', (native) => {
  /** Frames one span and answers the header's words from the first on. */
  const header = (changes: Changes, input: string, words: Partial<Record<number, number>> = {}, rowCount = 8) => {
    const table = t.createFrameTable(rowCount).fill(-1);
    table.fill(0, 0, t.HEADER_WORDS);
    for (const [word, value] of Object.entries(words)) table[Number(word)] = value as number;
    const bytes = Buffer.from(`\n${input}\n\n`, 'latin1');
    native.createSeparatorFramer(framing(changes)).frame(bytes, 1, 1 + input.length, table, 100);
    return table;
  };

  it('says how far the unfinished record was searched, up to where a separator may begin', () => {
    assert.equal(header({}, 'ab\ncde')[t.H_SEARCHED], 3);
    assert.equal(header(stripCr, 'ab\ncd\r')[t.H_SEARCHED], 3);
    assert.equal(header(strict, 'ab\r\ncd\r')[t.H_SEARCHED], 2);
    assert.equal(header({ separators: ['\r\n\r\n'] }, 'ab\r\n\r')[t.H_SEARCHED], 2);
    assert.equal(header({ separators: ['\r\n\r\n'] }, 'ab\r\n\r', { [t.H_FINAL]: 1 })[t.H_SEARCHED], 0);
  });

  it('does not search again what was searched, and takes a count beyond the span as the span', () => {
    assert.equal(header({}, 'a\nb\n', { [t.H_SEARCHED]: 2 })[t.H_ROWS], 1);
    assert.equal(header({}, 'a\nb', { [t.H_SEARCHED]: 99 })[t.H_SEARCHED], 3);
  });

  it('reads nothing behind the span: CR at its end waits, though a LF follows', () => {
    const table = header({ separators: ['\r\n'] }, 'ab\r');
    assert.deepEqual([table[t.H_ROWS], table[t.H_CONSUMED], table[t.H_SEARCHED]], [0, 0, 2]);
  });

  it('is FULL as soon as the table is, and writes no further', () => {
    const table = header({}, 'a\nb\nc', {}, 2);
    assert.deepEqual([table[t.H_STATUS], table[t.H_ROWS], table[t.H_CONSUMED]], [t.FRAME_FULL, 2, 4]);
    assert.equal(header({}, 'a\nb\n', {}, 2)[t.H_STATUS], t.FRAME_FULL);
    assert.equal(header({}, 'a\nb\n', {}, 3)[t.H_STATUS], t.FRAME_MORE);
    const none = header({}, 'a\n', {}, 0);
    assert.deepEqual([none[t.H_STATUS], none[t.H_ROWS], none[t.H_CONSUMED]], [t.FRAME_FULL, 0, 0]);
  });

  it('leaves the rows that it did not write, and those beyond maxRows', () => {
    const table = t.createFrameTable(4).fill(-1);
    table.fill(0, 0, t.HEADER_WORDS);
    const bytes = Buffer.from('a\nb\nc\n');
    assert.equal(native.createSeparatorFramer(framing()).frame(bytes, 0, 6, table, 2), 2);
    assert.deepEqual([...table.subarray(t.HEADER_WORDS)], [0, 1, 2, 0, 2, 1, 4, 0, -1, -1, -1, -1, -1, -1, -1, -1]);
  });

  it('says whether what was consumed is ASCII, and nothing of the rest', () => {
    const kinds: [Changes, string, number][] = [
      [{}, 'a\nb\n\xff', 1],
      [{}, 'a\n\x80\n', 0],
      [{}, '\xff', 1],
      [{ separators: ['\xff'] }, 'a\xff', 0],
      [{ separators: [';;', '\n'] }, 'a\n\xff', 1],
      [{ maxLength: 1, overflow: 'skip' }, 'a\n\xff\xff\nb\n', 0],
      [{}, `${'x'.repeat(500)}\n${'y'.repeat(300)}\n\xff`, 1],
      [{}, `${'x'.repeat(500)}\x80\n`, 0],
    ];
    for (const [changes, input, ascii] of kinds) assert.equal(header(changes, input)[t.H_ASCII], ascii, input);
  });

  it('drops all but the start of a separator while it skips', () => {
    const table = header({ separators: ['\r\n'], maxLength: 2, overflow: 'skip' }, 'abcdefg\r');
    assert.deepEqual([table[t.H_OVERFLOW], table[t.H_CONSUMED], table[t.H_SKIPPED]], [t.OVERFLOW_SKIPPING, 7, 0]);
    const ended = header({ maxLength: 2, overflow: 'skip' }, '', {
      [t.H_OVERFLOW]: t.OVERFLOW_SKIPPING,
      [t.H_FINAL]: 1,
    });
    assert.deepEqual([ended[t.H_OVERFLOW], ended[t.H_SKIPPED], ended[t.H_STATUS]], [t.OVERFLOW_NONE, 1, t.FRAME_MORE]);
  });

  it('clears every word of an earlier call', () => {
    const words = Object.fromEntries([0, 1, 2, 4, 5, 6, 8, 9, 11].map((word) => [word, 77]));
    const table = header({}, 'ab', words);
    assert.deepEqual([...table.subarray(0, 12)], [0, 0, 0, 2, t.FRAME_MORE, 0, 1, 0, 0, 0, 0, 0]);
  });
});

describeEach('separator framer, its settings', (native) => {
  const refused: [string, Changes | Record<string, unknown>][] = [
    ['no separators', { separators: [] }],
    ['17 separators', { separators: new Array(17).fill('a') }],
    ['an empty separator', { separators: [''] }],
    ['a separator of 257 bytes', { separators: ['x'.repeat(257)] }],
    ['a negative limit', { maxLength: -1 }],
    ['a limit over 2^30', { maxLength: 2 ** 30 + 1 }],
    ['a limit that is no integer', { maxLength: 1.5 }],
    ['pieces of nothing', { maxLength: 0, overflow: 'pieces' }],
    ['strip-cr with another separator', { separators: ['\r\n'], newline: 'strip-cr' }],
    ['strict-crlf with another separator', { separators: ['\n'], newline: 'strict-crlf' }],
    ['an unknown mode', { newline: 'any' }],
    ['an unknown policy', { overflow: 'ignore' }],
    ['an unknown tail', { tail: 'keep' }],
  ];
  for (const [name, changes] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => native.createSeparatorFramer(framing(changes as Changes)), {
        code: /^ERR_(INVALID_ARG|OUT_OF_RANGE)/,
      });
    });
  }
});
