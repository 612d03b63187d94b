/**
 * The first lines of HTTP/1.1 messages: parsed from one line each, and written whole. RFC 9112
 *
 * Strict: what RFC 9112 lets a lenient recipient repair is refused here (folded lines, a space before the colon, more
 * than one space in a start line), because two recipients that repair differently are how requests are smuggled. The one
 * exception is a status line without the space behind its code, which real servers send.
 */
import { ProtocolError, UsageError } from '../errors.js';
import { HeaderList, isFieldValue, isToken, trimSpaces } from './header-list.js';

/** What errors call this protocol. */
export const HTTP_HEAD = 'http-head';

/** The start line and the header fields of a request. */
export interface RequestHead {
  readonly method: string;
  /** As it stands in the request line: `/chat?room=1`, or a whole URL. */
  readonly target: string;
  /** '1.1' or '1.0'. */
  readonly version: string;
  readonly headers: HeaderList;
}

/** The start line and the header fields of a response. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly version: string;
  readonly headers: HeaderList;
}

const REQUEST_LINE = /^(\S+) ([\x21-\x7e]+) HTTP\/(\d\.\d)$/;
const STATUS_LINE = /^HTTP\/(\d\.\d) ([1-9]\d\d)(?: (.*))?$/;

/** @throws ProtocolError ERR_INVALID_HEAD */
export function parseRequestLine(line: string, offset?: number): RequestHead {
  const [, method, target, version] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || !isToken(method)) throw invalidHead('the request line is malformed', offset);
  if (version![0] !== '1') throw invalidHead(`HTTP/${version} is not spoken here`, offset);
  return { method, target: target!, version: version!, headers: new HeaderList() };
}

/** @throws ProtocolError ERR_INVALID_HEAD */
export function parseStatusLine(line: string, offset?: number): ResponseHead {
  const [, version, status, reason = ''] = STATUS_LINE.exec(line) ?? [];
  if (version === undefined || version[0] !== '1') throw invalidHead('the status line is malformed', offset);
  return { status: Number(status), reason, version, headers: new HeaderList() };
}

/** Adds one header line. @throws ProtocolError ERR_INVALID_HEAD. Pre: the line has no control characters but HTAB. */
export function parseFieldLine(line: string, headers: HeaderList, offset?: number): void {
  const colon = line.indexOf(':');
  if (line.startsWith(' ') || line.startsWith('\t')) throw invalidHead('a header line is folded', offset);
  if (colon < 0) throw invalidHead('a header line has no colon', offset);
  const name = line.slice(0, colon);
  // A space before the colon is such a name as well. RFC 9112 §5.1: MUST be refused.
  if (!isToken(name)) throw invalidHead('the name of a header is no token', offset);
  headers.add(name, trimSpaces(line.slice(colon + 1)));
}

/** Writes a request head. @throws UsageError ERR_RECORD_NOT_ENCODABLE for what would be read as something else. */
export function serializeRequestHead({ method, target, version, headers }: RequestHead): string {
  const line = `${method} ${target} HTTP/${version}`;
  if (!isToken(method) || !REQUEST_LINE.test(line)) throw notEncodable('the request line');
  return serialize(line, headers);
}

/** Writes a response head. @throws UsageError ERR_RECORD_NOT_ENCODABLE for what would be read as something else. */
export function serializeResponseHead({ status, reason, version, headers }: ResponseHead): string {
  const line = `HTTP/${version} ${status} ${reason}`;
  if (!isFieldValue(reason) || !STATUS_LINE.test(line)) throw notEncodable('the status line');
  return serialize(line, headers);
}

function serialize(line: string, headers: HeaderList): string {
  let text = `${line}\r\n`;
  for (const [name, value] of headers) {
    if (!isToken(name) || !isFieldValue(value)) throw notEncodable(`header ${JSON.stringify(name)}`);
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

/** The error for a head that cannot be read. */
export function invalidHead(message: string, offset?: number): ProtocolError {
  return new ProtocolError('ERR_INVALID_HEAD', { offset, protocol: HTTP_HEAD, message });
}

function notEncodable(what: string): UsageError {
  const message = `${what} has a character that would end it early`;
  return new UsageError('ERR_RECORD_NOT_ENCODABLE', { protocol: HTTP_HEAD, message });
}
