/** The errors of CONNECT. */
import { ProtocolError } from '../errors.js';
import type { HeaderList } from '../http/header-list.js';

/** What errors call the protocol. */
export const HTTP_CONNECT = 'http-connect';

/** An answer other than 2xx: the proxy's, or our own to a client. */
export class HttpConnectRefusedError extends ProtocolError {
  readonly status: number;
  readonly headers: HeaderList;
  /** The beginning of the body, at most 16 KiB of it. */
  readonly body: Buffer;

  constructor(who: string, answer: { status: number; reason: string; headers: HeaderList; body: Buffer }) {
    const text = `${answer.status} ${answer.reason}`.trimEnd();
    super('ERR_HTTP_CONNECT_REFUSED', { message: `${who} with ${text}`, protocol: HTTP_CONNECT });
    this.status = answer.status;
    this.headers = answer.headers;
    this.body = answer.body;
  }
}

/** The error for a request or an answer that breaks the rules. */
export function broken(message: string): ProtocolError {
  return new ProtocolError('ERR_HTTP_CONNECT', { protocol: HTTP_CONNECT, message });
}
