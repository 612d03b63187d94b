/**
 * The length framer over every implementation: wire cases for each encoding and fault, and how many bytes it asks for.
 */
import assert from 'node:assert/strict';
import * as t from '#lib/frame-table';
import type { LengthFraming } from '#lib/native-interface';
import { describeEach } from '../support/implementations.js';
import { lengthOracle } from '../support/oracle.js';
import { type Random, seeded } from '../support/random.js';
import { deliver } from '../support/stream.js';
import { runWireCase, type WireCase } from '../support/wire.js';

/** By default two bytes, big-endian, nothing else. */
function framing(changes: Partial<LengthFraming> = {}): LengthFraming {
  return {
    encoding: 'big',
    lengthBytes: 2,
    terminator: 0,
    offset: 0,
    adjustment: 0,
    header: 'strip',
    trailer: -1,
    maxLength: 1 << 20,
    ...changes,
  };
}

const varint: Partial<LengthFraming> = { encoding: 'varint', lengthBytes: 4 };
const netstring: Partial<LengthFraming> = { encoding: 'decimal', lengthBytes: 4, terminator: 0x3a, trailer: 0x2c };
const MAX = Number.MAX_SAFE_INTEGER;

const CASES: readonly (WireCase & { framing: Partial<LengthFraming> })[] = [
  { name: 'nothing', framing: {}, input: '', rows: [] },
  { name: 'big-endian', framing: {}, input: '\0\x02ab\0\0\0\x01c', rows: ['ab', '', 'c'] },
  { name: 'little-endian', framing: { encoding: 'little' }, input: '\x02\0ab\x01\0c', rows: ['ab', 'c'] },
  { name: 'one byte', framing: { lengthBytes: 1 }, input: '\x01a\0\x02bc', rows: ['a', '', 'bc'] },
  { name: 'three bytes', framing: { lengthBytes: 3 }, input: '\0\0\x03abc', rows: ['abc'] },
  { name: 'eight bytes', framing: { lengthBytes: 8 }, input: '\0\0\0\0\0\0\0\x01a', rows: ['a'] },
  {
    name: 'eight bytes, little',
    framing: { lengthBytes: 8, encoding: 'little' },
    input: '\x01\0\0\0\0\0\0\0a',
    rows: ['a'],
  },
  { name: 'the end in a field', framing: {}, input: '\0\x01a\0', rows: ['a'], fault: ['UNEXPECTED_EOF', 1, 3] },
  { name: 'the end in a payload', framing: {}, input: '\0\x01a\0\x05bc', rows: ['a'], fault: ['UNEXPECTED_EOF', 4, 3] },
  { name: 'a payload of maxLength', framing: { maxLength: 2 }, input: '\0\x02ab', rows: ['ab'] },
  {
    name: 'a payload over it, before it arrives',
    framing: { maxLength: 2 },
    input: '\0\x01a\x01\x03',
    rows: ['a'],
    fault: ['RECORD_TOO_LARGE', 259, 3],
  },
  {
    name: 'a detail of more than 32 bits',
    framing: { lengthBytes: 8 },
    input: '\0\0\x12\x34\x56\x78\x9a\xbc',
    rows: [],
    fault: ['RECORD_TOO_LARGE', 0x123456789abc, 0],
  },
  {
    name: '2^53 - 1',
    framing: { lengthBytes: 8 },
    input: '\0\x1f\xff\xff\xff\xff\xff\xff',
    rows: [],
    fault: ['RECORD_TOO_LARGE', MAX, 0],
  },
  {
    name: '2^53',
    framing: { lengthBytes: 8 },
    input: '\0\x20\0\0\0\0\0\0',
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },
  {
    name: '2^64 - 1',
    framing: { lengthBytes: 8, encoding: 'little' },
    input: '\xff\xff\xff\xff\xff\xff\xff\xff',
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },
  {
    name: 'an overflow by adjustment',
    framing: { lengthBytes: 8, adjustment: 1 },
    input: '\0\x1f\xff\xff\xff\xff\xff\xff',
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },
  {
    name: 'a length over 2^53 - 1 that its adjustment brings back',
    framing: { lengthBytes: 8, adjustment: -MAX },
    input: '\0\x20\0\0\0\0\0\0',
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },
  { name: 'a length that counts its field', framing: { adjustment: -2 }, input: '\0\x04ab\0\x02', rows: ['ab', ''] },
  {
    name: 'a negative length',
    framing: { adjustment: -2 },
    input: '\0\x04ab\0\x01',
    rows: ['ab'],
    fault: ['LENGTH_NEGATIVE', 1, 4],
  },
  {
    name: 'a large negative length',
    framing: { lengthBytes: 8, adjustment: -MAX },
    input: '\0\0\0\x01\0\0\0\x02',
    rows: [],
    fault: ['LENGTH_NEGATIVE', 2 ** 32 + 2, 0],
  },
  { name: 'a length that leaves something out', framing: { adjustment: 1 }, input: '\0\x01ab\0\0c', rows: ['ab', 'c'] },
  { name: 'bytes before the field', framing: { offset: 3 }, input: 'hdr\0\x02abxyz\0\0', rows: ['ab', ''] },
  {
    name: 'the header kept',
    framing: { offset: 1, header: 'keep' },
    input: 'h\0\x02abi\0\0',
    rows: ['h\0\x02ab', 'i\0\0'],
  },
  { name: 'a trailer', framing: { trailer: 0xce }, input: '\0\x02ab\xce\0\0\xce', rows: ['ab', ''] },
  {
    name: 'a trailer outside a kept header',
    framing: { trailer: 0x3b, header: 'keep' },
    input: '\0\x01a;',
    rows: ['\0\x01a'],
  },
  {
    name: 'another byte for the trailer',
    framing: { trailer: 0xce },
    input: '\0\x01a\xce\0\x01b\xcd',
    rows: ['a'],
    fault: ['TRAILER_MISSING', 0xcd, 4],
  },
  {
    name: 'no byte for the trailer',
    framing: { trailer: 0 },
    input: '\0\x01a',
    rows: [],
    fault: ['UNEXPECTED_EOF', 3, 0],
  },

  { name: 'varint', framing: varint, input: `\x01a\0\x83\x01${'x'.repeat(131)}`, rows: ['a', '', 'x'.repeat(131)] },
  {
    name: 'varint of one byte',
    framing: { ...varint, lengthBytes: 1 },
    input: '\x01a\x80',
    rows: ['a'],
    fault: ['LENGTH_TOO_LONG', 1, 2],
  },
  { name: 'varint overlong', framing: varint, input: '\0\x81\0a', rows: [''], fault: ['LENGTH_OVERLONG', 2, 1] },
  { name: 'varint overlong by more', framing: varint, input: '\x80\x80\0', rows: [], fault: ['LENGTH_OVERLONG', 3, 0] },
  { name: 'varint too long', framing: varint, input: '\x81\x81\x81\x81', rows: [], fault: ['LENGTH_TOO_LONG', 4, 0] },
  { name: 'varint cut', framing: varint, input: '\x81\x81', rows: [], fault: ['UNEXPECTED_EOF', 2, 0] },
  {
    name: 'varint of 2^53 - 1',
    framing: { ...varint, lengthBytes: 10 },
    input: '\xff\xff\xff\xff\xff\xff\xff\x0f',
    rows: [],
    fault: ['RECORD_TOO_LARGE', MAX, 0],
  },
  {
    name: 'varint of 2^53',
    framing: { ...varint, lengthBytes: 10 },
    input: '\x80\x80\x80\x80\x80\x80\x80\x10',
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },
  {
    name: 'varint of 2^64 and more',
    framing: { ...varint, lengthBytes: 10 },
    input: '\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02',
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },

  {
    name: 'varint of 256 bytes',
    framing: { ...varint, lengthBytes: 256 },
    input: `${'\x80'.repeat(255)}\x01`,
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },
  { name: 'netstrings', framing: netstring, input: '3:abc,0:,1:\n,', rows: ['abc', '', '\n'] },
  {
    name: 'decimal lines',
    framing: { ...netstring, terminator: 10, trailer: -1 },
    input: '2\nab0\n',
    rows: ['ab', ''],
  },
  {
    name: 'a netstring without comma',
    framing: netstring,
    input: '3:abc;',
    rows: [],
    fault: ['TRAILER_MISSING', 0x3b, 0],
  },
  { name: 'a leading zero', framing: netstring, input: '1:a,01:b,', rows: ['a'], fault: ['LENGTH_OVERLONG', 2, 4] },
  { name: 'zeros', framing: netstring, input: '00:,', rows: [], fault: ['LENGTH_OVERLONG', 2, 0] },
  { name: 'digits enough', framing: netstring, input: '0012:', rows: [], fault: ['LENGTH_OVERLONG', 4, 0] },
  { name: 'too many digits', framing: netstring, input: '12345', rows: [], fault: ['LENGTH_TOO_LONG', 4, 0] },
  {
    name: 'too many digits that are zeros',
    framing: netstring,
    input: '00000:',
    rows: [],
    fault: ['LENGTH_TOO_LONG', 4, 0],
  },
  {
    name: 'no digit after the most',
    framing: netstring,
    input: '1234x',
    rows: [],
    fault: ['LENGTH_NOT_DIGIT', 0x78, 0],
  },
  { name: 'a sign', framing: netstring, input: '-1:', rows: [], fault: ['LENGTH_NOT_DIGIT', 0x2d, 0] },
  { name: 'no digits', framing: netstring, input: ':,', rows: [], fault: ['LENGTH_NOT_DIGIT', 0x3a, 0] },
  { name: 'no digit behind digits', framing: netstring, input: '1a', rows: [], fault: ['LENGTH_NOT_DIGIT', 0x61, 0] },
  {
    name: 'decimal 2^53 - 1',
    framing: { ...netstring, lengthBytes: 20 },
    input: '9007199254740991:',
    rows: [],
    fault: ['RECORD_TOO_LARGE', MAX, 0],
  },
  {
    name: 'decimal 2^53',
    framing: { ...netstring, lengthBytes: 20 },
    input: '9007199254740992:',
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },
  {
    name: 'twenty nines',
    framing: { ...netstring, lengthBytes: 20 },
    input: '99999999999999999999:',
    rows: [],
    fault: ['LENGTH_OVERFLOW', 0, 0],
  },
];

