/** What control frames carry. RFC 6455 §5.5 */
import { UsageError } from '../errors.js';
import { LONGEST_CONTROL } from './opcodes.js';
import { bytesOf } from './outbound.js';

/** Of a close frame. Pre: `checkClose` has passed. §5.5.1 */
export function closePayload(code: number | undefined, reason: string): Buffer {
  if (code === undefined) return Buffer.alloc(0);
  const text = Buffer.from(reason);
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code);
  text.copy(payload, 2);
  return payload;
}

/** Of a ping or a pong. @throws ERR_INVALID_ARG_TYPE; UsageError ERR_RECORD_NOT_ENCODABLE */
export function controlPayload(data: string | Uint8Array): Buffer {
  const payload = typeof data === 'string' ? Buffer.from(data) : bytesOf(data);
  if (payload.length <= LONGEST_CONTROL) return payload;
  throw new UsageError('ERR_RECORD_NOT_ENCODABLE', {
    protocol: 'websocket',
    message: `a control frame has at most ${LONGEST_CONTROL} bytes of payload, not ${payload.length} (RFC 6455 §5.5)`,
  });
}
