/** What the framer found wrong with a frame, as the error that the user sees, with the rule that it breaks. */
import { LimitError, type MiniprotoError, ProtocolError } from '../errors.js';
import { FrameFault } from '../frame-table.js';

const PROTOCOL = 'websocket';

/** What an error was made of, for faces that have codes of their own. */
const faults = new WeakMap<Error, { fault: number; detail: number }>();

/** The fault of a frame's that an error tells of, with its detail; undefined for other errors. Internal. */
export function faultOf(error: Error): { fault: number; detail: number } | undefined {
  return faults.get(error);
}

/**
 * @param detail the value at fault, see FrameFault.
 * @param offset where in the stream the faulty frame starts.
 */
export function webSocketFault(fault: number, detail: number, maxLength: number, offset: number): MiniprotoError {
  const error = errorFor(fault, detail, maxLength, offset);
  faults.set(error, { fault, detail });
  return error;
}

function errorFor(fault: number, detail: number, maxLength: number, offset: number): MiniprotoError {
  const about = { protocol: PROTOCOL, offset };
  if (fault === FrameFault.RECORD_TOO_LARGE) {
    const message = `Cannot take the message: its frame has ${detail} bytes, more than maxMessageLength, ${maxLength}`;
    return new LimitError('ERR_MESSAGE_TOO_LARGE', { ...about, message });
  }
  if (fault === FrameFault.WS_INVALID_UTF8) {
    const message = 'Cannot take the text: it is not valid UTF-8 (RFC 6455 §8.1)';
    return new ProtocolError('ERR_INVALID_UTF8', { ...about, message });
  }
  const message = `Cannot parse frame header: ${describe(fault, detail)}`;
  return new ProtocolError('ERR_INVALID_FRAME', { ...about, message });
}

/** The ways in which a frame can be wrong. */
function describe(fault: number, detail: number): string {
  switch (fault) {
    case FrameFault.WS_RESERVED_BITS:
      return `reserved bits are set in ${hex(detail)} (RFC 6455 §5.2)`;
    case FrameFault.WS_RESERVED_OPCODE:
      return `opcode ${hex(detail)} is reserved (RFC 6455 §5.2)`;
    case FrameFault.WS_MASK_MISSING:
      return 'a client must mask its frames (RFC 6455 §5.1)';
    case FrameFault.WS_MASK_UNEXPECTED:
      return 'a server must not mask its frames (RFC 6455 §5.1)';
    case FrameFault.WS_CONTROL_FRAGMENTED:
      return 'control frames must not be fragmented (RFC 6455 §5.5)';
    case FrameFault.WS_CONTROL_TOO_LONG:
      return `a control frame has at most 125 bytes, this one ${detail} (RFC 6455 §5.5)`;
    case FrameFault.WS_LENGTH_NOT_MINIMAL:
      return `the length ${detail} is not in its shortest form (RFC 6455 §5.2)`;
    case FrameFault.LENGTH_OVERFLOW:
      return 'the length does not fit in 2^53 - 1 (RFC 6455 §5.2)';
    case FrameFault.WS_CONTINUATION_UNEXPECTED:
      return 'there is no message to continue (RFC 6455 §5.4)';
    case FrameFault.WS_CONTINUATION_EXPECTED:
      return `opcode ${hex(detail)} begins a message inside another (RFC 6455 §5.4)`;
    case FrameFault.WS_CLOSE_LENGTH:
      return 'a close frame has no payload or at least two bytes (RFC 6455 §5.5.1)';
    case FrameFault.WS_CLOSE_CODE:
      return `close code ${detail} must not be sent (RFC 6455 §7.4)`;
    default:
      return 'it is not a frame';
  }
}

function hex(byte: number): string {
  return `0x${byte.toString(16)}`;
}

/** The message, all its frames or its inflated bytes together, is over the limit. */
export function messageTooLarge(maxLength: number, offset: number): LimitError {
  const message = `Cannot take the message: it is longer than maxMessageLength, ${maxLength} bytes`;
  return new LimitError('ERR_MESSAGE_TOO_LARGE', { protocol: PROTOCOL, offset, message });
}

/** The connection ended without a close frame. */
export function closedAbnormally(offset: number, cause?: unknown): ProtocolError {
  const message = 'the connection ended without a close frame';
  return new ProtocolError('ERR_UNEXPECTED_EOF', { protocol: PROTOCOL, offset, message, cause });
}
