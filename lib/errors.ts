/**
 * Errors, by who is at fault.
 *
 * ProtocolError: the peer broke the protocol. LimitError: the peer went over a bound of ours. UsageError: the caller
 * did what the contract forbids. TransportError: the layer below failed. All are MiniprotoError, with a stable `code`,
 * the byte offset in the stream where the faulty record starts, and the protocol's name. Wrong arguments are not here:
 * they throw Node's own ERR_INVALID_ARG_TYPE family at the call, see arguments.ts.
 */

/** Codes and what they say when nothing more is known. Part of the public interface: a code never changes its meaning. */
export const ERROR_MESSAGES = {
  // ProtocolError
  ERR_UNEXPECTED_EOF: 'the stream ended inside a record',
  ERR_LENGTH_OVERFLOW: 'the length does not fit in 2^53 - 1',
  ERR_LENGTH_NEGATIVE: 'the length is negative after its adjustment',
  ERR_LENGTH_OVERLONG: 'the length is not in its shortest form',
  ERR_LENGTH_NOT_DIGIT: 'the length has a byte that is no digit',
  ERR_TRAILER_MISSING: 'the byte after the payload is not the trailer',
  ERR_BARE_CR: 'a CR is not followed by LF',
  ERR_BARE_LF: 'a LF does not follow a CR',
  ERR_INVALID_UTF8: 'the record is not valid UTF-8',
  ERR_INVALID_JSON: 'the record is not valid JSON',
  ERR_INVALID_RECORD: 'the record could not be decoded',
  ERR_INVALID_HEAD: 'the head of an HTTP message is malformed',
  ERR_HANDSHAKE: 'the opening handshake breaks the rules of WebSocket',
  ERR_HANDSHAKE_REFUSED: 'the server refused the opening handshake',
  ERR_DETECT_UNKNOWN: 'the first bytes are of no protocol that is expected',
  ERR_INVALID_FRAME: 'the frame breaks the rules of WebSocket',
  ERR_INVALID_DEFLATE: 'the message cannot be inflated',
  ERR_TLS_HANDSHAKE: 'the TLS handshake failed',
  ERR_TLS_ALERT: 'the peer sent a fatal alert',
  ERR_TLS_CERTIFICATE: "the peer's certificate was refused",
  ERR_TLS_RECORD: 'what the peer sent is no record of TLS',
  ERR_TLS_TRUNCATED: 'the stream ended without a close_notify',
  ERR_PROXY_HEADER: 'the PROXY header is malformed, or there is none',
  ERR_PROXY_UNTRUSTED: 'the connection comes from where PROXY headers are not believed',
  ERR_SOCKS_REQUEST: 'the request to the SOCKS proxy is malformed',
  ERR_SOCKS_REPLY: 'the answer of the SOCKS proxy is malformed',
  ERR_SOCKS_REFUSED: 'the SOCKS request was refused',
  ERR_SOCKS_AUTHENTICATION: 'the two sides of SOCKS do not agree on who asks',
  ERR_HTTP_CONNECT: 'the request is no CONNECT that can be served',
  ERR_HTTP_CONNECT_REFUSED: 'the CONNECT request was refused',
  // LimitError
  ERR_MESSAGE_TOO_LARGE: 'the message is longer than maxMessageLength',
  ERR_CLOSE_TIMEOUT: 'the peer did not answer the close frame in time',
  ERR_SLOW_PEER: 'the peer does not keep up with what it is sent',
  ERR_RECORD_TOO_LARGE: 'the record is longer than maxLength',
  ERR_LENGTH_TOO_LONG: 'the length field is longer than maxLengthBytes',
  ERR_DETECT_TIMEOUT: 'the peer did not say in time what it speaks',
  ERR_IDLE_TIMEOUT: 'nothing was received or sent for too long',
  ERR_FIRST_RECORD_TIMEOUT: 'no record was read in time',
  ERR_WRITE_STALL_TIMEOUT: 'the peer took nothing of what waits for too long',
  ERR_HEAD_TOO_LARGE: 'the head is longer than maxHeaderBytes',
  ERR_TOO_MANY_HEADERS: 'the head has more fields than maxHeaderCount',
  ERR_HANDSHAKE_TIMEOUT: 'the handshake took longer than it may',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'the TLS handshake took longer than handshakeTimeoutMs',
  ERR_TOO_MANY_REDIRECTS: 'the handshake was redirected more often than maxRedirects',
  ERR_PROXY_TIMEOUT: 'no whole PROXY header came in time',
  // UsageError
  ERR_READ_IN_PROGRESS: 'a read is waiting already',
  ERR_STREAM_SWITCHED: 'the stream has been switched to another codec',
  ERR_UNREAD_INPUT: 'unread input must not cross a switch',
  ERR_RECORD_EXPIRED: 'the record was used after its batch or turn',
  ERR_RECORD_UNFINISHED: 'a record is being written or read in pieces',
  ERR_RECORD_LENGTH: 'the pieces do not add up to the record that was begun',
  ERR_RECORD_CONTAINS_SEPARATOR: 'the record contains a separator of its codec',
  ERR_RECORD_NOT_ENCODABLE: 'the record cannot be expressed in this protocol',
  ERR_RECORD_NULL: 'a record is null or undefined, which a Node stream cannot give',
  ERR_ONE_DIRECTION: 'the codec needs the other direction, which a Transform does not have',
  ERR_PIECES_UNSUPPORTED: 'the codec cannot do records in pieces',
  ERR_CODEC_IN_USE: 'the codec keeps state and is bound to another stream',
  ERR_CODEC_NO_PROGRESS: 'the codec consumed nothing and asks to go on',
  ERR_STREAM_ENDED: 'write after end',
  ERR_STREAM_IN_USE: 'the stream is read by someone else',
  ERR_EXACT_UNSUPPORTED: 'the stream cannot leave bytes with the system',
  ERR_NOT_NATIVE: 'the connection is a socket of Node, which keeps its descriptor',
  ERR_TLS_CONTEXT: 'the key, the certificate or another setting cannot be used',
  ERR_TLS_NOT_SECURED: 'the TLS handshake is not done',
  ERR_PAYLOAD_DETACHED: 'a payload was detached or resized before it was sent',
  ERR_ALREADY_ANSWERED: 'the request has been answered',
  ERR_CODEC_DONE: 'the codec has had its one record: switch to what is behind it',
  // TransportError
  ERR_STREAM_DESTROYED: 'the stream was destroyed',
  ERR_STREAM_PREMATURE_CLOSE: 'the stream closed before its end',
  ERR_TRANSPORT: 'the stream below failed',
  ERR_DEFLATE_MEMORY: 'there is no memory to compress or decompress a message',
} as const;

