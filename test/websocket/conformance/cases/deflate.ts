/** RFC 7692: what a peer may send once permessage-deflate was agreed on, and what it must not. */
import { constants, deflateRawSync } from 'node:zlib';
import { deflateSettings } from '#lib/websocket/deflate/options';
import type { AgreedDeflate, WebSocketRole } from '#lib/websocket/established';
import type { WebSocketCase } from '../../../support/websocket-cases.js';
import { BINARY, CLOSE, CONTINUATION, FIN, PING, RSV1, RSV2, RSV3, TEXT } from '../../../support/websocket-peer.js';
import { pattern } from './framing.js';

const INVALID = ['ERR_INVALID_FRAME', 1002] as const;
const NOT_TEXT = ['ERR_INVALID_UTF8', 1007] as const;
const NOT_DEFLATED = ['ERR_INVALID_DEFLATE', 1007] as const;
const TOO_LARGE = ['ERR_MESSAGE_TOO_LARGE', 1009] as const;

/** Agreed on, with the peer's context kept or not. */
export function agreed(contextTakeover: boolean): (role: WebSocketRole) => AgreedDeflate {
  return (role) => ({
    own: { windowBits: 15, contextTakeover },
    peer: { windowBits: 15, contextTakeover },
    settings: deflateSettings({ memory: contextTakeover ? 1 << 17 : 'shared', threshold: 0 }, role),
  });
}

/** A message as a peer deflates it. @param before what it may refer to */
export function deflated(payload: string | Uint8Array, before: string | Uint8Array = ''): Buffer {
  const dictionary = Buffer.from(before as Uint8Array);
  const whole = deflateRawSync(payload, {
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(dictionary.length > 0 ? { dictionary } : {}),
  });
  return whole.subarray(0, whole.length - 4);
}

const hex = (digits: string) => Buffer.from(digits.replaceAll(' ', ''), 'hex');
const alone = agreed(false);
const kept = agreed(true);
const CHARACTERS = '\u{1f600}\u20ac';

export const good: WebSocketCase[] = [
  { name: '7.2.3.1: one block', frames: [[FIN | RSV1 | TEXT, hex('f2 48 cd c9 c9 07 00')]], messages: ['Hello'] },
  {
    name: '7.2.3.1: in two fragments',
    frames: [
      [RSV1 | TEXT, hex('f2 48 cd')],
      [FIN, hex('c9 c9 07 00')],
    ],
    messages: ['Hello'],
  },
  {
    name: '7.2.3.3: a block without compression',
    frames: [[FIN | RSV1 | TEXT, hex('00 05 00 fa ff 48 65 6c 6c 6f 00')]],
    messages: ['Hello'],
  },
  {
    name: '7.2.3.4: a block with BFINAL',
    frames: [[FIN | RSV1 | TEXT, hex('f3 48 cd c9 c9 07 00 00')]],
    messages: ['Hello'],
  },
  {
    name: '7.2.3.5: two blocks',
    frames: [[FIN | RSV1 | TEXT, hex('f2 48 05 00 00 00 ff ff ca c9 c9 07 00')]],
    messages: ['Hello'],
  },
  { name: '7.2.3.6: an empty message', frames: [[FIN | RSV1 | BINARY, hex('00')]], messages: [Buffer.alloc(0)] },
  {
    name: '6: messages that are not compressed between those that are',
    frames: [
      [FIN | TEXT, 'plain'],
      [FIN | RSV1 | TEXT, deflated('deflated')],
      [FIN | BINARY, 'plain'],
      [BINARY, 'pl'],
      [FIN, 'ain'],
      [FIN | RSV1 | BINARY, deflated('deflated')],
    ],
    messages: ['plain', 'deflated', Buffer.from('plain'), Buffer.from('plain'), Buffer.from('deflated')],
  },
  {
    name: '6.1: control frames between the fragments of a compressed message',
    frames: [
      [RSV1 | TEXT, deflated('between').subarray(0, 3)],
      [FIN | PING, 'p'],
      [CONTINUATION, ''],
      [FIN | PING, 'q'],
      [FIN, deflated('between').subarray(3)],
    ],
    messages: ['between'],
    answers: ['pong 70', 'pong 71'],
  },
  ...[1, 125, 126, 127, 4096, 65_535, 65_536, 200_000].map((length) => ({
    name: `7.2.2: ${length} bytes`,
    frames: [
      [FIN | RSV1 | BINARY, deflated(pattern(length))],
      [FIN | RSV1 | TEXT, deflated('\u00e4'.repeat(length))],
    ] as const,
    messages: [pattern(length), '\u00e4'.repeat(length)],
  })),
  {
    name: '8.1: fragments may end inside a character',
    frames: [...deflated(CHARACTERS)].map((byte, index, { length }) => [
      (index === 0 ? RSV1 | TEXT : CONTINUATION) | (index === length - 1 ? FIN : 0),
      Buffer.of(byte),
    ]),
    messages: [CHARACTERS],
  },
  {
    name: '10.4: as long as the limit, inflated',
    frames: [[FIN | RSV1 | TEXT, deflated('x'.repeat(1000))]],
    options: { maxMessageLength: 1000 },
    messages: ['x'.repeat(1000)],
  },
].map((wire) => ({ deflate: alone, ...wire }) as WebSocketCase);

