/** RFC 6455 §5.6 and §8.1: data frames, and text that is or is not UTF-8. */
import type { WebSocketCase } from '../../../support/websocket-cases.js';
import { BINARY, CONTINUATION, FIN, PING, TEXT } from '../../../support/websocket-peer.js';

const NOT_TEXT = ['ERR_INVALID_UTF8', 1007] as const;

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** The Unicode Standard's well-formed sequences at their ends, and what lies just inside of what is forbidden. */
const GOOD: readonly (readonly [what: string, hex: string])[] = [
  ['NUL', '00'],
  ['U+7F', '7f'],
  ['U+80', 'c2 80'],
  ['U+7FF', 'df bf'],
  ['U+800', 'e0 a0 80'],
  ['U+D7FF, before the surrogates', 'ed 9f bf'],
  ['U+E000, behind the surrogates', 'ee 80 80'],
  ['U+FFFD', 'ef bf bd'],
  ['U+FFFE, no character and yet a code point', 'ef bf be'],
  ['U+FFFF', 'ef bf bf'],
  ['U+10000', 'f0 90 80 80'],
  ['U+10FFFF', 'f4 8f bf bf'],
  ['U+FDD0', 'ef b7 90'],
  ['a byte order mark', 'ef bb bf'],
  ['a byte order mark within', '61 ef bb bf 62'],
  ['kosme', 'ce ba e1 bd b9 cf 83 ce bc ce b5'],
  ['all lengths together', '61 c3 a4 e2 82 ac f0 9f 98 80 7a'],
];

/** What is wrong, and the index of the byte with which it is. */
const BAD: readonly (readonly [what: string, hex: string, decidedAt: number])[] = [
  ['a continuation byte alone', '80', 0],
  ['the last continuation byte alone', 'bf', 0],
  ['text and then a continuation byte', '61 62 80 63', 2],
  ['C0', 'c0 80', 0],
  ['C1', 'c1 bf', 0],
  ['an overlong slash of three bytes', 'e0 80 af', 1],
  ['the last overlong of three bytes', 'e0 9f bf', 1],
  ['an overlong of four bytes', 'f0 80 80 af', 1],
  ['the last overlong of four bytes', 'f0 8f bf bf', 1],
  ['an overlong of five bytes', 'f8 80 80 80 80', 0],
  ['an overlong of six bytes', 'fc 80 80 80 80 80', 0],
  ['the first surrogate', 'ed a0 80', 1],
  ['the last surrogate', 'ed bf bf', 1],
  ['a pair of surrogates', 'ed a0 bd ed b8 80', 1],
  ['U+110000', 'f4 90 80 80', 1],
  ['F5', 'f5 80 80 80', 0],
  ['FE', 'fe', 0],
  ['FF', 'ff', 0],
  ['two bytes, the second missing', 'c3 28', 1],
  ['three bytes, the third missing', 'e2 82 28', 2],
  ['four bytes, the fourth missing', 'f0 9f 98 28', 3],
  ['four bytes, a lead byte in the third place', 'f0 9f c3 a4', 2],
  ['kosme and a surrogate', 'ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65', 12],
];

/** What ends before its character does. */
const UNFINISHED = ['c3', 'e2 82', 'e2', 'f0', 'f0 9f', 'f0 9f 98', '61 62 c3'];

const padded = (hex: string, before: number) => Buffer.concat([Buffer.alloc(before, 'a'), bytes(hex)]);

