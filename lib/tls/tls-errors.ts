/**
 * Errors of TLS: what the engine says of a broken session becomes a typed error, whose `cause` has Node's name for it.
 *
 * Not here: errors of the stream below, which pass as they are.
 */
import { type ErrorCode, MiniprotoError, ProtocolError, TransportError, UsageError } from '../errors.js';
import type { TlsFailure } from '../tls-interface.js';

const CODES: { readonly [kind in TlsFailure['kind']]: ErrorCode } = {
  alert: 'ERR_TLS_ALERT',
  certificate: 'ERR_TLS_CERTIFICATE',
  record: 'ERR_TLS_RECORD',
  handshake: 'ERR_TLS_HANDSHAKE',
  memory: 'ERR_TRANSPORT',
};

const WHAT: { readonly [kind in TlsFailure['kind']]: string } = {
  alert: 'the peer sent a fatal alert',
  certificate: "the peer's certificate was refused",
  record: 'what the peer sent is no record of TLS',
  handshake: 'the handshake failed',
  memory: 'there is no memory',
};

/** @param failure as the engine has it; undefined is not expected, and still an error. */
export function failureError(failure: TlsFailure | undefined): MiniprotoError {
  const { kind, reason, code } = failure ?? { kind: 'handshake', reason: 'for a reason unknown', code: 'ERR_SSL' };
  const details = { message: `${WHAT[kind]}: ${reason}`, protocol: 'tls', cause: coded(reason, code) };
  return kind === 'memory' ? new TransportError(CODES[kind], details) : new ProtocolError(CODES[kind], details);
}

/** The handshake was refused by a callback of the user's. */
export function refusedError(cause: unknown): MiniprotoError {
  if (cause instanceof MiniprotoError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ProtocolError('ERR_TLS_HANDSHAKE', {
    message: `the handshake was refused here: ${reason}`,
    protocol: 'tls',
    cause,
  });
}

/** The stream below ended before the handshake was done. */
export function endedInHandshake(): MiniprotoError {
  const reason = 'the peer ended the connection before the handshake was done';
  return new ProtocolError('ERR_TLS_HANDSHAKE', {
    message: reason,
    protocol: 'tls',
    cause: coded(reason, 'ECONNRESET'),
  });
}

/** The stream below ended, and the peer had not said that it would. */
export function truncatedError(offset: number): MiniprotoError {
  return new ProtocolError('ERR_TLS_TRUNCATED', { offset, protocol: 'tls' });
}

/** OpenSSL refuses what a context is made of. */
export function contextError(cause: unknown): UsageError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new UsageError('ERR_TLS_CONTEXT', {
    message: `OpenSSL refuses the context: ${reason}`,
    protocol: 'tls',
    cause,
  });
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