export const context: WebSocketCase[] = [
  {
    name: '7.1.1: a message refers to the one before',
    deflate: kept,
    frames: [
      [FIN | RSV1 | TEXT, deflated('said once, said twice')],
      [FIN | RSV1 | TEXT, deflated('said once, said twice', 'said once, said twice')],
    ],
    messages: ['said once, said twice', 'said once, said twice'],
  },
  {
    name: '7.2.3.2: sharing the window',
    deflate: kept,
    frames: [
      [FIN | RSV1 | TEXT, hex('f2 48 cd c9 c9 07 00')],
      [FIN | RSV1 | TEXT, hex('f2 00 11 00 00')],
    ],
    messages: ['Hello', 'Hello'],
  },
  {
    name: '7.1.1: what was not compressed is not referred to',
    deflate: kept,
    frames: [
      [FIN | RSV1 | TEXT, deflated('said once')],
      [FIN | TEXT, 'plain'],
      [FIN | PING, ''],
      [FIN | RSV1 | TEXT, deflated('said once', 'said once')],
    ],
    messages: ['said once', 'plain', 'said once'],
    answers: ['pong'],
  },
  {
    name: '7.1.1: nothing before may be referred to where no context was agreed on',
    deflate: alone,
    frames: [
      [FIN | RSV1 | TEXT, hex('f2 48 cd c9 c9 07 00')],
      [FIN | RSV1 | TEXT, hex('f2 00 11 00 00')],
    ],
    messages: ['Hello'],
    fails: NOT_DEFLATED,
  },
];

const bomb = deflated(Buffer.alloc(8 << 20));

export const wrong: WebSocketCase[] = [
  {
    name: '6.1: RSV1 in a continuation',
    frames: [
      [RSV1 | TEXT, hex('f2 48 cd')],
      [FIN | RSV1, hex('c9 c9 07 00')],
    ],
    fails: INVALID,
    decidedBy: 1,
  },
  ...[PING, CLOSE, 10].map((opcode) => ({
    name: `6.1: RSV1 in opcode ${opcode}`,
    frames: [[FIN | RSV1 | opcode, '']] as const,
    fails: INVALID,
    decidedBy: 1,
  })),
  ...[RSV2, RSV3, RSV1 | RSV2].map((bits) => ({
    name: `5.2: reserved bits 0x${bits.toString(16)}`,
    frames: [[FIN | bits | TEXT, '']] as const,
    fails: INVALID,
    decidedBy: 1,
  })),
  { name: '7.2.2: what cannot be inflated', frames: [[FIN | RSV1 | TEXT, hex('ff ff ff ff')]], fails: NOT_DEFLATED },
  {
    name: '7.2.2: what cannot be inflated, behind a good message',
    frames: [
      [FIN | RSV1 | TEXT, deflated('good')],
      [FIN | RSV1 | TEXT, hex('07 12 34')],
      [FIN | RSV1 | TEXT, deflated('never')],
    ],
    messages: ['good'],
    fails: NOT_DEFLATED,
  },
  {
    name: '8.1: inflated text that is not UTF-8',
    frames: [[FIN | RSV1 | TEXT, deflated(hex('61 62 ff 63'))]],
    fails: NOT_TEXT,
  },
  {
    name: '8.1: inflated text that ends inside a character',
    frames: [[FIN | RSV1 | TEXT, deflated(hex('61 e2 82'))]],
    fails: NOT_TEXT,
  },
  {
    name: '10.4: one byte over the limit, inflated',
    notInPieces: true,
    frames: [
      [FIN | RSV1 | TEXT, deflated('good')],
      [FIN | RSV1 | TEXT, deflated('x'.repeat(1001))],
    ],
    options: { maxMessageLength: 1000 },
    messages: ['good'],
    fails: TOO_LARGE,
  },
  {
    name: '10.4: a bomb',
    notInPieces: true,
    frames: [[FIN | RSV1 | BINARY, bomb]],
    options: { maxMessageLength: 100_000 },
    fails: TOO_LARGE,
  },
  {
    name: '10.4: a bomb in fragments',
    notInPieces: true,
    frames: [
      [RSV1 | BINARY, bomb.subarray(0, 1000)],
      [CONTINUATION, bomb.subarray(1000, 2000)],
      [FIN, bomb.subarray(2000)],
    ],
    options: { maxMessageLength: 100_000 },
    fails: TOO_LARGE,
  },
].map((wire) => ({ deflate: alone, ...wire }) as WebSocketCase);
