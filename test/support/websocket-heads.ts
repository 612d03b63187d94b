/** What an opening handshake is answered with, worked out by hand. RFC 6455 §4.2.2 */
import { createHash } from 'node:crypto';

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** The value of Sec-WebSocket-Accept for a key. */
export const ACCEPT_OF = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
