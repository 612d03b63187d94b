/** All cases, by section of RFC 6455 and of RFC 7692. */
import type { WebSocketCase } from '../../../support/websocket-cases.js';
import * as closing from './closing.js';
import * as control from './control.js';
import * as deflate from './deflate.js';
import * as fragments from './fragments.js';
import * as framing from './framing.js';
import * as text from './text.js';

export const SECTIONS: readonly (readonly [title: string, cases: readonly WebSocketCase[]])[] = [
  ['lengths (RFC 6455 §5.2)', framing.lengths],
  ['lengths that are wrong (RFC 6455 §5.2, §10.4)', framing.wrongLengths],
  ['reserved bits and opcodes (RFC 6455 §5.2, §5.8, §9)', framing.reserved],
  ['masks (RFC 6455 §5.1, §5.3)', framing.masks],
  ['fragments (RFC 6455 §5.4)', fragments.good],
  ['fragments that are wrong (RFC 6455 §5.4)', fragments.wrong],
  ['pings and pongs (RFC 6455 §5.5.2, §5.5.3)', control.pings],
  ['control frames that are wrong (RFC 6455 §5.5)', control.wrong],
  ['text and binary (RFC 6455 §5.6, §8.1)', text.good],
  ['text that is not UTF-8 (RFC 6455 §8.1)', text.bad],
  ['close frames (RFC 6455 §5.5.1, §7)', closing.good],
  ['close frames that are wrong (RFC 6455 §5.5.1, §7.4)', closing.wrong],
];

/** Those of connections that have agreed on permessage-deflate. */
export const COMPRESSED_SECTIONS: readonly (readonly [title: string, cases: readonly WebSocketCase[]])[] = [
  ['compressed messages (RFC 7692 §6, §7.2)', deflate.good],
  ['context takeover (RFC 7692 §7.1.1)', deflate.context],
  ['compressed messages that are wrong (RFC 7692 §6)', deflate.wrong],
];