export const good: WebSocketCase[] = [
  ...GOOD.map(([what, hex]) => ({
    name: `8.1: ${what}`,
    frames: [[FIN | TEXT, bytes(hex)]] as const,
    messages: [bytes(hex).toString()],
  })),
  ...GOOD.map(([what, hex]) => ({
    name: `8.1: ${what}, a fragment for each byte and pings between`,
    frames: [
      [TEXT] as const,
      ...[...bytes(hex)].flatMap((byte) => [[CONTINUATION, Buffer.of(byte)] as const, [FIN | PING] as const]),
      [FIN] as const,
    ],
    messages: [bytes(hex).toString()],
    answers: [...bytes(hex)].map(() => 'pong'),
  })),
  ...[15, 30, 62, 63, 126, 300].map((before) => ({
    name: `8.1: four bytes at ${before}`,
    frames: [[FIN | TEXT, padded('f0 9f 98 80', before)]] as const,
    messages: [padded('f0 9f 98 80', before).toString()],
  })),
  {
    name: '5.6: binary may be anything',
    frames: BAD.map(([, hex]) => [FIN | BINARY, bytes(hex)] as const),
    messages: BAD.map(([, hex]) => bytes(hex)),
  },
  {
    name: '5.6: fragments of binary may be anything, and text behind it starts anew',
    frames: [
      [BINARY, bytes('f0 9f')],
      [FIN, bytes('c3')],
      [FIN | TEXT, 'text'],
    ],
    messages: [bytes('f0 9f c3'), 'text'],
  },
  {
    name: '8.1: text is not looked at where that was asked for',
    frames: [[FIN | TEXT, bytes('61 ff 62')]],
    options: { checkUtf8: false },
    messages: ['a\ufffdb'],
  },
];

export const bad: WebSocketCase[] = [
  ...BAD.map(
    ([what, hex, at]): WebSocketCase => ({
      name: `8.1: ${what}`,
      frames: [[FIN | TEXT, bytes(hex)]],
      fails: NOT_TEXT,
      decidedBy: 2 + at + 1,
    }),
  ),
  ...BAD.map(
    ([what, hex, at]): WebSocketCase => ({
      name: `8.1: ${what}, behind much text in one frame`,
      frames: [[FIN | TEXT, Buffer.concat([padded(hex, 200), Buffer.alloc(300, 'b')])]],
      fails: NOT_TEXT,
      decidedBy: 4 + 200 + at + 1,
    }),
  ),
  ...BAD.map(
    ([what, hex, at]): WebSocketCase => ({
      name: `8.1: ${what}, inside the second fragment`,
      frames: [
        [FIN | TEXT, 'good'],
        [TEXT, 'be'],
        [FIN | PING, 'p'],
        [CONTINUATION, Buffer.concat([bytes(hex), Buffer.alloc(50, 'b')])],
      ],
      messages: ['good'],
      answers: ['pong 70'],
      fails: NOT_TEXT,
      decidedBy: 2 + at + 1,
    }),
  ),
  ...BAD.filter(([, , at]) => at > 0).map(
    ([what, hex, at]): WebSocketCase => ({
      name: `8.1: ${what}, over two fragments`,
      frames: [
        [TEXT, bytes(hex).subarray(0, at)],
        [FIN, bytes(hex).subarray(at)],
      ],
      fails: NOT_TEXT,
      decidedBy: 3,
    }),
  ),
  ...UNFINISHED.map(
    (hex): WebSocketCase => ({
      name: `8.1: the message ends inside a character: ${hex}`,
      frames: [[FIN | TEXT, bytes(hex)]],
      fails: NOT_TEXT,
      decidedBy: 2 + bytes(hex).length,
    }),
  ),
  ...UNFINISHED.map(
    (hex): WebSocketCase => ({
      name: `8.1: the last fragment is empty, and the one before ends with ${hex}`,
      frames: [[TEXT, bytes(hex)], [FIN | PING], [FIN, '']],
      answers: ['pong'],
      fails: NOT_TEXT,
    }),
  ),
  {
    name: '8.1: inside a frame of 100 KB of which not half has come',
    frames: [[FIN | TEXT, Buffer.concat([Buffer.alloc(40_000, 'a'), bytes('ff'), Buffer.alloc(60_000, 'a')])]],
    fails: NOT_TEXT,
    decidedBy: 10 + 40_001,
  },
];
