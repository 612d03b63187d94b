/** RFC 6455 §5.2: the header of a frame; and §5.1 and §5.3: masks. */
import type { WebSocketCase } from '../../../support/websocket-cases.js';
import { BINARY, FIN, PING, RSV1, RSV2, RSV3, TEXT } from '../../../support/websocket-peer.js';
import { frameOf } from '../../../support/websocket-wire.js';

const LENGTHS = [0, 1, 7, 8, 124, 125, 126, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 65537, 131072];
const INVALID = ['ERR_INVALID_FRAME', 1002] as const;
const TOO_LARGE = ['ERR_MESSAGE_TOO_LARGE', 1009] as const;

/** Bytes that differ from their neighbours, at all phases of a mask. */
export function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
}

const text = (length: number) =>
  'abcdefghijklmnopqrstuvwxyz\u{1f600}'
    .repeat(length)
    .slice(0, length)
    .replace(/[\ud800-\udfff]/g, '.');

/** A header alone: what is wrong with it has to be seen without a payload. */
const header = (...bytes: number[]) => ({ raw: (role: string) => masked(role, bytes) });

function masked(role: string, bytes: number[]): Buffer {
  const copy = Buffer.from(bytes);
  if (role === 'server' && copy.length > 1) copy[1]! |= 0x80;
  return copy;
}

export const lengths: WebSocketCase[] = [
  ...LENGTHS.map((length) => ({
    name: `5.2: text of ${length} bytes`,
    frames: [[FIN | TEXT, text(length)]] as const,
    messages: [text(length)],
  })),
  ...LENGTHS.map((length) => ({
    name: `5.2: binary of ${length} bytes`,
    frames: [[FIN | BINARY, pattern(length)]] as const,
    messages: [pattern(length)],
  })),
  {
    name: '5.2: many messages of growing length together',
    frames: Array.from({ length: 140 }, (_, length) => [FIN | BINARY, pattern(length)] as const),
    messages: Array.from({ length: 140 }, (_, length) => pattern(length)),
  },
  {
    name: '5.2: more frames in one receive than a table has rows',
    frames: Array.from({ length: 3000 }, (_, index) => [FIN | TEXT, String(index)] as const),
    messages: Array.from({ length: 3000 }, (_, index) => String(index)),
  },
  {
    name: '5.2: empty messages',
    frames: [[FIN | TEXT], [FIN | BINARY], [FIN | TEXT]],
    messages: ['', Buffer.alloc(0), ''],
  },
];

export const wrongLengths: WebSocketCase[] = [
  { name: '5.2: 16 bits for 0', frames: [[FIN | TEXT, '', 2]], fails: INVALID, decidedBy: 4 },
  { name: '5.2: 16 bits for 125', frames: [[FIN | BINARY, pattern(125), 2]], fails: INVALID, decidedBy: 4 },
  { name: '5.2: 64 bits for 1', frames: [[FIN | BINARY, 'a', 8]], fails: INVALID, decidedBy: 10 },
  { name: '5.2: 64 bits for 65535', frames: [[FIN | BINARY, pattern(65535), 8]], fails: INVALID, decidedBy: 10 },
  {
    name: '5.2: 16 bits for 5, behind a good message',
    frames: [
      [FIN | TEXT, 'good'],
      [FIN | TEXT, 'wrong', 2],
    ],
    messages: ['good'],
    fails: INVALID,
    decidedBy: 4,
  },
  {
    name: '5.2: the most significant bit of 64 is set',
    frames: [header(FIN | BINARY, 127, 0x80, 0, 0, 0, 0, 0, 0, 1)],
    fails: INVALID,
    decidedBy: 3,
  },
  {
    name: '5.2: a length over 2^53',
    frames: [header(FIN | BINARY, 127, 0, 0x20, 0, 0, 0, 0, 0, 0)],
    fails: INVALID,
    decidedBy: 4,
  },
  {
    name: '10.4: a length over the limit, of which nothing has come',
    frames: [header(FIN | BINARY, 127, 0, 0, 1, 0, 0, 0, 0, 0)],
    fails: TOO_LARGE,
    decidedBy: 10,
  },
  {
    name: '10.4: one byte over the limit',
    frames: [[FIN | TEXT, 'x'.repeat(101)]],
    options: { maxMessageLength: 100 },
    fails: TOO_LARGE,
    decidedBy: 2,
  },
  {
    name: '10.4: as long as the limit',
    frames: [[FIN | TEXT, 'x'.repeat(100)]],
    options: { maxMessageLength: 100 },
    messages: ['x'.repeat(100)],
  },
  {
    name: '10.4: a limit of 0 lets empty messages and pings through',
    frames: [[FIN | TEXT], [FIN | PING, 'ping'], [FIN | BINARY]],
    options: { maxMessageLength: 0 },
    messages: ['', Buffer.alloc(0)],
    answers: ['pong 70696e67'],
  },
  {
    name: '10.4: over a limit of 0',
    frames: [[FIN | TEXT, 'x']],
    options: { maxMessageLength: 0 },
    fails: TOO_LARGE,
    decidedBy: 2,
  },
];

