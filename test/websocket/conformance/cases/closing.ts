/** RFC 6455 §5.5.1 and §7: the closing handshake, its codes and reasons. */
import type { WebSocketCase } from '../../../support/websocket-cases.js';
import { CLOSE, closing, FIN, PING, TEXT } from '../../../support/websocket-peer.js';

const INVALID = ['ERR_INVALID_FRAME', 1002] as const;
const NOT_TEXT = ['ERR_INVALID_UTF8', 1007] as const;

const GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
const BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 5001, 32_768, 65_535];

export const good: WebSocketCase[] = [
  {
    name: '5.5.1: an empty close frame is answered with one',
    frames: [[FIN | CLOSE]],
    closes: { answer: 'close', code: 1005 },
  },
  ...GOOD_CODES.map((code) => ({
    name: `7.4: code ${code} is repeated`,
    frames: [[FIN | CLOSE, closing(code)]] as const,
    closes: { answer: `close ${code}`, code },
  })),
  {
    name: '7.1.6: a reason',
    frames: [[FIN | CLOSE, closing(1000, 'done, \u00fc\u20ac\u{1f600}')]],
    closes: { answer: 'close 1000 done, \u00fc\u20ac\u{1f600}', code: 1000, reason: 'done, \u00fc\u20ac\u{1f600}' },
  },
  {
    name: '7.1.6: a reason of 123 bytes',
    frames: [[FIN | CLOSE, closing(3000, 'r'.repeat(123))]],
    closes: { answer: `close 3000 ${'r'.repeat(123)}`, code: 3000, reason: 'r'.repeat(123) },
  },
  {
    name: '5.5.1: messages before it are given out, and pings answered',
    frames: [
      [FIN | TEXT, 'last words'],
      [FIN | PING, '?'],
      [FIN | CLOSE, closing(1001)],
    ],
    messages: ['last words'],
    answers: ['pong 3f'],
    closes: { answer: 'close 1001', code: 1001 },
  },
  {
    name: '5.5.1: what follows it does not count, right or wrong',
    frames: [
      [FIN | CLOSE, closing(1000)],
      [FIN | TEXT, 'too late'],
      [FIN | PING, '?'],
      [FIN | 7, 'wrong'],
    ],
    closes: { answer: 'close 1000', code: 1000 },
  },
  {
    name: '5.5.1: a second close frame does not count',
    frames: [
      [FIN | CLOSE, closing(1000)],
      [FIN | CLOSE, closing(1002)],
    ],
    closes: { answer: 'close 1000', code: 1000 },
  },
  {
    name: '5.4: it may come inside a message',
    notInPieces: true,
    frames: [
      [TEXT, 'never to be'],
      [FIN | CLOSE, closing(1000)],
    ],
    closes: { answer: 'close 1000', code: 1000 },
  },
];

export const wrong: WebSocketCase[] = [
  {
    name: '5.5.1: a payload of one byte',
    frames: [[FIN | CLOSE, Buffer.of(3)]],
    fails: INVALID,
    decidedBy: 2,
  },
  ...BAD_CODES.map(
    (code): WebSocketCase => ({
      name: `7.4: code ${code} MUST NOT be sent`,
      frames: [
        [FIN | TEXT, 'good'],
        [FIN | CLOSE, closing(code)],
      ],
      messages: ['good'],
      fails: INVALID,
      decidedBy: 4,
    }),
  ),
  ...BAD_CODES.map(
    (code): WebSocketCase => ({
      name: `7.4: code ${code} with a reason`,
      frames: [[FIN | CLOSE, closing(code, 'reason')]],
      fails: INVALID,
      decidedBy: 4,
    }),
  ),
  {
    name: '5.5.1: a reason that is not UTF-8',
    frames: [[FIN | CLOSE, closing(1000, Buffer.from([0x61, 0xff, 0x62]))]],
    fails: NOT_TEXT,
    decidedBy: 6,
  },
  {
    name: '5.5.1: a reason that ends inside a character',
    frames: [[FIN | CLOSE, closing(1000, Buffer.from([0x61, 0xe2, 0x82]))]],
    fails: NOT_TEXT,
    decidedBy: 7,
  },
  {
    name: '5.5.1: an overlong reason is an overlong control frame',
    frames: [[FIN | CLOSE, closing(1000, 'r'.repeat(124))]],
    fails: INVALID,
    decidedBy: 2,
  },
];
