/**
 * Errors with the codes and words of `ws`, made of ours, which are their cause.
 *
 * Only what the peer did wrong is an error of a WebSocket of `ws`: a connection that breaks is closed with 1006, and no
 * error is told.
 */
import { type MiniprotoError, TransportError, UsageError } from '../errors.js';
import { FrameFault } from '../frame-table.js';
import { late } from '../late.js';
import { faultOf } from '../websocket/faults.js';

type ErrorClass = typeof Error | typeof RangeError;

/** Words, code and class. */
type Known = readonly [message: string, code: string, type: ErrorClass];

const FRAME = 'Invalid WebSocket frame: ';
const TOO_LARGE: Known = ['Max payload size exceeded', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', RangeError];
const INVALID_UTF8: Known = [`${FRAME}invalid UTF-8 sequence`, 'WS_ERR_INVALID_UTF8', Error];

/** An error for listeners of 'error'; undefined where `ws` has none. */
export function errorFor(cause: Error): Error | undefined {
  if (cause instanceof TransportError || cause instanceof UsageError) return undefined;
  if ((cause as MiniprotoError).code === 'ERR_INVALID_DEFLATE') return zlibError(cause);
  const [message, code, Type] = known(cause);
  return Object.assign(new Type(message, { cause }), { code });
}

/** As zlib has it, since `ws` hands on its error. */
function zlibError(cause: Error): Error {
  const { message } = (cause.cause as Error | undefined) ?? cause;
  return Object.assign(new Error(message, { cause }), {
    code: 'Z_DATA_ERROR',
    errno: late.zlib.constants.Z_DATA_ERROR,
  });
}

function known(cause: Error): Known {
  const fault = faultOf(cause);
  if (fault !== undefined) return ofFault(fault.fault, fault.detail);
  const { code = 'ERR_TRANSPORT' } = cause as Partial<MiniprotoError>;
  if (code === 'ERR_MESSAGE_TOO_LARGE') return TOO_LARGE;
  if (code === 'ERR_INVALID_UTF8') return INVALID_UTF8;
  return [cause.message, code, Error];
}

function ofFault(fault: number, detail: number): Known {
  switch (fault) {
    case FrameFault.WS_RESERVED_BITS:
      if ((detail & 0x30) === 0) return [`${FRAME}RSV1 must be clear`, 'WS_ERR_UNEXPECTED_RSV_1', RangeError];
      return [`${FRAME}RSV2 and RSV3 must be clear`, 'WS_ERR_UNEXPECTED_RSV_2_3', RangeError];
    case FrameFault.WS_RESERVED_OPCODE:
    case FrameFault.WS_CONTINUATION_EXPECTED:
      return [`${FRAME}invalid opcode ${detail}`, 'WS_ERR_INVALID_OPCODE', RangeError];
    case FrameFault.WS_CONTINUATION_UNEXPECTED:
      return [`${FRAME}invalid opcode 0`, 'WS_ERR_INVALID_OPCODE', RangeError];
    case FrameFault.WS_MASK_MISSING:
      return [`${FRAME}MASK must be set`, 'WS_ERR_EXPECTED_MASK', RangeError];
    case FrameFault.WS_MASK_UNEXPECTED:
      return [`${FRAME}MASK must be clear`, 'WS_ERR_UNEXPECTED_MASK', RangeError];
    case FrameFault.WS_CONTROL_FRAGMENTED:
      return [`${FRAME}FIN must be set`, 'WS_ERR_EXPECTED_FIN', RangeError];
    case FrameFault.WS_CONTROL_TOO_LONG:
      return [`${FRAME}invalid payload length ${detail}`, 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', RangeError];
    case FrameFault.WS_CLOSE_LENGTH:
      return [`${FRAME}invalid payload length 1`, 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', RangeError];
    case FrameFault.WS_CLOSE_CODE:
      return [`${FRAME}invalid status code ${detail}`, 'WS_ERR_INVALID_CLOSE_CODE', RangeError];
    case FrameFault.WS_INVALID_UTF8:
      return INVALID_UTF8;
    case FrameFault.RECORD_TOO_LARGE:
      return TOO_LARGE;
    default:
      // A length over 2^53 - 1, or one that is not in its shortest form, which `ws` would have taken.
      return [`${FRAME}invalid payload length`, 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', RangeError];
  }
}
