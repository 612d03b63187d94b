/**
 * The answer to a request that is not granted: a status, headers and a short text, after which the connection ends.
 */
import { checkInteger, checkObject, checkStringOrBytes } from '../arguments.js';
import { late } from '../late.js';
import { serializeResponseHead } from './head.js';
import { HeaderList, type HeaderSource } from './header-list.js';

/** How a request is refused: what a `verify` hook answers. */
export interface Refusal {
  /** 300 to 599. */
  readonly status: number;
  readonly headers?: HeaderSource;
  /** Default: the text of the status. */
  readonly body?: string | Uint8Array;
}

/** Checks what a hook answered. @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE */
export function checkRefusal(answer: unknown): Refusal {
  checkObject('refusal', answer);
  const { status, body, headers = {} } = answer as Refusal;
  checkInteger('refusal.status', status, 300, 599);
  if (body !== undefined) checkStringOrBytes('refusal.body', body);
  HeaderList.from(headers, 'refusal.headers');
  return answer as Refusal;
}

/** Header fields and body of the answer. Pre: the headers can be sent. */
export function refusalParts({ status, headers = {}, body = `${textOf(status)}\n` }: Refusal): {
  headers: HeaderList;
  body: Buffer;
} {
  const bytes =
    typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const list = new HeaderList();
  for (const [name, value] of HeaderList.from(headers, 'refusal.headers')) {
    // How the message ends, and the connection, is said here.
    if (!FRAMING.has(name.toLowerCase())) list.add(name, value);
  }
  if (!list.has('content-type')) list.add('Content-Type', 'text/plain; charset=utf-8');
  list.add('Content-Length', String(bytes.length));
  return { headers: list, body: bytes };
}

const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive']);

/** The whole answer over HTTP/1.1. */
export function refusalBytes(refusal: Refusal): Buffer {
  const { headers, body } = refusalParts(refusal);
  // An answer of 426 names what to upgrade to, and such a field only counts where Connection lists it. RFC 9110 §7.8
  headers.add('Connection', headers.has('upgrade') ? 'close, Upgrade' : 'close');
  const { status } = refusal;
  const head = serializeResponseHead({ status, reason: textOf(status), version: '1.1', headers });
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

function textOf(status: number): string {
  return late.http.STATUS_CODES[status] ?? 'Refused';
}