describeEach('length framer', (native) => {
  for (const wire of CASES) {
    it(`${wire.name}: ${JSON.stringify(wire.input.slice(0, 40))}`, () => {
      const settings = framing(wire.framing);
      runWireCase(native.createLengthFramer(settings), wire, (input) => lengthOracle(input, settings));
    });
  }

  seeded('agrees with the oracle on random framings, inputs and cuts', (random) => {
    for (let round = 0; round < 3000; round++) {
      const settings = randomLengthFraming(random);
      const framer = native.createLengthFramer(settings);
      const letters = settings.encoding === 'decimal' ? '0123:,' : '\0\0\0\x01\x02\x80\xff';
      const input = random.bytes(random.below(40), Buffer.from(letters, 'latin1'));
      const expected = lengthOracle(input, settings);
      for (let cutting = 0; cutting < 5; cutting++) {
        const delivery = {
          cuts: random.cuts(input.length, 5),
          rowCount: random.between(1, 8),
          final: random.pick(['with-last', 'alone'] as const),
          heedNeed: random.oneIn(2),
        };
        const shown = JSON.stringify({ ...settings, input: [...input], delivery });
        assert.deepEqual(deliver(framer, input, 0, input.length, delivery), expected, shown);
      }
    }
  });
});

function randomLengthFraming(random: Random): LengthFraming {
  const encoding = random.pick(['big', 'little', 'varint', 'decimal'] as const);
  const decimal = encoding === 'decimal';
  return {
    encoding,
    lengthBytes: random.between(1, decimal ? 4 : 8),
    terminator: decimal ? 0x3a : 0,
    offset: random.oneIn(2) ? 0 : random.below(4),
    adjustment: random.oneIn(2) ? 0 : random.between(-3, 3),
    header: random.pick(['strip', 'keep'] as const),
    trailer: random.oneIn(2) ? -1 : decimal ? 0x2c : 0,
    maxLength: random.oneIn(2) ? 1 << 20 : random.below(8),
  };
}

