/**
 * Close codes: which may be sent, which may be received, and which one a failure gets. RFC 6455 §7.4 and §11.7.
 */
import { invalidArgValue } from '../arguments.js';
import { type ErrorCode, MiniprotoError } from '../errors.js';

/** The purpose has been fulfilled. */
export const CLOSE_NORMAL = 1000;
/** The endpoint goes away: a server that stops, a page that is left. */
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_PROTOCOL_ERROR = 1002;
/** Never sent: the close frame had no code. */
export const CLOSE_NO_CODE = 1005;
/** Never sent: the connection ended without a close frame. */
export const CLOSE_ABNORMAL = 1006;
export const CLOSE_INVALID_DATA = 1007;
export const CLOSE_POLICY = 1008;
export const CLOSE_TOO_LARGE = 1009;
export const CLOSE_INTERNAL_ERROR = 1011;

/** Bytes. A close frame's reason: a control frame has 125, the code takes two. RFC 6455 §5.5 */
export const LONGEST_REASON = 123;

/** What a violation is answered with; every other ProtocolError is a 1002. */
const CODES: { readonly [code in ErrorCode]?: number } = {
  ERR_INVALID_UTF8: CLOSE_INVALID_DATA,
  ERR_INVALID_DEFLATE: CLOSE_INVALID_DATA,
  ERR_RECORD_TOO_LARGE: CLOSE_TOO_LARGE,
  ERR_MESSAGE_TOO_LARGE: CLOSE_TOO_LARGE,
  ERR_IDLE_TIMEOUT: CLOSE_POLICY,
  ERR_WRITE_STALL_TIMEOUT: CLOSE_POLICY,
  ERR_DEFLATE_MEMORY: CLOSE_INTERNAL_ERROR,
};

/** The code that tells the peer of a failure. */
export function closeCodeOf(error: unknown): number {
  if (!(error instanceof MiniprotoError)) return CLOSE_INTERNAL_ERROR;
  return CODES[error.code] ?? (error.name === 'UsageError' ? CLOSE_INTERNAL_ERROR : CLOSE_PROTOCOL_ERROR);
}

/**
 * True for codes that may stand in a close frame. 1004 is reserved, 1005, 1006 and 1015 are for local use, 1016 to 2999
 * for later versions of the protocol. RFC 6455 §7.4.1, §7.4.2
 */
export function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
}

/** @throws ERR_INVALID_ARG_VALUE when the code may not be sent, or the reason does not fit. */
export function checkClose(code: number | undefined, reason: string): void {
  if (code === undefined) {
    if (reason !== '') throw invalidArgValue('reason', reason, 'must be empty without a code');
    return;
  }
  if (!Number.isInteger(code) || !isCloseCode(code)) {
    throw invalidArgValue('code', code, 'must be 1000 to 1003, 1007 to 1014, or 3000 to 4999');
  }
  if (typeof reason !== 'string' || Buffer.byteLength(reason) > LONGEST_REASON) {
    throw invalidArgValue('reason', reason, `must be a string of at most ${LONGEST_REASON} bytes`);
  }
}
