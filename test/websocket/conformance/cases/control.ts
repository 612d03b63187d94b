/** RFC 6455 §5.5: control frames; the closing handshake is in closing.ts. */
import type { WebSocketCase } from '../../../support/websocket-cases.js';
import { BINARY, CLOSE, FIN, PING, PONG, TEXT } from '../../../support/websocket-peer.js';
import { pattern } from './framing.js';

const INVALID = ['ERR_INVALID_FRAME', 1002] as const;

export const pings: WebSocketCase[] = [
  { name: '5.5.2: a ping without payload', frames: [[FIN | PING]], answers: ['pong'] },
  { name: '5.5.2: the pong repeats the payload', frames: [[FIN | PING, 'Hello']], answers: ['pong 48656c6c6f'] },
  {
    name: '5.5.2: a payload that is no text',
    frames: [[FIN | PING, Buffer.from('00ff80fe', 'hex')]],
    answers: ['pong 00ff80fe'],
  },
  ...[1, 2, 3, 4, 5, 124, 125].map((length) => ({
    name: `5.5.2: a ping of ${length} bytes`,
    frames: [[FIN | PING, pattern(length)]] as const,
    answers: [`pong ${tellHex(pattern(length))}`],
  })),
  {
    name: '5.5.2: ten pings are answered in their order',
    frames: Array.from({ length: 10 }, (_, index) => [FIN | PING, Buffer.of(index)] as const),
    answers: Array.from({ length: 10 }, (_, index) => `pong 0${index}`),
  },
  {
    name: '5.5.2: pings between messages',
    frames: [
      [FIN | TEXT, 'a'],
      [FIN | PING, '1'],
      [FIN | BINARY, 'b'],
      [FIN | PING, '2'],
    ],
    messages: ['a', Buffer.from('b')],
    answers: ['pong 31', 'pong 32'],
  },
  {
    name: '5.5.2: nothing is answered when autoPong is off',
    frames: [[FIN | PING, 'x']],
    options: { autoPong: false },
  },
  { name: '5.5.3: a pong that nobody asked for', frames: [[FIN | PONG, 'x'], [FIN | PONG]] },
  {
    name: '5.5.3: pongs between messages',
    frames: [
      [FIN | TEXT, 'a'],
      [FIN | PONG, pattern(125)],
      [FIN | TEXT, 'b'],
    ],
    messages: ['a', 'b'],
  },
];

/** As `tell` shortens it. */
function tellHex(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return hex.length > 80 ? `${hex.slice(0, 60)}... (${bytes.length})` : hex;
}

export const wrong: WebSocketCase[] = [CLOSE, PING, PONG].flatMap((opcode): WebSocketCase[] => [
  {
    name: `5.5: opcode ${opcode} of 126 bytes`,
    frames: [[FIN | opcode, pattern(126)]],
    fails: INVALID,
    decidedBy: 2,
  },
  {
    name: `5.5: opcode ${opcode} with a length of 64 bits`,
    frames: [[FIN | opcode, pattern(65536)]],
    fails: INVALID,
    decidedBy: 2,
  },
  {
    name: `5.5: opcode ${opcode} with 16 bits for a short length`,
    frames: [[FIN | opcode, '', 2]],
    fails: INVALID,
    decidedBy: 2,
  },
  {
    name: `5.5: opcode ${opcode} in fragments`,
    frames: [[opcode, 'x']],
    fails: INVALID,
    decidedBy: 1,
  },
  {
    name: `5.5: opcode ${opcode} in fragments, inside a message`,
    frames: [
      [FIN | TEXT, 'whole'],
      [TEXT, 'not wh'],
      [opcode, ''],
    ],
    messages: ['whole'],
    fails: INVALID,
    decidedBy: 1,
  },
]);
