/** What a framer found wrong, as the error that the user sees. */
import { LimitError, type MiniprotoError, ProtocolError } from '../errors.js';
import { FrameFault } from '../frame-table.js';

/** What an error says about the codec it comes from. */
export interface FaultContext {
  readonly protocol: string;
  readonly maxLength: number;
  readonly maxLengthBytes?: number;
}

/**
 * Makes the error for a FrameFault.
 * @param detail the value at fault, see FrameFault.
 * @param offset where in the stream the faulty record starts.
 */
export function faultError(context: FaultContext, fault: number, detail: number, offset: number): MiniprotoError {
  const about = { protocol: context.protocol, offset };
  switch (fault) {
    case FrameFault.RECORD_TOO_LARGE: {
      const message = `the record is longer than maxLength, ${context.maxLength} bytes`;
      return new LimitError('ERR_RECORD_TOO_LARGE', { ...about, message });
    }
    case FrameFault.LENGTH_TOO_LONG: {
      const message = `the length field is longer than maxLengthBytes, ${context.maxLengthBytes}`;
      return new LimitError('ERR_LENGTH_TOO_LONG', { ...about, message });
    }
    case FrameFault.LENGTH_OVERFLOW:
      return new ProtocolError('ERR_LENGTH_OVERFLOW', about);
    case FrameFault.LENGTH_NEGATIVE: {
      const message = `the length ${detail} is negative after its adjustment`;
      return new ProtocolError('ERR_LENGTH_NEGATIVE', { ...about, message });
    }
    case FrameFault.LENGTH_OVERLONG:
      return new ProtocolError('ERR_LENGTH_OVERLONG', about);
    case FrameFault.LENGTH_NOT_DIGIT: {
      const message = `the length has the byte ${hex(detail)}, which is no digit`;
      return new ProtocolError('ERR_LENGTH_NOT_DIGIT', { ...about, message });
    }
    case FrameFault.TRAILER_MISSING: {
      const message = `the byte after the payload is ${hex(detail)}, not the trailer`;
      return new ProtocolError('ERR_TRAILER_MISSING', { ...about, message });
    }
    case FrameFault.BARE_CR:
      return new ProtocolError('ERR_BARE_CR', { ...about, message: `a CR without LF at its byte ${detail}` });
    case FrameFault.BARE_LF:
      return new ProtocolError('ERR_BARE_LF', { ...about, message: `a LF without CR at its byte ${detail}` });
    case FrameFault.UNEXPECTED_EOF: {
      const message = `the stream ended inside a record, after ${detail} of its bytes`;
      return new ProtocolError('ERR_UNEXPECTED_EOF', { ...about, message });
    }
    default:
      return new ProtocolError('ERR_INVALID_RECORD', about);
  }
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
