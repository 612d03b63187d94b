/** The key of an opening handshake and what it is answered with. RFC 6455 §4.1, §4.2.2 */
import { createHash, randomBytes } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Sixteen bytes in base64: 22 characters and the padding. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** A fresh key: 16 random bytes in base64. */
export function newKey(): string {
  return randomBytes(16).toString('base64');
}

/** True for sixteen bytes in base64. */
export function isKey(key: string): boolean {
  return KEY.test(key);
}

/** The value of Sec-WebSocket-Accept for a key. */
export function acceptFor(key: string): string {
  return createHash('sha1')
    .update(key + GUID, 'latin1')
    .digest('base64');
}
