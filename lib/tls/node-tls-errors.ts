/**
 * What Node's `tls` fails with, told apart as the addon's engine tells its own failures apart, so that the errors are the
 * same with and without the addon. Node's code is all there is to go by.
 */
import { MiniprotoError } from '../errors.js';
import type { TlsFailure } from '../tls-interface.js';
import { endedInHandshake, failureError } from './tls-errors.js';

/** An error of Node's `tls`: `reason` is OpenSSL's, `code` is made of it. */
export interface NodeTlsError extends Error {
  readonly code?: string;
  readonly reason?: string;
}

/** OpenSSL's reasons for alerts that were received: since 3.2 those of SSL 3 are named 'ssl/tls alert …', slash and all. */
const ALERT = /^ERR_SSL_(?:SSLV3|SSL\/TLS|TLSV1|TLSV13)_(?:ALERT_)?/;
/** Nothing of these is a record of TLS that can be read. */
const RECORD =
  /^ERR_SSL_(?:WRONG_VERSION_NUMBER|HTTPS?_(?:PROXY_)?REQUEST|(?:PACKET|ENCRYPTED|DATA)_LENGTH_TOO_LONG|DECRYPTION_FAILED\w*|BAD_RECORD_TYPE|UNEXPECTED_RECORD|RECORD_\w+|LENGTH_TOO_SHORT|APP_DATA_IN_HANDSHAKE)$/;
const CERTIFICATE = /^ERR_SSL_(?:PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_VERIFY_FAILED)$/;

/** @param error what the TLSSocket failed with. @param secured the handshake was done by then. */
export function nodeTlsError(error: unknown, { secured }: { secured: boolean }): unknown {
  // The stream below failed, and its error came through.
  if (error instanceof MiniprotoError) return error;
  const { code = '', reason, message } = error as NodeTlsError;
  // Node's word for an end in the middle of a handshake; a socket that was reset has a `syscall`.
  if (!secured && code === 'ECONNRESET' && !('syscall' in (error as object))) return endedInHandshake();
  if (!/^ERR_(?:SSL|TLS)_/.test(code)) return error;
  const kind = kindOf(code);
  // Behind the handshake it is what came that is wrong, whatever OpenSSL calls it.
  const behind = secured && kind === 'handshake';
  return failureError({ kind: behind ? 'record' : kind, reason: words(code, reason ?? message), code });
}

/** The certificate that the peer has shown is not good enough. */
export function certificateError(error: NodeTlsError): MiniprotoError {
  const { code = 'CERT_REJECTED', reason, message } = error;
  return failureError({ kind: 'certificate', reason: reason ?? message, code });
}

function kindOf(code: string): TlsFailure['kind'] {
  if (ALERT.test(code)) return 'alert';
  if (CERTIFICATE.test(code)) return 'certificate';
  return RECORD.test(code) ? 'record' : 'handshake';
}

/** An alert by its own name, without the version in which OpenSSL first had it. */
function words(code: string, reason: string): string {
  return ALERT.test(code) ? code.replace(ALERT, '').toLowerCase().replaceAll('_', ' ') : reason;
}