/** The code of a `MiniprotoError`; docs/errors.md says what each means. */
export type ErrorCode = keyof typeof ERROR_MESSAGES;

export interface ErrorDetails {
  /** What happened, in words; default: the code's own message. */
  message?: string;
  /** Byte offset in the stream at which the faulty record starts. */
  offset?: number | undefined;
  /** The protocol's name, for example 'lines'. */
  protocol?: string | undefined;
  cause?: unknown;
}

/** The base of every error that Miniproto makes, wrong arguments excepted. */
export class MiniprotoError extends Error {
  readonly code: ErrorCode;
  /** Byte offset in the stream, where one is known. */
  readonly offset: number | undefined;
  /** Name of the protocol, where one is known. */
  readonly protocol: string | undefined;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    const options = details.cause === undefined ? undefined : { cause: details.cause };
    super(describe(code, details), options);
    this.code = code;
    this.offset = details.offset;
    this.protocol = details.protocol;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** The peer broke the protocol. The stream that it happened on cannot go on. */
export class ProtocolError extends MiniprotoError {}
/** The peer went over a limit of ours. The stream that it happened on cannot go on. */
export class LimitError extends MiniprotoError {}
/** The caller did what the contract forbids. Nothing has changed unless the code's description says so. */
export class UsageError extends MiniprotoError {}
/** The layer below failed or is gone. */
export class TransportError extends MiniprotoError {}

/** `lines: the record is longer than maxLength, 8 bytes (record at byte 6)` */
function describe(code: ErrorCode, details: ErrorDetails): string {
  const what = details.message ?? ERROR_MESSAGES[code] ?? code;
  const who = details.protocol === undefined ? '' : `${details.protocol}: `;
  const where = details.offset === undefined ? '' : ` (record at byte ${details.offset})`;
  return `${who}${what}${where}`;
}

/** Wraps what a lower stream threw or emitted; an error of ours passes as it is. */
export function asTransportError(cause: unknown): MiniprotoError {
  if (cause instanceof MiniprotoError) return cause;
  // An AggregateError of Node's, of an attempt on several addresses, has a code and no message.
  const reason =
    cause instanceof Error ? cause.message || ((cause as { code?: string }).code ?? cause.name) : String(cause);
  return new TransportError('ERR_TRANSPORT', { message: `${ERROR_MESSAGES.ERR_TRANSPORT}: ${reason}`, cause });
}