describeEach('length framer, the header', (native) => {
  /** What it asks for when `input` is there and no more. */
  const need = (changes: Partial<LengthFraming>, input: string, final = 0) => {
    const table = t.createFrameTable(8);
    table[t.H_FINAL] = final;
    const bytes = Buffer.from(`${input}\x01\x01\x01\x01`, 'latin1');
    native.createLengthFramer(framing(changes)).frame(bytes, 0, input.length, table, 8);
    assert.equal(table[t.H_STATUS], t.FRAME_MORE);
    return table[t.H_NEED];
  };

  it('asks for the whole header of fixed width, then for the whole record', () => {
    assert.equal(need({}, ''), 2);
    assert.equal(need({}, '\0\x01a'), 2);
    assert.equal(need({}, '\0'), 2);
    assert.equal(need({ offset: 5, lengthBytes: 4 }, 'abc'), 9);
    assert.equal(need({}, '\0\x05'), 7);
    assert.equal(need({ trailer: 0, offset: 1 }, 'h\0\x05ab'), 9);
  });

  it('asks for one byte more than there is of a header without fixed width', () => {
    assert.equal(need(varint, ''), 1);
    assert.equal(need(varint, '\x81'), 2);
    assert.equal(need({ ...varint, offset: 3 }, ''), 4);
    assert.equal(need({ ...varint, offset: 3 }, 'abc'), 4);
    assert.equal(need({ ...varint, offset: 3 }, 'abc\x81'), 5);
    assert.equal(need(netstring, '12'), 3);
    assert.equal(need(netstring, '12:'), 16);
  });

  it('asks for nothing at the final end', () => {
    assert.equal(need({}, '', 1), 0);
    assert.equal(need({}, '\0\x01a', 1), 0);
  });

  it('is FULL at the row limit, whatever follows', () => {
    const table = t.createFrameTable(2).fill(9);
    table[t.H_FINAL] = 1;
    const bytes = Buffer.from('\x01a\x01b\x09', 'latin1');
    assert.equal(native.createLengthFramer(framing({ lengthBytes: 1 })).frame(bytes, 0, 5, table, 5), 2);
    assert.deepEqual([...table.subarray(0, 12)], [2, 4, 0, 0, t.FRAME_FULL, 0, 0, 0, 0, 0, 1, 0]);
    assert.deepEqual([...table.subarray(16)], [1, 1, 2, 0, 3, 1, 4, 0]);
  });
});

describeEach('length framer, its settings', (native) => {
  const refused: [string, Record<string, unknown>][] = [
    ['an unknown encoding', { encoding: 'middle' }],
    ['no length bytes', { lengthBytes: 0 }],
    ['257 bytes of a varint', { encoding: 'varint', lengthBytes: 257 }],
    ['an offset over 2^29', { offset: 2 ** 29 + 1 }],
    ['nine length bytes', { lengthBytes: 9 }],
    ['a terminator that is no byte', { terminator: 256 }],
    ['a negative offset', { offset: -1 }],
    ['an adjustment that is no integer', { adjustment: 0.5 }],
    ['an adjustment over 2^53 - 1', { adjustment: 2 ** 53 }],
    ['a trailer that is no byte', { trailer: 256 }],
    ['a limit over 2^30', { maxLength: 2 ** 30 + 1 }],
    ['an unknown header mode', { header: 'drop' }],
  ];
  for (const [name, changes] of refused) {
    it(`refuses ${name}`, () => {
      const settings = framing(changes as Partial<LengthFraming>);
      assert.throws(() => native.createLengthFramer(settings), { code: /^ERR_(INVALID_ARG|OUT_OF_RANGE)/ });
    });
  }
});
