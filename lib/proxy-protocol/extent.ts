/**
 * How long the header at the front of some bytes is, decided as they come and without allocating anything.
 *
 *   the bytes                             answer
 *   begin like nothing that a header is   a mistake at the first byte that cannot be
 *   are part of a signature               one byte more
 *   are part of a line of version 1       one byte more; a mistake at the byte that cannot be, or at 107 bytes
 *   are part of the 16 bytes of version 2 the 16 bytes; a mistake at the version, the command, the family, the length
 *   say how long they are                 that
 */
import { LimitError } from '../errors.js';
import {
  ADDRESS_LENGTHS,
  FIXED_LENGTH,
  hex,
  LONGEST_LINE,
  malformed,
  PROXY_PROTOCOL,
  type ProxyVersion,
  SIGNATURE,
} from './header.js';

/** Which headers are taken. */
export interface ExtentRules {
  readonly versions: readonly ProxyVersion[];
  /** Bytes of a whole header. */
  readonly maxLength: number;
}

const LINE_START = Buffer.from('PROXY ', 'latin1');
const UNKNOWN = Buffer.from('UNKNOWN', 'latin1');
const TCP = Buffer.from('TCP', 'latin1');

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/** Where the word behind `PROXY ` begins, and where those that it can be end. */
const WORD = LINE_START.length;
const TCP_END = WORD + 4;
const UNKNOWN_END = WORD + UNKNOWN.length;

/** Which header begins here; 'unsure' when too few bytes are here, 'none' when they begin no header. */
export function beginningOf(bytes: Uint8Array): ProxyVersion | 'unsure' | 'none' {
  const signature = bytes[0] === LINE_START[0] ? LINE_START : SIGNATURE;
  const at = firstDifference(bytes, signature);
  if (at < Math.min(bytes.length, signature.length)) return 'none';
  if (bytes.length < signature.length) return 'unsure';
  return signature === LINE_START ? 1 : 2;
}

/**
 * How many bytes from the front make the next try worthwhile. No more than are here: it is whole, and that long.
 * @param examined bytes that an earlier call has looked at.
 * @throws ProtocolError ERR_PROXY_HEADER; LimitError ERR_RECORD_TOO_LARGE
 */
export function extentOf(bytes: Buffer, examined: number, rules: ExtentRules, offset: number): number {
  const version = beginningOf(bytes);
  if (version === 'unsure') return bytes.length + 1;
  if (version === 'none') throw notBegun(bytes, offset);
  if (!rules.versions.includes(version)) throw malformed(`version ${version} is not taken here`, offset);
  return version === 1 ? lineExtent(bytes, Math.max(examined, WORD), offset) : binaryExtent(bytes, rules, offset);
}

function notBegun(bytes: Uint8Array, offset: number): Error {
  const at = firstDifference(bytes, bytes[0] === LINE_START[0] ? LINE_START : SIGNATURE);
  return malformed(`byte ${at}, ${hex(bytes[at]!)}, is in no signature`, offset);
}

function firstDifference(bytes: Uint8Array, signature: Uint8Array): number {
  let at = 0;
  while (at < signature.length && bytes[at] === signature[at]) at++;
  return at;
}

function lineExtent(bytes: Buffer, from: number, offset: number): number {
  const end = Math.min(bytes.length, LONGEST_LINE);
  for (let at = from; at < end; at++) {
    if (!fitsLine(bytes, at)) throw malformed(`byte ${at}, ${hex(bytes[at]!)}, cannot be there`, offset);
    if (bytes[at] === LF) return at + 1;
  }
  // §2.1: a line without CRLF in its first 107 characters is invalid.
  if (end === LONGEST_LINE) throw malformed(`no CRLF within ${LONGEST_LINE} bytes`, offset);
  return bytes.length + 1;
}

/** Whether the byte can be there in a line of version 1, as far as that is decided without its addresses. */
function fitsLine(bytes: Buffer, at: number): boolean {
  const byte = bytes[at]!;
  if (at < TCP_END) {
    if (bytes[WORD] === UNKNOWN[0]) return byte === UNKNOWN[at - WORD];
    return at < WORD + TCP.length ? byte === TCP[at - WORD] : byte === 0x34 || byte === 0x36;
  }
  // §2.1: neither a CR nor a LF alone ends the line.
  if (byte === LF || bytes[at - 1] === CR) return byte === LF && bytes[at - 1] === CR;
  if (bytes[WORD] !== UNKNOWN[0]) return at === TCP_END ? byte === SPACE : isAddressByte(byte) || byte === CR;
  if (at < UNKNOWN_END) return byte === UNKNOWN[at - WORD];
  return at > UNKNOWN_END || byte === SPACE || byte === CR;
}

/** A digit, hexadecimal too, a dot, a colon, or the space between two. */
function isAddressByte(byte: number): boolean {
  const letter = byte | 0x20;
  return byte === SPACE || byte === 0x2e || (byte >= 0x30 && byte <= 0x3a) || (letter >= 0x61 && letter <= 0x66);
}

function binaryExtent(bytes: Buffer, { maxLength }: ExtentRules, offset: number): number {
  const at = SIGNATURE.length;
  if (bytes.length > at) checkCommand(bytes[at]!, offset);
  if (bytes.length < FIXED_LENGTH) return FIXED_LENGTH;
  const length = bytes.readUInt16BE(at + 2);
  // §2.2: of LOCAL, the block and its family are discarded.
  if ((bytes[at]! & 0x0f) !== 0) checkFamily(bytes[at + 1]!, length, offset);
  if (FIXED_LENGTH + length <= maxLength) return FIXED_LENGTH + length;
  const message = `the header has ${FIXED_LENGTH + length} bytes, more than maxLength, ${maxLength}`;
  throw new LimitError('ERR_RECORD_TOO_LARGE', { message, offset, protocol: PROXY_PROTOCOL });
}

function checkCommand(byte: number, offset: number): void {
  if (byte >> 4 !== 2) throw malformed(`byte 12, ${hex(byte)}, says version ${byte >> 4}, not 2`, offset);
  if ((byte & 0x0f) > 1) throw malformed(`byte 12, ${hex(byte)}, has the unknown command ${byte & 0x0f}`, offset);
}

function checkFamily(byte: number, length: number, offset: number): void {
  const needed = ADDRESS_LENGTHS.get(byte);
  if (needed === undefined) throw malformed(`byte 13, ${hex(byte)}, is no known family and transport`, offset);
  if (length >= needed) return;
  throw malformed(`the length in byte 14 is ${length}, and the addresses alone have ${needed} bytes`, offset);
}
