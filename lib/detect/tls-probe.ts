/**
 * TLS by its first six bytes, and the whole ClientHello for what it names, over as many records as it was cut into.
 *
 *   byte  0       1     2       3 4           5
 *         22      3     0..4    length        1
 *         record  version       1..2^14       ClientHello
 *
 * Six bytes make it TLS, whatever follows: what is wrong behind them is for the TLS engine to answer with an alert, and
 * is told as `fault`. Judged here are the headers of records (a handshake's, version 3.x, 1 to 2^14 bytes: an empty
 * fragment MUST NOT be sent, RFC 8446 §5.1), the hello's own length, and then the hello (client-hello.ts). The hello of
 * SSL 2.0 is not TLS here: RFC 8446 §D.5 has it refused.
 *
 *   state    on                                    next
 *   opening  a byte that differs                   no
 *   opening  six bytes                             record; or decided where the hello is not asked for
 *   record   its header                            fragment; or decided, with a fault
 *   fragment its last byte, and the hello goes on  record
 *   fragment the hello's last byte                 decided
 */
import { type HelloNames, NO_NAMES, parseClientHello } from './client-hello.js';
import type { DetectedTls } from './detected.js';
import type { Probe, Verdict } from './probe.js';

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** Bytes of a record's header, of a handshake message's header, and of the longest fragment. RFC 8446 §5.1 */
const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;
const LONGEST_FRAGMENT = 2 ** 14;
/** Bytes that make it TLS. */
const OPENING = RECORD_HEADER + 1;

export class TlsProbe implements Probe {
  readonly #clientHello: 'whole' | 'none';
  readonly #maxBytes: number;
  /** The first six bytes were there: it is TLS. */
  #opened = false;
  /** Where the record begins that is being read. */
  #record = 0;
  /** Where fragments begin and end that belong to the hello and are all here: pairs of indices. */
  readonly #fragments: number[] = [];
  /** Bytes in them. */
  #gathered = 0;
  /** Bytes of the whole message, its header included, once that is known. */
  #total: number | undefined;

  constructor({ clientHello, maxBytes }: { clientHello: 'whole' | 'none'; maxBytes: number }) {
    this.#clientHello = clientHello;
    this.#maxBytes = maxBytes;
  }

  look(bytes: Buffer): Verdict {
    if (!mayBeTls(bytes)) return undefined;
    if (bytes.length < OPENING) return bytes.length + 1;
    this.#opened = true;
    if (this.#clientHello === 'none') return detectedTls(NO_NAMES, undefined);
    for (;;) {
      const step = this.#readRecord(bytes);
      if (step !== undefined) return step;
    }
  }

  cut(fault: string): DetectedTls | undefined {
    return this.#opened ? this.#faulty(fault) : undefined;
  }

  /** @returns undefined when the record was taken whole, and another one is needed. */
  #readRecord(bytes: Buffer): Verdict {
    const from = this.#record + RECORD_HEADER;
    if (bytes.length < from) return from;
    const length = bytes.readUInt16BE(from - 2);
    const wrong = wrongHeader(bytes, this.#record, length);
    if (wrong !== undefined) return this.#faulty(wrong);
    if (this.#total === undefined) {
      // The message's own header may be cut in pieces too.
      const header = Math.min(MESSAGE_HEADER - this.#gathered, length);
      if (bytes.length < from + header) return from + header;
      if (this.#gathered + header === MESSAGE_HEADER) this.#total = this.#lengthOf(bytes, from, header);
    }
    const rest = (this.#total ?? 0) - this.#gathered;
    // More than may be looked at: that is known before it has come.
    if (from + rest > this.#maxBytes) return from + rest;
    const wanted = this.#total === undefined ? length : Math.min(rest, length);
    if (bytes.length < from + wanted) return from + wanted;
    this.#fragments.push(from, from + wanted);
    this.#gathered += wanted;
    this.#record = from + length;
    return this.#gathered === this.#total ? this.#parse(bytes) : undefined;
  }

  /** The message's length, its header included. Pre: bytes[from, from + count) are the last of its header. */
  #lengthOf(bytes: Buffer, from: number, count: number): number {
    const header = this.#join(bytes, [...this.#fragments, from, from + count]);
    return MESSAGE_HEADER + header.readUIntBE(1, 3);
  }

  #join(bytes: Buffer, ranges: readonly number[]): Buffer {
    const parts: Buffer[] = [];
    for (let i = 0; i < ranges.length; i += 2) parts.push(bytes.subarray(ranges[i], ranges[i + 1]));
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  #parse(bytes: Buffer): DetectedTls {
    const hello = parseClientHello(this.#join(bytes, this.#fragments).subarray(MESSAGE_HEADER));
    return typeof hello === 'string' ? this.#faulty(hello) : detectedTls(hello, undefined);
  }

  #faulty(fault: string): DetectedTls {
    return detectedTls(NO_NAMES, fault);
  }
}

/** False as soon as a byte of the opening differs. */
function mayBeTls(bytes: Buffer): boolean {
  if (bytes[0] !== HANDSHAKE) return false;
  if (bytes.length > 1 && bytes[1] !== 3) return false;
  if (bytes.length > 2 && bytes[2]! > 4) return false;
  if (bytes.length > 3 && bytes[3]! > LONGEST_FRAGMENT >> 8) return false;
  if (bytes.length > 4 && !isFragmentLength(bytes.readUInt16BE(3))) return false;
  return bytes.length <= RECORD_HEADER || bytes[RECORD_HEADER] === CLIENT_HELLO;
}

function isFragmentLength(length: number): boolean {
  return length > 0 && length <= LONGEST_FRAGMENT;
}

/** What is wrong with a record's header, or undefined. */
function wrongHeader(bytes: Buffer, at: number, length: number): string | undefined {
  const [type, major, minor] = [bytes[at], bytes[at + 1], bytes[at + 2]!];
  if (type !== HANDSHAKE) return `a record of type ${type} interrupts it`;
  if (major !== 3 || minor > 4) return `a record of it has version ${major}.${minor}`;
  return isFragmentLength(length) ? undefined : `a record of it has ${length} bytes`;
}

function detectedTls({ serverName, alpn, versions, ech }: HelloNames, fault: string | undefined): DetectedTls {
  return { protocol: 'tls', serverName, alpn, versions, ech, fault };
}
