/** A handshake that is not accepted: what it is answered with, and why, for those who listen. */
import { LimitError, type MiniprotoError, ProtocolError } from '../../errors.js';
import type { HeaderSource } from '../../http/header-list.js';
import type { Refusal } from '../../http/refusal.js';

/** What errors call the protocol. */
export const WEBSOCKET = 'websocket';

/** A refusal with why, for `onRefused`. */
export interface Refused extends Refusal {
  readonly error: MiniprotoError;
}

/** Refuses what breaks the rules of the handshake. */
export function refuse(status: number, message: string, headers: HeaderSource = {}): Refused {
  return {
    status,
    headers,
    body: `${message}\n`,
    error: new ProtocolError('ERR_HANDSHAKE', { protocol: WEBSOCKET, message }),
  };
}

/** The status for a head that could not be read, and what is said of it. */
export function refusalFor(error: MiniprotoError): Refused {
  return {
    status: STATUS_OF[error.code] ?? (error instanceof LimitError ? 431 : 400),
    body: `${error.message}\n`,
    error,
  };
}

const STATUS_OF: { readonly [code in MiniprotoError['code']]?: number } = { ERR_HANDSHAKE_TIMEOUT: 408 };
