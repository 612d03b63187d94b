/** RFC 6455 §5.4: fragments. */
import type { CaseFrame, WebSocketCase } from '../../../support/websocket-cases.js';
import { BINARY, CONTINUATION, FIN, PING, PONG, TEXT } from '../../../support/websocket-peer.js';
import { pattern } from './framing.js';

const INVALID = ['ERR_INVALID_FRAME', 1002] as const;
const TOO_LARGE = ['ERR_MESSAGE_TOO_LARGE', 1009] as const;

/** A message cut into fragments of `size`. */
export function fragments(opcode: number, payload: Buffer, size: number): CaseFrame[] {
  const frames: CaseFrame[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += size) {
    const last = at + size >= payload.length;
    frames.push([(last ? FIN : 0) | (at === 0 ? opcode : CONTINUATION), payload.subarray(at, at + size)]);
  }
  return frames;
}

const MESSAGE = pattern(400);

export const good: WebSocketCase[] = [
  {
    name: '5.4: two fragments',
    frames: [
      [TEXT, 'Hel'],
      [FIN, 'lo'],
    ],
    messages: ['Hello'],
  },
  {
    name: '5.4: empty fragments',
    frames: [[TEXT], [CONTINUATION], [CONTINUATION], [FIN]],
    messages: [''],
  },
  {
    name: '5.4: empty first and last fragments',
    frames: [[BINARY], [CONTINUATION, 'middle'], [FIN]],
    messages: [Buffer.from('middle')],
  },
  ...[1, 2, 3, 7, 64, 125, 126, 127, 399, 400].map((size) => ({
    name: `5.4: fragments of ${size} bytes`,
    frames: fragments(BINARY, MESSAGE, size),
    messages: [MESSAGE],
  })),
  {
    name: '5.4: fragments over 64 KiB',
    frames: [
      [BINARY, pattern(70_000)],
      [CONTINUATION, pattern(65_536)],
      [FIN, pattern(3)],
    ],
    messages: [Buffer.concat([pattern(70_000), pattern(65_536), pattern(3)])],
  },
  {
    name: '5.4: fragmented messages one after the other, and whole ones between',
    frames: [
      [TEXT, 'a'],
      [FIN, 'b'],
      [FIN | TEXT, 'c'],
      [BINARY, 'd'],
      [FIN, 'e'],
      [TEXT, 'f'],
      [CONTINUATION, 'g'],
      [FIN, 'h'],
    ],
    messages: ['ab', 'c', Buffer.from('de'), 'fgh'],
  },
  {
    name: '5.4: a ping between fragments is answered before the message ends',
    frames: [
      [TEXT, 'be'],
      [FIN | PING, 'now'],
      [FIN, 'tween'],
    ],
    messages: ['between'],
    answers: ['pong 6e6f77'],
  },
  {
    name: '5.4: pings and pongs before, between and behind fragments',
    frames: [
      [FIN | PING, '1'],
      [TEXT, 'a'],
      [FIN | PONG, 'x'],
      [FIN | PING, '2'],
      [CONTINUATION, 'b'],
      [FIN | PING, '3'],
      [FIN | PING, '4'],
      [FIN, 'c'],
      [FIN | PING, '5'],
      [FIN | BINARY, 'd'],
    ],
    messages: ['abc', Buffer.from('d')],
    answers: ['pong 31', 'pong 32', 'pong 33', 'pong 34', 'pong 35'],
  },
  {
    name: '5.4: a thousand fragments of one byte with a ping after every hundredth',
    frames: Array.from({ length: 1000 }, (_, index): CaseFrame[] => [
      [(index === 999 ? FIN : 0) | (index === 0 ? TEXT : CONTINUATION), String(index % 10)],
      ...(index % 100 === 50 ? [[FIN | PING, ''] as const] : []),
    ]).flat(),
    messages: ['0123456789'.repeat(100)],
    answers: Array.from({ length: 10 }, () => 'pong'),
  },
  {
    name: '5.4: fragments together as long as the limit',
    frames: fragments(TEXT, Buffer.from('x'.repeat(100)), 33),
    options: { maxMessageLength: 100 },
    messages: ['x'.repeat(100)],
  },
  {
    name: '5.4: an unfinished message when the peer closes is no message',
    notInPieces: true,
    frames: [
      [FIN | TEXT, 'whole'],
      [TEXT, 'not wh'],
    ],
    messages: ['whole'],
  },
];

export const wrong: WebSocketCase[] = [
  { name: '5.4: a continuation of nothing', frames: [[FIN | CONTINUATION, 'x']], fails: INVALID, decidedBy: 1 },
  { name: '5.4: an unfinished continuation of nothing', frames: [[CONTINUATION, 'x']], fails: INVALID, decidedBy: 1 },
  {
    name: '5.4: a continuation behind a whole message',
    frames: [
      [FIN | TEXT, 'whole'],
      [FIN | CONTINUATION, 'more'],
    ],
    messages: ['whole'],
    fails: INVALID,
    decidedBy: 1,
  },
  {
    name: '5.4: a continuation behind the last fragment',
    frames: [
      [TEXT, 'a'],
      [FIN, 'b'],
      [CONTINUATION, 'c'],
    ],
    messages: ['ab'],
    fails: INVALID,
    decidedBy: 1,
  },
  ...[TEXT, BINARY].flatMap((opcode) =>
    [0, FIN].map((fin) => ({
      name: `5.4: opcode ${opcode}${fin ? ', whole,' : ''} inside a message`,
      frames: [
        [TEXT, 'be'],
        [CONTINUATION, 'g'],
        [fin | opcode, 'in'],
      ] as const,
      fails: INVALID,
      decidedBy: 1,
    })),
  ),
  {
    name: '5.4: the same behind a ping',
    frames: [
      [TEXT, 'be'],
      [FIN | PING, 'p'],
      [FIN | TEXT, 'in'],
    ],
    answers: ['pong 70'],
    fails: INVALID,
    decidedBy: 1,
  },
  {
    name: '10.4: fragments together over the limit',
    notInPieces: true,
    frames: [...fragments(TEXT, Buffer.from('x'.repeat(101)), 50)],
    options: { maxMessageLength: 100 },
    fails: TOO_LARGE,
  },
  {
    name: '10.4: an endless message',
    notInPieces: true,
    frames: [[BINARY, pattern(90)], ...Array.from({ length: 20 }, () => [CONTINUATION, pattern(90)] as const)],
    options: { maxMessageLength: 1000 },
    fails: TOO_LARGE,
  },
];