export const reserved: WebSocketCase[] = [
  ...[RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV3, RSV2 | RSV3, RSV1 | RSV2 | RSV3].flatMap((bits) =>
    [TEXT, BINARY, PING, 8, 10].map((opcode) => ({
      name: `5.2: reserved bits 0x${bits.toString(16)} with opcode ${opcode}`,
      frames: [
        [FIN | TEXT, 'good'],
        [FIN | bits | opcode, ''],
      ] as const,
      messages: ['good'],
      fails: INVALID,
      decidedBy: 1,
    })),
  ),
  {
    name: '5.2: reserved bits in a continuation',
    frames: [
      [TEXT, 'be'],
      [FIN | RSV1, 'gun'],
    ],
    fails: INVALID,
    decidedBy: 1,
  },
  {
    name: '5.2: reserved bits in a control frame between fragments',
    frames: [
      [TEXT, 'be'],
      [FIN | RSV3 | PING, ''],
    ],
    fails: INVALID,
    decidedBy: 1,
  },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [
    {
      name: `5.2: opcode ${opcode}`,
      frames: [[FIN | opcode, '']] as const,
      fails: INVALID,
      decidedBy: 1,
    },
    {
      name: `5.2: opcode ${opcode} with a payload, behind a message and a ping`,
      frames: [
        [FIN | TEXT, 'good'],
        [FIN | PING, ''],
        [FIN | opcode, 'payload'],
        [FIN | TEXT, 'never'],
      ] as const,
      messages: ['good'],
      answers: ['pong'],
      fails: INVALID,
    },
    {
      name: `5.2: opcode ${opcode} inside a message`,
      frames: [
        [TEXT, 'be'],
        [FIN | opcode, ''],
      ] as const,
      fails: INVALID,
      decidedBy: 1,
    },
  ]),
];

const KEYS = [
  [0, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff],
  [1, 2, 3, 4],
  [0x80, 0, 0, 0],
  [0, 0, 0, 0x80],
];

export const masks: WebSocketCase[] = [
  ...KEYS.flatMap((key) =>
    [0, 1, 2, 3, 4, 5, 63, 64, 65, 125, 126, 1000].map((length) => ({
      name: `5.3: key ${key}, ${length} bytes`,
      role: 'server' as const,
      frames: [
        { raw: () => frameOf({ first: FIN | BINARY, payload: pattern(length), key: Buffer.from(key) }) },
        { raw: () => frameOf({ first: FIN | TEXT, payload: Buffer.from('next'), key: Buffer.from(key).reverse() }) },
      ],
      messages: [pattern(length), 'next'],
    })),
  ),
  {
    name: '5.1: a server MUST close when a frame is not masked',
    role: 'server',
    frames: [{ raw: () => frameOf({ first: FIN | TEXT, payload: Buffer.from('clear') }) }],
    fails: INVALID,
    decidedBy: 2,
  },
  {
    name: '5.1: an empty frame has to be masked as well',
    role: 'server',
    frames: [[FIN | TEXT, 'good'], { raw: () => frameOf({ first: FIN | BINARY, payload: Buffer.alloc(0) }) }],
    messages: ['good'],
    fails: INVALID,
    decidedBy: 2,
  },
  {
    name: '5.1: a ping has to be masked as well',
    role: 'server',
    frames: [{ raw: () => frameOf({ first: FIN | PING, payload: Buffer.alloc(0) }) }],
    fails: INVALID,
    decidedBy: 2,
  },
  {
    name: '5.1: a close frame has to be masked as well',
    role: 'server',
    frames: [{ raw: () => frameOf({ first: FIN | 8, payload: Buffer.of(3, 232) }) }],
    fails: INVALID,
    decidedBy: 2,
  },
  {
    name: '5.1: a client MUST close when a frame is masked',
    role: 'client',
    frames: [{ raw: () => frameOf({ first: FIN | TEXT, payload: Buffer.from('dark'), key: Buffer.of(1, 2, 3, 4) }) }],
    fails: INVALID,
  },
  {
    name: '5.1: a client MUST close when a ping is masked, even with a key of zeros',
    role: 'client',
    frames: [
      [FIN | TEXT, 'good'],
      { raw: () => frameOf({ first: FIN | PING, payload: Buffer.alloc(0), key: Buffer.alloc(4) }) },
    ],
    messages: ['good'],
    fails: INVALID,
  },
];
